"""What the last run of a suite saw of a rule: looked up in its run folder when it is first asked for, and kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from focal_eval.errors import FocalEvalError
from focal_eval.evaluate.folders import read_folder
from focal_eval.evaluate.grounds import Ground
from focal_eval.evaluate.listing import list_runs
from focal_eval.records import UNKNOWN
from focal_eval.records.codec import turn_from_json
from focal_eval.report.model import ReportModel
from focal_eval.runner.folder import JOURNAL
from focal_eval.script.load import real
from focal_eval.text import counted

MOST_CASES = 2_000
MOST_RUNS = 50  # looked through for the newest of a suite


@dataclass(slots=True)
class _Rule:
    turns: int = 0
    cases: dict[str, str] = field(default_factory=dict)  # name → verdict


@dataclass(slots=True)
class _Run:
    header: Mapping[str, Any]
    rules: dict[str, _Rule] | None  # None where the run is too large, or cannot be read


class LastRuns:
    """The last run of each suite, by the run folders beside the project."""

    def __init__(self, folders: tuple[Path, ...]) -> None:
        self._folders = folders
        self._seen: dict[Path, tuple[tuple[Path, int], _Run]] = {}

    def told(self, ground: Ground, rule: str) -> list[str]:
        """Lines on a rule; none where there is no run of the suite."""
        run = self._run(ground)
        if run is None:
            return []
        when = str(run.header.get("started_at", ""))[:16].replace("T", " ")
        verdict = run.header.get("verdict") or run.header.get("state")
        if run.rules is None:
            return [f"last run {when}: {verdict}; too large to look into from here"]
        seen = run.rules.get(rule)
        if seen is None:
            return [f"last run {when}: {verdict}; the rule did not match"]
        bad = [name for name, verdict in seen.cases.items() if verdict not in ("passed", "xfailed")]
        said = f"last run {when}: matched in {counted(seen.turns, 'turn')} of {counted(len(seen.cases), 'case')}"
        return [said + (f"; not passed: {', '.join(sorted(bad)[:3])}" if bad else "; all of them passed")]

    def _run(self, ground: Ground) -> _Run | None:
        newest = None
        for folder in self._folders:
            for listed in list_runs(folder, MOST_RUNS)[0]:
                suite = (listed.header.get("suite") or {}).get("file")
                if suite and real(Path(folder.parent, suite)) == ground.suite.path:
                    newest = listed
                    break
            if newest is not None:
                break
        if newest is None:
            return None
        journal = newest.folder / JOURNAL
        key = (newest.folder, journal.stat().st_mtime_ns if journal.is_file() else 0)
        held = self._seen.get(ground.suite.path)
        if held is None or held[0] != key:
            held = self._seen[ground.suite.path] = (key, _read(newest.folder, newest.header))
        return held[1]


def _read(folder: Path, header: Mapping[str, Any]) -> _Run:
    try:
        model = read_folder(str(folder), folder.parent)
        return _Run(header, _rules(model) if len(model.cases) <= MOST_CASES else None)
    except (FocalEvalError, OSError, ValueError, KeyError, TypeError, AttributeError):  # damaged: it tells nothing
        return _Run(header, None)


def _rules(model: ReportModel) -> dict[str, _Rule]:
    found: dict[str, _Rule] = {}
    for case in model.cases:
        for place in case.last.turns:
            reply = turn_from_json(model.document(place)).reply
            if reply is None or reply.rules is UNKNOWN:
                continue
            for match in reply.rules:
                seen = found.setdefault(match.name, _Rule())
                seen.turns += 1
                seen.cases[case.name] = str(case.verdict)
    return found

"""The run folders below a place, newest first, told by their headers; and one case of a run, found by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from focal_eval.errors import FocalEvalError, UsageError
from focal_eval.evaluate.folders import find_run
from focal_eval.registry import did_you_mean
from focal_eval.report.journal import list_run
from focal_eval.report.model import WORST_FIRST, Case, ReportModel, counts_of, in_order
from focal_eval.runner.folder import JOURNAL, read_header
from focal_eval.runner.listed import Listed, listed, overview
from focal_eval.runner.lock import held_by
from focal_eval.value import collector_off, value


@value
class RunListed:
    """One run folder in a list."""

    folder: Path
    header: Mapping[str, Any]
    counts: Mapping[str, int]
    state: str  # of the header; `cut-off` where it was killed, `unreadable` where it cannot be read
    writer: str | None = None  # who writes it just now
    problem: str | None = None  # why it cannot be read

    def as_json(self) -> dict[str, Any]:
        """The run as one entry of a document."""
        header = self.header
        named = {key: header.get(key) for key in ("id", "started_at", "finished_at", "verdict", "exit_code", "elapsed_ms")}
        suite, engine = header.get("suite") or {}, header.get("engine") or {}
        return {
            "folder": str(self.folder),
            **named,
            "state": self.state,
            "suite": suite.get("file"),
            "title": suite.get("title"),
            "engine": engine.get("name") or engine.get("kind"),
            "counts": dict(self.counts),
            **({"writer": self.writer} if self.writer else {}),
            **({"problem": self.problem} if self.problem else {}),
        }


def list_runs(runs: Path, most: int = 0) -> tuple[list[RunListed], int]:
    """The newest runs below a folder, at most so many (0 for all), and how many there are; none where there is no folder."""
    try:
        folders = [folder for folder in runs.iterdir() if (folder / JOURNAL).is_file()]
    except OSError:
        return [], 0
    headers = {folder: read_header(folder) for folder in folders}
    ordered = sorted(folders, key=lambda folder: (str(headers[folder].get("started_at", "")), folder.name), reverse=True)
    return [_listed(folder, headers[folder]) for folder in ordered[: most or None]], len(folders)


def _listed(folder: Path, header: Mapping[str, Any]) -> RunListed:
    """A run that did not write its last header is told by its journal."""
    if header and header.get("state") != "running":
        return RunListed(folder, header, _counts(header.get("counts")), str(header.get("state")))
    writer = held_by(folder)
    try:
        run = list_run(folder)
    except FocalEvalError as problem:
        return RunListed(folder, header, {}, "unreadable", writer, str(problem))
    state = str(run.header.get("state"))
    if state == "running" and writer is None:
        state = "cut-off"
    return RunListed(folder, run.header, _counts(run.counts), state, writer)


def _counts(told: Any) -> dict[str, int]:
    found = told if isinstance(told, Mapping) else {}
    return {verdict: found[verdict] for verdict in WORST_FIRST if isinstance(found.get(verdict), int) and found[verdict]}


@value
class CasesListed:
    """The cases of a run in the order of its reports, in few words."""

    header: Mapping[str, Any]
    counts: Mapping[str, int]  # by verdict, worst first; cases never begun are `not_run`
    cases: Sequence[Listed]


def list_cases(ref: str, runs: Path) -> CasesListed:
    """The cases of a run by its index: what was said is not read."""
    folder = find_run(ref, runs)
    with collector_off():
        found = overview(folder)
        if found is None:
            run = list_run(folder)
            return CasesListed(run.header, run.counts, [listed(case) for case in run.cases])
        cases = in_order(found.cases)
        return CasesListed(found.header, counts_of(found.header, cases), cases)


def list_folder(ref: str, runs: Path) -> ReportModel:
    """A run by its index: what was said is not read."""
    return list_run(find_run(ref, runs))


def chosen(cases: Sequence[Listed], verdicts: tuple[str, ...]) -> Sequence[Listed]:
    """The cases with one of these verdicts, all where none is named. Raises UsageError for a word that is no verdict."""
    for word in verdicts:
        if word not in WORST_FIRST:
            raise UsageError(f"'{word}' is no verdict; {did_you_mean(word, WORST_FIRST, list_up_to=len(WORST_FIRST))}")
    return [case for case in cases if case.verdict in verdicts] if verdicts else cases


def find_case(run: ReportModel, words: str) -> Case:
    """The case of that id or name, or the only one whose id begins so or whose name holds these words. Raises UsageError."""
    exact = [case for case in run.cases if words in (case.id, case.name)]
    lower = words.lower()
    fitting = exact or [case for case in run.cases if case.id.startswith(lower) or lower in case.name.lower()]
    if len(fitting) == 1:
        return fitting[0]
    where = f"the run {run.header.get('id')}"
    if fitting:
        some = ", ".join(case.name for case in fitting[:6])
        more = f" and {len(fitting) - 6:,} more" if len(fitting) > 6 else ""
        raise UsageError(f"'{words}' fits {len(fitting):,} cases of {where}: {some}{more}")
    near = did_you_mean(words, [case.name for case in run.cases[:20_000]], list_up_to=4)
    raise UsageError(f"{where} has no case '{words}'" + (f"; {near}" if near else ""))

"""How long cases took, kept in a small file beside a suite so that shards are about equally long.

`{"durations": 1, "suites": {FILE: {"repeats": 1, "cases": {NAME: ms}}}}`: suites by their path from the file's folder, cases
without the numbers of their repeats.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from focal_eval.compare.keys import case_key
from focal_eval.errors import StorageError, UsageError
from focal_eval.evaluate.folders import find_run
from focal_eval.report.journal import list_run
from focal_eval.report.model import ReportModel
from focal_eval.runner.journal import JOURNAL
from focal_eval.value import value

NAME = "durations.json"
FORMAT = 1
MOST_BYTES = 200_000_000
STEADY = 1.35
"""A recorded time is written anew once it is that many times as long or as short: till then the file and the shards stay."""
_NO_SUITE = "scripts"  # the key of runs without a suite


@value
class Durations:
    """Recorded times in ms by case, and where they are from; each is of all repeats together."""

    cases: Mapping[str, float]
    repeats: int  # of each case, at most
    told: str

    def planned(self, repeats: int) -> dict[str, float]:
        """The same for another number of repeats."""
        return {key: ms * repeats / self.repeats for key, ms in self.cases.items()}


def find_durations(ref: str | None, suite: str | None, runs: Path) -> Durations | None:
    """The times that a file or a run holds for a suite; without `ref` those of the suite's own file, None where there is none.

    Raises UsageError where `ref` is neither, or the file is none of durations.
    """
    if ref is None:
        own = beside(suite)
        return _of_file(own, suite) if own is not None and own.is_file() else None
    path = Path(ref)
    if path.is_file():
        return _of_file(path, suite)
    if path.suffix == ".json" and not path.is_dir() and not (runs / ref / JOURNAL).is_file():
        raise UsageError(f"--durations: there is no file {ref}; 'focal-eval merge --write-durations {ref}' writes one")
    return _of_run(list_run(find_run(ref, runs)), ref)


def beside(suite: str | None) -> Path | None:
    """The file of durations that a suite has without being told."""
    return None if suite is None else Path(suite).with_name(NAME)


def _of_run(model: ReportModel, told: str) -> Durations:
    return Durations(taken(model), _repeats(model), told)


def _repeats(model: ReportModel) -> int:
    return max(1, int((model.header.get("options") or {}).get("repeats") or 1))


def taken(model: ReportModel) -> dict[str, float]:
    """What each case of a run took, in ms, all of its repeats together; cases that were cut off are left out."""
    out: dict[str, list[float]] = {}
    cut_off = set()
    for case in model.cases:
        key = case_key(case.name, case.script, case.repeat)
        out.setdefault(key, []).append(case.elapsed_ms)
        if case.last.verdict is None:
            cut_off.add(key)
    return {key: math.fsum(times) for key, times in out.items() if key not in cut_off}


def _of_file(path: Path, suite: str | None) -> Durations | None:
    found = _read(path).get(_key(path, suite))
    if found is None:
        return None
    return Durations(found["cases"], found["repeats"], str(path))


def _key(path: Path, suite: str | None) -> str:
    return _NO_SUITE if suite is None else Path(os.path.relpath(suite, path.parent)).as_posix()


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """The suites of a file, checked. Raises UsageError."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"{path} is longer than {MOST_BYTES:,} bytes: no file of durations")
        data = orjson.loads(path.read_bytes())
        if data["durations"] != FORMAT:
            raise UsageError(f"{path} is a file of durations of format {data['durations']!r}; this version reads {FORMAT}")
        return {str(name): _checked(entry) for name, entry in data["suites"].items()}
    except OSError as problem:
        raise UsageError(f"{path} cannot be read: {problem.strerror or problem}") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UsageError(f"{path} is no file of durations; take it away, or write it with --write-durations") from None


def _checked(entry: Any) -> dict[str, Any]:
    """Raises ValueError, TypeError or KeyError for anything that is no suite's entry."""
    repeats, cases = entry["repeats"], {str(key): float(ms) for key, ms in entry["cases"].items()}
    if not isinstance(repeats, int) or repeats < 1 or not all(0 <= ms < 1e12 for ms in cases.values()):
        raise ValueError("a time is a number of milliseconds")
    return {"repeats": repeats, "cases": cases}


def write_durations(path: Path, model: ReportModel) -> int:
    """Keeps what the cases of a run took; the number of entries that changed.

    Entries of other suites stay. Those of cases that are gone are taken out by a run of all cases, and by no other.
    """
    suite = (model.header.get("suite") or {}).get("file")
    suites = _read(path) if path.is_file() else {}
    key, new, repeats = _key(path, suite), taken(model), _repeats(model)
    old = suites.get(key, {"repeats": repeats, "cases": {}})
    before = {name: ms * repeats / old["repeats"] for name, ms in old["cases"].items()}
    cases = {name: _steady(before.get(name), ms) for name, ms in new.items()}
    if not _whole(model):
        cases = {**before, **cases}
    changed = [name for name in before.keys() | cases.keys() if before.get(name) != cases.get(name)]
    suites[key] = {"repeats": repeats, "cases": cases}
    _write(path, suites)
    return len(changed)


def _steady(before: float | None, now: float) -> float:
    if before is not None and before / STEADY <= now <= before * STEADY:
        return before
    return float(max(1, round(now)))


def _whole(model: ReportModel) -> bool:
    """Whether every case of the suite was played."""
    header = model.header
    options, suite = header.get("options") or {}, header.get("suite") or {}
    paths = (options.get("again") or {}).get("paths")
    chosen = any(options.get(name) for name in ("tags", "keyword", "failed_of")) or header.get("shard")
    named = suite.get("file") is None or paths == [suite["file"]]
    return named and not chosen and not model.partial and not model.counts["not_run"]


def _write(path: Path, suites: Mapping[str, Mapping[str, Any]]) -> None:
    """Sorted, a case a line, so that a change of one is a line of a diff."""
    told = {
        name: {"repeats": entry["repeats"], "cases": {case: round(ms) for case, ms in sorted(entry["cases"].items())}}
        for name, entry in sorted(suites.items())
    }
    data = orjson.dumps({"durations": FORMAT, "suites": told}, option=orjson.OPT_INDENT_2) + b"\n"
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as problem:
        raise StorageError(f"{path} cannot be written: {problem.strerror or problem}") from None

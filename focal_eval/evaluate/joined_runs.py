"""Several runs of the same suite read as one, in which each run is one more repeat of its cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from focal_eval.compare.keys import case_key
from focal_eval.errors import UsageError
from focal_eval.records import Json
from focal_eval.report.model import Case, Place, ReportModel
from focal_eval.runner.entries import packed
from focal_eval.script.gates import COMPARED

_ROOM = 1 << 48  # bytes of a journal: places of the run number n begin at n times this


class JoinedRuns(ReportModel):
    """Runs as repeats of one: their cases under one name, numbered through, each line read from its own journal.

    The header holds what they share, and the names of all; gates on one run alone are not there, those on a comparison are.
    """

    def __init__(self, runs: Sequence[ReportModel]) -> None:
        self.runs = tuple(runs)
        first = runs[0]
        super().__init__(first.folder, _header(runs), _cases(runs), sum(run.damaged for run in runs), first.folder)

    def line(self, place: Place) -> bytes:
        """A line as it was written, from the journal of the run whose place it is."""
        run, here = self._of(place)
        return run.line(here)

    def document(self, place: Place) -> dict[str, Any]:
        """A line, decoded, with what it shares with others of its own journal."""
        run, here = self._of(place)
        return run.document(here)

    def _of(self, place: Place) -> tuple[ReportModel, Place]:
        number, start = divmod(place.start, _ROOM)
        return self.runs[number], Place(start, place.end - number * _ROOM)


def joined(runs: Sequence[ReportModel]) -> ReportModel:
    """One run as it is; several as repeats of one. Raises UsageError where one is named twice."""
    if len(runs) == 1:
        return runs[0]
    twice = [name for name, count in Counter(str(run.header.get("id")) for run in runs).items() if count > 1]
    if twice:
        raise UsageError(f"{twice[0]} is named twice: each run is one repeat")
    return JoinedRuns(runs)


def _header(runs: Sequence[ReportModel]) -> Mapping[str, Json]:
    """The first run's, as far as it holds for all: what the runs do not share is not told."""
    first = runs[0].header
    shared = {key: first[key] for key in first if all(run.header.get(key) == first[key] for run in runs)}
    kept = {key: first.get(key) for key in ("suite", "options", "started_at") if key in first}
    finished = all(run.header.get("state") == "finished" for run in runs)
    limits = [gate for gate in first.get("gates") or () if gate.get("name") in COMPARED]
    return {
        **kept,
        **shared,
        "id": " + ".join(str(run.header.get("id")) for run in runs),
        "engine": _engine(runs),
        "gates": limits,
        "state": "finished" if finished else "interrupted",
        "runs": len(runs),
    }


def _engine(runs: Sequence[ReportModel]) -> Mapping[str, Any]:
    engines: list[Mapping[str, Any]] = [run.header.get("engine") or {} for run in runs]
    shared = {key: engines[0][key] for key in engines[0] if all(engine.get(key) == engines[0][key] for engine in engines)}
    return {**shared, "deterministic": False}  # recordings of one engine that differ are no sign that it answers the same


def _cases(runs: Sequence[ReportModel]) -> list[Case]:
    seen: Counter[str] = Counter()
    out = []
    for number, run in enumerate(runs):
        for case in run.cases:
            name = case_key(case.name, case.script, case.repeat)
            seen[name] += 1
            by = number * _ROOM
            out.append(
                replace(
                    case,
                    id=f"{run.header.get('id')}/{case.id}",
                    name=f"{name}#{seen[name]}",
                    repeat=seen[name],
                    at=packed(Place(case.place.start + by, case.place.end + by)),
                    attempts=tuple([attempt.moved(by) for attempt in case.attempts]),
                )
            )
    return out

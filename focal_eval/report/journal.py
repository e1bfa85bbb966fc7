"""Reads `journal.jsonl` once, front to back, and keeps where each line stands and what the light entries need."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from focal_eval.errors import StorageError
from focal_eval.report.model import Attempt, Case, Place, ReportModel

FORMAT = 1


def read_run(folder: Path) -> ReportModel:
    """The run in `folder`. Raises StorageError where there is no journal that can be read."""
    return Reading(folder).model()


class Reading:
    """A journal being read; a torn last line is ignored, any other damaged line is counted and left out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.header: dict[str, Any] = {}
        self.cases: dict[str, Case] = {}
        self.damaged = 0
        self._ended = False

    def model(self) -> ReportModel:
        """The run as reports see it."""
        journal = self.folder / "journal.jsonl"
        try:
            with journal.open("rb") as file, _collector_off():
                self._read(file)
        except FileNotFoundError:
            raise StorageError(f"{self.folder} is not a run folder: it holds no journal.jsonl") from None
        except OSError as problem:
            raise StorageError(f"cannot read {journal}: {problem.strerror or problem}") from problem
        if not self.header:
            raise StorageError(f"{journal} does not begin with a line of kind 'run'")
        if self.header.get("format") != FORMAT:
            raise StorageError(f"{journal} has format {self.header.get('format')!r}; this version reads format {FORMAT}")
        return ReportModel(self.folder, self.header, list(self.cases.values()), self.damaged, journal)

    def _read(self, file: Any) -> None:
        start = 0
        for line in file:
            end = start + len(line)
            if line.endswith(b"\n"):
                self._line(line, Place(start, end - 1))
            start = end

    def _line(self, line: bytes, place: Place) -> None:
        try:
            data = orjson.loads(line)
            kind = data["t"]
            if kind == "turn":
                self._turn(data, place)
            elif kind == "attempt":
                self._attempt(data, place)
            elif kind == "case":
                self._case(data, place)
            elif kind == "run":
                self._run(data)
            elif kind == "end":
                self._end(data)
        except (ValueError, KeyError, TypeError, AttributeError):
            self.damaged += 1

    def _run(self, data: dict[str, Any]) -> None:
        """A resumed run appends its own line; what it set out to do is the first line's."""
        kept = {key: self.header[key] for key in ("plan", "started_at") if key in self.header}
        self.header = data | kept
        self._ended = False

    def _end(self, data: dict[str, Any]) -> None:
        self.header = self.header | {key: value for key, value in data.items() if key != "t"}
        self._ended = True

    def _case(self, data: dict[str, Any], place: Place) -> None:
        self._reopen()
        known = self.cases.get(data["case"])
        if known is not None:  # a resumed run plays an unfinished case anew
            known.attempts = [attempt for attempt in known.attempts if attempt.end is not None]
            return
        self.cases[data["case"]] = Case(
            id=data["case"],
            name=data["name"],
            script=data.get("script") or data["name"],
            title=data.get("title") or data["name"],
            file=data.get("file") or "",
            line=data.get("line") or 1,
            tags=tuple(data.get("tags") or ()),
            params=data.get("params") or {},
            repeat=data.get("repeat") or 1,
            channel=data.get("channel"),
            planned=data.get("turns") or 0,
            marks=data.get("marks") or {},
            place=place,
        )

    def _reopen(self) -> None:
        """Cases after an `end` line belong to a resumed run, which is not over before its own `end`."""
        if self._ended:
            self._ended = False
            self.header = self.header | {"state": "running", "verdict": None, "finished_at": None, "exit_code": None}

    def _attempt_of(self, data: dict[str, Any]) -> Attempt:
        case = self.cases[data["case"]]
        number = data["attempt"]
        for attempt in case.attempts:
            if attempt.number == number:
                return attempt
        attempt = Attempt(number)
        case.attempts.append(attempt)
        return attempt

    def _turn(self, data: dict[str, Any], place: Place) -> None:
        attempt = self._attempt_of(data)
        index = data["i"]
        if attempt.end is not None or index <= attempt.last:  # played anew by a resumed run
            attempt = self._renewed(data, attempt)
        attempt.last = index
        fault = data.get("fault")
        if fault is not None:
            attempt.failed += 1
            _tell(attempt, f"turn {index + 1}: {fault['kind']}: {fault['message']}", broke=True)
        bad = _count(attempt, data.get("results") or ())
        if fault is not None or bad:
            attempt.broken.append(len(attempt.turns))
        attempt.turns.append(place)

    def _renewed(self, data: dict[str, Any], attempt: Attempt) -> Attempt:
        case = self.cases[data["case"]]
        fresh = Attempt(attempt.number)
        case.attempts[case.attempts.index(attempt)] = fresh
        return fresh

    def _attempt(self, data: dict[str, Any], place: Place) -> None:
        attempt = self._attempt_of(data)
        attempt.verdict = data["verdict"]
        attempt.reason = data.get("reason")
        attempt.elapsed_ms = data.get("elapsed_ms") or 0.0
        attempt.end = place
        if (fault := data.get("fault")) is not None:  # outside a turn
            attempt.failed += 1
            _tell(attempt, f"{fault['kind']}: {fault['message']}", broke=True)
        results = data.get("results") or ()
        _count(attempt, results)
        attempt.tolerated = tuple(_tolerated(results))


@contextmanager
def _collector_off() -> Iterator[None]:
    """Without the cyclic garbage collector: it would walk all that is kept of a big journal again and again, for no cycle."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _count(attempt: Attempt, results: Iterable[Mapping[str, Any]]) -> bool:
    """Counts what did not hold; True where something is to be shown."""
    bad = False
    for result in results:
        outcome = result["outcome"]
        if outcome not in ("failed", "errored"):
            continue
        bad = True
        if result.get("soft"):
            attempt.soft += 1
            continue
        attempt.failed += 1
        _tell(attempt, first_message(result), broke=outcome == "errored")
    return bad


def _tolerated(results: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The names of what was found and fails nothing, as the suite lives with it."""
    for result in results:
        yield from (
            str(finding.get("name"))
            for finding in result.get("findings") or ()
            if finding.get("tolerated") and finding.get("name")
        )


def _tell(attempt: Attempt, message: str, *, broke: bool) -> None:
    """Keeps the first message of an attempt; what broke comes before what failed, however late it did."""
    if attempt.message is None or (broke and not attempt.broke):
        attempt.message, attempt.broke = message, broke


def first_message(result: Mapping[str, Any]) -> str:
    """Why an expectation did not hold, in one sentence."""
    findings = result.get("findings")
    if findings:
        return str(findings[0]["message"])
    return str(result.get("reason") or f"did not hold: {result.get('text', result.get('key'))}")

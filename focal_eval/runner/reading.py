"""What a journal says, line by line: the header, and a light entry for each case with the places of its lines.

The same whether the lines are read from a file or have just been written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from sys import intern
from typing import IO, Any

import orjson

from focal_eval.runner.entries import Attempt, Case, Place, packed
from focal_eval.runner.seal import SEAL, SEAL_LENGTH, is_sealed
from focal_eval.value import collector_off

_PLAIN = b',"plain":true'  # says no more than that all was as expected
SEALED_FROM = 2  # the format whose lines have a checksum
SHARED = b'{"t":"shared","digest":"'
"""How a line begins that holds what several lines share."""
_TURN = re.compile(rb'\{"t":"turn","case":"([^"\\]+)","attempt":(\d+),"i":(\d+),').match
_ATTEMPT = re.compile(
    rb'\{"t":"attempt","case":"([^"\\]+)","attempt":(\d+),"verdict":"passed","elapsed_ms":([\d.]+),"res'
).match


class Reading:
    """A journal, taken line by line; damaged lines are counted and left out."""

    def __init__(self) -> None:
        self.header: dict[str, Any] = {}
        self.cases: dict[str, Case] = {}
        self.shared: dict[str, Place] = {}  # where what several lines share stands, by digest
        self.damaged = 0
        self._ended = False
        self._sealed = False
        self._known: Case | None = None  # the last one that came
        self._expected: dict[str, tuple[tuple[str, ...], Mapping[str, Any]]] = {}  # by id: what somebody else holds of a case

    def expect(self, id: str, texts: tuple[str, ...], params: Mapping[str, Any]) -> None:
        """The line of a case will come: what it says as these do, the entry takes from them and keeps none of its own."""
        self._expected[id] = (id, *texts), params

    def begin(self, header: dict[str, Any]) -> None:
        """Takes the header as known."""
        self.header = header
        self._sealed = int(header.get("format") or 0) >= SEALED_FROM

    def file(self, file: IO[bytes], start: int = 0) -> int:
        """Takes every whole line from here on; a torn last line is left alone. Returns where the last whole line ends."""
        with collector_off():
            for line in file:
                end = start + len(line)
                if not line.endswith(b"\n"):
                    break
                self.take(line, start, end - 1)
                start = end
        return start

    def shares(self, line: bytes) -> bool:
        """Whether what a `shared` line holds is known already."""
        return line[len(SHARED) : line.index(b'"', len(SHARED))].decode() in self.shared

    def take(self, line: bytes, start: int, end: int) -> None:
        """Takes one line that was read; it stands at these bytes of the journal."""
        if self._sealed and not is_sealed(line):
            self.damaged += 1
        else:
            self.note(line, start, end)

    def note(self, line: bytes, start: int, end: int) -> None:
        """Takes one line that is known to be whole."""
        if not line.endswith(_PLAIN, 0, -SEAL_LENGTH):
            self._parsed(line, Place(start, end))
        elif (turn := _TURN(line)) is not None:
            self._plain_turn(turn, start, end)
        elif (attempt := _ATTEMPT(line)) is not None:
            self._plain_attempt(attempt, start, end)
        else:
            self._parsed(line, Place(start, end))

    def _plain_turn(self, found: re.Match[bytes], start: int, end: int) -> None:
        """A turn of which there is nothing more to know than that it was."""
        name, number, index = found[1].decode(), int(found[2]), int(found[3])
        try:
            attempt = self._attempt_of(name, number)
        except KeyError:
            self.damaged += 1
            return
        if attempt.over or index <= attempt.last:
            if _after(attempt, start):  # known already
                return
            attempt = self._renewed(name, attempt)
        attempt.last = index
        attempt.add(start, end)

    def _plain_attempt(self, found: re.Match[bytes], start: int, end: int) -> None:
        try:
            attempt = self._attempt_of(found[1].decode(), int(found[2]))
        except KeyError:
            self.damaged += 1
            return
        if attempt.over:
            if _after(attempt, start - 1):  # known already
                return
            attempt = self._renewed(found[1].decode(), attempt)
        attempt.close("passed", float(found[3]), start, end)

    def _parsed(self, line: bytes, place: Place) -> None:
        try:
            data = orjson.loads(line)
            kind = data["t"]
            if kind == "turn":
                self._turn(data, place)
            elif kind == "attempt":
                self._attempt(data, place)
            elif kind == "case":
                self._case(data, place)
            elif kind == "shared":
                self.shared.setdefault(data["digest"], place)
            elif kind == "run":
                self._run(data, line)
            elif kind == "end":
                self._end(data)
        except (ValueError, KeyError, TypeError, AttributeError):
            self.damaged += 1

    def _run(self, data: dict[str, Any], line: bytes) -> None:
        """A resumed run appends its own line; it began with the first one, and plays again what had no answer."""
        if data.get("format") == SEALED_FROM and not is_sealed(line):
            self.damaged += 1
            return
        if self.header.get("state") == "given-up":
            for case in self.cases.values():
                if case.last.verdict == "errored":
                    case.attempts = ()
        data = {key: value for key, value in data.items() if key not in ("t", SEAL)}
        kept = {key: self.header[key] for key in ("started_at",) if key in self.header}
        self.begin(data | kept)
        self._ended = False

    def _end(self, data: dict[str, Any]) -> None:
        if not self.header:  # of a run whose first line is damaged
            return
        self.header = self.header | {key: value for key, value in data.items() if key not in ("t", SEAL)}
        self._ended = True

    def _case(self, data: dict[str, Any], place: Place) -> None:
        self._reopen()
        known = self.cases.get(data["case"])
        if known is not None and known.place.start >= place.start:
            return
        if known is not None:  # a resumed run plays an unfinished case anew
            known.attempts = tuple([attempt for attempt in known.attempts if attempt.over])
            return
        texts, row = self._expected.pop(data["case"], _NOT_EXPECTED)
        held = dict(zip(texts, texts, strict=True)).get
        name = held(data["name"], data["name"])
        script = _shared(data.get("script"), name)
        file = data.get("file") or ""
        case = Case(
            id=held(data["case"], data["case"]),
            name=name,
            script=held(script, script),
            title=_shared(data.get("title"), name),
            file=held(file, file),
            line=data.get("line") or 1,
            tags=tuple(data.get("tags") or ()),
            params=row if row and row == data.get("params") else data.get("params") or NOTHING,
            repeat=data.get("repeat") or 1,
            channel=data.get("channel") and intern(data["channel"]),
            planned=data.get("turns") or 0,
            marks=data.get("marks") or NOTHING,
            at=packed(place),
        )
        self.cases[case.id] = self.slim(case)

    def slim(self, case: Case) -> Case:
        """The case with the very texts of the last one where they are the same, as those of repeats are."""
        known = self._known
        if known is not None and known.script == case.script:
            case.script = known.script
            case.title = _shared(case.title, known.title)
            case.file = _shared(case.file, known.file)
        if known is not None and known.tags == case.tags:
            case.tags = known.tags
        self._known = case
        return case

    def _reopen(self) -> None:
        """Cases after an `end` line belong to a resumed run, which is not over before its own `end`."""
        if self._ended:
            self._ended = False
            self.header = self.header | {"state": "running", "verdict": None, "finished_at": None, "exit_code": None}

    def _attempt_of(self, case: str, number: int) -> Attempt:
        attempts = self.cases[case].attempts
        for attempt in attempts:
            if attempt.number == number:
                return attempt
        attempt = Attempt(number)
        self.cases[case].attempts = (*attempts, attempt)
        return attempt

    def _turn(self, data: dict[str, Any], place: Place) -> None:
        attempt = self._attempt_of(data["case"], data["attempt"])
        index = data["i"]
        if attempt.over or index <= attempt.last:  # played anew by a resumed run
            if _after(attempt, place.start):  # known already
                return
            attempt = self._renewed(data["case"], attempt)
        attempt.last = index
        fault = data.get("fault")
        if fault is not None:
            attempt.troubled.failed += 1
            _tell(attempt, f"turn {index + 1}: {fault['kind']}: {fault['message']}", broke=True)
        bad = _count(attempt, data.get("results") or ())
        if fault is not None or bad:
            attempt.troubled.broken += (attempt.count,)
        attempt.add(*place)

    def _renewed(self, case: str, attempt: Attempt) -> Attempt:
        holder, fresh = self.cases[case], Attempt(attempt.number)
        holder.attempts = tuple([fresh if one is attempt else one for one in holder.attempts])
        return fresh

    def _attempt(self, data: dict[str, Any], place: Place) -> None:
        attempt = self._attempt_of(data["case"], data["attempt"])
        if attempt.over:
            if _after(attempt, place.start - 1):  # known already
                return
            attempt = self._renewed(data["case"], attempt)
        attempt.close(data["verdict"], data.get("elapsed_ms") or 0.0, *place)
        if data.get("reason") is not None:
            attempt.troubled.reason = data["reason"]
        if (fault := data.get("fault")) is not None:  # outside a turn
            attempt.troubled.failed += 1
            _tell(attempt, f"{fault['kind']}: {fault['message']}", broke=True)
        results = data.get("results") or ()
        _count(attempt, results)
        if tolerated := tuple(_tolerated(results)):
            attempt.troubled.tolerated = tolerated


def _after(attempt: Attempt, start: int) -> bool:
    """Whether an attempt ended at a later line than the one that begins at `start`."""
    return (end := attempt.end) is not None and end.start > start


NOTHING: dict[str, Any] = {}  # for all that have none: there may be a hundred thousand cases
_NOT_EXPECTED: tuple[tuple[str, ...], Mapping[str, Any]] = ((), NOTHING)


def _shared(text: str | None, known: str) -> str:
    """The text, as the object that is there already where it is the same."""
    return known if not text or text == known else text


def _count(attempt: Attempt, results: Iterable[Mapping[str, Any]]) -> bool:
    """Counts what did not hold; True where something is to be shown."""
    bad = False
    for result in results:
        outcome = result["outcome"]
        if outcome == "skipped":
            attempt.troubled.unjudged += (intern(str(result.get("reason") or "no reason told")),)
        if outcome not in ("failed", "errored"):
            continue
        bad = True
        if result.get("soft"):
            attempt.troubled.soft += 1
            continue
        attempt.troubled.failed += 1
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
    told = attempt.troubled
    if told.message is None or (broke and not told.broke):
        told.message, told.broke = message, broke


def first_message(result: Mapping[str, Any]) -> str:
    """Why an expectation did not hold, in one sentence."""
    findings = result.get("findings")
    if findings:
        return str(findings[0]["message"])
    return str(result.get("reason") or f"did not hold: {result.get('text', result.get('key'))}")

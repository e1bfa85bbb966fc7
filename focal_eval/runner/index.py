"""`index.jsonl`: the light entries of a journal, so that its cases are listed without reading what was said.

Derived: whoever deletes it loses nothing, and where it does not fit its journal or is damaged it is not used. Each line ends
with a checksum, as those of the journal do. First line `{"index": 2, "header": {...}}`; then lines of
`{"rows": [...], "shared": {digest: [start, end]}}`: a row for each closed attempt, with the case (all its fields the first
time, its id after that), the attempt, and the byte from which lines of attempts that are still open may stand; and where
stands what several lines share. An attempt that was cut off has no end, a case that was cut off before its first turn null in
place of an attempt. Last, of a run that ended, `{"end": bytes of the journal, "header": {...}, "damaged": n}`.
"""

from __future__ import annotations

import contextlib
import os
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from sys import intern
from typing import IO, Any

import orjson

from focal_eval.runner.entries import LENGTH_BITS, Attempt, Case, Place, places_in
from focal_eval.runner.reading import NOTHING, Reading
from focal_eval.runner.seal import is_sealed, sealed
from focal_eval.value import collector_off

INDEX = "index.jsonl"
VERSION = 3
TOGETHER = 100  # attempts that are written at once; those not written yet are read from the journal


class IndexWriter:
    """Writes the index of a journal that grows. What it cannot write is left out: the journal does without it."""

    def __init__(self, folder: Path, header: Mapping[str, Any]) -> None:
        self._path = folder / INDEX
        self._file: int | None = None
        self._rows: list[bytes] = []
        self._shared: dict[str, Place] = {}
        with contextlib.suppress(OSError):
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        self._line(orjson.dumps({"index": VERSION, "header": header}))

    def known(self, reading: Reading, size: int) -> None:
        """All that an earlier part of the run left, whose journal was read up to `size`."""
        self.shared(reading.shared)
        for case in reading.cases.values():
            for attempt in case.attempts or (None,):
                self._row(case, attempt, size)
            self.written()

    def closed(self, case: Case, attempt: Attempt, open_from: int) -> None:
        """An attempt is over; whatever is open began at `open_from` or later."""
        self._row(case, attempt, open_from)

    def _row(self, case: Case, attempt: Attempt | None, open_from: int) -> None:
        if self._file is None:
            return
        told: Any = case.id
        if not case.told:
            case.told = True
            told = case_row(case)
        self._rows.append(orjson.dumps([told, None if attempt is None else attempt_row(attempt), open_from]))

    def shared(self, places: Mapping[str, Place]) -> None:
        """Where content stands that lines share, by digest."""
        self._shared.update(places)

    def written(self) -> None:
        """The journal's lines of all that was told are written; what waits is handed over where it is much."""
        if len(self._rows) >= TOGETHER:
            self.flush()

    def flush(self) -> None:
        """Hands over what was told so far; call it after the journal's lines were."""
        if not self._rows and not self._shared:
            return
        shared = orjson.dumps({digest: list(place) for digest, place in self._shared.items()})
        line = b'{"rows":[%b],"shared":%b}' % (b",".join(self._rows), shared)
        self._rows.clear()
        self._shared.clear()
        self._line(line)

    def _line(self, line: bytes) -> None:
        if self._file is None:
            return
        data = sealed(line) + b"\n"
        try:
            if os.write(self._file, data) != len(data):
                self.give_up()
        except OSError:
            self.give_up()

    def end(self, reading: Reading, size: int) -> None:
        """The run is over, and its journal so long."""
        for case in reading.cases.values():
            if not case.last.over:  # cut off
                self._row(case, case.attempts[-1] if case.attempts else None, size)
        self.flush()
        self._line(orjson.dumps({"end": size, "header": reading.header, "damaged": reading.damaged}))

    def close(self) -> None:
        self.flush()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def give_up(self) -> None:
        """Takes the file away: a torn index is worse than none."""
        self._rows.clear()
        self._shared.clear()
        if self._file is None:
            return
        os.close(self._file)
        self._file = None
        with contextlib.suppress(OSError):
            self._path.unlink()


NOT_USABLE = (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError)
"""What reading an index raises that is not there, damaged, or not what it should be."""


def read_index(folder: Path, journal: IO[bytes]) -> tuple[Reading, int] | None:
    """What the index knows, and from which byte of the journal on it has to be read; None where it does not fit."""
    try:
        with (folder / INDEX).open("rb") as file:
            return _entries(file, journal)
    except NOT_USABLE:
        return None


def begun(index: IO[bytes], journal: IO[bytes]) -> tuple[int, Mapping[str, Any], Iterator[Any]]:
    """The size of the journal, the header as it was at first, and what each further line says.

    Raises ValueError for another version, and where a line is damaged; a torn one at the end is left alone.
    """
    size = journal.seek(0, os.SEEK_END)
    lines = _lines(index)
    head: Any = next(lines, {})
    if head.get("index") != VERSION:
        raise ValueError("another version")
    return size, head["header"], lines


def _lines(index: IO[bytes]) -> Iterator[Any]:
    for line in index:
        if not line.endswith(b"\n"):
            return
        if not is_sealed(line):
            raise ValueError("a damaged line")
        yield orjson.loads(line)


def rows_of(line: Mapping[str, Any]) -> list[Any]:
    """The rows of a line: case, attempt, and from where on lines of open attempts may stand."""
    return line.get("rows") or []


def _entries(index: IO[bytes], journal: IO[bytes]) -> tuple[Reading, int] | None:
    size, header, lines = begun(index, journal)
    reading, start = Reading(), 0
    reading.begin(dict(header))
    last = ""
    with collector_off():
        for found in lines:
            if rows := rows_of(found):
                last, start = _taken(reading, rows) or last, rows[-1][2]
            reading.shared |= {digest: Place(*place) for digest, place in found.get("shared", {}).items()}
            if found.get("end") == size:  # else the journal was written on since then
                reading.begin(found["header"])
                reading.damaged = int(found["damaged"])
                start = size
    return (reading, start) if start <= size and fits(journal, last, size) else None


def _taken(reading: Reading, rows: list[Any]) -> str:
    """Takes some rows into a reading; where the last attempt of them that is over stands."""
    cases, slim, last = reading.cases, reading.slim, ""
    for told, row, _ in rows:
        if isinstance(told, str):
            case = cases[told]
        else:
            case = slim(case_of(told))
            cases[case.id] = case
        if row is None:
            continue
        if isinstance(row[1], str):
            last = row[1]
        put(case, attempt_of(row))
    return last


def fits(journal: IO[bytes], last: str, size: int) -> bool:
    """Whether the attempt that ended last stands where the index says it does: else it is of another journal."""
    if not last:
        return True
    *_, place = places_in(last)
    journal.seek(place.start)
    line = journal.read(place.end - place.start)
    return place.end < size and line.startswith(b'{"t":"attempt",') and is_sealed(line)


def put(case: Case, attempt: Attempt) -> None:
    """Gives a case an attempt, in the place of the one of its number where there is one."""
    known = case.attempts
    if not known:
        case.attempts = (attempt,)
        return
    at = next((at for at, one in enumerate(known) if one.number == attempt.number), len(known))
    case.attempts = (*known[:at], attempt, *known[at + 1 :])


def case_row(case: Case) -> list[Any]:
    """A case's own fields, in the order of its class; null for a text that is as the one before, and for what is empty."""
    return [
        case.id,
        case.name,
        None if case.script == case.name else case.script,
        None if case.title == case.script else case.title,
        case.file,
        case.line,
        case.tags,
        case.params or None,
        case.repeat,
        case.channel,
        case.planned,
        case.marks or None,
        *case.place,
    ]


def case_of(row: list[Any]) -> Case:
    """What `case_row` gave."""
    key, name, script, title, file, line, tags, params, repeat, channel, planned, marks, start, end = row
    if script is None:
        script = name
    if title is None:
        title = script
    at = start << LENGTH_BITS | end - start
    return Case(
        *(key, name, script, title, file, line, tuple(tags), params or NOTHING, repeat, channel, planned, marks or NOTHING, at)
    )


def attempt_row(attempt: Attempt) -> list[Any]:
    """An attempt; its lines as a text once it is over, else as numbers."""
    lines = attempt.lines if isinstance(attempt.lines, str) else attempt.lines.tolist()
    row = [attempt.number, lines, attempt.verdict, attempt.elapsed_ms, attempt.last]
    told = attempt.trouble
    if told.reason is None and told.message is None and not (told.soft or told.tolerated or told.unjudged):
        return row
    more = [told.reason, told.failed, told.soft, told.message, told.broke, told.tolerated, told.unjudged, told.broken]
    return [*row, more]


def attempt_of(row: list[Any]) -> Attempt:
    """What `attempt_row` gave."""
    if isinstance(row[1], list):
        row[1] = array("q", row[1])
    attempt = Attempt(*row[:5])
    if len(row) > 5:
        told = attempt.troubled
        told.reason, told.failed, told.soft, told.message, told.broke, tolerated, unjudged, broken = row[5]
        told.tolerated, told.unjudged, told.broken = tuple(tolerated), tuple(map(intern, unjudged)), tuple(broken)
    return attempt

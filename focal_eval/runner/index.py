"""`index.jsonl`: the light entries of a journal, so that its cases are listed without reading what was said.

Derived: whoever deletes it loses nothing, and where it does not fit its journal it is not used. First line
`{"index": 1, "header": {...}}`; then one array for each closed attempt: the case (all its fields the first time, its id
after that), the attempt, and the byte from which lines of attempts that are still open may stand. An attempt that was cut off
has no end, a case that was cut off before its first turn null in place of an attempt. `{"shared": {digest: [start, end]}}`
tells where what several lines share stands. Last, of a run that ended, `{"end": bytes of the journal, "header": {...},
"damaged": n}`.
"""

from __future__ import annotations

import contextlib
import os
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import orjson

from focal_eval.runner.entries import Attempt, Case, Place, Places
from focal_eval.runner.reading import Reading, collector_off
from focal_eval.runner.seal import is_sealed

INDEX = "index.jsonl"
VERSION = 1
TOGETHER = 100  # attempts that are written at once; those not written yet are read from the journal
CHUNK_BYTES = 1_000_000


class IndexWriter:
    """Writes the index of a journal that grows. What it cannot write is left out: the journal does without it."""

    def __init__(self, folder: Path, header: Mapping[str, Any]) -> None:
        self._path = folder / INDEX
        self._file: int | None = None
        self._told: set[str] = set()
        self._lines: list[bytes] = []
        with contextlib.suppress(OSError):
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        self._lines.append(orjson.dumps({"index": VERSION, "header": header}))

    def known(self, reading: Reading, size: int) -> None:
        """All that an earlier part of the run left, whose journal was read up to `size`."""
        for case in reading.cases.values():
            for attempt in case.attempts or (None,):
                self._row(case, attempt, size)
        self.shared(reading.shared)

    def closed(self, case: Case, attempt: Attempt, open_from: int) -> None:
        """An attempt is over; whatever is open began at `open_from` or later."""
        self._row(case, attempt, open_from)

    def _row(self, case: Case, attempt: Attempt | None, open_from: int) -> None:
        if self._file is None:
            return
        told: Any = case.id
        if case.id not in self._told:
            self._told.add(case.id)
            told = case_row(case)
        self._lines.append(orjson.dumps([told, None if attempt is None else attempt_row(attempt), open_from]))

    def shared(self, places: Mapping[str, Place]) -> None:
        """Where content stands that lines share, by digest."""
        if places and self._file is not None:
            self._lines.append(orjson.dumps({"shared": {digest: list(place) for digest, place in places.items()}}))

    def written(self) -> None:
        """The journal's lines of all that was told are written; what waits is handed over where it is much."""
        if len(self._lines) >= TOGETHER:
            self.flush()

    def flush(self) -> None:
        """Hands over what was told so far; call it after the journal's lines were."""
        if self._file is None or not self._lines:
            return
        data = b"\n".join(self._lines) + b"\n"
        self._lines.clear()
        try:
            if os.write(self._file, data) != len(data):
                self.give_up()
        except OSError:
            self.give_up()

    def end(self, reading: Reading, size: int) -> None:
        """The run is over, and its journal so long."""
        for case in reading.cases.values():
            if case.last.end is None:  # cut off
                self._row(case, case.attempts[-1] if case.attempts else None, size)
        self._lines.append(orjson.dumps({"end": size, "header": reading.header, "damaged": reading.damaged}))
        self.flush()

    def close(self) -> None:
        self.flush()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def give_up(self) -> None:
        """Takes the file away: a torn index is worse than none."""
        self._lines.clear()
        if self._file is None:
            return
        os.close(self._file)
        self._file = None
        with contextlib.suppress(OSError):
            self._path.unlink()


def read_index(folder: Path, journal: IO[bytes]) -> tuple[Reading, int] | None:
    """What the index knows, and from which byte of the journal on it has to be read; None where it does not fit."""
    try:
        with (folder / INDEX).open("rb") as file:
            return _entries(file, journal)
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError):
        return None


def _rows(index: IO[bytes]) -> Iterator[Any]:
    """What each whole line says, a megabyte of them decoded together."""
    while lines := index.readlines(CHUNK_BYTES):
        if not lines[-1].endswith(b"\n"):
            lines.pop()
        yield from orjson.loads(b"[" + b",".join(lines) + b"]")


def _entries(index: IO[bytes], journal: IO[bytes]) -> tuple[Reading, int] | None:
    size = journal.seek(0, os.SEEK_END)
    head = orjson.loads(index.readline())
    if head["index"] != VERSION:
        return None
    reading, start = Reading(), 0
    reading.begin(head["header"])
    cases = reading.cases
    last = Place(0, 0)
    with collector_off():
        for found in _rows(index):
            if isinstance(found, dict):
                reading.shared |= {digest: Place(*place) for digest, place in found.get("shared", {}).items()}
                if found.get("end") == size:  # else the journal was written on since then
                    reading.begin(found["header"])
                    reading.damaged = int(found["damaged"])
                    start = size
                continue
            told, row, start = found
            if not isinstance(told, str):
                case = case_of(told)
                cases[case.id] = case
                told = case.id
            if row is None:
                continue
            attempt, case = attempt_of(row), cases[told]
            if case.attempts:
                _put(case, attempt)
            else:
                case.attempts.append(attempt)
            if attempt.end is not None and attempt.end > last:
                last = attempt.end
    return (reading, start) if start <= size and _fits(journal, last, size) else None


def _fits(journal: IO[bytes], last: Place, size: int) -> bool:
    """Whether the last closed attempt stands where the index says it does: else it is of another journal."""
    if not last.end:
        return True
    journal.seek(last.start)
    line = journal.read(last.end - last.start)
    return last.end < size and line.startswith(b'{"t":"attempt",') and is_sealed(line)


def _put(case: Case, attempt: Attempt) -> None:
    for position, known in enumerate(case.attempts):
        if known.number == attempt.number:
            case.attempts[position] = attempt
            return
    case.attempts.append(attempt)


def case_row(case: Case) -> list[Any]:
    """A case's own fields, in the order of its class."""
    return [
        *(case.id, case.name, case.script, case.title, case.file, case.line, case.tags, case.params),
        *(case.repeat, case.channel, case.planned, case.marks, tuple(case.place)),
    ]


def case_of(row: list[Any]) -> Case:
    """What `case_row` gave."""
    key, name, script, title, file, line, tags, params, repeat, channel, planned, marks, place = row
    return Case(key, name, script, title, file, line, tuple(tags), params, repeat, channel, planned, marks, Place(*place))


def attempt_row(attempt: Attempt) -> list[Any]:
    """An attempt; its places as one flat list, then those of its end, null where it was cut off."""
    row = [
        attempt.number,
        attempt.turns.flat,
        *(attempt.end or (None, None)),
        attempt.verdict,
        attempt.elapsed_ms,
        attempt.last,
    ]
    if attempt.reason is None and attempt.message is None and not attempt.soft and not attempt.tolerated:
        return row
    return [
        *row,
        *(attempt.reason, attempt.failed, attempt.soft, attempt.message, attempt.broke, attempt.tolerated, attempt.broken),
    ]


def attempt_of(row: list[Any]) -> Attempt:
    """What `attempt_row` gave."""
    number, flat, start, end, verdict, elapsed, last, *more = row
    over = None if end is None else Place(start, end)
    attempt = Attempt(number, Places(array("q", flat)), over, verdict, elapsed_ms=elapsed, last=last)
    if more:
        attempt.reason, attempt.failed, attempt.soft, attempt.message, attempt.broke, tolerated, attempt.broken = more
        attempt.tolerated = tuple(tolerated)
    return attempt

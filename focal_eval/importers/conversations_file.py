"""Files of recordings as a stream of JSON records, each with its line: a list's items, a line each, or one document.

Memory is bounded by the longest record, whatever the size of the file. A record that is no JSON is told and passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

MAX_RECORD_BYTES = 16 * 1024 * 1024
MAX_DOCUMENT_BYTES = 64 * 1024 * 1024  # of a file that is one JSON object
EXAMPLES = 20  # places kept of what was passed over
_CHUNK = 1 << 20
_BOM = b"\xef\xbb\xbf"
_SPACE = b" \t\r\n"
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Record:
    """One JSON value of a file."""

    data: Any
    line: int


@dataclass(slots=True)
class PassedOver:
    """What could not be read: counted by reason, with the first places."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)

    def add(self, why: str, file: str, line: int) -> None:
        """Counts one; `why` is one of few sentences, so that equal ones are counted together."""
        self.counts[why] = self.counts.get(why, 0) + 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(f"{file}:{line}: {why}")

    def total(self) -> int:
        """How much was passed over."""
        return sum(self.counts.values())


def records(path: Path, passed_over: PassedOver) -> Iterator[Record]:
    """The records of a file. Raises OSError where it cannot be read."""
    with path.open("rb") as stream:
        yield from records_in(stream, str(path), passed_over)


def records_in(stream: BinaryIO, file: str, passed_over: PassedOver) -> Iterator[Record]:
    """The records of a file that is open at its beginning; its name tells whether it holds one a line."""
    begin = stream.read(_CHUNK)
    body = begin.removeprefix(_BOM).lstrip(_SPACE)
    if not body:
        return
    by_line = _by_line(begin.removeprefix(_BOM), Path(file))
    stream.seek(len(_BOM) if begin.startswith(_BOM) else 0)
    if by_line:
        yield from _lines(stream, file, passed_over)
    elif body[:1] == b"[":
        yield from _items(stream, file, passed_over)
    else:
        yield from _document(stream, file, passed_over)


def _by_line(begin: bytes, path: Path) -> bool:
    """Whether a file holds a record a line: its name says so, or its first line is one and there is more."""
    if path.suffix in (".jsonl", ".ndjson"):
        return True
    first, newline, rest = begin.lstrip(_SPACE).partition(b"\n")
    if not newline or not rest.strip():
        return False
    return isinstance(_parsed(first), (dict, list))


_BROKEN = object()


def _parsed(data: bytes) -> Any:
    import orjson

    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return _BROKEN


def _lines(stream: BinaryIO, file: str, passed_over: PassedOver) -> Iterator[Record]:
    number = 0
    while line := stream.readline(MAX_RECORD_BYTES + 1):
        number += 1
        if len(line) > MAX_RECORD_BYTES:
            while line and not line.endswith(b"\n"):
                line = stream.readline(_CHUNK)
            passed_over.add(f"a record is longer than {MAX_RECORD_BYTES >> 20} MiB", file, number)
        elif line.strip(_SPACE):
            data = _parsed(line)
            if data is _BROKEN:
                passed_over.add("a line is not JSON", file, number)
            else:
                yield Record(data, number)


def _document(stream: BinaryIO, file: str, passed_over: PassedOver) -> Iterator[Record]:
    text = stream.read(MAX_DOCUMENT_BYTES + 1)
    if len(text) > MAX_DOCUMENT_BYTES:
        passed_over.add(f"the file is one document of more than {MAX_DOCUMENT_BYTES >> 20} MiB", file, 1)
        return
    data = _parsed(text)
    if data is _BROKEN:
        passed_over.add("the file is not JSON", file, 1)
    else:
        yield Record(data, 1 + text[: len(text) - len(text.lstrip(_SPACE))].count(b"\n"))


def _items(stream: BinaryIO, file: str, passed_over: PassedOver) -> Iterator[Record]:
    """The items of a list, cut at the commas between them."""
    for text, line, whole in _cut(stream):
        if len(text) > MAX_RECORD_BYTES:
            said = f"a record is longer than {MAX_RECORD_BYTES >> 20} MiB: the rest of the file was not read"
            passed_over.add(said, file, line)
            return
        if not text.strip(_SPACE):
            continue
        data = _parsed(text) if whole else _BROKEN
        if data is _BROKEN:
            passed_over.add("an item of the list is not JSON" if whole else "the list is cut off", file, line)
        else:
            yield Record(data, line)


def _cut(stream: BinaryIO) -> Iterator[tuple[bytes, int, bool]]:
    """Each item's bytes, the line it begins on, and whether its end was there; ends after one that is too long."""
    buffer, begin, start, depth, line = stream.read(_CHUNK), 0, 0, 0, 1
    while True:
        while found := _TOKEN.search(buffer, start):
            token = found[0]
            if token[:1] == b'"' and found.end() == len(buffer):
                break  # the text may go on behind what was read
            start = found.end()
            if token in (b"[", b"{"):
                depth += 1
                if depth == 1:
                    line, begin = line + buffer.count(b"\n", begin, start), start
            elif token in (b"]", b"}"):
                depth -= 1
            if depth == 0 or (depth == 1 and token == b","):
                item = buffer[begin : start - 1]
                yield item, line + _before(item), True
                line, begin = line + item.count(b"\n"), start
                if depth == 0:
                    return
        more = stream.read(_CHUNK)
        if not more or len(buffer) - begin > MAX_RECORD_BYTES:
            yield buffer[begin:], line + _before(buffer[begin:]), False
            return
        start = (found.start() if found else len(buffer)) - begin
        buffer, begin = buffer[begin:] + more, 0


def _before(item: bytes) -> int:
    """Line ends in front of an item's first character."""
    return item[: len(item) - len(item.lstrip(_SPACE))].count(b"\n")

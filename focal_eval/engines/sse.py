"""Server-sent events out of bytes, by the rules of the HTML standard, and strict where it hides a fault.

A browser shows what it can and drops the rest. A test must see it: bytes that are not UTF-8 and an event that was cut off
are errors here, so this is no job for a client library, which replaces the first and loses the second without a word.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from focal_eval.errors import EngineProtocol

_LINE_END = re.compile(r"\r\n|\n|\r")


class EventDecoder:
    """Takes bytes as they come and gives (name, data) of each event that is whole."""

    __slots__ = ("_data", "_first", "_name", "_open", "_pieces", "_text")

    def __init__(self) -> None:
        self._text = codecs.getincrementaldecoder("utf-8")("strict")
        self._first = True
        self._pieces: list[str] = []  # of a line that has not ended
        self._open = False  # whether the last line ended in CR, whose LF may be still to come
        self._name, self._data = "", list[str]()

    def feed(self, chunk: bytes) -> Iterator[tuple[str, str]]:
        """The events that these bytes complete. Raises EngineProtocol where they are not UTF-8."""
        for line in self._lines(self._decoded(chunk)):
            if line:
                self._field(line)
                continue
            name, data = self._name or "message", self._data
            self._name, self._data = "", []
            if data:  # an event without data is none
                yield name, "\n".join(data)

    def end(self) -> None:
        """Raises EngineProtocol where the stream ended in the middle of an event."""
        self._decoded(b"", last=True)
        left = "".join(self._pieces)
        if self._data or self._name or (left and not left.startswith(":")):
            raise EngineProtocol("the stream broke off in the middle of an event")

    def _decoded(self, chunk: bytes, *, last: bool = False) -> str:
        try:
            text = self._text.decode(chunk, last)
        except UnicodeDecodeError as problem:
            raise EngineProtocol(f"the stream is not UTF-8: {problem.reason}") from None
        if self._first and text:
            self._first = False
            text = text.removeprefix("\ufeff")
        return text

    def _lines(self, text: str) -> Iterator[str]:
        if self._open and text:
            self._open = False
            text = text.removeprefix("\n")
        if not text:
            return
        *whole, rest = _LINE_END.split(text)
        self._open = text.endswith("\r")
        for line in whole:
            yield "".join((*self._pieces, line)) if self._pieces else line
            self._pieces.clear()
        if rest:
            self._pieces.append(rest)

    def _field(self, line: str) -> None:
        field, _, value = line.partition(":")
        if field == "data":
            self._data.append(value.removeprefix(" "))
        elif field == "event":
            self._name = value.removeprefix(" ")

"""Places in a text as this package counts them (characters from 1) and as editors do (code units from 0)."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Literal

from focal_eval.source import Span

Units = Literal["utf-8", "utf-16", "utf-32"]
_BREAK = re.compile(r"\r\n|\r|\n")


class Lines:
    """A text by its lines, ended by LF, CR LF or CR and by nothing else, as YAML and the protocol have it."""

    __slots__ = ("_ends", "_starts", "text", "units")

    def __init__(self, text: str, units: Units = "utf-16") -> None:
        self.text, self.units = text, units
        breaks = [found.span() for found in _BREAK.finditer(text)]
        self._starts = [0, *(end for _, end in breaks)]
        self._ends = [*(start for start, _ in breaks), len(text)]

    def __len__(self) -> int:
        return len(self._starts)

    def line(self, number: int) -> str:
        """The line of that number, from 0, without its end; empty where there is none."""
        return self.text[self._starts[number] : self._ends[number]] if 0 <= number < len(self) else ""

    def offset(self, line: int, column: int) -> int:
        """Where a place, line and column in characters from 0, is in the text; what lies beyond it is its nearest place."""
        if line < 0:
            return 0
        if line >= len(self):
            return len(self.text)
        return min(self._starts[line] + max(column, 0), self._ends[line])

    def place(self, offset: int) -> tuple[int, int]:
        """The line and the column of a character, from 0."""
        line = bisect_right(self._starts, offset) - 1
        return line, offset - self._starts[line]

    def offsets(self, span: Span) -> tuple[int, int]:
        """From where to where a span is in the text."""
        start = self.offset(span.line - 1, span.column - 1)
        return start, max(start, self.offset(span.end_line - 1, span.end_column - 1))

    def to_units(self, line: int, column: int) -> int:
        """A column in characters as the editor counts it."""
        before = self.line(line)[:column]
        return len(before) + sum(map(self._extra, before)) if not before.isascii() else len(before)

    def from_units(self, line: int, column: int) -> int:
        """A column of the editor in characters; one within a character is the place before it."""
        text = self.line(line)
        if text.isascii():
            return min(column, len(text))
        seen = 0
        for place, character in enumerate(text):
            seen += 1 + self._extra(character)
            if seen > column:
                return place
        return len(text)

    def _extra(self, character: str) -> int:
        """How many code units more than one a character takes."""
        if self.units == "utf-32":
            return 0
        if self.units == "utf-16":
            return character > "\uffff"
        return len(character.encode("utf-8", "surrogatepass")) - 1

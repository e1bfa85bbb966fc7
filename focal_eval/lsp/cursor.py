"""Where in a half-typed YAML text a place is: the keys above it, and what has been typed of the word that stands there.

The text is looked at line by line, by indentation, dashes and brackets, so that nothing above or below has to be in order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from focal_eval.lsp.positions import Lines
from focal_eval.value import value

Path = tuple[str | int, ...]
_KEY = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s#\[\]{},&*!|>'"%@`][^#]*?)\s*:(?=\s|$)""")
_BLOCK = re.compile(r"(?:[&!]\S+\s+)*[|>][-+0-9]*\s*(?:#.*)?$")
_WORD = re.compile(r"[^\s,\[\]{}:\"'#]*$")
_AFTER = re.compile(r"[^\s,\[\]{}:\"'#]*")
_OPEN_CODE = re.compile(r"\{\{(?:(?!\}\}).)*$")
_DOTTED = re.compile(r"[A-Za-z_][\w.-]*$")


@value
class Cursor:
    """A place in a text, from 0, in characters."""

    path: Path  # down to the value that stands here, or to the mapping a key is typed in
    key: bool  # a key of the mapping at `path` may stand here
    scalar: bool  # the value at `path` may stand here
    word: str  # what has been typed of it
    line: int
    start: int  # column where the word begins
    end: int  # column where the rest of the word after the place ends
    siblings: frozenset[str]  # keys that the mapping has already
    column: int = 0  # of the keys of the mapping
    code: str | None = None  # what has been typed since `{{`
    flow: bool = False

    @property
    def whole(self) -> tuple[int, int]:
        return self.start, self.end


@dataclass(slots=True)
class _Frame:
    column: int
    listed: bool
    key: str | None = None
    index: int = 0
    keys: set[str] = field(default_factory=set)
    flow: bool = False
    valued: bool = False  # in a flow mapping: after the colon

    @property
    def step(self) -> str | int:
        return self.index if self.listed else self.key or ""


class _Scanner:
    """The frames that are open after some lines."""

    def __init__(self) -> None:
        self.frames: list[_Frame] = []
        self.block: int | None = None  # lines deeper than this column are a text
        self.quote = ""

    @property
    def in_flow(self) -> bool:
        return bool(self.frames and self.frames[-1].flow)

    def line(self, text: str) -> None:
        """Takes one line in."""
        if self.quote or self.in_flow:
            self.inline(text, 0)
            return
        stripped = text.lstrip(" ")
        column = len(text) - len(stripped)
        if self.block is not None:
            if not stripped.strip() or column > self.block:
                return
            self.block = None
        if not stripped.strip() or stripped[0] == "#" or stripped.startswith(("---", "...")):
            return
        column = self.dashes(text, column)
        found = _KEY.match(text, column)
        if found is None:
            self.rest(text, column)
            return
        self.key(column, found[1])
        self.rest(text, found.end())

    def dashes(self, text: str, column: int) -> int:
        """Takes the dashes at a line's start; the column of what follows."""
        while text[column : column + 1] == "-" and text[column + 1 : column + 2] in ("", " "):
            self.close(column, dash=True)
            if self.frames and self.frames[-1].listed and self.frames[-1].column == column:
                self.frames[-1].index += 1
            else:
                self.frames.append(_Frame(column, True))
            after = text[column + 1 :]
            column += 1 + (len(after) - len(after.lstrip(" ")))
        self.close(column, dash=False)
        return column

    def close(self, column: int, *, dash: bool) -> None:
        while self.frames and (
            self.frames[-1].column > column or (self.frames[-1].column == column and self.frames[-1].listed and not dash)
        ):
            self.frames.pop()

    def key(self, column: int, word: str) -> None:
        name = _bare(word)
        if not self.frames or self.frames[-1].column < column or self.frames[-1].listed:
            self.frames.append(_Frame(column, False))
        self.frames[-1].key = name
        self.frames[-1].keys.add(name)

    def rest(self, text: str, start: int) -> None:
        """What follows a key or a dash."""
        value = text[start:].strip()
        if _BLOCK.match(value):
            self.block = max((frame.column for frame in self.frames), default=-1)
            return
        opening = re.match(r"\s*(?:[&!]\S+\s+)*", text[start:])
        at = start + (opening.end() if opening else 0)
        if text[at : at + 1] in ("[", "{", '"', "'"):
            self.inline(text, at)

    def inline(self, text: str, at: int) -> None:
        """Brackets and quotes, as far as the line goes."""
        while at < len(text):
            sign = text[at]
            if self.quote:
                at = self.quoted(text, at)
                continue
            if not self.in_flow and sign not in "[{\"'":
                return
            if sign in "\"'" and (at == 0 or text[at - 1] in " [{,:("):
                self.quote = sign
            elif sign in "[{":
                self.frames.append(_Frame(10_000 + len(self.frames), sign == "[", flow=True))
            elif sign in "]}":
                self.frames.pop()
            elif sign == "," and self.in_flow:
                self.frames[-1].index += 1
                self.frames[-1].key, self.frames[-1].valued = None, False
            elif sign == "#" and (at == 0 or text[at - 1] == " "):
                return
            elif not self.frames[-1].listed and not self.frames[-1].valued and (found := _flow_key(text, at)) is not None:
                at = found.end()
                self.named(found[1])
                continue
            at += 1

    def named(self, word: str) -> None:
        frame = self.frames[-1]
        frame.key, frame.valued = _bare(word), True
        frame.keys.add(frame.key)

    def quoted(self, text: str, at: int) -> int:
        """The place after the quote's end in this line, or the line's end."""
        quote, begun = self.quote, at
        while at < len(text):
            if quote == '"' and text[at] == "\\":
                at += 2
                continue
            if text[at] == quote:
                if quote == "'" and text[at + 1 : at + 2] == "'":
                    at += 2
                    continue
                self.quote = ""
                if self.in_flow and not self.frames[-1].listed and not self.frames[-1].valued:
                    after = re.match(r"\s*:(?=\s|$)", text[at + 1 :])
                    if after:
                        self.named(text[begun:at])
                return at + 1
            at += 1
        return at


_FLOW_KEY = re.compile(r"""([^\s,\[\]{}"'#:][^,\[\]{}"'#:]*?)\s*:(?=[\s,}\]]|$)""")


def _flow_key(text: str, at: int) -> re.Match[str] | None:
    return _FLOW_KEY.match(text, at)


def _bare(word: str) -> str:
    word = word.strip()
    return word[1:-1] if len(word) > 1 and word[0] in "\"'" and word[-1] == word[0] else word


def cursor_at(lines: Lines, line: int, column: int) -> Cursor:
    """The cursor at a place."""
    scanner = _Scanner()
    for number in range(min(line, len(lines))):
        scanner.line(lines.line(number))
    text = lines.line(line)
    typed = text[:column]
    found = _WORD.search(typed)
    word = found[0] if found else ""
    start = len(typed) - len(word)
    after = _AFTER.match(text, column)
    end = after.end() if after else column
    code = _OPEN_CODE.search(typed)
    in_text = scanner.block is not None and len(text) - len(text.lstrip(" ")) > scanner.block
    here = _Here(scanner, lines, line, typed[:start], word, start, end)
    if code is not None or in_text:
        dotted = _DOTTED.search(typed)
        said = dotted[0] if dotted else ""
        return here.code(None if code is None else said, len(typed) - len(said), column)
    return here.find()


@dataclass(slots=True)
class _Here:
    scanner: _Scanner
    lines: Lines
    line: int
    before: str
    word: str
    start: int
    end: int

    def code(self, typed: str | None, start: int, end: int) -> Cursor:
        """Within `{{ }}`, or within a block of text."""
        if self.scanner.block is None:
            self.scanner.line(self.before)
        path = tuple(frame.step for frame in self.scanner.frames)
        return Cursor(path, False, False, typed or "", self.line, start, end, frozenset(), code=typed)

    def find(self) -> Cursor:
        scanner = self.scanner
        if scanner.quote or scanner.in_flow:
            scanner.inline(self.before, 0)
            return self._flow() if scanner.in_flow else self._value()
        column = len(self.before) - len(self.before.lstrip(" "))
        blank = not self.before.strip()
        column = scanner.dashes(self.before, column) if not blank else self.start
        if blank:
            scanner.close(column, dash=False)
        found = _KEY.match(self.before.rstrip() if self.before.endswith(" ") else self.before, column) if not blank else None
        if found is None and self.before[column:].strip():
            scanner.rest(self.before, column)
            return self._flow() if scanner.in_flow else self._value()
        if found is None:
            return self._free(column)
        scanner.key(column, found[1])
        scanner.rest(self.before, found.end())
        return self._flow() if scanner.in_flow else self._value()

    def _value(self) -> Cursor:
        path = tuple(frame.step for frame in self.scanner.frames)
        return Cursor(path, False, True, self.word, self.line, self.start, self.end, frozenset())

    def _flow(self) -> Cursor:
        frame = self.scanner.frames[-1]
        path = tuple(one.step for one in self.scanner.frames)
        if frame.listed or frame.valued:
            return Cursor(path, False, True, self.word, self.line, self.start, self.end, frozenset(), flow=True)
        return Cursor(
            path[:-1], True, False, self.word, self.line, self.start, self.end, frozenset(frame.keys), self.start, flow=True
        )

    def _free(self, column: int) -> Cursor:
        """At the start of a line, or after a dash: a key, or a value alone."""
        frames = self.scanner.frames
        path = tuple(frame.step for frame in frames)
        if frames and not frames[-1].listed and frames[-1].column == column:
            keys = frozenset(frames[-1].keys | self._below(column))
            return Cursor(path[:-1], True, False, self.word, self.line, self.start, self.end, keys, column)
        keys = frozenset(self._below(column))
        return Cursor(path, True, bool(path), self.word, self.line, self.start, self.end, keys, column)

    def _below(self, column: int) -> set[str]:
        """Keys of the same mapping further down."""
        found: set[str] = set()
        for number in range(self.line + 1, min(self.line + 200, len(self.lines))):
            text = self.lines.line(number)
            stripped = text.lstrip(" ")
            if not stripped or stripped[0] == "#":
                continue
            at = len(text) - len(stripped)
            if at < column or (at == column and stripped.startswith("- ")):
                break
            if at == column and (key := _KEY.match(text, at)) is not None:
                found.add(_bare(key[1]))
        return found

"""Where a value stands in a JSON text, by its path: parsers say what is in a file, people need to know where."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from focal_eval.source import Span

_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_ATOM = re.compile(r"[^\s,\]}]+")
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def span_at(text: str, offset: int, file: str, length: int = 1) -> Span:
    """The place of a character offset."""
    offset = min(offset, len(text))
    line = text.count("\n", 0, offset) + 1
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    return Span(file, line, column, line, column + length)


def json_span(text: str, path: Sequence[str | int], file: str) -> Span:
    """The place of the value at `path` in a text that is valid JSON; of the nearest value above it where there is none."""
    offset = _skip_space(text, 0)
    for step in path:
        found = _child(text, offset, step)
        if found is None:
            break
        offset = found
    return span_at(text, offset, file, length=_shown_length(text, offset))


def lines_of_items(text: str, path: Sequence[str | int]) -> Iterator[int]:
    """The lines on which the items of the list at `path` begin, found in one pass over a text that is valid JSON."""
    offset = _skip_space(text, 0)
    for step in path:
        found = _child(text, offset, step)
        if found is None:
            return
        offset = found
    line, before = 1, 0
    for at in _items(text, offset + 1):
        line, before = line + text.count("\n", before, at), at
        yield line


def _skip_space(text: str, offset: int) -> int:
    found = _SPACE.match(text, offset)
    return found.end() if found else offset


def _shown_length(text: str, offset: int) -> int:
    """How much of the value to underline: a scalar whole, of a collection its bracket."""
    found = _STRING.match(text, offset) or (None if text[offset : offset + 1] in ("[", "{") else _ATOM.match(text, offset))
    return min(len(found[0]), 60) if found and "\n" not in found[0] else 1


def _child(text: str, offset: int, step: str | int) -> int | None:
    opening = text[offset : offset + 1]
    if opening == "[" and isinstance(step, int):
        return next((at for index, at in enumerate(_items(text, offset + 1)) if index == step), None)
    if opening == "{" and isinstance(step, str):
        last = None  # JSON parsers keep the last of two equal keys
        for at in _items(text, offset + 1):
            key = _STRING.match(text, at)
            if key is None:
                return last
            value = _skip_space(text, _skip_space(text, key.end()) + 1)
            if _unquoted(key[0]) == step:
                last = value
        return last
    return None


def _unquoted(key: str) -> str:
    if "\\" not in key:
        return key[1:-1]
    import orjson

    return str(orjson.loads(key))


def _items(text: str, offset: int) -> Iterator[int]:
    """The offsets of a list's items or a mapping's keys, `offset` being just behind the opening bracket."""
    offset = _skip_space(text, offset)
    while offset < len(text) and text[offset] not in "]}":
        yield offset
        offset = _after_value(text, offset)
        if text[offset : offset + 1] == ":":
            offset = _after_value(text, _skip_space(text, offset + 1))
        if text[offset : offset + 1] == ",":
            offset = _skip_space(text, offset + 1)


def _after_value(text: str, offset: int) -> int:
    if text[offset : offset + 1] in ("[", "{"):
        depth = 0
        for found in _STRUCTURE.finditer(text, offset):
            sign = found[0]
            depth += 1 if sign in "[{" else -1 if sign in "]}" else 0
            if depth == 0:
                return _skip_space(text, found.end())
        return len(text)
    found_atom = _STRING.match(text, offset) or _ATOM.match(text, offset)
    return _skip_space(text, found_atom.end()) if found_atom else len(text)

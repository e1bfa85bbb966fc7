"""Changes single values of a YAML text and nothing else: comments, quotes, line breaks and layout stay byte for byte.

A value is replaced between its own marks. What comes out is read again and must hold the same data but for the change, so an
edit that would mean something else is never made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from focal_eval.document.reader import MappingNode, Node, ScalarNode, SequenceNode, read_text
from focal_eval.document.shape import scalar
from focal_eval.document.writing import dump

_BREAK = re.compile(r"\r\n|\r|\n")
_BARE = re.compile(r"[A-Za-z][A-Za-z0-9_./*-]*\Z")


class Unfit(Exception):
    """A value that cannot be changed in its place; the message says why."""


class Edit(NamedTuple):
    """Characters `start` to `end` of a text become `text`."""

    start: int
    end: int
    text: str


class Text:
    """A YAML text with its nodes and where they stand in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        document = read_text(text, "")
        if document.root is None or document.problems.errors:
            raise Unfit("the file cannot be read")
        self.root: Node = document.root
        self._starts = [0, *(found.end() for found in _BREAK.finditer(text))]
        self._parents: dict[int, int] = {}
        self._shared: set[int] = set()
        self._count(self.root)
        breaks = _BREAK.search(text)
        self.newline = breaks[0] if breaks else "\n"

    def _count(self, root: Node) -> None:
        """Finds the nodes that stand for more than one place: those below an anchor that is used again."""
        stack = [root]
        again: list[Node] = []
        while stack:
            node = stack.pop()
            self._parents[id(node)] = self._parents.get(id(node), 0) + 1
            if self._parents[id(node)] == 1:
                stack.extend(children(node))
            else:
                again.append(node)
        while again:
            node = again.pop()
            if id(node) not in self._shared:
                self._shared.add(id(node))
                again.extend(children(node))

    def offset(self, line: int, column: int) -> int:
        """Where a place, counted from 0, is in the text."""
        return self._starts[line] + column

    def range(self, node: Node) -> tuple[int, int]:
        """From where to where a node stands, without the white space after it."""
        start = self.offset(node.start_mark.line, node.start_mark.column)
        end = min(self.offset(node.end_mark.line, node.end_mark.column), len(self.text))
        while end > start and self.text[end - 1] in " \t\r\n":
            end -= 1
        return start, end

    def check(self, node: Node) -> None:
        """Raises Unfit for a node that an anchor shares with another place."""
        start, _ = self.range(node)
        if id(node) in self._shared or self.text[start : start + 1] in ("&", "*", "!"):
            raise Unfit("an anchor shares it with another place")

    def value(self, node: ScalarNode, value: Any) -> Iterator[Edit]:
        """Edits that put a value where a scalar stands, the nearest to how it is written first."""
        self.check(node)
        start, end = self.range(node)
        for text in _written(node, value, self._inner(node), self.newline):
            yield Edit(start, end, text)

    def _inner(self, node: ScalarNode) -> str:
        """The white space before the lines of a block scalar."""
        if node.style not in ("|", ">"):
            return ""
        line = self.text[self._starts[node.start_mark.line + 1] :] if node.start_mark.line + 1 < len(self._starts) else ""
        return line[: len(line) - len(line.lstrip(" "))]

    def names(self, node: SequenceNode, wanted: Sequence[str]) -> Iterator[list[Edit]]:
        """Edits that make a list of names say `wanted`: what stays stays where it is, what is new takes the place of what goes.

        Raises Unfit for a list of anything else, and for one that cannot be cut down to nothing.
        """
        self.check(node)
        items = list(node.value)
        if not all(isinstance(item, ScalarNode) for item in items):
            raise Unfit("it is no plain list of names")
        for item in items:
            self.check(item)
        fresh = [name for name in wanted if name not in [item.value for item in items]]
        gone = [place for place, item in enumerate(items) if item.value not in wanted]
        edits: list[Edit] = []
        for place in list(gone):
            if fresh:
                edits.append(next(self.value(items[place], fresh.pop(0))))
                gone.remove(place)
        if gone and len(gone) == len(items):
            edits += self._emptied(node)
        else:
            edits += [self._without(node, place, gone) for place in gone]
            edits += self._appended(node, fresh)
        yield edits
        start, end = self.range(node)
        if node.flow_style and not set("#\r\n") & set(self.text[start:end]):
            yield [Edit(start, end, f"[{', '.join(map(_name, wanted))}]")]

    def _emptied(self, node: SequenceNode) -> list[Edit]:
        start, end = self.range(node)
        if not node.flow_style or "#" in self.text[start:end]:
            raise Unfit("nothing is left of it")
        return [Edit(start, end, "[]")]

    def _without(self, node: SequenceNode, place: int, gone: list[int]) -> Edit:
        start, end = self.range(node.value[place])
        if not node.flow_style:
            line = node.value[place].start_mark.line
            if self.text[self._starts[line] : start].strip(" ") != "-":
                raise Unfit("its items do not stand on lines of their own")
            following = self._starts[line + 1] if line + 1 < len(self._starts) else len(self.text)
            return Edit(self._starts[line], following, "")
        kept_before = [other for other in range(place) if other not in gone]
        if kept_before:  # with the comma before it
            return Edit(self.range(node.value[place - 1])[1], end, "")
        return Edit(start, self.range(node.value[place + 1])[0], "")

    def _appended(self, node: SequenceNode, fresh: list[str]) -> list[Edit]:
        if not fresh:
            return []
        if node.flow_style:
            at = self.range(node.value[-1])[1] if node.value else self.range(node)[0] + 1
            said = ", ".join(_name(name) for name in fresh)
            return [Edit(at, at, f", {said}" if node.value else said)]
        last = node.value[-1]
        start, _ = self.range(last)
        line = last.start_mark.line
        lead = self.text[self._starts[line] : start]
        if lead.strip(" ") != "-" or last.end_mark.line != line:
            raise Unfit("its items do not stand on lines of their own")
        ends = line + 1 < len(self._starts)
        at = self._starts[line + 1] if ends else len(self.text)
        lines = "".join(f"{lead}{_name(name)}{self.newline}" for name in fresh)
        return [Edit(at, at, lines if ends else self.newline + lines.removesuffix(self.newline))]


def children(node: Node) -> list[Node]:
    """The nodes directly below a node."""
    if isinstance(node, MappingNode):
        return [part for entry in node.value for part in entry]
    return list(node.value) if isinstance(node, SequenceNode) else []


def _name(text: str) -> str:
    return text if _BARE.match(text) and _plain_line(text) == text else json.dumps(text, ensure_ascii=False)


def _plain_line(value: Any) -> str:
    """A value in one line, as the writer of this package would write it."""
    return dump([value]).removeprefix("- ").removesuffix("\n") if not isinstance(value, str) or "\n" not in value else ""


def _written(node: ScalarNode, value: Any, inner: str, newline: str) -> Iterator[str]:
    if not isinstance(value, str):
        yield json.dumps(value)
        return
    if not node.style and "\n" not in value:
        yield value
    if node.style == "'" and "\n" not in value:
        yield "'" + value.replace("'", "''") + "'"
    if node.style in ("|", ">") and inner and "\r" not in value:
        lines = newline.join(f"{inner}{line}" if line else "" for line in value.split("\n"))
        yield f"|-{newline}{lines}"
    yield json.dumps(value, ensure_ascii=False)


def applied(text: str, edits: Sequence[Edit]) -> str:
    """The text with the edits made. Raises Unfit where two of them meet."""
    ordered = sorted(edits)
    for one, other in pairwise(ordered):
        if other.start < one.end:
            raise Unfit("two changes meet in one place")
    for edit in reversed(ordered):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


Plain = tuple[Any, ...]


def data_of(node: Node, changed: dict[int, Any] | None = None) -> Plain:
    """What a node says without how it is written; nodes in `changed`, by their id, say that instead."""
    if changed and id(node) in changed:
        return _data(changed[id(node)])
    if isinstance(node, ScalarNode):
        return ("scalar", node.tag, scalar(node))
    if isinstance(node, SequenceNode):
        return ("list", *(data_of(item, changed) for item in node.value))
    return ("mapping", *((data_of(key), data_of(item, changed)) for key, item in node.value))


def _data(value: Any) -> Plain:
    root = read_text(dump(value if isinstance(value, list) else [value]), "").root
    assert isinstance(root, SequenceNode)
    return data_of(root if isinstance(value, list) else root.value[0])


def says(text: str, wanted: Plain) -> bool:
    """Whether a text reads as this data, without any problem."""
    document = read_text(text, "")
    return document.root is not None and not document.problems.errors and data_of(document.root) == wanted

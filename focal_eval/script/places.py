"""Places below an expectation's value, found only when something there is wrong: the file is then composed once more."""

from __future__ import annotations

from functools import lru_cache

from focal_eval.document import read_text
from focal_eval.document.reader import MappingNode, Node, ScalarNode, SequenceNode
from focal_eval.script.model import Expectation, Path
from focal_eval.source import Span


def place(item: Expectation, path: Path, text: str, *, word: str | None = None) -> Span:
    """The place of the value at `path` below the expectation's value, as deep as it can be followed.

    `text` is the file the expectation stands in; where `word` is a key at the end of the path, the key is the place.
    """
    if not path and word is None:
        return item.value_span
    node = item.node or _node_at(text, item.value_span.line - 1, item.value_span.column - 1)
    if node is None:
        return item.value_span
    last: Node | None = None
    for part in path:
        below = _below(node, part)
        if below is None:
            break
        last, node = below
    if word is not None and (last is None or last.value != word):
        last = _key(node, word)
    if word is not None and last is not None:
        node = last
    start, end = node.start_mark, node.end_mark
    return Span(item.value_span.file, start.line + 1, start.column + 1, end.line + 1, end.column + 1)


@lru_cache(maxsize=2)
def _root(text: str) -> Node | None:
    root: Node | None = read_text(text, "").root
    return root


def _node_at(text: str, line: int, column: int) -> Node | None:
    """The outermost value that starts at a place; aliases are not followed twice."""
    return _starts(text).get((line, column))


@lru_cache(maxsize=2)
def _starts(text: str) -> dict[tuple[int, int], Node]:
    """The outermost value at each place where one starts, the root left out: long files are asked about many of them."""
    root = _root(text)
    stack = [] if root is None else [root]
    seen: set[int] = set()
    found: dict[tuple[int, int], Node] = {}
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if node is not root:
            found.setdefault((node.start_mark.line, node.start_mark.column), node)
        if isinstance(node, SequenceNode):
            stack.extend(reversed(node.value))
        elif isinstance(node, MappingNode):
            stack.extend(value for _, value in reversed(node.value))
    return found


def _below(node: Node, part: str | int) -> tuple[Node | None, Node] | None:
    """The key, where there is one, and the value of a part of a collection."""
    if isinstance(node, SequenceNode):
        items: list[Node] = node.value
        return (None, items[part]) if isinstance(part, int) and part < len(items) else None
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode) and key.value == part:
                return key, value
    return None


def _key(node: Node, word: str) -> Node | None:
    found = _below(node, word) if isinstance(node, MappingNode) else None
    return None if found is None else found[0]

"""Places below an expectation's value, found only when something there is wrong."""

from __future__ import annotations

from focal_eval.document.reader import MappingNode, Node, ScalarNode, SequenceNode
from focal_eval.script.model import Expectation, Path
from focal_eval.source import Span


def place(item: Expectation, path: Path) -> Span:
    """The place of the value at `path` below the expectation's value, as deep as it can be followed."""
    if not path or item.node is None:
        return item.value_span
    node: Node = item.node
    for part in path:
        below = _below(node, part)
        if below is None:
            break
        node = below
    start, end = node.start_mark, node.end_mark
    return Span(item.value_span.file, start.line + 1, start.column + 1, end.line + 1, end.column + 1)


def _below(node: Node, part: str | int) -> Node | None:
    if isinstance(node, SequenceNode):
        items: list[Node] = node.value
        return items[part] if isinstance(part, int) and part < len(items) else None
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode) and key.value == part:
                found: Node = value
                return found
    return None

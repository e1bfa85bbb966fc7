"""A YAML node as plain data and back, with the places and styles that filling a template asks for."""

from __future__ import annotations

from typing import Any

from yaml import Mark

from focal_eval.document.reader import MappingNode, Node, ScalarNode, SequenceNode

_OURS = "tag:yaml.org,2002:"
_SEQUENCE, _MAPPING = 0, 1


def pack_node(node: Node) -> list[Any]:
    """The node as lists, texts and numbers; one that aliases share is packed as often as it is used.

    Raises ValueError for a tag that is not of the core schema.
    """
    start, end = node.start_mark, node.end_mark
    place = (start.line, start.column, end.line, end.column)
    if not node.tag.startswith(_OURS):
        raise ValueError(f"a node with the tag {node.tag}")
    tag = node.tag[len(_OURS) :]
    if isinstance(node, ScalarNode):
        return [node.value, node.style, tag, *place]
    if isinstance(node, SequenceNode):
        return [_SEQUENCE, [pack_node(item) for item in node.value], node.flow_style, tag, *place]
    assert isinstance(node, MappingNode), "there is no other kind"
    return [_MAPPING, [part for pair in node.value for part in map(pack_node, pair)], node.flow_style, tag, *place]


def unpack_node(data: list[Any]) -> Node:
    """What `pack_node` gave. Raises what damaged data make it raise."""
    *first, tag, a, b, c, d = data
    tag, start, end = _OURS + tag, _mark(a, b), _mark(c, d)
    if len(first) == 2:
        value, style = first
        return ScalarNode(tag, value, start, end, style)
    kind, items, flow_style = first
    made = [unpack_node(item) for item in items]
    if kind == _SEQUENCE:
        return SequenceNode(tag, made, start, end, flow_style)
    return MappingNode(tag, list(zip(made[::2], made[1::2], strict=True)), start, end, flow_style)


def _mark(line: int, column: int) -> Mark:
    """A place of which no more is asked than its line and column, from 0."""
    return Mark("", 0, line, column, None, 0)

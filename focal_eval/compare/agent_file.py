"""An agent file as plain data, with the line of each of its parts."""

from __future__ import annotations

from collections.abc import Iterator

from focal_eval.compare.agents import KINDS, Lines
from focal_eval.document import INVALID, Document, Reader, plain
from focal_eval.document.reader import MappingNode, Node, ScalarNode, SequenceNode
from focal_eval.records import Json
from focal_eval.value import value


@value
class AgentFile:
    """What an agent file says, whoever can play it."""

    data: Json
    lines: Lines


def agent_in(document: Document) -> AgentFile | None:
    """The agent of a document, None where it cannot be read as a mapping."""
    if not isinstance(document.root, MappingNode):
        return None
    data = plain(document.root, Reader(document))
    if data is INVALID or document.problems.errors:
        return None
    return AgentFile(data, dict(_lines(document.root)))


def _lines(root: MappingNode) -> Iterator[tuple[tuple[str, str], int]]:
    for key, node in _pairs(root):
        kind = KINDS.get(key.value)
        if kind is None:
            yield ("setting", key.value), _line(key)
            yield from ((("setting", f"{key.value}.{inner.value}"), _line(inner)) for inner, _ in _pairs(node))
            continue
        for name, item, line in _named(node):
            yield (kind, name), line
            if kind == "scenario":
                yield from _steps(name, item)


def _steps(scenario: str, node: Node) -> Iterator[tuple[tuple[str, str], int]]:
    for key, steps in _pairs(node):
        if key.value != "steps":
            continue
        for name, step, line in _named(steps):
            yield ("step", f"{scenario}/{name}"), line
            yield from _edges(f"{scenario}/{name}", step)


def _edges(step: str, node: Node) -> Iterator[tuple[tuple[str, str], int]]:
    seen: dict[str, int] = {}
    for key, goes in _pairs(node):
        if key.value != "go":
            continue
        for go in goes.value if isinstance(goes, SequenceNode) else [goes]:
            to = go if isinstance(go, ScalarNode) else next((item for name, item in _pairs(go) if name.value == "to"), None)
            target = to.value if isinstance(to, ScalarNode) else "None"
            seen[target] = seen.get(target, 0) + 1
            again = f" ({seen[target]})" if seen[target] > 1 else ""
            yield ("transition", f"{step} → {target}{again}"), _line(go)


def _named(node: Node) -> Iterator[tuple[str, Node, int]]:
    if isinstance(node, SequenceNode):
        for item in node.value:
            found = next((inner for key, inner in _pairs(item) if key.value == "id"), None)
            if isinstance(found, ScalarNode):
                yield found.value, item, _line(found)
    else:
        yield from ((key.value, item, _line(key)) for key, item in _pairs(node))


def _pairs(node: Node) -> Iterator[tuple[ScalarNode, Node]]:
    if isinstance(node, MappingNode):
        yield from ((key, item) for key, item in node.value if isinstance(key, ScalarNode))


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1

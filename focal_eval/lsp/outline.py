"""The parts of a file for an editor's outline, and the lines over rules that say how many scripts hold them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from focal_eval.agent.parts import parts
from focal_eval.document.reader import MappingNode, Node, ScalarNode, SequenceNode
from focal_eval.lsp.project import Project
from focal_eval.source import Span
from focal_eval.text import counted
from focal_eval.value import value


@value
class Symbol:
    """A part of a file: `span` is all of it, `name_span` where its name stands."""

    name: str
    kind: str
    span: Span
    name_span: Span
    detail: str = ""
    children: tuple[Symbol, ...] = ()


@value
class Lens:
    """A line over a part: how many scripts hold it, and the places to go to."""

    span: Span
    text: str
    places: tuple[tuple[Path, Span], ...]


def symbols(project: Project, path: Path) -> list[Symbol]:
    """The parts of a file, by its keys; turns are called by what the user says."""
    document = project.files.document(path)
    root = document.root
    if not isinstance(root, MappingNode):
        return []
    return list(_of_mapping(root, document.file, 3))


def _of_mapping(node: MappingNode, file: str, depth: int) -> Iterator[Symbol]:
    for key, item in node.value[:2_000]:
        if isinstance(key, ScalarNode):
            children = tuple(_children(item, file, depth - 1)) if depth > 1 else ()
            name, span = key.value or "(empty)", _span(key, file)
            yield Symbol(name, _kind(item), Span(*span[:3], *_end(item, key)), span, _detail(item), children)


def _children(node: Node, file: str, depth: int) -> Iterator[Symbol]:
    if isinstance(node, MappingNode) and not node.flow_style:
        yield from _of_mapping(node, file, depth)
    elif isinstance(node, SequenceNode) and not node.flow_style:
        for number, item in enumerate(node.value[:2_000]):
            span = _span(item, file)
            head = Span(*span[:3], span.line, max(span.column + 1, span.end_column if span.end_line == span.line else 0))
            yield Symbol(_title(item, number), _kind(item), span, head)


def _title(node: Node, number: int) -> str:
    if isinstance(node, ScalarNode):
        return _short(node.value) or str(number + 1)
    if isinstance(node, MappingNode):
        for wanted in ("id", "user", "name", "include", "title"):
            for key, item in node.value:
                if isinstance(key, ScalarNode) and key.value == wanted:
                    said = item.value[0] if isinstance(item, SequenceNode) and item.value else item
                    if isinstance(said, ScalarNode) and said.value:
                        return _short(said.value)
        if node.value and isinstance(node.value[0][0], ScalarNode):
            return _short(node.value[0][0].value) or str(number + 1)
    return str(number + 1)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59] + "…"


def _detail(node: Node) -> str:
    return _short(node.value) if isinstance(node, ScalarNode) else ""


def _kind(node: Node) -> str:
    return "value" if isinstance(node, ScalarNode) else "list" if isinstance(node, SequenceNode) else "mapping"


def _span(node: Node, file: str) -> Span:
    start, end = node.start_mark, node.end_mark
    return Span(file, start.line + 1, start.column + 1, end.line + 1, end.column + 1)


def _end(item: Node, key: Node) -> tuple[int, int]:
    """Where a value ends; an anchor used again stands elsewhere."""
    end = item.end_mark if (item.end_mark.line, item.end_mark.column) >= (key.end_mark.line, 0) else key.end_mark
    return max((end.line + 1, end.column + 1), (key.end_mark.line + 1, key.end_mark.column + 1))


def lenses(project: Project, path: Path) -> list[Lens]:
    """Over each rule of an agent file: the scripts that expect it."""
    agent = project.agent(path) if project.files.kind(path) == "agent" else None
    if agent is None or project.files.document(path).root is None:
        return []
    covering: dict[str, dict[Path, Span]] = {}
    for script in project.scripts_with(path):
        for mention in project.mentions(script):
            if mention.kind == "rule" and not mention.absent:
                covering.setdefault(mention.name, {}).setdefault(project.path_of(mention.span.file), mention.span)
    out = []
    for one in parts(agent):
        if one.kind != "rule":
            continue
        places = tuple(covering.get(one.name, {}).items())
        text = f"{counted(len(places), 'script')} cover{'s' if len(places) == 1 else ''} this rule"
        out.append(Lens(one.span, text if places else "no script protects this rule", places))
    return out

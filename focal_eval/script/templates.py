"""`{{ }}` in scripts: found and compiled while reading, filled per case into nodes that keep their places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from focal_eval.document import INVALID, Reader, Shape
from focal_eval.document.reader import BOOL, FLOAT, INT, MAP, NULL, SEQ, STR, MappingNode, Node, ScalarNode, SequenceNode
from focal_eval.document.reading import Filled
from focal_eval.document.shape import JsonSchema, SchemaBuilder
from focal_eval.script.model import Said
from focal_eval.source import Span
from focal_eval.template import TemplateProblem, compile_template, has_template
from focal_eval.value import value

Uses = list[tuple[str, Span]]


@value
class Placed:
    """Uses of names at a place of a simulated user's graph, with what surely was saved before."""

    uses: Uses
    saved: frozenset[str]


@dataclass(slots=True)
class Trail:
    """Which names one file's templates need and save, turn by turn; kept beside the values, so that broken ones count too."""

    uses: Uses = field(default_factory=list)  # outside turns; while a turn is read, that turn's
    turns: list[tuple[Uses, dict[str, Span]]] = field(default_factory=list)  # needed by a turn, saved by it
    closing: Uses = field(default_factory=list)  # needed by the conversation's expectations
    sources: Uses = field(default_factory=list)  # read by `save`
    knows: dict[str, Span] = field(default_factory=dict)  # names of a simulated user's own
    states: dict[str, tuple[Uses, Uses]] = field(default_factory=dict)  # needed by a state, and by its edges
    after: Uses = field(default_factory=list)  # needed by the edges of the state that is read
    goal: Uses = field(default_factory=list)  # needed by the user's goal
    placed: list[Placed] = field(default_factory=list)  # all of these again, once the graph is known
    saved: dict[str, Span] = field(default_factory=dict)  # by states
    at_end: frozenset[str] = frozenset()  # saved whatever way the user takes

    @staticmethod
    def of(reader: Reader) -> Trail:
        trail: Trail | None = reader.scratch.get("trail")
        if trail is None:
            trail = reader.scratch["trail"] = Trail()
        return trail

    def take(self, start: int) -> Uses:
        """The uses noted since `start`, taken out."""
        if len(self.uses) == start:
            return []
        taken = self.uses[start:]
        del self.uses[start:]
        return taken

    def splice(self, other: Trail) -> None:
        """Adds a fragment's turns after those read so far."""
        self.uses += other.uses
        self.turns += other.turns
        self.sources += other.sources


def note_use(text: str, node: Node, reader: Reader) -> Any:
    """Compiles a text's template and notes the names it needs; INVALID, with a report, where it is not one."""
    try:
        template = compile_template(text)
    except TemplateProblem as problem:
        return reader.error("bad-template", f"not a template: {problem}", node, help=problem.help)
    span = reader.span(node)
    Trail.of(reader).uses.extend((name, span) for name in sorted(template.names))
    return True


def may_hold_templates(reader: Reader) -> bool:
    """Whether the document holds anything a template could be made of; looked up once a document."""
    known = reader.scratch.get("templates")
    if known is None:
        known = reader.scratch["templates"] = has_template(reader.document.text)
    return bool(known)


def note_templates(node: Node, reader: Reader) -> Any:
    """True where a text below `node` is a template, INVALID where one is broken."""
    if not may_hold_templates(reader):
        return False
    found: Any = False
    stack = [node]
    while stack:
        here = stack.pop()
        if not reader.count(here):
            return INVALID
        if isinstance(here, ScalarNode):
            if has_template(here.value):
                if note_use(here.value, here, reader) is INVALID:
                    return INVALID
                found = True
        elif isinstance(here, SequenceNode):
            stack.extend(here.value)
        elif isinstance(here, MappingNode):
            stack.extend(value for _, value in here.value)
    return found


def scalars_below(node: Node) -> Iterator[ScalarNode]:
    """Every scalar of a value that was counted before, keys left out."""
    stack = [node]
    while stack:
        here = stack.pop()
        if isinstance(here, ScalarNode):
            yield here
        elif isinstance(here, SequenceNode):
            stack.extend(here.value)
        else:
            stack.extend(value for _, value in here.value)


class SaidText(Shape):
    """Text that may hold `{{ }}`, with its place."""

    expected = "text"

    def __init__(self, *, may_be_empty: bool = True) -> None:
        self.may_be_empty = may_be_empty

    def read(self, node: Node, reader: Reader) -> Any:
        if node.tag != STR or not isinstance(node, ScalarNode):
            return self.wrong(node, reader)
        text = reader.text(node) if reader.comments else str(node.value)
        if not text and not self.may_be_empty:
            return reader.error("empty-text", "this text must not be empty", node)
        templated = may_hold_templates(reader) and has_template(text)
        if templated and note_use(text, node, reader) is INVALID:
            return INVALID
        return Said(text, reader.span(node), templated)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {"type": "string"} if self.may_be_empty else {"type": "string", "minLength": 1}


@value
class Filler:
    """Fills templates with one case's values. Raises TemplateProblem, UndefinedName among them."""

    values: Mapping[str, Any]

    def said(self, said: Said) -> str:
        """The text as it is said."""
        if not said.template:
            return said.text
        value = compile_template(said.text).fill(self.values)
        return value if isinstance(value, str) else _shown(value)

    def data(self, value: Any) -> Any:
        """Plain data with every template in it filled."""
        if isinstance(value, str):
            return compile_template(value).fill(self.values) if has_template(value) else value
        if isinstance(value, list):
            return [self.data(item) for item in value]
        if isinstance(value, dict):
            return {key: self.data(item) for key, item in value.items()}
        return value

    def node(self, node: Node) -> Node:
        """The node with templates filled; what came out keeps the template's place."""
        if isinstance(node, ScalarNode):
            if not has_template(node.value):
                return node
            return _node_of(compile_template(node.value).fill(self.values), node)
        if isinstance(node, SequenceNode):
            return SequenceNode(node.tag, [self.node(item) for item in node.value], node.start_mark, node.end_mark)
        pairs = [(key, self.node(item)) for key, item in node.value]
        return MappingNode(node.tag, pairs, node.start_mark, node.end_mark, getattr(node, "flow_style", None))


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def _node_of(value: Any, at: Node) -> Node:
    """A value that came out of a template as a node at the template's place."""
    start, end = at.start_mark, at.end_mark
    if isinstance(value, Mapping):
        pairs = [(ScalarNode(STR, str(key), start, end, '"'), _node_of(item, at)) for key, item in value.items()]
        return MappingNode(MAP, pairs, start, end)
    if isinstance(value, (list, tuple)):
        return SequenceNode(SEQ, [_node_of(item, at) for item in value], start, end)
    kinds: tuple[tuple[type, str], ...] = ((bool, BOOL), (int, INT), (float, FLOAT), (type(None), NULL))
    tag = next((tag for kind, tag in kinds if isinstance(value, kind)), STR)
    style: Any = '"' if tag == STR else None
    return Filled(tag, _shown(value), start, end, style)

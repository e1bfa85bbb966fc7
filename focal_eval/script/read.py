"""Reads one document into a Script; every problem of it is reported with its place, whatever else is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Annotated, Any

from focal_eval.document import INVALID, Document, Reader, Shape, plain, record_of
from focal_eval.document.reader import STR, MappingNode, Node, ScalarNode, SequenceNode
from focal_eval.document.shape import JsonSchema, ListOf, Number, Record, SchemaBuilder, Text
from focal_eval.errors import Label
from focal_eval.registry import nearest
from focal_eval.script.expectations import CONVERSATION, Block
from focal_eval.script.model import Given, Mark, Said, Script, Simulator, Turn
from focal_eval.script.names import check_names
from focal_eval.script.params import Params, ParamsShape
from focal_eval.script.saving import SaveShape
from focal_eval.script.simulator_shapes import SimulatorShape
from focal_eval.script.stubs import StubsShape
from focal_eval.script.templates import SaidText, Trail, note_templates
from focal_eval.source import Span, whole_file
from focal_eval.value import value as a_value

_TURN_LIMIT = 5_000


class MarkShape(Shape):
    """`xfail` or `skip`: its reason, which must say something."""

    expected = "the reason, a text"

    def read(self, node: Node, reader: Reader) -> Any:
        if isinstance(node, MappingNode):
            value = record_of(_Reason).read(node, reader)
            return INVALID if value is INVALID else Mark(value.reason, reader.span(node))
        if not isinstance(node, ScalarNode):
            return self.wrong(node, reader)
        if node.tag != STR:
            return self.wrong(node, reader)
        text = Text(may_be_empty=False).read(node, reader)
        return INVALID if text is INVALID else Mark(text, reader.span(node))

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        reason = {"type": "string", "minLength": 1}
        mapping = {"type": "object", "properties": {"reason": reason}, "required": ["reason"], "additionalProperties": False}
        return {"anyOf": [reason, mapping]}


@a_value
class _Reason:
    reason: Annotated[str, Text(may_be_empty=False)]


class DataShape(Shape):
    """A mapping of plain data whose texts may hold `{{ }}`."""

    expected = "a mapping"

    def read(self, node: Node, reader: Reader) -> Any:
        if not isinstance(node, MappingNode):
            return self.wrong(node, reader)
        value = plain(node, reader)
        return INVALID if value is INVALID or note_templates(node, reader) is INVALID else value

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {"type": "object"}


@a_value
class _History:
    """A turn before the conversation under test."""

    user: Annotated[Said | None, SaidText()] = None
    agent: Annotated[Said | None, SaidText()] = None


@a_value
class _Given:
    """Where the conversation starts."""

    variables: Annotated[Mapping[str, Any], DataShape()] = field(default_factory=dict, metadata={"doc": "Session variables."})
    history: Annotated[tuple[_History, ...], ListOf(record_of(_History))] = field(
        default=(), metadata={"doc": "Turns before the conversation, not judged."}
    )
    scenario: str | None = field(default=None, metadata={"doc": "The scenario, or scenario/step, it starts in."})


class GivenShape(Shape):
    """`given`."""

    expected = "a mapping"

    def read(self, node: Node, reader: Reader) -> Any:
        value = record_of(_Given).read(node, reader)
        if value is INVALID:
            reader.scratch["open"] = True  # which variables there are is not known
            return INVALID
        reader.scratch["variables"] = tuple(value.variables)
        place = next((item for key, item in node.value if getattr(key, "value", None) == "scenario"), node)
        history = tuple((entry.user, entry.agent) for entry in value.history)
        return Given(value.variables, history, value.scenario, reader.span(place), reader.span(node))

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return record_of(_Given).schema(into)


@a_value
class TurnFields:
    """One user message and its expectations; without `user` the agent speaks first."""

    user: Annotated[tuple[Said, ...], ListOf(SaidText(may_be_empty=False))] = field(
        default=(), metadata={"doc": "What the user says; a list gives variants."}
    )
    expect: Annotated[Any, Block()] = field(default=(), metadata={"doc": "What must be observed after this message."})
    agent: Annotated[Said | None, SaidText(may_be_empty=False)] = field(
        default=None, metadata={"doc": "The golden reply, compared under the suite's `golden` policy."}
    )
    save: Annotated[Any, SaveShape()] = field(default=(), metadata={"doc": "Values kept for later turns."})
    when: Annotated[Any, Block()] = field(
        default=None, metadata={"doc": "Sent only if this holds of the turns so far; else skipped, and said so."}
    )
    timeout_s: Annotated[float | None, Number(minimum=0.001, maximum=86_400)] = None
    name: Annotated[str | None, Text(may_be_empty=False)] = None


_SAID = SaidText(may_be_empty=False)


class TurnShape(Shape):
    """A turn: its mapping, or the user's text alone."""

    expected = "a turn"

    def __init__(self) -> None:
        self.fields: Record = record_of(TurnFields)

    def read(self, node: Node, reader: Reader) -> Any:
        return self.read_at(0, node, reader)

    def read_at(self, index: int, node: Node, reader: Reader) -> Any:
        """The turn that stands at `index` of its script."""
        trail = Trail.of(reader)
        start = len(trail.uses)
        values: Any = INVALID
        if isinstance(node, ScalarNode):
            said = _SAID.read(node, reader)
            if said is not INVALID:
                values = {"user": (said,)}
        elif isinstance(node, MappingNode):
            values = self.fields.fields(node, reader)
            if values is INVALID or not (values.get("user") and values.get("expect")):
                self._look(node, reader)
        else:
            return self.wrong(node, reader)
        if values is INVALID:
            trail.turns.append((trail.take(start), _saved(node, reader)))
            return INVALID
        saves = _saved(node, reader) if "save" in values else {}
        trail.turns.append((trail.take(start), saves))
        return Turn(index=index, span=reader.span(node), **{"user": (), **values})

    @staticmethod
    def _look(node: MappingNode, reader: Reader) -> None:
        if not node.value:
            reader.error("empty-turn", "this turn says nothing and expects nothing", node)
        for key, item in node.value:
            if item.value or isinstance(item, ScalarNode):
                continue
            if key.value == "user" and isinstance(item, SequenceNode):
                fix = "leave 'user' out where the agent speaks first"
                reader.error("empty-turn", "'user' lists no text", item, help=fix)
            elif key.value == "expect":
                fix = "drop it, or say what to observe"
                reader.warning("empty-expect", "'expect' holds nothing to judge", item, help=fix)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        include = {"type": "object", "properties": {"include": {"type": "string"}}, "required": ["include"],
                   "additionalProperties": False}  # fmt: skip
        return {"anyOf": [{"type": "string", "minLength": 1}, self.fields.schema(into), include]}


def _saved(node: Node, reader: Reader) -> dict[str, Span]:
    """The names a turn saves, read off the node so that they count even where the turn is broken."""
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode) and key.value == "save" and isinstance(value, MappingNode):
                return {name.value: reader.span(name) for name, _ in value.value if isinstance(name, ScalarNode)}
    return {}


class TurnsShape(Shape):
    """The conversation: turns in order, `include` spliced in by the loader the reader carries."""

    expected = "a list of turns"
    _turn = TurnShape()

    def read(self, node: Node, reader: Reader) -> Any:
        if not isinstance(node, SequenceNode):
            return self.wrong(node, reader)
        if not node.value:
            return reader.error("no-turns", "the script has no turns", node)
        if not reader.enter(node):
            return INVALID
        out: list[Any] = []
        for item in node.value:
            if isinstance(item, MappingNode) and "include" in [key.value for key, _ in item.value]:
                spliced = self._include(item, reader)
                out.extend(spliced if spliced is not INVALID else [INVALID])
            else:
                out.append(self._turn.read_at(len(out), item, reader))
            if len(out) > _TURN_LIMIT:
                reader.leave()
                reader.scratch["open"] = True  # what later turns save is not known
                return reader.error("too-many-turns", f"more than {_TURN_LIMIT:,} turns", node)
        reader.leave()
        return INVALID if any(item is INVALID for item in out) else tuple(out)

    @staticmethod
    def _include(item: MappingNode, reader: Reader) -> Any:
        entry = record_of(_Include).read(item, reader)
        if entry is INVALID:
            return INVALID
        place = next(value for key, value in item.value if key.value == "include")
        include = reader.scratch["include"]  # the loader's, which put it there
        return include(entry.include, place, reader)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {"type": "array", "minItems": 1, "items": self._turn.schema(into)}


@a_value
class _Include:
    include: Annotated[str, Text(may_be_empty=False)]


class ConversationShape(Shape):
    """`conversation`: expectations judged once, over all turns."""

    expected = "a list of expectations"

    def read(self, node: Node, reader: Reader) -> Any:
        trail = Trail.of(reader)
        start = len(trail.uses)
        value = Block(CONVERSATION).read(node, reader)
        trail.closing = trail.take(start)
        return value

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return Block(CONVERSATION).schema(into)


_TAGS = ListOf(Text(may_be_empty=False))


@a_value
class ScriptFields:
    """A conversation: what a user says turn by turn, and what must be observed."""

    turns: Annotated[Any, TurnsShape()] = field(default=None, metadata={"doc": "The conversation, turn by turn."})
    simulator: Annotated[Simulator | None, SimulatorShape()] = field(
        default=None, metadata={"doc": "A simulated user, instead of turns."}
    )
    title: Annotated[str | None, Text(may_be_empty=False)] = field(
        default=None, metadata={"doc": "What this conversation shows."}
    )
    description: str | None = None
    tags: Annotated[tuple[str, ...], _TAGS] = field(default=(), metadata={"doc": "Words to select by: --tag."})
    channel: Annotated[str | None, Text(may_be_empty=False)] = None
    metadata: Annotated[Mapping[str, Any], DataShape()] = field(default_factory=dict)
    given: Annotated[Given, GivenShape()] = field(default_factory=Given)
    params: Annotated[Params, ParamsShape()] = field(default_factory=Params)
    tools: Annotated[Any, StubsShape()] = field(default=(), metadata={"doc": "What tools answer in this script."})
    conversation: Annotated[Any, ConversationShape()] = field(default=(), metadata={"doc": "Judged once, over all turns."})
    xfail: Annotated[Mark | None, MarkShape()] = field(default=None, metadata={"doc": "Known to fail; says why."})
    skip: Annotated[Mark | None, MarkShape()] = field(default=None, metadata={"doc": "Not to be run; says why."})
    timeout_s: Annotated[float | None, Number(minimum=0.001, maximum=86_400)] = None
    origin: Annotated[Mapping[str, Any], DataShape()] = field(default_factory=dict)


@a_value
class FragmentFields:
    """A fragment: turns that scripts splice in by `include`, and stubs that come with them."""

    turns: Annotated[Any, TurnsShape()]
    title: str | None = None
    description: str | None = None
    tools: Annotated[Any, StubsShape()] = ()


def read_script(document: Document, id: str, reader: Reader) -> Script | None:
    """The script in a document, or None where it has errors; `reader.problems` holds them either way."""
    root = document.root
    if root is None:
        if not document.problems.errors:
            document.problems.error(
                "empty-file", "the file is empty", whole_file(document.file), help="a script needs 'turns:'"
            )
        return None
    if not isinstance(root, MappingNode):
        reader.error("wrong-type", "expected a script: a mapping with 'turns:'", root)
        return None
    value = record_of(ScriptFields).read(root, reader)
    clear = _one_user(root, reader)
    check_names(reader)
    if value is INVALID or not clear:
        return None
    turns = tuple(turn if turn.index == index else replace(turn, index=index) for index, turn in enumerate(value.turns or ()))
    return Script(
        id=id,
        file=document.file,
        digest=document.digest,
        title=value.title or id.rsplit("/", 1)[-1].replace("-", " ").replace("_", " ").capitalize(),
        span=reader.span(root),
        turns=turns,
        tags=value.tags,
        channel=value.channel,
        metadata=value.metadata,
        given=value.given,
        rows=value.params.rows,
        param_spans=value.params.spans,
        stubs=_merged(value.tools, reader),
        conversation=value.conversation,
        xfail=value.xfail,
        skip=value.skip,
        timeout_s=value.timeout_s,
        origin=value.origin,
        texts={document.file: document.text, **reader.scratch.get("texts", {})},
        simulator=value.simulator,
    )


_USERS = ("turns", "simulator")


def _one_user(root: MappingNode, reader: Reader) -> bool:
    """Whether the script says who speaks: its turns or a simulated user, and not both."""
    keys = {name: key for name, key, _ in reader.pairs(root)}
    known = record_of(ScriptFields).entries
    said = [name for name in _USERS if name in keys]
    if len(said) > 1:
        label = Label(reader.span(keys[said[0]]), "what the user says stands here")
        text, fix = "a script has turns or a simulated user, not both", "drop one of the two"
        reader.error("two-users", text, keys[said[1]], help=fix, labels=(label,))
    elif not said and not any(nearest(name, known) in _USERS for name in keys if name not in known):
        reader.error("missing-key", "the key 'turns' is missing", root)
    return len(said) == 1


def _merged(own: tuple[Any, ...], reader: Reader) -> tuple[Any, ...]:
    """The script's stubs and those of its fragments; the script's own come first."""
    taken = {stub.tool for stub in own}
    spliced = {stub.tool: stub for stub in reader.scratch.get("stubs", ()) if stub.tool not in taken}
    return (*own, *spliced.values())

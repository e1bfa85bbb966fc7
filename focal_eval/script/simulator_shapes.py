"""Reads `simulator:`: the states a simulated user can be in, and where it goes from each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any

from focal_eval.document import INVALID, Reader, Shape, plain, record_of
from focal_eval.document.reader import MappingNode, Node, ScalarNode
from focal_eval.document.shape import JsonSchema, ListOf, Number, SchemaBuilder, Text
from focal_eval.registry import did_you_mean
from focal_eval.script.expectations import CONVERSATION, Block
from focal_eval.script.model import ENDS, Edge, Limit, Persona, Said, Simulator, State, Turn
from focal_eval.script.saving import SaveShape
from focal_eval.script.simulator_graph import check_graph, place_names
from focal_eval.script.templates import Placed, SaidText, Trail, note_templates
from focal_eval.source import Span
from focal_eval.value import value as a_value

MOST_TURNS = 200
_USUAL_TURNS = 20


class WordShape(Shape):
    """A word that means a state or an end, with its place."""

    expected = "a state"

    def __init__(self, expected: str = "a state") -> None:
        self.expected = expected

    def read(self, node: Node, reader: Reader) -> Any:
        word = Text(may_be_empty=False).read(node, reader)
        return INVALID if word is INVALID else (word, reader.span(node))

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {"type": "string", "minLength": 1}


_TO = WordShape(f"a state, {', '.join(ENDS[:-1])} or {ENDS[-1]}")
_TO_DOC = {"doc": "A state, or how it ends: done, gives_up, leaves."}


@a_value
class _Limit:
    """How many times, and where the user goes after that."""

    times: Annotated[int, Number(whole=True, minimum=1, maximum=MOST_TURNS)]
    to: Annotated[Any, _TO] = field(default=None, metadata=_TO_DOC)


class LimitShape(Shape):
    """A stop rule: a number, or `times` with where the user goes `to`."""

    expected = "a number or a mapping"

    def __init__(self, minimum: int) -> None:
        self.minimum = minimum

    def read(self, node: Node, reader: Reader) -> Any:
        number = Number(whole=True, minimum=self.minimum, maximum=MOST_TURNS)
        if not isinstance(node, MappingNode):
            times = number.read(node, reader)
            return INVALID if times is INVALID else Limit(times, reader.span(node))
        found = record_of(_Limit).read(node, reader)
        if found is INVALID:
            return INVALID
        if found.times < self.minimum:
            return reader.error("out-of-range", f"'times' must be at least {self.minimum}", node)
        if found.to is None:
            return Limit(found.times, reader.span(node))
        return Limit(found.times, found.to[1], found.to[0])

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        number = {"type": "integer", "minimum": self.minimum, "maximum": MOST_TURNS}
        return {"anyOf": [number, record_of(_Limit).schema(into)]}


@a_value
class _Edge:
    """Where the user goes; without `when`, in any case."""

    to: Annotated[Any, _TO] = field(metadata=_TO_DOC)
    when: Annotated[Any, Block()] = field(default=None, metadata={"doc": "Facts of the answer, in the words of `expect`."})


class EdgesShape(Shape):
    """`then`: edges in order, or the one place where the user goes in any case."""

    expected = "a list of edges"

    def read(self, node: Node, reader: Reader) -> Any:
        trail = Trail.of(reader)
        start = len(trail.uses)
        edges = self._edges(node, reader)
        trail.after += trail.take(start)
        return edges

    @staticmethod
    def _edges(node: Node, reader: Reader) -> Any:
        if isinstance(node, ScalarNode):
            found = _TO.read(node, reader)
            return INVALID if found is INVALID else (Edge(*found),)
        found = ListOf(record_of(_Edge)).read(node, reader)
        return INVALID if found is INVALID else tuple(Edge(edge.to[0], edge.to[1], edge.when) for edge in found)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {"anyOf": [_TO.schema(into), ListOf(record_of(_Edge)).schema(into)]}


@a_value
class _State:
    """What the user says in this state, what is expected of the answer, and where the user goes from there."""

    says: Annotated[tuple[Said, ...], ListOf(SaidText(may_be_empty=False))] = field(
        metadata={"doc": "What the user says; of several texts another one at each visit and in each repeat."}
    )
    then: Annotated[Any, EdgesShape()] = field(metadata={"doc": "Edges in order; the first one whose facts hold is taken."})
    expect: Annotated[Any, Block()] = field(default=(), metadata={"doc": "What must be observed after this message."})
    save: Annotated[Any, SaveShape()] = field(default=(), metadata={"doc": "Values kept for later states."})
    at_most: Annotated[Any, LimitShape(1)] = field(
        default=None, metadata={"doc": "How often this may be said; then the user goes `to`."}
    )
    timeout_s: Annotated[float | None, Number(minimum=0.001, maximum=86_400)] = None


class StatesShape(Shape):
    """`states`: each by its name."""

    expected = "a mapping of states"

    def read(self, node: Node, reader: Reader) -> Any:
        if not isinstance(node, MappingNode):
            return self.wrong(node, reader)
        if not node.value:
            return reader.error("no-turns", "the simulated user has no states", node)
        if not reader.enter(node):
            return INVALID
        pairs = reader.pairs(node)
        states = [self._state(index, *pair, reader) for index, pair in enumerate(pairs)]
        reader.leave()
        return INVALID if INVALID in states else tuple(states)

    @staticmethod
    def _state(index: int, name: str, key: ScalarNode, node: Node, reader: Reader) -> Any:
        trail = Trail.of(reader)
        start = len(trail.uses)
        found = record_of(_State).read(node, reader)
        trail.states[name] = trail.take(start), trail.after
        trail.after = []
        if name in ENDS or not name.strip():
            fix = f"{', '.join(ENDS[:-1])} and {ENDS[-1]} are how a conversation ends"
            return reader.error("reserved-name", f"no state can be called '{name}'", key, help=fix)
        if found is INVALID:
            return INVALID
        place, limit = reader.span(node), found.timeout_s
        turn = Turn(index, found.says, place, found.expect, save=found.save, timeout_s=limit, name=name, state=name)
        return State(name, reader.span(key), turn, found.then, found.at_most)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {"type": "object", "minProperties": 1, "additionalProperties": record_of(_State).schema(into)}


class KnowsShape(Shape):
    """`knows`: values by name."""

    expected = "a mapping of names"

    def read(self, node: Node, reader: Reader) -> Any:
        if not isinstance(node, MappingNode):
            return self.wrong(node, reader)
        data = plain(node, reader)
        if data is INVALID or note_templates(node, reader) is INVALID:
            return INVALID
        for name, key, _ in reader.pairs(node):
            if not name.isidentifier():
                return reader.error("bad-name", f"'{name}' cannot be used in {{{{ }}}}", key, help="use letters, digits and _")
        Trail.of(reader).knows = {name: reader.span(key) for name, key, _ in reader.pairs(node)}
        return data

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return {"type": "object"}


class GoalShape(Shape):
    """`goal`: expectations of the whole conversation."""

    expected = "a list of expectations"

    def read(self, node: Node, reader: Reader) -> Any:
        trail = Trail.of(reader)
        start = len(trail.uses)
        value = Block(CONVERSATION).read(node, reader)
        trail.goal += trail.take(start)
        return value

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return Block(CONVERSATION).schema(into)


class PersonaText(SaidText):
    """Text about a persona; its `{{ }}` may name what the persona knows."""

    def read(self, node: Node, reader: Reader) -> Any:
        trail = Trail.of(reader)
        start = len(trail.uses)
        said = super().read(node, reader)
        trail.placed.append(Placed(trail.take(start), frozenset()))
        return said


@a_value
class SimulatorFields:
    """A simulated user: what it can say, and where it goes from there by what the agent did; or who a model plays."""

    states: Annotated[Any, StatesShape()] = field(default=None, metadata={"doc": "What the user can say, each by a name."})
    persona: Annotated[Said | None, PersonaText(may_be_empty=False)] = field(
        default=None, metadata={"doc": "Instead of states: who the model of the suite's `simulator` plays."}
    )
    wants: Annotated[Said | None, PersonaText(may_be_empty=False)] = field(
        default=None, metadata={"doc": "What the persona came for, in words."}
    )
    start: Annotated[Any, WordShape()] = field(
        default=None, metadata={"doc": "The first state; else the one that stands first."}
    )
    knows: Annotated[Mapping[str, Any], KnowsShape()] = field(
        default_factory=dict, metadata={"doc": "Values of the user's own, for {{ }}."}
    )
    goal: Annotated[Any, GoalShape()] = field(
        default=(), metadata={"doc": "What must be true of the conversation where the user is done."}
    )
    max_turns: Annotated[Any, LimitShape(1)] = field(
        default=None, metadata={"doc": f"How many messages the user has; {_USUAL_TURNS} where nothing is said."}
    )
    stuck: Annotated[Any, LimitShape(2)] = field(default=None, metadata={"doc": "How many replies in a row may be the same."})


def _open(reader: Reader, code: str, text: str, node: Node, fix: str | None) -> Any:
    """Reports a user that cannot be made; which names are known where is not known then."""
    reader.scratch["open"] = True
    return reader.error(code, text, node, help=fix)


class SimulatorShape(Shape):
    """Reads `simulator` and refuses a graph that cannot be walked."""

    expected = "a mapping"

    def read(self, node: Node, reader: Reader) -> Any:
        found = record_of(SimulatorFields).read(node, reader)
        if found is INVALID:
            reader.scratch["open"] = True  # what is known in which state is not known
            return INVALID
        if found.persona is not None:
            return self._played(found, node, reader)
        if found.states is None or found.wants is not None:
            reader.scratch["open"] = True
            text = "'wants' is of a persona" if found.wants is not None else "a simulated user has 'states', or a 'persona'"
            return reader.error(
                "missing-key", text, node, help="say who a model plays with 'persona', or what is said in 'states'"
            )
        first: State = found.states[0]
        start: tuple[str, Span] = found.start or (first.name, first.span)
        simulator = Simulator(
            span=reader.span(node),
            states=found.states,
            start=start[0],
            max_turns=found.max_turns or Limit(_USUAL_TURNS, reader.span(node)),
            stuck=found.stuck,
            knows=found.knows,
            goal=found.goal,
        )
        if not check_graph(simulator, start[1], reader.problems):
            reader.scratch["open"] = True
            return INVALID
        place_names(simulator, Trail.of(reader))
        return simulator

    @staticmethod
    def _played(found: Any, node: Node, reader: Reader) -> Any:
        """The simulator of a persona."""
        assert isinstance(node, MappingNode)
        keys = {name: key for name, key, _ in reader.pairs(node)}
        given = next((name for name in ("states", "start") if name in keys), None)
        if given is not None:
            text = f"a persona has no '{given}': a model words what it says"
            return _open(reader, "two-users", text, keys[given], "drop one of the two")
        if found.wants is None:
            text, fix = "the key 'wants' is missing: a persona wants something", "say in words what the user came for"
            return _open(reader, "missing-key", text, node, fix)
        most = found.max_turns or Limit(_USUAL_TURNS, reader.span(node))
        for name, limit in (("max_turns", most), ("stuck", found.stuck)):
            if limit is not None and limit.to is not None and limit.to not in ENDS:
                text = f"'{name}' leads to '{limit.to}', which is no end: a persona has no states"
                return _open(reader, "unknown-state", text, keys[name], did_you_mean(limit.to, ENDS))
        Trail.of(reader).placed.append(Placed(Trail.of(reader).goal, frozenset()))
        persona = Persona(found.persona, found.wants)
        return Simulator(reader.span(node), (), "", most, found.stuck, found.knows, found.goal, persona)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return record_of(SimulatorFields).schema(into)

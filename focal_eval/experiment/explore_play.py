"""Plays conversations that are being found: a turn from any state, with any answers of tools, and what it exercises.

Two states count as the same where every condition of the agent comes out alike in both (predicate abstraction: Graf and Saïdi,
"Construction of abstract state graphs with PVS", 1997). Values that no condition tells apart do not make another state, so that
there are few enough of them to be walked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any

from focal_eval.agent import Playable, Scorer, begin, play
from focal_eval.agent.builtin import ToolOutcome
from focal_eval.agent.expression import Expression, compile_expression
from focal_eval.agent.state import State
from focal_eval.agent.turn import Called, Played, ToolRequest, Work
from focal_eval.coverage.matrix import Matrix
from focal_eval.coverage.model import items_of
from focal_eval.coverage.trace import trace_case
from focal_eval.engines.embedded import reply_of
from focal_eval.experiment.explore_values import Values, declared
from focal_eval.records import TurnRecord
from focal_eval.value import value

Cell = tuple[Any, ...]
"""What is known of a state as far as conditions tell states apart."""


@value
class Start:
    """How a session begins, beside what is usual."""

    variables: tuple[tuple[str, Any], ...] = ()
    metadata: tuple[tuple[str, Any], ...] = ()
    channel: str | None = None


@value
class Said:
    """One message, with the answers of tools that were chosen for this turn; other tools answer as declared."""

    text: str
    answers: tuple[tuple[str, ToolOutcome], ...] = ()


@value
class Path:
    """A conversation as it can be played again."""

    start: Start
    turns: tuple[Said, ...] = ()

    def then(self, said: Said) -> Path:
        """The conversation with one message more."""
        return Path(self.start, (*self.turns, said))


@value
class Node:
    """A conversation and where it stands."""

    path: Path
    state: State
    held: Mapping[str, ToolOutcome] = field(default_factory=dict)  # chosen answers, by call: the same call gets it again


@value
class Turn:
    """One turn played, with what its tools were asked; `answered` is None where the tool's own answer was taken."""

    node: Node
    played: Played
    asked: tuple[tuple[str, ToolOutcome | None], ...]
    hits: frozenset[int]


class _Known:
    """An expression that is computed once for the same values of the names it reads."""

    __slots__ = ("_expression", "_known")

    def __init__(self, expression: Expression) -> None:
        self._expression = expression
        self._known: dict[str, bool] = {}

    def holds(self, names: Mapping[str, Any]) -> bool:
        key = repr([_at(names, name) for name in self._expression.names])
        if key not in self._known:
            self._known[key] = self._expression.holds(names)
        return self._known[key]


def _at(names: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    held: Any = names
    for name in path:
        if not isinstance(held, Mapping):
            return held  # a part of a text or a list: the whole tells as much
        held = held.get(name)
    return held


class Player:
    """Plays turns of one agent and tells which items each exercises, by their positions in `items`."""

    def __init__(self, agent: Playable, values: Values, channel: str = "api", scorer: Scorer | None = None) -> None:
        self.agent, self.values, self.channel, self.scorer = agent, values, channel, scorer
        self.items = items_of(agent.file)
        self.count = 0  # turns played
        self._matrix = Matrix(self.items)
        self._expressions = [_Known(compile_expression(text)) for text in values.texts]
        self._atoms = [_Known(compile_expression(text)) for text in values.atoms]
        required = [*(rule.requires for rule in agent.rules.values()), *(flow.requires for flow in agent.scenarios.values())]
        self._conditions = [one for one in required if one is not None]
        self._counters = tuple(values.counters.items())
        self._limited = [rule for rule in agent.rules.values() if rule.rule.cooldown_turns or rule.rule.max_fires]
        self._own = {
            name: ToolOutcome(declared(tool)[0]) for name, tool in agent.tools.items() if tool.python is not None
        }  # local Python is not run: its answer is stood in for

    def begin(self, start: Start) -> Node:
        """A conversation before its first message."""
        state = begin(
            self.agent,
            variables=dict(start.variables),
            channel=start.channel or self.channel,
            metadata=dict(start.metadata),
        )
        return Node(Path(start), state)

    def turn(self, node: Node, said: Said) -> Turn:
        """One message more."""
        self.count += 1
        chosen, held = dict(said.answers), dict(node.held)
        asked: list[tuple[str, ToolOutcome | None]] = []

        def answer(request: ToolRequest) -> ToolOutcome | None:
            key = f"{request.name} {json.dumps(dict(request.arguments), sort_keys=True, default=str)}"
            made = chosen.get(request.name) or held.get(key) or self._own.get(request.name)
            if made is not None and made.error is None:
                held[key] = made
            asked.append((request.name, made))
            return made

        played = play(self.agent, node.state, said.text, tools=answer, scorer=self.scorer)
        before = None if node.state.scenario is None else (node.state.scenario, node.state.step)
        trace = trace_case("", "", [TurnRecord(0, said.text, reply_of(played))], before)
        return Turn(Node(node.path.then(said), played.state, held), played, tuple(asked), self._matrix.hit_by(trace))

    def replay(self, path: Path) -> tuple[Turn, ...]:
        """A whole conversation."""
        node = self.begin(path.start)
        out: list[Turn] = []
        for said in path.turns:
            out.append(self.turn(node, said))
            node = out[-1].node
        return tuple(out)

    def cell(self, state: State) -> Cell:
        """What conditions can tell of a state."""
        names = Work(self.agent, state, "").names()
        return (
            state.scenario,
            state.step,
            state.settled,
            tuple(tuple(map(str, entry)) for entry in state.suspended),
            tuple(state.waiting),
            tuple(state.variables.get(name) is not None for name in self.agent.slots),
            state.variables.get("language"),
            tuple(condition.holds(names) for condition in self._expressions),
            tuple(condition.unmet(names) is None for condition in self._conditions),
            tuple(self._rests(rule, state) for rule in self._limited),
            tuple(min(_at(names, name) or 0, most) for name, most in self._counters),
        )

    def marks(self, state: State) -> tuple[int, ...]:
        """The comparisons, names and requirements of conditions that hold in a state, by number."""
        names = Work(self.agent, state, "").names()
        holds = [atom.holds(names) for atom in self._atoms] + [one.unmet(names) is None for one in self._conditions]
        return tuple(number for number, found in enumerate(holds) if found)

    def _rests(self, rule: Any, state: State) -> tuple[int, bool]:
        """How long a rule has to wait still, and whether it matched as often as it may."""
        last, authored = state.last_fired.get(rule.name), rule.rule
        waits = 0 if last is None else max(0, authored.cooldown_turns - (state.turn - last))
        return waits, bool(authored.max_fires) and state.fires.get(rule.name, 0) >= authored.max_fires


def hits_of(turns: Iterable[Turn]) -> frozenset[int]:
    """All that a conversation exercises."""
    return frozenset[int]().union(*(turn.hits for turn in turns))


def stubs_of(turns: Sequence[Turn]) -> dict[str, list[Called]]:
    """For each tool with an answer that is not its own, all its calls in order."""
    chosen = {name for turn in turns for name, answered in turn.asked if answered is not None}
    out: dict[str, list[Called]] = {}
    for turn in turns:
        for call in turn.played.tools:
            if call.name in chosen:
                out.setdefault(call.name, []).append(call)
    return out

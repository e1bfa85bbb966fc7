"""A suite's cases as the agent plays them, with what every turn looked at, so that a turn can be played again alone."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from focal_eval.agent import Playable
from focal_eval.agent.builtin import ToolOutcome
from focal_eval.agent.compiled import PlayedScenario
from focal_eval.agent.play import begin, turn_steps
from focal_eval.agent.slots import Reading, SlotReader
from focal_eval.agent.state import State
from focal_eval.agent.tested import Moment
from focal_eval.agent.turn import Played, ToolRequest
from focal_eval.engines.base import Session, SessionStart
from focal_eval.engines.embedded import EmbeddedEngine, EmbeddedSession
from focal_eval.experiment.lab import Lab, Replay, Version
from focal_eval.records import Tokens
from focal_eval.text import words
from focal_eval.value import value

Key = tuple[str, str]  # kind and name of a part that a turn looked up


@value
class Exchange:
    """One message of a conversation as it was played: all that is needed to play it again, and what it looked up."""

    before: State
    message: str | None
    asked: tuple[tuple[ToolRequest, ToolOutcome | None], ...]
    played: Played | None  # None where the turn broke
    seen: frozenset[Key]
    words: list[str]

    @property
    def rules(self) -> frozenset[str]:
        """Rules that matched, were dropped, or came near."""
        if self.played is None:
            return frozenset()
        return frozenset((*(match.name for match in self.played.rules), *(one.name for one in self.played.dropped)))


@value
class Watched:
    """One case as it was played; a case that could not begin, or is skipped, has no exchange."""

    replay: Replay
    start: SessionStart | None
    begun: State | None
    seen: frozenset[Key]  # looked up before the first message
    exchanges: tuple[Exchange, ...]


def watch(lab: Lab) -> tuple[Watched, ...]:
    """Every case of the lab, played once."""
    engine = _WatchingEngine(lab.engine)
    version = Version(lab, replace(lab.terms, engine=engine))
    return tuple(engine.case(version, position) for position in range(len(lab.cases)))


def start_again(agent: Playable, start: SessionStart) -> State:
    """The state in which that agent begins the case. Raises what it raises."""
    return begin(
        agent,
        variables=start.variables,
        history=[(turn.user, turn.agent) for turn in start.history],
        scenario=start.scenario,
        channel=start.channel,
        metadata=start.metadata,
    )


def play_again(agent: Playable, exchange: Exchange, scorer: Any) -> Played | None:
    """The exchange as that agent plays it, from the state and with the answers recorded.

    None where it breaks, or asks something else than was asked.
    """
    steps = turn_steps(agent, exchange.before, exchange.message, scorer)
    answers = iter(exchange.asked)
    answer: Any = None
    try:
        while True:
            request = steps.send(answer)
            asked = next(answers, None)
            if asked is None or not isinstance(request, ToolRequest) or not _alike(request, asked[0]):
                return None
            answer = asked[1]
    except StopIteration as done:
        played: Played = done.value
        return played if next(answers, None) is None else None
    except Exception:  # whatever breaks is a difference; the case is then played in full
        return None


def alike(one: Played, other: Played) -> bool:
    """Whether two turns leave the same records and the same state, down to 1 being another value than 1.0 or true."""
    return one == other and _plain(one) == _plain(other)


def alike_states(one: State, other: State) -> bool:
    """Whether two conversations stand at the same place with the same values."""
    return one == other and repr((one.variables, one.results)) == repr((other.variables, other.results))


def _plain(played: Played) -> str:
    """What `==` is too kind for: values of tools and variables, and the order they are written in."""
    state = played.state
    return repr((state.variables, state.results, [(call.arguments, call.result) for call in played.tools], played.metadata))


def _alike(one: ToolRequest, other: ToolRequest) -> bool:
    return one.name == other.name and repr(one.arguments) == repr(other.arguments)


class _WatchingEngine(EmbeddedEngine):
    """Plays on an agent whose look-ups are written down."""

    def __init__(self, engine: EmbeddedEngine) -> None:
        self.seen: set[Key] = set()
        super().__init__(_watched(engine.agent, self.seen), engine.python, engine.writer, engine.scorer, engine.clock)
        self.session: _WatchedSession | None = None

    async def open(self, start: SessionStart) -> Session:
        self.seen.clear()
        self.session = _WatchedSession(self, start, self.seen)
        return self.session

    def case(self, version: Version, position: int) -> Watched:
        """One case, played and judged."""
        self.session = None
        replay = version.play(position)
        session: _WatchedSession | None = self.session  # open() sets it, where the case came so far
        if session is None:
            return Watched(replay, None, None, frozenset(), ())
        return Watched(replay, session.start, session.begun, session.first, tuple(session.exchanges))


class _WatchedSession(EmbeddedSession):
    def __init__(self, engine: EmbeddedEngine, start: SessionStart, seen: set[Key]) -> None:
        super().__init__(engine, start)
        self.start, self.begun, self.seen = start, self.state, seen
        self.first = frozenset(seen)
        self.exchanges: list[Exchange] = []
        self.asked: list[tuple[ToolRequest, ToolOutcome | None]] = []

    async def play(self, state: State, message: str | None, tokens: list[Tokens]) -> Played:
        self.seen.clear()
        self.asked = []
        played: Played | None = None
        try:
            played = await super().play(state, message, tokens)
        finally:
            said = words(message or "")
            self.exchanges.append(Exchange(state, message, tuple(self.asked), played, frozenset(self.seen), said))
        return played

    async def answered(self, request: ToolRequest) -> ToolOutcome | None:
        answer = await super().answered(request)
        self.asked.append((request, answer))
        return answer


class _LookedUp(dict[str, Any]):
    """A mapping that writes down which names are looked up."""

    def __init__(self, kind: str, held: Mapping[str, Any], seen: set[Key], prefix: str = "") -> None:
        super().__init__(held)
        self._keys = {name: (kind, prefix + name) for name in held}
        self._seen = seen

    def __getitem__(self, name: str) -> Any:
        self._seen.add(self._keys[name])
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        if name in self._keys:
            self._seen.add(self._keys[name])
        return super().get(name, default)


class _WatchedReader(SlotReader):
    __slots__ = ("_key", "_seen")

    def __init__(self, reader: SlotReader, seen: set[Key]) -> None:
        for name in SlotReader.__slots__:
            setattr(self, name, getattr(reader, name))
        self._key, self._seen = ("slot", str(reader.slot.id)), seen

    def read(self, moment: Moment, present: Any) -> Reading:
        self._seen.add(self._key)
        return super().read(moment, present)


def _watched(agent: Playable, seen: set[Key]) -> Playable:
    made = copy.copy(agent)
    made.tools = _LookedUp("tool", agent.tools, seen)
    made.templates = _LookedUp("template", agent.templates, seen)
    readers = {name: _WatchedReader(reader, seen) for name, reader in agent.slots.items()}
    made.slots = _LookedUp("question", readers, seen)
    flows = {name: _flow(flow, seen) for name, flow in agent.scenarios.items()}
    made.scenarios = _LookedUp("scenario", flows, seen)
    return made


def _flow(flow: PlayedScenario, seen: set[Key]) -> PlayedScenario:
    return replace(flow, steps=_LookedUp("step", flow.steps, seen, f"{flow.name}/"))

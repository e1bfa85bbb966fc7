"""`conversation.never`, `before`, `after`, `count`, `visits`: what happened in a conversation, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from focal_eval.checks.base import Conversation, ConversationCheck, Ref, Unreported, derived, settle, written_short
from focal_eval.checks.events import Event, Path, Seen
from focal_eval.checks.ranges import Count
from focal_eval.checks.reported import not_reported
from focal_eval.checks.scenario import Place, in_words, place_of
from focal_eval.checks.tools import times
from focal_eval.checks.whole import WholeValue
from focal_eval.document import Shape, shape_of
from focal_eval.document.shape import ListOf
from focal_eval.records import UNKNOWN, Finding, Reply, ScenarioState, TurnRecord
from focal_eval.text import counted, listed


def turns_in_words(seen: Sequence[Seen]) -> str:
    """Where something happened: `turn 2: rule upsell, turn 3: ...`."""
    return listed([str(item) for item in seen], most=4) if seen else "it did not happen"


@dataclass(frozen=True, slots=True)
class Never(ConversationCheck):
    """None of these events happens in the whole conversation."""

    events: tuple[Event, ...]
    as_list: bool = written_short()

    @classmethod
    def __shape__(cls) -> Shape:
        return WholeValue(cls, "events", ListOf(shape_of(Event)))

    def needed(self) -> frozenset[str]:
        return frozenset(event.reads() for event in self.events)

    def judge(self, seen: Conversation) -> tuple[Finding, ...]:
        out: list[Finding] = []
        blind: str | None = None
        for index, event in enumerate(self.events):
            found, unknown = event.occurrences(seen.turns)
            blind = blind or unknown
            if found:
                said = f"{event.happens()} in turn {found[0].spot.turn + 1}"
                out.append(Finding(said, f"never {event.describe()}", turns_in_words(found), path=self._path(index)))
        if blind and not out:
            raise Unreported(blind)
        return tuple(out)

    def _path(self, index: int) -> Path:
        own = self.events[index].own_path()
        return (index, *own) if self.as_list else own

    def describe(self) -> str:
        return f"never {listed([event.describe() for event in self.events], last='or')}"

    def refs(self) -> tuple[Ref, ...]:
        paths: list[Path] = [(index,) if self.as_list else () for index in range(len(self.events))]
        return tuple(ref for path, event in zip(paths, self.events, strict=True) for ref in event.refs(path, absent=True))

    def idle(self) -> str | None:
        return None if self.events else "it names no event"


@dataclass(frozen=True, slots=True)
class Before(Event, ConversationCheck):
    """The event happens, and whenever `then` happens, the event has happened before."""

    then: Event = field(kw_only=True, metadata={"doc": "What must not come first."})
    optional: bool = field(default=False, kw_only=True, metadata={"doc": "true: it also holds where 'then' never happens."})

    def needed(self) -> frozenset[str]:
        return frozenset({self.reads(), self.then.reads()})

    def judge(self, seen: Conversation) -> tuple[Finding, ...]:
        firsts, blind_first = self.occurrences(seen.turns)
        thens, blind_then = self.then.occurrences(seen.turns)
        if not thens:
            if blind_then:
                raise Unreported(blind_then)
            return () if self.optional else (_did_not_happen(self.then, ("then",), f"{self.describe()}"),)
        if firsts and firsts[0].spot < thens[0].spot:
            if blind_then:
                raise Unreported(blind_then)
            return ()
        if blind_first:
            raise Unreported(blind_first)
        if firsts:
            said = f"{self.then.happens()} before {Event.describe(self)}"
            near = f"the first is {firsts[0]}"
        else:
            said = f"{self.then.happens()} without {Event.describe(self)} before it"
            near = None
        return (Finding(said, self.describe(), str(thens[0]), near=near, path=("then", *self.then.own_path())),)

    def describe(self) -> str:
        return f"{Event.describe(self)} before {self.then.describe()}"

    def refs(self, path: Path = (), *, absent: bool = False) -> tuple[Ref, ...]:
        return (*Event.refs(self, path, absent=absent), *self.then.refs((*path, "then"), absent=absent))


@dataclass(frozen=True, slots=True)
class After(Event, ConversationCheck):
    """The event happens, and each time `then` happens at some point after it."""

    then: Event = field(kw_only=True, metadata={"doc": "What must follow."})
    optional: bool = field(default=False, kw_only=True, metadata={"doc": "true: it also holds where the event never happens."})

    def needed(self) -> frozenset[str]:
        return frozenset({self.reads(), self.then.reads()})

    def judge(self, seen: Conversation) -> tuple[Finding, ...]:
        firsts, blind_first = self.occurrences(seen.turns)
        thens, blind_then = self.then.occurrences(seen.turns)
        if not firsts:
            if blind_first:
                raise Unreported(blind_first)
            return () if self.optional else (_did_not_happen(self, (), self.describe()),)
        if thens and firsts[-1].spot < thens[-1].spot:
            if blind_first:
                raise Unreported(blind_first)
            return ()
        if blind_then:
            raise Unreported(blind_then)
        near = f"the last is {thens[-1]}" if thens else None
        said = f"{Event.happens(self)} and {self.then.describe()} did not follow"
        return (Finding(said, self.describe(), str(firsts[-1]), near=near, path=("then", *self.then.own_path())),)

    def describe(self) -> str:
        return f"after {Event.describe(self)} follows {self.then.describe()}"

    def refs(self, path: Path = (), *, absent: bool = False) -> tuple[Ref, ...]:
        return (*Event.refs(self, path, absent=absent), *self.then.refs((*path, "then"), absent=absent))


def _did_not_happen(event: Event, path: Path, expected: str) -> Finding:
    said = f"{event.never_happened()}, so there is no order to judge"
    return Finding(said, expected, "it did not happen", path=(*path, *event.own_path()))


@dataclass(frozen=True, slots=True)
class HowOften(Event, ConversationCheck):
    """How often the event happens in the whole conversation; rules, steps and texts count once a turn."""

    times: Count = field(kw_only=True, metadata={"doc": "A number, or {min: n, max: n}."})

    def needed(self) -> frozenset[str]:
        return frozenset({self.reads()})

    def judge(self, seen: Conversation) -> tuple[Finding, ...]:
        found, blind = self.occurrences(seen.turns)
        number = len(found)
        too_many = self.times.max is not None and number > self.times.max
        if blind and not too_many:
            raise Unreported(blind)
        if self.times.holds(number):
            return ()
        said = f"{self.happens()} {counted(number, 'time')}" if number else self.never_happened()
        return (Finding(said, times(self.times), turns_in_words(found), path=("times",)),)

    def describe(self) -> str:
        verb = "is called" if self.tool else "matches" if self.rule else "is reached" if self.place else "is said"
        how = times(self.times)
        if how == "never":
            return f"{Event.describe(self)} {'never matches' if self.rule else verb.replace('is', 'is never')}"
        return f"{Event.describe(self)} {verb} {how}"

    def refs(self, path: Path = (), *, absent: bool = False) -> tuple[Ref, ...]:
        return Event.refs(self, path, absent=absent or self.times.max == 0)

    def idle(self) -> str | None:
        return "everything happens at least 0 times" if self.times.idle() else None


@dataclass(frozen=True, slots=True)
class Visits(ConversationCheck):
    """The scenario's steps the conversation passes through, in order; others may lie between."""

    short: ClassVar[str] = "steps"
    needs: ClassVar[frozenset[str]] = frozenset({"scenario"})
    steps: tuple[str, ...] = field(default=(), metadata={"doc": "In this order, others may lie between."})
    exactly: tuple[str, ...] | None = field(default=None, metadata={"doc": "These in this order and no others."})
    brief: bool = written_short()
    places: tuple[Place, ...] = derived()

    def __post_init__(self) -> None:
        if self.steps and self.exactly is not None:
            raise ValueError("write the steps under 'steps' or under 'exactly', not both")
        settle(self, places=tuple(place_of(text) for text in (self.steps if self.exactly is None else self.exactly)))

    def judge(self, seen: Conversation) -> tuple[Finding, ...]:
        visited, blind = visited_in(seen.turns)
        done = 0
        for _, state in visited:
            if done < len(self.places) and self.places[done].holds(state):
                done += 1
        if self.exactly is None:
            if done == len(self.places):
                return ()
            if blind:
                raise Unreported(not_reported("scenario"))
            return (self._missed(done, visited),)
        if blind:
            raise Unreported(not_reported("scenario"))
        states = [state for _, state in visited]
        if len(states) == len(self.places) and done == len(self.places):
            return ()
        return (self._other_way(states, visited),)

    def _missed(self, done: int, visited: list[tuple[int, ScenarioState | None]]) -> Finding:
        place = self.places[done]
        said = f"'{place}' was not reached" + (f" after '{self.places[done - 1]}'" if done else "")
        earlier = any(place.holds(state) for _, state in visited)
        near = f"'{place}' was visited, but only earlier" if earlier else None
        return Finding(said, self._wanted(), way(visited), near=near, path=self.at("steps", done))

    def _other_way(self, states: list[ScenarioState | None], visited: list[tuple[int, ScenarioState | None]]) -> Finding:
        pairs = enumerate(zip(self.places, states, strict=False))
        at = next((i for i, (place, state) in pairs if not place.holds(state)), min(len(states), len(self.places)))
        if at >= len(self.places):
            said = f"the conversation went on to '{in_words(states[at])}'"
            return Finding(said, self._wanted(), way(visited), path=("exactly",))
        instead = f", but to '{in_words(states[at])}'" if at < len(states) else ""
        said = f"the conversation did not go to '{self.places[at]}'{instead}"
        return Finding(said, self._wanted(), way(visited), path=("exactly", at))

    def _wanted(self) -> str:
        return " → ".join(str(place) for place in self.places) or "no scenario"

    def describe(self) -> str:
        return f"visits {'exactly ' if self.exactly is not None else ''}{self._wanted()}"

    def refs(self) -> tuple[Ref, ...]:
        paths = [("exactly", i) if self.exactly is not None else self.at("steps", i) for i in range(len(self.places))]
        return tuple(ref for place, path in zip(self.places, paths, strict=True) for ref in place.ref(path))

    def idle(self) -> str | None:
        return None if self.places or self.exactly is not None else "it names no step"


def visited_in(turns: Sequence[TurnRecord]) -> tuple[list[tuple[int, ScenarioState | None]], bool]:
    """The states the conversation passed through with their turns, repetitions left out; and whether a turn told nothing.

    Steps passed within a turn are taken from its transitions where the engine reports them. Standing in no scenario counts
    only after a scenario.
    """
    out: list[tuple[int, ScenarioState | None]] = []
    blind = False
    for turn in turns:
        if turn.reply is None:
            continue
        if turn.reply.scenario is UNKNOWN:
            blind = True
            continue
        for state in _states(turn.reply):
            if (out and out[-1][1] != state) or (not out and state is not None):
                out.append((turn.index, state))
    return out, blind


def _states(reply: Reply) -> list[ScenarioState | None]:
    out: list[ScenarioState | None] = []
    if reply.transitions is not UNKNOWN:
        for move in reply.transitions:
            scenario = move.scenario or (reply.scenario.id if isinstance(reply.scenario, ScenarioState) else None)
            if scenario is not None and move.target is not None:
                out.append(ScenarioState(scenario, move.target))
    if isinstance(reply.scenario, ScenarioState) or reply.scenario is None:
        out.append(reply.scenario)
    return out


def way(visited: list[tuple[int, ScenarioState | None]]) -> str:
    """The way a conversation took, for a message: `returns/start (turn 1) → returns/done (turn 3)`."""
    shown = [f"{in_words(state)} (turn {turn + 1})" for turn, state in visited[:12]]
    more = f" → {len(visited) - 12} more" if len(visited) > 12 else ""
    return " → ".join(shown) + more if shown else "in no scenario all along"

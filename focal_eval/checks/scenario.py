"""`scenario`: where the conversation stands after the turn, and the edge it took."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from focal_eval.checks.base import Moment, Ref, TurnCheck, derived, settle, written_short
from focal_eval.checks.reported import known
from focal_eval.records import Finding, ScenarioState, Transition

KINDS = ("start", "continue", "transition", "exit", "relocalise")
NONE = "none"


@dataclass(frozen=True, slots=True)
class Place:
    """A scenario and a step: `returns/confirm`, `returns/*` for any step, `returns` for any or no step, `none`."""

    id: str | None
    step: str | None = None

    def holds(self, state: ScenarioState | None) -> bool:
        if state is None or self.id is None:
            return state is None and self.id is None
        if state.id != self.id:
            return False
        return self.step is None or (state.step is not None if self.step == "*" else state.step == self.step)

    def __str__(self) -> str:
        return NONE if self.id is None else self.id if self.step is None else f"{self.id}/{self.step}"

    def ref(self, path: tuple[str | int, ...], *, absent: bool = False) -> tuple[Ref, ...]:
        """The name to look up in the agent: the step where one is named."""
        if self.id is None:
            return ()
        named = self.id if self.step in (None, "*") else f"{self.id}/{self.step}"
        return (Ref("scenario", named, path, absent),)


def place_of(text: str) -> Place:
    """The place a script names. Raises ValueError with a sentence for the author."""
    if text.strip() == NONE:
        return Place(None)
    scenario, slash, step = (part.strip() for part in text.partition("/"))
    if not scenario or (slash and not step):
        raise ValueError(f"'{text}' is not a scenario; write returns, returns/confirm, returns/* or none")
    return Place(scenario, step or None)


@dataclass(frozen=True, slots=True)
class Scenario(TurnCheck):
    """Where the conversation stands after the turn: `returns/confirm`, `returns/*`, `returns`, or `none`."""

    short: ClassVar[str] = "state"
    state: str | None = field(default=None, metadata={"doc": "returns/confirm, returns/* (any step), returns, or none."})
    id: str | None = field(default=None, metadata={"doc": "The scenario alone."})
    step: str | None = field(default=None, metadata={"doc": "The step alone."})
    via: str | None = field(default=None, metadata={"doc": "The edge taken, start->confirm; * for any step."})
    kind: tuple[str, ...] = field(default=(), metadata={"doc": "How the scenario moved: " + ", ".join(KINDS) + "."})
    brief: bool = written_short()
    place: Place | None = derived()  # noqa: RUF009  # it makes a dataclass field
    edge: tuple[str, str] | None = derived()
    reads: frozenset[str] = derived()

    def __post_init__(self) -> None:
        if self.state is not None and (self.id is not None or self.step is not None):
            raise ValueError("write 'state', or 'id' and 'step', not both")
        unknown = next((word for word in self.kind if word not in KINDS), None)
        if unknown is not None:
            raise ValueError(f"'{unknown}' is not a way a scenario moves; known: {', '.join(KINDS)}")
        place = place_of(self.state) if self.state is not None else None
        edge = None
        if self.via is not None:
            source, arrow, target = (part.strip() for part in self.via.partition("->"))
            if not (source and arrow and target):
                raise ValueError(f"'{self.via}' is not an edge; write start->confirm, or *->confirm")
            edge = (source, target)
        here = {"scenario"} if place or self.id or self.step else set()
        moved = {"transitions"} if edge or self.kind else set()
        settle(self, place=place, edge=edge, reads=frozenset(here | moved))

    def needed(self) -> frozenset[str]:
        return self.reads

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        reply = seen.reply
        if self.place is not None and self.edge is None and not self.kind:
            state = known(reply.scenario, "scenario")
            return () if self.place.holds(state) else (_elsewhere(self.place, state, self.at("state")),)
        out: list[Finding] = []
        if "scenario" in self.reads:
            out += self._state(known(reply.scenario, "scenario"))
        if "transitions" in self.reads:
            out += self._moves(known(reply.transitions, "transitions"))
        return tuple(out)

    def _state(self, state: ScenarioState | None) -> list[Finding]:
        if self.place is not None:
            return [] if self.place.holds(state) else [_elsewhere(self.place, state, self.at("state"))]
        out = []
        if self.id is not None and (state is None or state.id != self.id):
            out.append(Finding(f"the conversation is not in scenario '{self.id}'", self.id, in_words(state), path=("id",)))
        if self.step is not None and (state is None or state.step != self.step):
            out.append(Finding(f"the conversation is not at step '{self.step}'", self.step, in_words(state), path=("step",)))
        return out

    def _moves(self, transitions: tuple[Transition, ...]) -> list[Finding]:
        out = []
        observed = ", ".join(map(move, transitions)) or "no scenario moved"
        scenario = self.place.id if self.place is not None else self.id
        ours = [item for item in transitions if scenario is None or item.scenario in (None, scenario)]
        if self.edge is not None and not any(self._takes(item) for item in ours):
            ends = {item.target for item in ours} | {item.source for item in ours}
            near = None if ends & set(self.edge) else "neither step was left or reached in this turn"
            path = ("via",)
            out.append(Finding(f"the edge {self.via} was not taken", self.via, observed, near=near, path=path))
        for index, kind in enumerate(self.kind):
            if not any(item.kind == kind for item in ours):
                out.append(Finding(f"no scenario moved by '{kind}'", kind, observed, path=("kind", index)))
        return out

    def _takes(self, item: Transition) -> bool:
        assert self.edge is not None
        source, target = self.edge
        return source in ("*", item.source) and target in ("*", item.target)

    def describe(self) -> str:
        parts = [f"scenario is {self.place}"] if self.place is not None else []
        parts += [f"scenario is {self.id}"] if self.id is not None else []
        parts += [f"step is {self.step}"] if self.step is not None else []
        parts += [f"by the edge {self.via}"] if self.via is not None else []
        parts += [f"scenario moves by {', '.join(self.kind)}"] if self.kind else []
        return ", ".join(parts) or "scenario: nothing named"

    def refs(self) -> tuple[Ref, ...]:
        if self.place is not None:
            return self.place.ref(self.at("state"))
        if self.id is None:
            return ()
        return Place(self.id, self.step).ref(("step",) if self.step else ("id",))

    def idle(self) -> str | None:
        return None if self.reads else "it names no scenario; to say that none is active, write none"


def in_words(state: ScenarioState | None) -> str:
    """The observed state for a message."""
    return "in no scenario" if state is None else str(state) if state.step is not None else f"{state.id}, at no step"


def move(item: Transition) -> str:
    """A transition for a message: `transition start->confirm (yes)`."""
    edge = f" {item.source or '·'}->{item.target or '·'}" if item.source or item.target else ""
    where = f" of {item.scenario}" if item.scenario else ""
    return f"{item.kind}{edge}{where}" + (f" ({item.reason})" if item.reason else "")


def _elsewhere(place: Place, state: ScenarioState | None, path: tuple[str | int, ...]) -> Finding:
    if place.id is None:
        return Finding("the conversation is in a scenario", "in no scenario", in_words(state), path=path)
    near = None
    if state is not None and state.id == place.id:
        said = f"scenario '{place.id}' is at no step" if state.step is None else f"scenario '{place.id}' is at another step"
    else:
        said = f"the conversation is not in scenario '{place.id}'"
        if state is not None and place.step is not None and state.step == place.step:
            near = f"the step has the same name, but belongs to '{state.id}'"
    return Finding(said, str(place), in_words(state), near=near, path=path)

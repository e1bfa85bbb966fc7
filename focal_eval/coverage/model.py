"""What can be covered: the items of an agent with their lines, and what one recorded case did with them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from enum import StrEnum

from focal_eval.agent import Agent
from focal_eval.agent.model import Scenario
from focal_eval.agent.parts import transitions
from focal_eval.coverage.reasons import Reasons, of_go, of_trigger
from focal_eval.source import Span
from focal_eval.value import value

Key = tuple[str, str]
"""Kind and name of an item: `("rule", "offer-refund")`, `("transition", "returns/order → confirm")`."""

KINDS = ("rule", "constraint", "scenario", "start", "exit", "relocalise", "step", "transition", "tool", "template")
"""Every kind of item, in the order they are told."""

_AGAIN = re.compile(r" \(\d+\)$")


class State(StrEnum):
    """What recorded runs did with an item, the worst first."""

    MISSED = "missed"  # no turn had anything to do with it
    NEAR = "near"  # some of what makes it match was there, never enough
    SUPPRESSED = "suppressed"  # it would have matched, and something always dropped it
    UNKNOWN = "unknown"  # the engine does not say
    HIT = "hit"


@value
class Item:
    """One thing of an agent that a run can exercise.

    `seen_as` is its name in records, where two edges between the same steps have one name; `reasons` are
    those a record of the embedded agent can give for taking an edge; `part` is the part of the agent that an edit names.
    `span` is None for what was seen in records and stands in no agent file.
    """

    kind: str
    name: str
    span: Span | None
    seen_as: str
    part: Key
    body: Span | None = None  # all of it
    reasons: Reasons = Reasons()
    off: bool = False  # a rule that is not enabled

    @property
    def key(self) -> Key:
        return self.kind, self.name

    @property
    def line(self) -> int | None:
        """Where it stands in the agent file, from 1."""
        return None if self.span is None else self.span.line


def items_of(agent: Agent) -> tuple[Item, ...]:
    """Everything a run of this agent can exercise: kind by kind, each in the order of the file."""
    found = list(_items(agent))
    return tuple(item for kind in KINDS for item in found if item.kind == kind)


def _items(agent: Agent) -> Iterator[Item]:
    for rule in agent.rules:
        name = str(rule.id)
        yield Item("rule", name, rule.id.span, name, ("rule", name), rule.span, off=not rule.enabled)
        if rule.enforce or rule.forbid:
            texts = (*rule.enforce, *rule.forbid)
            place = texts[0].span
            body = place._replace(end_line=texts[-1].span.end_line, end_column=texts[-1].span.end_column)
            yield Item("constraint", name, place, name, ("rule", name), body, off=not rule.enabled)
    firsts = {str(flow.first.scenario) for flow in agent.scenarios if flow.first is not None}
    for flow in agent.scenarios:
        yield from _flow(agent, flow, startable=str(flow.id) in firsts)
    for tool in agent.tools:
        yield Item("tool", str(tool.id), tool.id.span, str(tool.id), ("tool", str(tool.id)), tool.span)
    for template in agent.templates:
        name = str(template.id)
        yield Item("template", name, template.id.span, name, ("template", name), template.span)


def _flow(agent: Agent, flow: Scenario, *, startable: bool) -> Iterator[Item]:
    """A scenario's items; one that nothing enters is startable where it comes before another."""
    name = str(flow.id)
    part = "scenario", name
    named = {str(key): trigger for key, trigger in agent.triggers}
    yield Item("scenario", name, flow.id.span, name, part, flow.span)
    entered = bool(flow.enter.rules) or flow.enter.match is not None
    if entered or startable:
        place = flow.enter.span if entered else flow.id.span
        yield Item("start", name, place, name, part, place)
    if flow.exit is not None:
        yield Item("exit", name, flow.exit.span, name, part, flow.exit.span, of_trigger(flow.exit, named))
    for back in flow.relocalise:
        edge = f"{name} → {back.to}"
        yield Item("relocalise", edge, back.span, edge, part, back.span)
    starts = {str(other.id): str(other.start or other.steps[0].id) for other in agent.scenarios if other.steps}
    for step in flow.steps:
        where = f"{name}/{step.id}"
        yield Item("step", where, step.id.span, where, ("step", where), step.span)
        for edge, go in transitions(flow, step):
            seen_as = _seen_as(where, str(go.to), starts)
            yield Item("transition", edge, go.to.span, seen_as, ("transition", edge), go.span, of_go(go, named))


def _seen_as(where: str, to: str, starts: Mapping[str, str]) -> str:
    """The name of an edge in records: `to` is a step, `scenario/step`, `scenario/` or `end`."""
    scenario, slash, step = to.partition("/")
    if not slash:
        return f"{where} → {to}"
    step = step or starts.get(scenario, "")
    inside = scenario == where.partition("/")[0]
    return f"{where} → {step}" if inside else f"{where} → {scenario}/{step}"


def recorded_name(kind: str, name: str) -> str:
    """The name under which records may show an item, where the agent is not at hand to say it better."""
    if kind != "transition":
        return name
    where, arrow, to = _AGAIN.sub("", name).partition(" → ")
    inside = where.partition("/")[0] + "/"
    return where + arrow + (to.removeprefix(inside) if to != inside else to)


@value
class Move:
    """An edge taken in a turn, as the record tells it."""

    turn: int
    kind: str  # start | exit | relocalise | transition
    name: str  # as the item of that kind; of an exit the scenario
    step: str | None  # where it began
    reason: str | None


@value
class CaseTrace:
    """What one recorded case did: for each item the positions of the turns in which it was at work.

    `unknown` has the positions of turns in which the engine did not report a kind; in those nothing is known to be missed.
    """

    name: str
    script: str
    turns: int  # turns with a reply
    hits: Mapping[Key, tuple[int, ...]]
    near: Mapping[Key, tuple[int, ...]] = field(default_factory=dict)
    suppressed: Mapping[Key, tuple[tuple[int, str, str | None], ...]] = field(default_factory=dict)  # turn, why, by what
    unknown: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # by kind
    moves: tuple[Move, ...] = ()
    outcomes: tuple[tuple[str, str], ...] = ()  # constraint, what it did
    arguments: tuple[tuple[str, str, str], ...] = ()  # tool, argument, value as JSON
    pairs: tuple[tuple[str, str], ...] = ()  # rules active in one turn, each pair sorted, once for each turn

    def hit(self, kind: str, name: str) -> tuple[int, ...]:
        """The turns an item was at work in. Of edges that records do not tell apart, all that it may have been."""
        return self.hits.get((kind, recorded_name(kind, name)), ())

    def considered(self, kind: str, name: str) -> tuple[int, ...]:
        """The turns in which it nearly was: those of a near miss, and those in which something dropped it."""
        key = kind, name
        return tuple(sorted({*self.near.get(key, ()), *(turn for turn, _, _ in self.suppressed.get(key, ()))}))

    def reported(self, kind: str) -> bool:
        """Whether every turn told about this kind."""
        return not self.unknown.get(kind)

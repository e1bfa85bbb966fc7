"""The parts of an agent as authored values: listed, replaced, taken out, put in. The agent itself never changes.

Kinds and names are those that a comparison of two agent files uses: `rule offer-refund`, `step returns/confirm`,
`transition returns/ask → confirm`, with ` (2)` for the second edge between the same steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from focal_eval.agent.flows import check_flows
from focal_eval.agent.model import Agent, Go, Scenario, Step
from focal_eval.agent.placed import NOWHERE, Placed
from focal_eval.agent.references import check_references
from focal_eval.agent.texts import check_texts
from focal_eval.errors import Problems
from focal_eval.source import Span
from focal_eval.value import value

KINDS = ("rule", "scenario", "step", "transition", "tool", "template", "slot", "trigger", "variable", "setting")
"""Every kind of part, in the order they are listed."""

_BY_ID = {"rule": "rules", "scenario": "scenarios", "tool": "tools", "template": "templates", "slot": "slots"}
_BY_NAME = {"trigger": "triggers", "variable": "variables"}
_SETTINGS = ("greeting", "fallback", "languages", "settings")
_OPTIONAL = frozenset({"greeting", "fallback"})
T = TypeVar("T")


@value
class Part:
    """One part of an agent: a rule, a step with its transitions, a named trigger, ..."""

    kind: str
    name: str
    value: Any  # Rule, Scenario, Step, Go, Tool, TemplateDef, Slot, Trigger, or what a variable or setting holds
    span: Span

    @property
    def id(self) -> str:
        """`rule:offer-refund`, as causes and edits name it."""
        return f"{self.kind}:{self.name}"


class NoPart(KeyError):
    """The agent has no such part."""


def parts(agent: Agent) -> Iterator[Part]:
    """Every part, kind by kind, each in the order of the file."""
    yield from (Part("rule", str(rule.id), rule, rule.id.span) for rule in agent.rules)
    for flow in agent.scenarios:
        yield Part("scenario", str(flow.id), flow, flow.id.span)
    for flow in agent.scenarios:
        for step in flow.steps:
            yield Part("step", f"{flow.id}/{step.id}", step, step.id.span)
            yield from (Part("transition", name, go, go.to.span) for name, go in transitions(flow, step))
    yield from (Part("tool", str(tool.id), tool, tool.id.span) for tool in agent.tools)
    yield from (Part("template", str(template.id), template, template.id.span) for template in agent.templates)
    yield from (Part("slot", str(slot.id), slot, slot.id.span) for slot in agent.slots)
    yield from (Part("trigger", str(name), trigger, name.span) for name, trigger in agent.triggers)
    yield from (Part("variable", str(name), held, name.span) for name, held in agent.variables)
    for name in _SETTINGS:
        held = getattr(agent, name)
        if held is not None:
            yield Part("setting", name, held, getattr(held, "span", NOWHERE))


def transitions(flow: Scenario, step: Step) -> Iterator[tuple[str, Go]]:
    """The edges of a step with their names."""
    seen: dict[str, int] = {}
    for go in step.go:
        to = str(go.to)
        seen[to] = seen.get(to, 0) + 1
        yield f"{flow.id}/{step.id} → {to}" + (f" ({seen[to]})" if seen[to] > 1 else ""), go


def part(agent: Agent, kind: str, name: str) -> Part:
    """The part of that kind and name. Raises NoPart."""
    found = next((one for one in parts(agent) if one.kind == kind and one.name == name), None)
    if found is None:
        raise NoPart(f"{kind} {name}")
    return found


def with_part(agent: Agent, kind: str, name: str, held: Any) -> Agent:
    """The agent with another value for the part; what refers to it stays, and its own name may change. Raises NoPart."""
    return _put(agent, kind, name, (held,))


def without(agent: Agent, kind: str, name: str) -> Agent:
    """The agent without the part; what refers to it stays. Raises NoPart, also for a setting that has to be there."""
    if kind == "setting" and name not in _OPTIONAL:
        raise NoPart(f"{kind} {name}")
    return _put(agent, kind, name, ())


def _put(agent: Agent, kind: str, name: str, held: tuple[Any, ...]) -> Agent:
    if kind in _BY_ID:
        field = _BY_ID[kind]
        return _filled(agent, field, _swapped(getattr(agent, field), lambda one: str(one.id) == name, held, name))
    if kind in _BY_NAME:
        field = _BY_NAME[kind]
        items: tuple[tuple[Placed, Any], ...] = getattr(agent, field)
        pairs = tuple((next((own for own, _ in items if own == name), name), one) for one in held)
        return _filled(agent, field, _swapped(items, lambda one: str(one[0]) == name, pairs, name))
    if kind == "setting" and name in _SETTINGS:
        return _filled(agent, name, held[0] if held else None)
    if kind == "step":
        flow, _, step = name.partition("/")
        return _in_flow(agent, flow, lambda steps: _swapped(steps, lambda one: str(one.id) == step, held, name))
    if kind == "transition":
        return _with_transition(agent, name, held)
    raise NoPart(f"{kind} {name}")


def with_new(agent: Agent, kind: str, name: str, held: Any, at: int | None = None) -> Agent:
    """The agent with one part more, at a place of its list or at its end; a variable or trigger is known by `name`."""
    if kind in _BY_ID:
        field = _BY_ID[kind]
        return _filled(agent, field, _inserted(getattr(agent, field), held, at))
    if kind in _BY_NAME:
        field = _BY_NAME[kind]
        return _filled(agent, field, _inserted(getattr(agent, field), (Placed(name), held), at))
    if kind == "setting":
        return with_part(agent, kind, name, held)
    if kind == "step":
        return _in_flow(agent, name.partition("/")[0], lambda steps: _inserted(steps, held, at))
    if kind == "transition":
        flow, _, step = name.partition(" → ")[0].partition("/")
        return _in_step(agent, flow, step, lambda edges: _inserted(edges, held, at))
    raise NoPart(f"{kind} {name}")


def problems_of(agent: Agent) -> Problems:
    """What `load_agent` would say of an agent that was put together from parts."""
    found = Problems()
    for check in (check_references, check_texts, check_flows):
        check(agent, found)
    return found


def _filled(agent: Agent, field: str, held: Any) -> Agent:
    values: dict[str, Any] = {field: held}
    return replace(agent, **values)


def _swapped(items: Sequence[T], fits: Callable[[T], bool], held: tuple[T, ...], name: str) -> tuple[T, ...]:
    place = next((position for position, item in enumerate(items) if fits(item)), None)
    if place is None:
        raise NoPart(name)
    return (*items[:place], *held, *items[place + 1 :])


def _inserted(items: Sequence[T], held: T, at: int | None) -> tuple[T, ...]:
    place = len(items) if at is None else at
    return (*items[:place], held, *items[place:])


def _in_flow(agent: Agent, flow: str, change: Callable[[tuple[Step, ...]], tuple[Step, ...]]) -> Agent:
    found = next((one for one in agent.scenarios if str(one.id) == flow), None)
    if found is None:
        raise NoPart(f"scenario {flow}")
    return with_part(agent, "scenario", flow, replace(found, steps=change(found.steps)))


def _in_step(agent: Agent, flow: str, step: str, change: Callable[[tuple[Go, ...]], tuple[Go, ...]]) -> Agent:
    name = f"{flow}/{step}"
    found: Step = part(agent, "step", name).value
    return with_part(agent, "step", name, replace(found, go=change(found.go)))


def _with_transition(agent: Agent, name: str, held: tuple[Go, ...]) -> Agent:
    flow, _, step = name.partition(" → ")[0].partition("/")
    inside = next((one for one in agent.scenarios if str(one.id) == flow), None)
    found = None if inside is None else next((one for one in inside.steps if str(one.id) == step), None)
    names = [] if inside is None or found is None else [own for own, _ in transitions(inside, found)]
    if name not in names:
        raise NoPart(f"transition {name}")
    place = names.index(name)
    return _in_step(agent, flow, step, lambda edges: (*edges[:place], *held, *edges[place + 1 :]))

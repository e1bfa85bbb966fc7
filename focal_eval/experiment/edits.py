"""The parts in which two versions of an agent differ; places and comments aside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from focal_eval.agent import Agent
from focal_eval.agent.authored import same
from focal_eval.agent.model import Scenario, Step
from focal_eval.value import value

SETTINGS = ("greeting", "fallback", "languages", "settings")


@value
class Edited:
    """A part that is not what it was; None where it is not there. A scenario's own fields are told apart from its steps."""

    kind: str  # rule, scenario, step, tool, template, slot, trigger, variable, setting; order where only places changed
    name: str
    old: Any
    new: Any

    @property
    def fields(self) -> frozenset[str]:
        """The fields that differ; empty where it is not there in both, or has none."""
        if not is_dataclass(self.old) or type(self.old) is not type(self.new):
            return frozenset()
        names = (spec.name for spec in fields(self.old) if spec.name != "span")
        return frozenset(name for name in names if not same(getattr(self.old, name), getattr(self.new, name)))


def edits(old: Agent, new: Agent) -> tuple[Edited, ...]:
    """Every part that differs. Parts that are the same objects cost nothing to compare."""
    return tuple(_edits(old, new))


def _edits(old: Agent, new: Agent) -> Iterator[Edited]:
    for kind, field in (("rule", "rules"), ("tool", "tools"), ("template", "templates"), ("slot", "slots")):
        yield from _listed(kind, _by_id(getattr(old, field)), _by_id(getattr(new, field)))
    yield from _scenarios(_by_id(old.scenarios), _by_id(new.scenarios))
    for kind, field in (("trigger", "triggers"), ("variable", "variables")):
        yield from _listed(kind, _named(getattr(old, field)), _named(getattr(new, field)), ordered=False)
    for name in SETTINGS:
        before, after = getattr(old, name), getattr(new, name)
        if not same(before, after):
            yield Edited("setting", name, before, after)
    if str(old.agent) != str(new.agent):
        yield Edited("setting", "agent", old.agent, new.agent)


def _by_id(items: Iterable[Any]) -> dict[str, Any]:
    return {str(item.id): item for item in items}


def _named(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {str(name): (held,) for name, held in pairs}


def _listed(kind: str, old: Mapping[str, Any], new: Mapping[str, Any], *, ordered: bool = True) -> Iterator[Edited]:
    for name in (*old, *(name for name in new if name not in old)):
        before, after = old.get(name), new.get(name)
        if before is not after and (before is None or after is None or not same(before, after)):
            yield Edited(kind, name, _bare(before), _bare(after))
    if ordered and [name for name in old if name in new] != [name for name in new if name in old]:
        yield Edited("order", kind, None, None)


def _bare(held: Any) -> Any:
    """A named trigger or variable without the tuple that tells a null from nothing at all."""
    return held[0] if type(held) is tuple and len(held) == 1 else held


def _scenarios(old: Mapping[str, Scenario], new: Mapping[str, Scenario]) -> Iterator[Edited]:
    changed = {name for name in (*old, *new) if old.get(name) is not new.get(name)}
    frames = ({name: _frame(flow) if name in changed else flow for name, flow in side.items()} for side in (old, new))
    yield from _listed("scenario", *frames)
    for name in (*old, *(name for name in new if name not in old)):
        if name in changed:
            yield from _listed("step", _steps(name, old.get(name)), _steps(name, new.get(name)), ordered=False)


def _frame(flow: Scenario) -> Scenario:
    """The scenario without its steps, but for where it starts."""
    return replace(flow, steps=(), start=flow.start or _first(flow))


def _first(flow: Scenario) -> Any:
    return flow.steps[0].id if flow.steps else None


def _steps(name: str, flow: Scenario | None) -> dict[str, Step]:
    return {} if flow is None else {f"{name}/{step.id}": step for step in flow.steps}

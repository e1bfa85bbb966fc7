"""How near a rule stands to an edit: of several rules that change in one turn the nearest one is the cause."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from focal_eval.agent import Agent
from focal_eval.agent.model import Trigger
from focal_eval.agent.walk import deep
from focal_eval.compare.model import Difference, Edit, Lane

_FAR = 1_000


def nearness(edits: Iterable[Edit], agents: Sequence[Agent]) -> dict[str, int]:
    """By rule: 0 where it was edited itself, 1 where it reads an edited trigger, 2 where it reads one that reads it, ..."""
    edits = tuple(edits)
    out = {edit.name: 0 for edit in edits if edit.kind == "rule"}
    level, known = 1, set[str]()
    triggers = {edit.name for edit in edits if edit.kind == "trigger"}
    while triggers:
        known |= triggers
        for agent in agents:
            reading = [str(rule.id) for rule in agent.rules if rule.match is not None and _reads(rule.match, triggers)]
            out |= {name: level for name in reading if name not in out}
        level += 1
        triggers = {str(name) for agent in agents for name, trigger in agent.triggers if _reads(trigger, triggers)} - known
    return out


def _reads(trigger: Trigger, names: set[str]) -> bool:
    return any(str(name) in names for part in deep(trigger) for name in part.trigger)


def nearest_first(found: Sequence[Difference], near: Mapping[str, int]) -> tuple[Difference, ...]:
    """The differences with rules in the order of their nearness, where that is known; all else in its place."""
    rules = sorted((item for item in found if item.lane is Lane.RULES), key=lambda item: near.get(item.what, _FAR))
    queue = iter(rules)
    return tuple(next(queue) if item.lane is Lane.RULES else item for item in found)

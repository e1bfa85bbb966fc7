"""Everything of one kind in an agent, wherever it stands: its triggers, its expressions, its values with templates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from focal_eval.agent.model import Agent, Trigger
from focal_eval.agent.placed import Placed

FIGURES = frozenset({"response", "words", "numbers", "amounts", "percents"})  # of a reply, for `enforce`
PROVIDED = frozenset(
    {"result", "error", "asked", "fires", "language", "channel", "metadata", "message", "turn", "scenario", "step"}
)


def triggers(agent: Agent) -> Iterator[Trigger]:
    """Every trigger, those inside others too."""
    for trigger in _top(agent):
        yield from deep(trigger)


def _top(agent: Agent) -> Iterator[Trigger]:
    yield from (trigger for _, trigger in (*agent.triggers, *agent.languages.detect))
    yield from (rule.match for rule in agent.rules if rule.match is not None)
    for flow in agent.scenarios:
        yield from (trigger for trigger in (flow.enter.match, flow.exit) if trigger is not None)
        yield from (back.when for back in flow.relocalise)
        yield from (go.when for step in flow.steps for go in step.go if go.when is not None)


def deep(trigger: Trigger) -> Iterator[Trigger]:
    """A trigger and every trigger in it."""
    yield trigger
    inner = (*trigger.any_, *trigger.all_, *([trigger.not_] if trigger.not_ is not None else []))
    for part in inner:
        yield from deep(part)


def expressions(agent: Agent) -> Iterator[tuple[Placed, frozenset[str]]]:
    """Every expression with the names it may read besides variables and what a turn provides."""
    none: frozenset[str] = frozenset()
    yield from ((trigger.if_, none) for trigger in triggers(agent) if trigger.if_ is not None)
    for rule in agent.rules:
        if rule.requires.expression is not None:
            yield rule.requires.expression, none
        extra = FIGURES | {str(name) for name, _ in rule.extract}
        yield from ((text, extra) for text in rule.enforce)
    for flow in agent.scenarios:
        if flow.requires.expression is not None:
            yield flow.requires.expression, none
        if flow.first is not None:
            yield flow.first.unless, none
        yield from ((go.if_, none) for step in flow.steps for go in step.go if go.if_ is not None)
    yield from ((slot.check, frozenset({"value"})) for slot in agent.slots if slot.check is not None)
    for tool in agent.tools:
        if tool.if_ is not None:
            yield tool.if_, none
        yield from ((arg.expression, none) for _, arg in tool.args if arg.expression is not None)


def values(agent: Agent) -> Iterator[tuple[Any, frozenset[str] | None]]:
    """Every value that may hold templates, with the only names it may read, None where those are a turn's names."""
    yield from ((value, None) for holder in agent.setters() for _, value in holder.sets)
    yield from ((text, None) for template in agent.templates for _, text in template.text.texts)
    for tool in agent.tools:
        args = frozenset(str(name) for name, _ in tool.args)
        yield from ((arg.value, None) for _, arg in tool.args if arg.value is not None)
        yield tool.returns, args
        yield from ((answer.returns, args) for answer in tool.answers)
        if tool.table is not None:
            yield tool.table.rows, args

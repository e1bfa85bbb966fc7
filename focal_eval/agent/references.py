"""Names in an agent file: every one that is used is defined, once, and can be told from the others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from focal_eval.agent.compiled import target
from focal_eval.agent.model import Agent, Rule, Scenario, Step
from focal_eval.agent.placed import Placed
from focal_eval.agent.walk import PROVIDED, triggers
from focal_eval.errors import Label, Problems
from focal_eval.registry import did_you_mean, misspelt

_NAME = re.compile(r"[A-Za-z]\w*\Z")
Use = tuple[str, Placed]  # (kind, name)
_CODES = {
    "argument": "unknown-argument",
    "language": "unknown-language",
    "rule": "unknown-rule",
    "scenario": "unknown-scenario",
    "slot": "unknown-slot",
    "step": "unknown-step",
    "template": "unknown-template",
    "tool": "unknown-tool",
    "trigger": "unknown-trigger",
    "variable": "unknown-variable",
}


def check_references(agent: Agent, problems: Problems) -> None:
    """Reports duplicate ids, names nobody defines, and names that cannot be used."""
    _duplicates(agent, problems)
    _spelling(agent, problems)
    known = {
        "rule": {str(rule.id) for rule in agent.rules},
        "tool": {str(tool.id) for tool in agent.tools},
        "template": {str(template.id) for template in agent.templates},
        "scenario": {str(flow.id) for flow in agent.scenarios},
        "slot": {str(slot.id) for slot in agent.slots},
        "trigger": {str(name) for name, _ in agent.triggers},
        "variable": set(agent.names().variables) | {"channel", "scenario", "step", "turn"},
        "language": _languages(agent),
    }
    for kind, name in uses(agent):
        if str(name) not in known[kind]:
            _unknown(kind, name, known[kind], problems)
    for flow in agent.scenarios:
        _steps(agent, flow, problems)
    for rule in agent.rules:
        for name in rule.scope.step:
            _place(agent, None, name, problems)
    for tool in agent.tools:
        arguments = {str(name) for name, _ in tool.args}
        by = () if tool.table is None else tool.table.by
        for name in by:
            if str(name) not in arguments:
                _unknown("argument", name, arguments, problems)


def _unknown(kind: str, name: Placed, known: Iterable[str], problems: Problems) -> None:
    if kind == "rule" and not misspelt(name, known):  # a relation with a rule that was taken out is idle, not wrong
        problems.warning(_CODES[kind], f"no rule is named '{name}', so this has no effect", name.span)
        return
    problems.error(_CODES[kind], f"no {kind} is named '{name}'", name.span, help=did_you_mean(name, known))


def uses(agent: Agent) -> Iterator[Use]:
    """Every name that a part of the agent uses, with its kind; names of steps, and of variables in code, left out."""
    for name in (agent.greeting, agent.fallback):
        if name is not None:
            yield "template", name
    for trigger in triggers(agent):
        yield from _each("trigger", trigger.trigger)
        yield from _each("slot", (*trigger.filled, *trigger.corrected))
        yield from _each("tool", (*trigger.called, *trigger.on_tool_error))
        yield from _each("language", trigger.language)
    for rule in agent.rules:
        yield from _rule_uses(rule)
    for flow in agent.scenarios:
        yield from _flow_uses(flow)
    for slot in agent.slots:
        yield from _each("template", (slot.ask, slot.reask, slot.invalid))
    for tool in agent.tools:
        yield from _each("tool", tool.depends_on)
        for _, arg in tool.args:
            yield from _each("variable", (arg.variable,))
            if arg.result is not None:
                yield "tool", Placed(str(arg.result).partition(".")[0], arg.result.span)


def _each(kind: str, names: Iterable[Placed | None]) -> Iterator[Use]:
    return ((kind, name) for name in names if name is not None)


def _rule_uses(rule: Rule) -> Iterator[Use]:
    yield from _each("rule", (*rule.excludes, *rule.implies, *rule.outranks))
    yield from _each("tool", rule.tools)
    yield from _each("template", (rule.template, rule.fallback))
    yield from _each("scenario", rule.scope.scenario)
    yield from _each("language", rule.language)
    yield from _each("variable", (*rule.requires.names, *(name for name, _ in rule.requires.values)))


def _flow_uses(flow: Scenario) -> Iterator[Use]:
    yield from _each("rule", flow.enter.rules)
    yield from _each("template", (flow.exit_template,))
    yield from _each("slot", (*flow.clear, *(slot for back in flow.relocalise for slot in back.clear)))
    yield from _each("variable", (*flow.requires.names, *(name for name, _ in flow.requires.values)))
    if flow.first is not None:
        yield "scenario", flow.first.scenario
    for step in flow.steps:
        yield from _step_uses(step)


def _step_uses(step: Step) -> Iterator[Use]:
    yield from _each("slot", (*step.collect.slots, *(slot for go in step.go for slot in go.clear)))
    yield from _each("tool", (*step.tools, *(tool for go in step.go for tool in go.on_tool_error)))
    yield from _each("template", (step.template, step.otherwise))


def _languages(agent: Agent) -> set[str]:
    texts = {str(code) for template in agent.templates for code, _ in template.text.texts if code}
    return texts | {str(agent.languages.default)} | {str(code) for code, _ in agent.languages.detect}


def _steps(agent: Agent, flow: Scenario, problems: Problems) -> None:
    """Names of steps inside a scenario."""
    own = {str(step.id) for step in flow.steps}
    for name in (flow.start, *(back.to for back in flow.relocalise)):
        if name is not None and str(name) not in own:
            _unknown("step", name, own, problems)
    for step in flow.steps:
        for go in step.go:
            _place(agent, flow, go.to, problems)


def _place(agent: Agent, flow: Scenario | None, name: Placed, problems: Problems) -> None:
    """A step, or scenario/step, that is gone to or that a rule is scoped to."""
    flows = {str(one.id): one for one in agent.scenarios}
    scenario, step = target(str(name))
    if flow is None and (scenario is None or step is None):
        problems.error("unknown-step", f"'{name}' is not of the form scenario/step", name.span)
        return
    if scenario is not None and scenario not in flows:
        _unknown("scenario", Placed(scenario, name.span), flows, problems)
        return
    holder = flows[scenario] if scenario is not None else flow
    assert holder is not None
    steps = [str(one.id) for one in holder.steps]
    if step is not None and step not in steps:
        known = steps if scenario is not None else [*steps, "end"]
        problems.error("unknown-step", f"scenario {holder.id} has no step '{step}'", name.span, help=did_you_mean(step, known))


def _duplicates(agent: Agent, problems: Problems) -> None:
    groups: list[tuple[str, Iterable[Placed]]] = [
        ("rule", (rule.id for rule in agent.rules)),
        ("scenario", (flow.id for flow in agent.scenarios)),
        ("slot", (slot.id for slot in agent.slots)),
        ("tool", (tool.id for tool in agent.tools)),
        ("template", (template.id for template in agent.templates)),
    ]
    groups += [(f"step of {flow.id}", (step.id for step in flow.steps)) for flow in agent.scenarios]
    for kind, names in groups:
        first: dict[str, Placed] = {}
        for name in names:
            if (before := first.setdefault(str(name), name)) is not name:
                labels = (Label(before.span, "first defined here"),)
                problems.error("duplicate-id", f"a {kind} named '{name}' is there already", name.span, labels=labels)


def _spelling(agent: Agent, problems: Problems) -> None:
    """Names that expressions could not say, and names that mean something else already."""
    sets = [name for holder in agent.setters() for name, _ in holder.sets]
    slots = {str(slot.id): slot.id for slot in agent.slots}
    for name in (*(name for name, _ in agent.variables), *slots.values(), *sets):
        if not _NAME.match(name):
            problems.error(
                "bad-name",
                f"'{name}' cannot name a variable",
                name.span,
                help="use letters, digits and underscores, beginning with a letter",
            )
        elif str(name) in PROVIDED - {"language"}:
            problems.error("reserved-name", f"'{name}' is what every turn provides", name.span, help="choose another name")
    for flow in agent.scenarios:
        for name in (flow.id, *(step.id for step in flow.steps)):
            if "/" in name or str(name) == "end":
                problems.error("reserved-name", f"'{name}' cannot name a scenario or a step", name.span)

"""What an agent can never do: circles in its relations, steps nobody reaches, rules that cannot match, slots nothing reads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from focal_eval.agent.compiled import target
from focal_eval.agent.model import Agent, Scenario, Step
from focal_eval.agent.placed import Placed
from focal_eval.agent.walk import deep, triggers
from focal_eval.errors import Problems

Graph = Mapping[str, tuple[Placed, ...]]


def check_flows(agent: Agent, problems: Problems) -> None:
    """Reports circles as errors, and what cannot happen or stays silent as warnings."""
    _circles(agent, problems)
    for flow in agent.scenarios:
        if not flow.steps:
            problems.error("empty-scenario", f"scenario '{flow.id}' has no steps", flow.id.span)
        for step in flow.steps:
            _step(agent, step, problems)
    _reach(agent, problems)
    _rules(agent, problems)
    _unused(agent, problems)
    _unread(agent, problems)
    if agent.templates and agent.fallback is None and not any(template.mode == "FALLBACK" for template in agent.templates):
        problems.warning(
            "no-fallback",
            "the agent has no FALLBACK template, so it says a fixed English sentence where nothing else can be said",
            agent.agent.span,
        )


def _circles(agent: Agent, problems: Problems) -> None:
    inside = {str(name): tuple(ref for part in deep(trigger) for ref in part.trigger) for name, trigger in agent.triggers}
    _circle("trigger-circle", "trigger '{}' needs itself", inside, problems)
    _circle("dependency-circle", "tool '{}' depends on itself", {str(t.id): t.depends_on for t in agent.tools}, problems)
    outranks = {str(rule.id): rule.outranks for rule in agent.rules}
    _circle("relation-circle", "rule '{}' outranks itself", outranks, problems)
    first = {str(flow.id): (flow.first.scenario,) for flow in agent.scenarios if flow.first is not None}
    _circle("first-circle", "scenario '{}' comes before itself", first, problems)
    for rule in agent.rules:
        both = {str(name) for name in rule.implies} & {str(name) for name in (*rule.excludes, *rule.outranks)}
        for name in rule.implies:
            if str(name) in both:
                problems.error("relation-circle", f"rule '{rule.id}' implies '{name}' and drops it", name.span)


def _circle(code: str, message: str, edges: Graph, problems: Problems) -> None:
    """Reports each circle once, at the name that closes it."""
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> None:
        for after in edges.get(name, ()):
            if str(after) in path:
                way = " → ".join([*path[path.index(str(after)) :], str(after)])
                problems.error(code, f"{message.format(after)}: {way}", after.span)
            elif str(after) not in done:
                visit(str(after), [*path, str(after)])
        done.add(name)

    for name in edges:
        if name not in done:
            visit(name, [name])


def _step(agent: Agent, step: Step, problems: Problems) -> None:
    if step.terminal:
        if step.collect.needs or step.go:
            problems.warning(
                "terminal-step", f"step '{step.id}' is terminal, so it collects nothing and goes nowhere", step.id.span
            )
        return
    if not step.go:
        fix = "add a transition, or 'terminal: true'"
        problems.warning("stuck-step", f"step '{step.id}' is not terminal and goes nowhere", step.id.span, help=fix)
    asked = {str(slot.id): slot.ask for slot in agent.slots}
    for slot in step.collect.slots:
        if str(slot) in asked and asked[str(slot)] is None and step.template is None:
            problems.warning("silent-question", f"nothing is said to ask for slot '{slot}'", slot.span, help="give it 'ask'")


def reached_steps(agent: Agent, dead: Collection[int] = ()) -> set[tuple[str, str]]:
    """The (scenario, step) pairs that edges lead to from what starts a scenario; conditions are not looked at.

    `dead` are transitions that are never taken, as ids of the objects.
    """
    flows = {str(flow.id): flow for flow in agent.scenarios if flow.steps}
    entered = {name for name, flow in flows.items() if flow.enter.rules or flow.enter.match is not None}
    entered |= {str(flow.first.scenario) for flow in flows.values() if flow.first is not None}
    every = [(flow, step) for flow in flows.values() for step in flow.steps]
    edges = {(str(flow.id), str(step.id)): list(_targets(flow, step, flows, dead)) for flow, step in every}
    seen: set[tuple[str, str]] = set()
    todo = [(name, str(flows[name].start or flows[name].steps[0].id)) for name in entered if name in flows]
    while todo:
        place = todo.pop()
        if place in seen or place not in edges:
            continue
        seen.add(place)
        todo += edges[place]
        todo += [(place[0], str(back.to)) for back in flows[place[0]].relocalise]
    return seen


def _reach(agent: Agent, problems: Problems) -> None:
    flows = {str(flow.id): flow for flow in agent.scenarios if flow.steps}
    seen = reached_steps(agent)
    for name, flow in flows.items():
        if not any(place[0] == name for place in seen):
            fix = "give it 'enter', or go to it from another scenario"
            problems.warning("unreachable-scenario", f"nothing starts scenario '{name}'", flow.id.span, help=fix)
            continue
        for step in flow.steps:
            if (name, str(step.id)) not in seen:
                problems.warning("unreachable-step", f"nothing goes to step '{name}/{step.id}'", step.id.span)


def _targets(flow: Scenario, step: Step, flows: Mapping[str, Scenario], dead: Collection[int]) -> Iterator[tuple[str, str]]:
    for go in () if step.terminal else (go for go in step.go if id(go) not in dead):
        scenario, to = target(str(go.to))
        if scenario is None and to is not None:
            yield str(flow.id), to
        elif scenario is not None and scenario in flows:
            other = flows[scenario]
            yield scenario, to or str(other.start or other.steps[0].id)


def _rules(agent: Agent, problems: Problems) -> None:
    implied = {str(name) for rule in agent.rules for name in rule.implies}
    for rule in agent.rules:
        constrains = bool(rule.enforce or rule.forbid)
        if rule.match is None and rule.when is None and not constrains and str(rule.id) not in implied:
            fix = "give it 'match' or 'when'"
            problems.warning("rule-never-matches", f"rule '{rule.id}' has nothing to match by", rule.id.span, help=fix)
        if rule.hard and not constrains:
            fix = "add 'enforce' or 'forbid'"
            problems.warning("idle-constraint", f"rule '{rule.id}' is hard, but forbids nothing", rule.id.span, help=fix)


def _unused(agent: Agent, problems: Problems) -> None:
    used = {str(name) for name in _template_uses(agent) if name is not None}
    for template in agent.templates:
        if str(template.id) not in used and template.mode != "FALLBACK":
            problems.warning("unused-definition", f"nothing says template '{template.id}'", template.id.span)
    named = {str(name) for trigger in triggers(agent) for name in trigger.trigger}
    for name, _ in agent.triggers:
        if str(name) not in named:
            problems.warning("unused-definition", f"nothing uses trigger '{name}'", name.span)


def _unread(agent: Agent, problems: Problems) -> None:
    collected = {str(slot) for flow in agent.scenarios for step in flow.steps for slot in step.collect.slots}
    for slot in agent.slots:
        if slot.listen != "always" and str(slot.id) not in collected:
            fix = "collect it in a step, or give it 'listen: always'"
            problems.warning("unread-slot", f"nothing ever reads slot '{slot.id}'", slot.id.span, help=fix)


def _template_uses(agent: Agent) -> Iterable[Placed | None]:
    yield from (agent.greeting, agent.fallback)
    for rule in agent.rules:
        yield from (rule.template, rule.fallback)
    for flow in agent.scenarios:
        yield flow.exit_template
        for step in flow.steps:
            yield from (step.template, step.otherwise)
    for slot in agent.slots:
        yield from (slot.ask, slot.reask, slot.invalid)

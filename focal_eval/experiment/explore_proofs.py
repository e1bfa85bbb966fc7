"""Items that no conversation can exercise, each with the proof in one sentence; read off the agent file, nothing is played.

A proof may be missing where something is out of reach, and never stands where a conversation exists: edges are followed
whatever their conditions, and of conditions only those count that read no name at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from focal_eval.agent.flows import reached_steps
from focal_eval.agent.model import Agent, Go, Rule, Scenario, Step, Trigger
from focal_eval.agent.parts import transitions
from focal_eval.coverage.model import Key
from focal_eval.experiment.explore_values import constant_in


def proven(agent: Agent) -> Mapping[Key, str]:
    """Why an item cannot be reached, by its key."""
    out: dict[Key, str] = {}
    dead = {name for flow in agent.scenarios for step in flow.steps for name in _dead_edges(step)}
    places = {f"{scenario}/{step}" for scenario, step in reached_steps(agent, dead)}
    for key, why in (*_rules(agent, places), *_flows(agent, places)):
        out.setdefault(key, why)
    alive = [rule for rule in agent.rules if ("rule", str(rule.id)) not in out]
    for flow in agent.scenarios:
        if (
            flow.enter.rules
            and flow.enter.match is None
            and not any(str(rule.id) in map(str, flow.enter.rules) for rule in alive)
        ):
            firsts = {str(one.first.scenario) for one in agent.scenarios if one.first is not None}
            if str(flow.id) not in firsts:
                out.setdefault(("start", str(flow.id)), "none of the rules that start it can match")
    out.update(_tools(agent, alive, places))
    return out


def _rules(agent: Agent, places: set[str]) -> Iterator[tuple[Key, str]]:
    implied = {str(name) for rule in agent.rules for name in rule.implies}
    steps = {str(flow.id): {f"{flow.id}/{step.id}" for step in flow.steps} for flow in agent.scenarios}
    for rule in agent.rules:
        why = _dead(rule, implied)
        scope = {str(step) for step in rule.scope.step}.union(*(steps.get(str(one), set()) for one in rule.scope.scenario))
        if why is None and (rule.scope.step or rule.scope.scenario) and not scope & places:
            why = "it applies only at steps that nothing goes to"
        if why is not None:
            yield ("rule", str(rule.id)), why
            yield ("constraint", str(rule.id)), why


def _dead(rule: Rule, implied: set[str]) -> str | None:
    if not rule.enabled:
        return "it is not enabled"
    constrains = bool(rule.enforce or rule.forbid)
    if rule.match is None and rule.when is None and not constrains and str(rule.id) not in implied:
        return "it has nothing to match by"
    if rule.match is not None and str(rule.id) not in implied and _never(rule.match):
        return "its condition is always false"
    if rule.requires.expression is not None and constant_in(str(rule.requires.expression)) is False:
        return "what it requires is always false"
    return None


def _never(trigger: Trigger) -> bool:
    """Whether a condition that reads nothing keeps it from ever holding."""
    if trigger.if_ is not None and constant_in(str(trigger.if_)) is False:
        return True
    return any(map(_never, trigger.all_)) or (bool(trigger.any_) and all(map(_never, trigger.any_)))


def _flows(agent: Agent, places: set[str]) -> Iterator[tuple[Key, str]]:
    for flow in agent.scenarios:
        name = str(flow.id)
        if not any(place.startswith(f"{name}/") for place in places):
            why = "nothing starts the scenario"
            yield from (((kind, name), why) for kind in ("scenario", "start", "exit"))
            yield from ((("relocalise", f"{name} → {back.to}"), why) for back in flow.relocalise)
        for step in flow.steps:
            if f"{name}/{step.id}" not in places:
                yield ("step", f"{name}/{step.id}"), "nothing goes to the step"
            yield from _edges(flow, step, places)


def _edges(flow: Scenario, step: Step, places: set[str]) -> Iterator[tuple[Key, str]]:
    dead = _dead_edges(step)
    for edge, go in transitions(flow, step):
        if f"{flow.id}/{step.id}" not in places:
            yield ("transition", edge), "nothing goes to the step it leaves"
        elif id(go) in dead:
            yield ("transition", edge), dead[id(go)]


def _dead_edges(step: Step) -> dict[int, str]:
    """The transitions of a step that are never taken, by the id of the object, with why."""
    order = {id(go): at for at, go in enumerate(sorted(step.go, key=lambda go: -go.priority))}
    always = min((order[id(go)] for go in step.go if _always(go)), default=None)
    out: dict[int, str] = {}
    for go in step.go:
        if step.terminal:
            out[id(go)] = "the step it leaves is terminal"
        elif (go.when is not None and _never(go.when)) or (go.if_ is not None and constant_in(str(go.if_)) is False):
            out[id(go)] = "its condition is always false"
        elif always is not None and order[id(go)] > always and go.when is None and not go.early:
            out[id(go)] = "a transition before it is always taken"
    return out


def _always(go: Go) -> bool:
    return go.when is None and go.if_ is None and not go.on_tool_error


def _tools(agent: Agent, alive: list[Rule], places: set[str]) -> dict[Key, str]:
    """Tools that nothing in reach calls, those that others depend on counted as called."""
    called = {str(tool) for rule in alive for tool in rule.tools}
    called |= {
        str(tool) for flow in agent.scenarios for step in flow.steps if f"{flow.id}/{step.id}" in places for tool in step.tools
    }
    needs = {str(tool.id): {str(other) for other in tool.depends_on} for tool in agent.tools}
    while more := {other for name in called for other in needs.get(name, ()) if other not in called}:
        called |= more
    why = "nothing that can be reached calls it"
    return {("tool", name): why for name in needs if name not in called}

"""The life of a scenario: start, transition, relocalisation, exit, and what comes up when one ends."""

from __future__ import annotations

from collections.abc import Iterable

from focal_eval.agent.candidates import apply_sets
from focal_eval.agent.compiled import PlayedGo, PlayedScenario, PlayedStep
from focal_eval.agent.filling import filled
from focal_eval.agent.senses import forget, read_scenario_slots
from focal_eval.agent.turn import Moved, Said, Work
from focal_eval.template import TemplateProblem


def steer(work: Work) -> None:
    """What the message itself does to the conversation: at most one exit, relocalisation, transition or start."""
    wanted = _wanted(work, work.matched.keys())
    urgent = [flow for flow in wanted if flow.scenario.interrupts == "always"]
    if work.state.scenario is not None and not urgent:
        _by_message(work)
        wanted = [flow for flow in wanted if flow.name != work.state.scenario]  # the transition may have led there
    _start_wanted(work, urgent or wanted, [] if not urgent else [flow for flow in wanted if flow not in urgent])


def steer_late(work: Work, matched: list[str]) -> None:
    """Starts what rules that waited for tools ask for."""
    wanted = [flow for flow in _wanted(work, matched, by_trigger=False) if flow.scenario.interrupts != "never"]
    if wanted:
        _interrupt(work, wanted[0], "rule")


def _wanted(work: Work, matched: Iterable[str], *, by_trigger: bool = True) -> list[PlayedScenario]:
    """Scenarios the message asks for, by priority; those already going on are not asked for again."""
    state, agent = work.state, work.agent
    rules = agent.starters.intersection(matched)
    if not rules and not (by_trigger and agent.asked_for):
        return []
    busy = {state.scenario, *(entry[0] for entry in state.suspended), *state.waiting}
    found = []
    for flow in agent.scenarios.values():
        asked = bool(flow.rules & rules) or (by_trigger and flow.enter is not None and flow.enter.holds(work))
        if asked and flow.name not in busy and (flow.requires is None or flow.requires.unmet(work.names()) is None):
            found.append(flow)
    return sorted(found, key=lambda flow: (-flow.scenario.priority, flow.order))


def _start_wanted(work: Work, wanted: list[PlayedScenario], others: list[PlayedScenario]) -> None:
    rest = list(wanted)
    if rest:
        active = work.state.scenario is not None
        first = rest[0]
        idle = first.scenario.interrupts == "idle" and not _used(work)
        if not active:
            _demand(work, rest.pop(0), "asked for")
        elif first.scenario.interrupts == "always" or idle:
            _interrupt(work, rest.pop(0), "asked for")
    if work.agent.settings.queue:
        work.state.waiting.extend(flow.name for flow in (*rest, *others))


def _used(work: Work) -> bool:
    """Whether the active step had a use for the message."""
    step = work.step
    return work.moved or (step is not None and bool(step.slots & work.filled))


def _interrupt(work: Work, flow: PlayedScenario, reason: str) -> None:
    state = work.state
    if state.scenario is not None and work.agent.scenarios[state.scenario].scenario.resume and not _at_end(work):
        state.suspended.append([state.scenario, state.step, state.settled])
    _demand(work, flow, reason)


def _at_end(work: Work) -> bool:
    return work.step is not None and work.step.step.terminal


def _demand(work: Work, flow: PlayedScenario, reason: str) -> None:
    """Starts a scenario, or first the one that comes before it; the message is read for its slots."""
    forget(work, flow.scenario.clear)
    read_scenario_slots(work, flow.name)
    seen = {flow.name}
    while (first := flow.scenario.first) is not None and flow.unless is not None:
        if flow.unless.holds(work.names()) or str(first.scenario) in seen:
            break
        work.state.suspended.append([flow.name, None, False])
        flow = work.agent.scenarios[str(first.scenario)]
        seen.add(flow.name)
        forget(work, flow.scenario.clear)
        read_scenario_slots(work, flow.name)
        reason = f"before {work.state.suspended[-1][0]}"
    _start(work, flow, reason)


def _start(work: Work, flow: PlayedScenario, reason: str) -> None:
    work.moves.append(Moved("start", flow.name, None, flow.start, reason))
    work.moved = True
    work.stand(flow.name, flow.start)


def _by_message(work: Work) -> None:
    flow = work.agent.scenarios[str(work.state.scenario)]
    if flow.exit is not None and flow.exit.holds(work):
        _exit(work, flow)
        return
    for back, test in flow.relocalise:
        if test.holds(work) and (str(back.to) != work.state.step or back.clear):
            _relocalise(work, flow, str(back.to), ", ".join(test.evidence(work)))
            forget(work, [slot for slot in back.clear if slot not in work.filled])
            apply_sets(work, back.sets, f"relocalise to {back.to}")
            return
    step = work.step
    assert step is not None
    choice = next((go for go in step.go if not go.silent and allowed(work, step, go)), None)
    if choice is not None:
        take(work, step, choice)


def _relocalise(work: Work, flow: PlayedScenario, to: str, reason: str) -> None:
    work.moves.append(Moved("relocalise", flow.name, work.state.step, to, reason))
    work.moved = True
    work.stand(flow.name, to)


def allowed(work: Work, step: PlayedStep, go: PlayedGo) -> bool:
    """Whether a transition may be taken now: its slots are there, its message is not used up, and it holds."""
    if not go.go.early and missing(work, step) is not None:
        return False
    if work.moved and not go.silent and not go.go.at_once:
        return False
    return go.test is None or go.test.holds(work)


def missing(work: Work, step: PlayedStep) -> str | None:
    """The slot a step has to ask for next, None where all are there."""
    variables = work.state.variables
    for need in step.step.collect.needs:
        lacks = [[str(slot) for slot in group if variables.get(slot) is None] for group in need.any_of]
        if all(lacks):
            begun = min(range(len(lacks)), key=lambda i: (len(lacks[i]) == len(need.any_of[i]), len(lacks[i]), i))
            return lacks[begun][0]
    return None


def take(work: Work, step: PlayedStep, choice: PlayedGo) -> None:
    """Takes a transition: to a step, to another scenario, or out."""
    go, scenario = choice.go, str(work.state.scenario)
    reason = ", ".join(choice.test.evidence(work)) if choice.test is not None else "always"
    apply_sets(work, go.sets, f"{scenario}/{step.name}")
    forget(work, go.clear)
    work.moved = True
    if choice.scenario is not None:
        flow = work.agent.scenarios[choice.scenario]
        to = choice.step or flow.start
        work.moves.append(Moved("transition", flow.name, step.name, to, reason))
        read_scenario_slots(work, flow.name)
        work.stand(flow.name, to)
    elif choice.step is None:
        work.moves.append(Moved("exit", scenario, step.name, None, reason))
        work.stand(None, None)
    else:
        work.moves.append(Moved("transition", scenario, step.name, choice.step, reason))
        work.stand(scenario, choice.step)


def _exit(work: Work, flow: PlayedScenario) -> None:
    state = work.state
    assert flow.exit is not None
    work.moves.append(Moved("exit", flow.name, state.step, None, ", ".join(flow.exit.evidence(work))))
    work.moved = True
    say(work, None if flow.scenario.exit_template is None else str(flow.scenario.exit_template))
    while state.suspended and state.suspended[-1][1] is None:  # what this one was gone through for
        state.suspended.pop()
    work.stand(None, None)


def next_up(work: Work) -> bool:
    """Takes up what waits: a scenario that the ended one came before, one it interrupted, one asked for meanwhile."""
    state = work.state
    while state.suspended:
        name, step, settled = state.suspended.pop()
        flow = work.agent.scenarios[name]
        if step is not None:
            work.moves.append(Moved("continue", name, step, step, "resumed"))
            work.stand(name, step)
            state.settled = bool(settled)
            return True
        if flow.unless is None or flow.unless.holds(work.names()):
            _start(work, flow, "after what comes before it")
            return True
    if state.waiting:
        _demand_waiting(work, state.waiting.pop(0))
        return True
    return False


def _demand_waiting(work: Work, name: str) -> None:
    """A scenario from the queue: the message that asked for it may lie turns back, so only its start counts."""
    flow = work.agent.scenarios[name]
    forget(work, flow.scenario.clear)
    if flow.unless is not None and flow.scenario.first is not None and not flow.unless.holds(work.names()):
        work.state.suspended.append([name, None, False])
        flow = work.agent.scenarios[str(flow.scenario.first.scenario)]
    _start(work, flow, "was waiting")


def say(work: Work, template: str | None, *, again: bool = False) -> None:
    """Adds a template's text to what the turn says; one that cannot be filled is left out and noted."""
    if template is None:
        return
    made = fill_template(work, template)
    if made is not None:
        work.said.append(Said(template, made, work.template(template).mode, again))


def fill_template(work: Work, template: str) -> str | None:
    """The template's text in the user's language, None (and a note) where a value is missing."""
    authored = work.template(template)
    text = authored.text.pick(work.language, str(work.agent.file.languages.default))
    try:
        return str(filled(text, work.names()))
    except TemplateProblem as problem:
        work.left_out.append(template)
        work.note(f"template {template} was left out: {problem}")
        return None

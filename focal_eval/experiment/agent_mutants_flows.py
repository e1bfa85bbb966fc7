"""Changes of scenarios, their steps and the edges between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

from focal_eval.agent import Agent
from focal_eval.agent.model import Go, Scenario, Step
from focal_eval.agent.parts import Part
from focal_eval.agent.placed import Placed
from focal_eval.agent.spellings import Collect, Need
from focal_eval.experiment.agent_mutants_form import GONE, Altered, apart, line, moved, place, put


def cut(part: Part, _: Agent) -> Iterator[Altered]:
    """The edge is not there."""
    go: Go = part.value
    yield Altered(GONE, place(go, part), line("to", go), "", "the transition is gone")


def retarget(part: Part, agent: Agent) -> Iterator[Altered]:
    """The edge leads to the scenario's other steps before and after its target, and to the end."""
    go: Go = part.value
    flow = next(one for one in agent.scenarios if str(one.id) == part.name.partition("/")[0])
    names = [str(step.id) for step in flow.steps]
    to = str(go.to)
    near: list[str] = []
    if to in names:
        spot = names.index(to)
        near = [names[other] for other in (spot - 1, spot + 1) if 0 <= other < len(names)]
    elif names:
        near = [names[0]]
    for other in (*near, *(["end"] if to != "end" else [])):
        held = replace(go, to=moved(other, go.to))
        yield Altered(held, go.to.span, line("to", go.to), line("to", held.to), f"it leads to '{other}', not to '{to}'")


def swap_transitions(part: Part, _: Agent) -> Iterator[Altered]:
    """An edge and the one tried next change places: both could be taken, and the first wins."""
    step: Step = part.value
    tried = sorted(range(len(step.go)), key=lambda number: -step.go[number].priority)
    for one, other in pairwise(tried):
        first, second = step.go[one], step.go[other]
        if first.priority != second.priority:
            first, second = replace(first, priority=second.priority), replace(second, priority=first.priority)
            edges = put(put(step.go, one, first), other, second)
        else:
            edges = put(put(step.go, one, second), other, first)
        before, after = line("go", [step.go[one].to, step.go[other].to]), line("go", [step.go[other].to, step.go[one].to])
        text = f"the transition to '{step.go[other].to}' is tried before the one to '{step.go[one].to}'"
        yield Altered(replace(step, go=edges), place(step.go[one], part), before, after, text)


def drop_failure(part: Part, _: Agent) -> Iterator[Altered]:
    """The edge does not look at the failure of one tool any more."""
    go: Go = part.value
    for number, tool in enumerate(go.on_tool_error):
        held = replace(go, on_tool_error=apart(go.on_tool_error, number))
        text = f"a failure of '{tool}' does not count any more"
        yield Altered(held, tool.span, line("on_tool_error", (tool,)), "", text)


def drop_slot(part: Part, _: Agent) -> Iterator[Altered]:
    """The step does not ask for one of its slots; of a group that will do, not for the group."""
    step: Step = part.value
    needs = step.collect.needs
    for number, need in enumerate(needs):
        yield _collecting(part, apart(needs, number), need, f"{_named(need)} is not asked for")
        for place_, group in enumerate(need.any_of) if len(need.any_of) > 1 else ():
            less = put(needs, number, Need(apart(need.any_of, place_)))
            yield _collecting(part, less, Need((group,)), f"{_named(Need((group,)))} will not do any more")
        for place_, group in enumerate(need.any_of):
            for slot in range(len(group)) if len(group) > 1 else ():
                less = put(needs, number, Need(put(need.any_of, place_, apart(group, slot))))
                yield _collecting(part, less, Need(((group[slot],),)), f"'{group[slot]}' is not needed any more")


def _collecting(part: Part, needs: tuple[Need, ...], lost: Need, text: str) -> Altered:
    held = replace(part.value, collect=Collect(needs))
    return Altered(held, lost.any_of[0][0].span, line("collect", Collect((lost,))), "", text)


def _named(need: Need) -> str:
    return " or ".join(" and ".join(f"'{slot}'" for slot in group) for group in need.any_of)


def keep_slot(part: Part, _: Agent) -> Iterator[Altered]:
    """A slot that was to be forgotten keeps its value."""
    held = part.value
    for number, slot in enumerate(held.clear):
        yield Altered(
            replace(held, clear=apart(held.clear, number)), slot.span, line("clear", (slot,)), "", f"'{slot}' is not forgotten"
        )
    for number, back in enumerate(held.relocalise) if part.kind == "scenario" else ():
        for position, slot in enumerate(back.clear):
            other = replace(back, clear=apart(back.clear, position))
            new = replace(held, relocalise=put(held.relocalise, number, other))
            yield Altered(new, slot.span, line("clear", (slot,)), "", f"'{slot}' is not forgotten on the way back")


def drop_set(part: Part, _: Agent) -> Iterator[Altered]:
    """A variable is not set any more."""
    held = part.value
    if part.kind != "scenario":
        yield from _sets(held, held.sets, lambda sets: replace(held, sets=sets))
        return
    for number, back in enumerate(held.relocalise):
        yield from _sets(back, back.sets, _back(held, number))


def _back(flow: Scenario, number: int) -> Any:
    items = flow.relocalise
    return lambda sets: replace(flow, relocalise=put(items, number, replace(items[number], sets=sets)))


def _sets(_: Any, sets: tuple[tuple[Placed, Any], ...], new: Any) -> Iterator[Altered]:
    for number, (name, held) in enumerate(sets):
        yield Altered(new(apart(sets, number)), name.span, line(str(name), held), "", f"'{name}' is not set any more")


def disable_enter(part: Part, _: Agent) -> Iterator[Altered]:
    """One of the rules that start the scenario, or its trigger, does not start it."""
    flow: Scenario = part.value
    enter = flow.enter
    for number, rule in enumerate(enter.rules):
        held = replace(flow, enter=replace(enter, rules=apart(enter.rules, number)))
        yield Altered(held, rule.span, line("rules", (rule,)), "", f"the rule '{rule}' does not start it")
    if enter.match is not None:
        held = replace(flow, enter=replace(enter, match=None))
        yield Altered(held, place(enter.match, part), line("match", enter.match), "", "its trigger does not start it")


def disable_exit(part: Part, _: Agent) -> Iterator[Altered]:
    """Nothing leads out of the scenario before its end."""
    flow: Scenario = part.value
    if flow.exit is not None:
        yield Altered(replace(flow, exit=None), place(flow.exit, part), line("exit", flow.exit), "", "nothing leads out of it")


def disable_relocalise(part: Part, _: Agent) -> Iterator[Altered]:
    """One of the ways back is gone."""
    flow: Scenario = part.value
    for number, back in enumerate(flow.relocalise):
        held = replace(flow, relocalise=apart(flow.relocalise, number))
        yield Altered(held, place(back, part), line("to", back), "", f"nothing leads back to '{back.to}'")


def skip_first(part: Part, _: Agent) -> Iterator[Altered]:
    """The scenario that comes before this one does not."""
    flow: Scenario = part.value
    if flow.first is not None:
        text = f"'{flow.first.scenario}' does not come before it"
        yield Altered(replace(flow, first=None), place(flow.first, part), line("first", flow.first), "", text)


def change_interrupts(part: Part, _: Agent) -> Iterator[Altered]:
    """The scenario interrupts another one where it did not, or waits where it did."""
    flow: Scenario = part.value
    for other in ("always", "idle", "never"):
        if other != flow.interrupts:
            held = replace(flow, interrupts=other)
            before, after = line("interrupts", flow.interrupts), line("interrupts", other)
            yield Altered(held, part.span, before, after, f"it interrupts '{other}', not '{flow.interrupts}'")

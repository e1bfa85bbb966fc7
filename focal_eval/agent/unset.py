"""Transitions that compare two values that nobody has given: null equals null, so they are taken by mistake.

A step that a relocalisation or an edge leads to past the step that collects a slot finds the slot without a value. Followed
are the edges of one scenario, forward: on each way into a step, what has a value for certain. Only where a way into the step
is known on which both sides have none is there a warning.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping

from focal_eval.agent.compiled import target
from focal_eval.agent.expression import ExpressionProblem, compile_expression
from focal_eval.agent.model import Agent, Go, Relocalise, Scenario, Step, Trigger
from focal_eval.agent.placed import Placed
from focal_eval.agent.walk import PROVIDED
from focal_eval.errors import Problems
from focal_eval.value import value

Names = frozenset[str]
_START = "its start"


@value
class _Way:
    """A way into a step: from where in words, and what has a value on it for certain."""

    origin: str
    known: Names


def check_unset(agent: Agent, problems: Problems) -> None:
    """Warns of a transition's `if` that holds where neither of the two values it compares is set."""
    known = _Known(agent)
    for flow in agent.scenarios:
        ways = _ways(flow, known)
        for step in flow.steps:
            for go in step.go:
                _look(flow, step, go, ways.get(str(step.id), ()), known, problems)


def _look(flow: Scenario, step: Step, go: Go, ways: Iterable[_Way], known: _Known, problems: Problems) -> None:
    if go.if_ is None:
        return
    pairs = tuple(_equalities(_tree(go.if_)))
    for way in ways:
        here = way.known | known.given(step, full=not go.early)
        for one, other, asked in pairs:
            if one != other and not {one, other} & (here | asked):
                place = f"'{flow.id}/{step.id}' is reached from {way.origin}"
                said = f"where {place}, '{one}' and '{other}' may both be unset, and then this holds"
                fix = f"begin it with '{one} and', or see to it that a value is there"
                problems.warning("unset-comparison", said, go.if_.span, help=fix)
                return


class _Known:
    """What has a value for certain: throughout, at a step, and by what a trigger asks for."""

    def __init__(self, agent: Agent) -> None:
        self.always: Names = PROVIDED | {str(name) for name, held in agent.variables if held is not None}
        self._triggers = {str(name): trigger for name, trigger in agent.triggers}
        self._rules = {str(rule.id): _set(rule.sets) for rule in agent.rules}
        self._tools = {str(tool.id): _set(tool.sets) for tool in agent.tools}

    def start(self, flow: Scenario) -> Names:
        """What is set where the scenario starts: what each of the rules that may start it sets."""
        if flow.enter.match is not None or not flow.enter.rules:
            return self.always
        return self.always | frozenset.intersection(*(self._rules.get(str(name), frozenset()) for name in flow.enter.rules))

    def given(self, step: Step, *, full: bool) -> Names:
        """What a step adds before it is left: in `full` the slots it asked for, and what its tools and itself set."""
        if not full:
            return frozenset()
        tools = (self._tools.get(str(name), frozenset()) for name in step.tools)
        return _collected(step).union(_set(step.sets), *tools)

    def heard(self, trigger: Trigger | None, depth: int = 8) -> Names:
        """The names that have a value wherever the trigger holds."""
        if trigger is None or depth == 0:
            return frozenset()
        found = _asked(trigger.if_).union(*(self.heard(part, depth - 1) for part in trigger.all_))
        if trigger.any_:
            found |= frozenset.intersection(*(self.heard(part, depth - 1) for part in trigger.any_))
        if trigger.trigger:
            named = (self._triggers.get(str(name)) for name in trigger.trigger)
            found |= frozenset.intersection(*(self.heard(part, depth - 1) for part in named))
        single = (names[0] for names in (trigger.filled, trigger.corrected) if len(names) == 1)  # of several one is enough
        return found | frozenset(map(str, single))


def _ways(flow: Scenario, known: _Known) -> Mapping[str, tuple[_Way, ...]]:
    """Every way into each step of a scenario that is known, with the least that is set on it."""
    steps = {str(step.id): step for step in flow.steps}
    start = str(flow.start or flow.steps[0].id) if flow.steps else ""
    if start not in steps:
        return {}
    found: dict[str, dict[str, Names]] = {start: {_START: known.start(flow)}}
    todo = [start]
    while todo:
        name = todo.pop()
        here = frozenset.intersection(*found[name].values())
        for to, origin, after in _leaving(flow, steps[name], here, known):
            if to not in steps:
                continue
            before = found.setdefault(to, {}).get(origin)
            if before is None or not before <= after:
                found[to][origin] = after if before is None else before & after
                todo.append(to)
    return {name: tuple(_Way(origin, held) for origin, held in ways.items()) for name, ways in found.items()}


def _leaving(flow: Scenario, step: Step, here: Names, known: _Known) -> Iterator[tuple[str, str, Names]]:
    """Where one gets from a step within its scenario: the step, from where in words, what is set then."""
    if step.terminal:
        return
    for go in step.go:
        scenario, to = target(str(go.to))
        if to is not None and scenario in (None, str(flow.id)):
            after = here | known.given(step, full=not go.early) | _asked(go.if_) | known.heard(go.when)
            yield to, f"step '{step.id}'", _after(after, go)
    if not _rests(step, here):
        return
    for back in flow.relocalise:
        if (str(back.to) != str(step.id) or back.clear) and _may_hold(back.when, flow, step):
            yield str(back.to), f"step '{step.id}' by 'relocalise'", _after(here | known.heard(back.when), back)


def _rests(step: Step, here: Names) -> bool:
    """Whether a message can find the conversation there: something is to be asked, or no edge is always taken."""
    through = any(go.when is None and go.if_ is None and not go.on_tool_error for go in step.go)
    return not through or not {str(slot) for slot in step.collect.slots} <= here


def _after(names: Names, way: Go | Relocalise) -> Names:
    return (names | _set(way.sets)) - {str(name) for name in way.clear}


def _collected(step: Step) -> Names:
    """The slots that a step has asked for before it is left."""
    needs = ([frozenset(map(str, group)) for group in need.any_of] for need in step.collect.needs)
    return frozenset[str]().union(*(frozenset.intersection(*groups) for groups in needs))


def _set(sets: Iterable[tuple[Placed, object]]) -> Names:
    return frozenset(str(name) for name, held in sets if held is not None)


def _may_hold(trigger: Trigger, flow: Scenario, step: Step) -> bool:
    """Whether what a trigger asks of the place can be so at this step; all else is taken to be possible."""
    place = {"scenario": str(flow.id), "step": str(step.id)}
    for part in _conjuncts(_tree(trigger.if_)):
        test = compile_expression(ast.unparse(part))
        if test.names and {name[0] for name in test.names} <= place.keys() and not test.holds(place):
            return False
    return True


def _tree(text: Placed | None) -> ast.expr | None:
    if text is None:
        return None
    try:
        compile_expression(str(text))
    except ExpressionProblem:  # told where expressions are looked at
        return None
    return ast.parse(str(text).strip(), mode="eval").body


def _conjuncts(tree: ast.expr | None) -> Iterator[ast.expr]:
    if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And):
        for part in tree.values:
            yield from _conjuncts(part)
    elif tree is not None:
        yield tree


def _asked(text: Placed | None) -> Names:
    """The names that have to have a value for the expression to hold."""
    return frozenset(name for part in _conjuncts(_tree(text)) for name in _needed(part))


def _needed(part: ast.expr) -> Iterator[str]:
    """`name`, `name != null`, `name < 3`, `name == 'text'`."""
    if isinstance(part, ast.Name):
        yield part.id
    elif isinstance(part, ast.Compare) and len(part.ops) == 1 and isinstance(part.left, ast.Name):
        other, unlike = part.comparators[0], isinstance(part.ops[0], (ast.NotEq, ast.IsNot))
        null = (isinstance(other, ast.Constant) and other.value is None) or getattr(other, "id", None) in ("null", "none")
        if unlike if null else isinstance(other, ast.Constant) and not unlike:
            yield part.left.id


def _equalities(tree: ast.expr | None) -> Iterator[tuple[str, str, Names]]:
    """Pairs of names whose being equal makes the expression hold, each with the names it asks for besides."""
    parts = tuple(_conjuncts(tree))
    asked = frozenset(name for part in parts for name in _needed(part))
    for part in parts:
        if isinstance(part, ast.BoolOp):  # a choice: each of its sides by itself
            for side in part.values:
                yield from ((one, other, more | asked) for one, other, more in _equalities(side))
        elif isinstance(part, ast.Compare) and len(part.ops) == 1 and isinstance(part.left, ast.Name):
            other, operator = part.comparators[0], part.ops[0]
            if isinstance(operator, ast.Eq) and isinstance(other, ast.Name):
                yield part.left.id, other.id, asked
            elif isinstance(operator, ast.In) and isinstance(other, (ast.List, ast.Tuple)):
                yield from ((part.left.id, item.id, asked) for item in other.elts if isinstance(item, ast.Name))

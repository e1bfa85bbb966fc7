"""An agent made ready to play: every trigger, expression and pattern compiled once, and rules indexed by their words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from focal_eval.agent.builtin import table_rows
from focal_eval.agent.expression import Expression, compile_expression
from focal_eval.agent.filling import reads_results
from focal_eval.agent.model import Agent, Go, Relocalise, Rule, Scenario, Slot, Step, Tool, Trigger, Values
from focal_eval.agent.slots import SlotReader
from focal_eval.agent.spellings import Requires
from focal_eval.agent.tested import If, Moment, Test, Told, several
from focal_eval.agent.trigger import Triggers
from focal_eval.agent.walk import deep
from focal_eval.pattern import Pattern, compile_pattern
from focal_eval.value import value


class Condition:
    """`requires`, ready to test."""

    __slots__ = ("_expression", "_names", "_values")

    def __init__(self, requires: Requires) -> None:
        self._names = tuple(str(name) for name in requires.names)
        self._values = tuple((str(name), value) for name, value in requires.values)
        self._expression = None if requires.expression is None else compile_expression(str(requires.expression))

    def unmet(self, names: Mapping[str, Any]) -> str | None:
        """What does not hold, in words; None where all does."""
        for name in self._names:
            if names.get(name) is None or names[name] is False:
                return f"{name} is not set"
        for name, wanted in self._values:
            if names.get(name) != wanted:
                return f"{name} is {names.get(name)!r}, not {wanted!r}"
        if self._expression is not None and not self._expression.holds(names):
            return self._expression.text
        return None


@value
class PlayedRule:
    """A rule, ready to match."""

    rule: Rule
    name: str
    order: int
    test: Test | None
    mentioned: frozenset[int]  # every word that speaks for it
    lexical: bool  # scored by its `when`
    late: bool
    requires: Condition | None
    scenarios: frozenset[str]
    steps: frozenset[str]
    languages: frozenset[str]
    sets_now: Values
    sets_later: Values
    enforce: tuple[Expression, ...]
    extract: tuple[tuple[str, Pattern], ...]
    forbid: tuple[Pattern, ...]

    @property
    def constrains(self) -> bool:
        return bool(self.enforce or self.forbid)


class RuleIndex:
    """Rules with triggers, found by what was said and what happened: those that may hold, or of which a part may."""

    __slots__ = ("_always", "_by_event", "_by_word")

    def __init__(self, rules: Iterable[PlayedRule]) -> None:
        self._always: list[PlayedRule] = []
        self._by_word: dict[int, list[PlayedRule]] = {}
        self._by_event: dict[str, dict[str, list[PlayedRule]]] = {}
        for rule in rules:
            assert rule.test is not None
            for atom in rule.mentioned:
                self._by_word.setdefault(atom, []).append(rule)
            tied = rule.test.tied()
            for what, name in tied or ():
                self._by_event.setdefault(what, {}).setdefault(name, []).append(rule)
            if tied is None and rule.test.necessary() is None:
                self._always.append(rule)

    def touched(self, moment: Moment) -> list[PlayedRule]:
        """The rules to be looked at, in their order; all others neither hold nor come near."""
        found = {rule.order: rule for rule in self._always}
        for atom in moment.hits.keys() & self._by_word.keys():
            for rule in self._by_word[atom]:
                found[rule.order] = rule
        for what, by_name in self._by_event.items():
            for name in getattr(moment, what):
                for rule in by_name.get(name, ()):
                    found[rule.order] = rule
        return [found[order] for order in sorted(found)]


@value
class PlayedGo:
    """A transition, ready to test."""

    go: Go
    scenario: str | None  # another scenario, None within its own
    step: str | None  # None: the start of that scenario, or the end of this one
    test: Test | None
    silent: bool  # it does not read the message


@value
class PlayedStep:
    """A step with its transitions in the order they are tried."""

    step: Step
    name: str
    go: tuple[PlayedGo, ...]
    slots: frozenset[str]


@value
class PlayedScenario:
    """A scenario, ready to play."""

    scenario: Scenario
    name: str
    order: int
    start: str
    steps: Mapping[str, PlayedStep]
    rules: frozenset[str]
    enter: Test | None
    exit: Test | None
    requires: Condition | None
    unless: Expression | None
    relocalise: tuple[tuple[Relocalise, Test], ...]
    slots: frozenset[str]


class Playable:
    """An agent ready to play; it holds no conversation and never changes.

    `like` is an agent made ready before: what the two files share as the same objects is not made ready again, which makes
    a version with one part changed ten times as fast. It plays the same with and without.
    """

    def __init__(self, file: Agent, digest: str = "", like: Playable | None = None) -> None:
        self.file, self.digest, self.name = file, digest, str(file.agent)
        self.settings = file.settings
        done = _Done(like, file)
        triggers: Triggers = done.triggers
        self.triggers = triggers
        self.rules = {str(rule.id): done.rule(rule, order) or self._rule(rule, order) for order, rule in enumerate(file.rules)}
        flows = enumerate(file.scenarios)
        self.scenarios = {str(flow.id): done.scenario(flow, order) or self._scenario(flow, order) for order, flow in flows}
        self.slots = {str(slot.id): done.slot(slot) or SlotReader(slot, triggers) for slot in file.slots}
        self.tools: dict[str, Tool] = {str(tool.id): tool for tool in file.tools}
        self.rows = {str(tool.id): done.rows(tool) or table_rows(tool.table) for tool in file.tools if tool.table is not None}
        self.templates = {str(template.id): template for template in file.templates}
        fallback = file.fallback or next((one.id for one in file.templates if one.mode == "FALLBACK"), None)
        self.fallback = None if fallback is None else str(fallback)
        self.detect = tuple((str(code), triggers.test(trigger)) for code, trigger in file.languages.detect)
        self.lexicon = triggers.lexicon
        self.spoken = _spoken(file)
        self.starters = frozenset().union(*(flow.rules for flow in self.scenarios.values()))
        self.asked_for = any(flow.enter is not None for flow in self.scenarios.values())
        waiting = [rule for rule in self.rules.values() if rule.late]
        at_once = [rule for rule in self.rules.values() if rule.test is not None and not rule.late]
        self.early, self.late = RuleIndex(at_once), RuleIndex(waiting)
        self.scored = tuple(rule for rule in self.rules.values() if rule.lexical and rule.rule.enabled)
        self.constraints = tuple(rule for rule in self.rules.values() if rule.constrains and rule.rule.enabled)

    def _rule(self, rule: Rule, order: int) -> PlayedRule:
        test = None if rule.match is None else self.triggers.test(rule.match)
        constrains = bool(rule.enforce or rule.forbid)
        later = tuple(pair for pair in rule.sets if reads_results(pair[1]))
        return PlayedRule(
            rule=rule,
            name=str(rule.id),
            order=order,
            test=test,
            mentioned=frozenset() if test is None else test.mentioned(),
            lexical=test is None and rule.when is not None and not constrains,
            late=test is not None and test.late,
            requires=Condition(rule.requires) if rule.requires else None,
            scenarios=frozenset(map(str, rule.scope.scenario)),
            steps=frozenset(map(str, rule.scope.step)),
            languages=frozenset(map(str, rule.language)),
            sets_now=tuple(pair for pair in rule.sets if pair not in later),
            sets_later=later,
            enforce=tuple(compile_expression(str(text)) for text in rule.enforce),
            extract=tuple((str(name), compile_pattern(str(text), ignore_case=True)) for name, text in rule.extract),
            forbid=tuple(compile_pattern(str(text), ignore_case=True) for text in rule.forbid),
        )

    def _scenario(self, flow: Scenario, order: int) -> PlayedScenario:
        test = self.triggers.test
        steps = {str(step.id): self._step(step) for step in flow.steps}
        return PlayedScenario(
            scenario=flow,
            name=str(flow.id),
            order=order,
            start=str(flow.start or flow.steps[0].id),
            steps=steps,
            rules=frozenset(map(str, flow.enter.rules)),
            enter=None if flow.enter.match is None else test(flow.enter.match),
            exit=None if flow.exit is None else test(flow.exit),
            requires=Condition(flow.requires) if flow.requires else None,
            unless=None if flow.first is None else compile_expression(str(flow.first.unless)),
            relocalise=tuple((back, test(back.when)) for back in flow.relocalise),
            slots=frozenset().union(*(step.slots for step in steps.values())),
        )

    def _step(self, step: Step) -> PlayedStep:
        tried = sorted(step.go, key=lambda go: -go.priority)
        return PlayedStep(step, str(step.id), tuple(map(self._go, tried)), frozenset(map(str, step.collect.slots)))

    def _go(self, go: Go) -> PlayedGo:
        parts: list[Test] = [] if go.when is None else [self.triggers.test(go.when)]
        if go.if_ is not None:
            parts.append(If(compile_expression(str(go.if_))))
        if go.on_tool_error:
            parts.append(Told("failed", frozenset(map(str, go.on_tool_error))))
        scenario, step = target(str(go.to))
        test = several(parts, every=True) if parts else None
        return PlayedGo(go, scenario, step, test, test is None or test.silent)


def _spoken(file: Agent) -> frozenset[str]:
    """The languages an agent tells apart, or has texts in."""
    texts = (str(name) for template in file.templates for name, _ in template.text.texts if name)
    return frozenset((str(file.languages.default), *(str(code) for code, _ in file.languages.detect), *texts))


class _Done:
    """What of an agent made ready before can be taken over as it is."""

    def __init__(self, like: Playable | None, file: Agent) -> None:
        self.like = like
        self.triggers: Triggers = Triggers(file.triggers) if like is None else like.triggers.again(file.triggers)
        self.renewed = frozenset[str]() if like is None else self.triggers.renewed

    def rule(self, rule: Rule, order: int) -> PlayedRule | None:
        found = None if self.like is None else self.like.rules.get(str(rule.id))
        if found is None or found.rule is not rule or (rule.match is not None and self._stale(rule.match)):
            return None
        return found if found.order == order else replace(found, order=order)

    def scenario(self, flow: Scenario, order: int) -> PlayedScenario | None:
        found = None if self.like is None else self.like.scenarios.get(str(flow.id))
        if found is None or found.scenario is not flow or (self.renewed and any(map(self._stale, _triggers(flow)))):
            return None
        return found if found.order == order else replace(found, order=order)

    def slot(self, slot: Slot) -> SlotReader | None:
        found = None if self.like is None else self.like.slots.get(str(slot.id))
        return found if found is not None and found.slot is slot else None

    def rows(self, tool: Tool) -> Mapping[str, Any] | None:
        if self.like is None or self.like.tools.get(str(tool.id)) is not tool:
            return None
        return self.like.rows[str(tool.id)]

    def _stale(self, trigger: Trigger) -> bool:
        """Whether it names a trigger that is another one now."""
        return bool(self.renewed) and any(str(name) in self.renewed for part in deep(trigger) for name in part.trigger)


def _triggers(flow: Scenario) -> list[Trigger]:
    own = [trigger for trigger in (flow.enter.match, flow.exit) if trigger is not None]
    edges = [go.when for step in flow.steps for go in step.go if go.when is not None]
    return [*own, *(back.when for back in flow.relocalise), *edges]


def target(text: str) -> tuple[str | None, str | None]:
    """`step`, `scenario/step`, `scenario/` or `end` as (scenario or None, step or None)."""
    if text == "end":
        return None, None
    scenario, slash, step = text.partition("/")
    return (scenario, step or None) if slash else (None, scenario)

"""Changes of rules: taken out, ranked otherwise, let loose, bound less."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from focal_eval.agent import Agent
from focal_eval.agent.model import Rule, Scope
from focal_eval.agent.parts import Part
from focal_eval.agent.placed import Placed
from focal_eval.agent.spellings import Requires
from focal_eval.experiment.agent_mutants_conditions import negated, shifted
from focal_eval.experiment.agent_mutants_form import GONE, Altered, apart, line, moved, place, put, put_field

RELATIONS = ("outranks", "excludes", "implies")


def delete(part: Part, _: Agent) -> Iterator[Altered]:
    """The rule is not there; what names it names nothing."""
    rule: Rule = part.value
    yield Altered(GONE, part.span, line("id", rule.id), "", "the rule is gone")


def swap_priority(part: Part, agent: Agent) -> Iterator[Altered]:
    """The rule and the one ranked next below it, among those that can meet it, change places."""
    rule: Rule = part.value
    below = [other for other in agent.rules if other.priority < rule.priority and _meet(rule, other)]
    if not below:
        return
    other = max(below, key=lambda one: one.priority)
    held = replace(rule, priority=other.priority)
    more = (("rule", str(other.id), replace(other, priority=rule.priority)),)
    before, after = line("priority", rule.priority), line("priority", other.priority)
    yield Altered(held, part.span, before, after, f"it swaps its priority with '{other.id}'", more)


def _meet(one: Rule, other: Rule) -> bool:
    """Whether two rules can match at once: both are enabled, and somewhere both apply."""
    places = [
        {*map(str, rule.scope.scenario), *(str(step).partition("/")[0] for step in rule.scope.step)} for rule in (one, other)
    ]
    return one.enabled and other.enabled and (not all(places) or bool(places[0] & places[1]))


def widen_scope(part: Part, _: Agent) -> Iterator[Altered]:
    """The rule applies everywhere; one for steps also in the whole of their scenarios."""
    rule: Rule = part.value
    scope = rule.scope
    if scope.scenario or scope.step:
        yield Altered(replace(rule, scope=Scope()), place(scope, part), line("scope", scope), "", "it applies everywhere")
    if scope.step:
        names = dict.fromkeys(step.partition("/")[0] for step in scope.step)
        wide = Scope(scenario=tuple(moved(name, scope.step[0]) for name in names), span=scope.span)
        text = "it applies in the whole scenario"
        yield Altered(replace(rule, scope=wide), place(scope, part), line("scope", scope), line("scope", wide), text)


def narrow_scope(part: Part, _: Agent) -> Iterator[Altered]:
    """One of several places is lost; a rule that applies everywhere applies outside of scenarios only, or in them only."""
    rule: Rule = part.value
    scope = rule.scope
    for key in ("scenario", "step"):
        names = getattr(scope, key)
        for number, name in enumerate(names) if len(scope.scenario) + len(scope.step) > 1 else ():
            less = put_field(scope, key, apart(names, number))
            yield Altered(
                replace(rule, scope=less), name.span, line(key, (name,)), "", f"it does not apply in '{name}' any more"
            )
    if not (scope.scenario or scope.step or rule.requires) and rule.match is not None:
        for text, said in (("not scenario", "outside of scenarios only"), ("scenario", "within scenarios only")):
            required = Requires(expression=Placed(text, part.span))
            yield Altered(replace(rule, requires=required), part.span, "", line("requires", required), f"it applies {said}")


def drop_limit(part: Part, _: Agent) -> Iterator[Altered]:
    """A cooldown or a limit of fires is not kept, or is one off."""
    rule: Rule = part.value
    for key in ("cooldown_turns", "max_fires"):
        limit = getattr(rule, key)
        if not limit:
            continue
        yield Altered(put_field(rule, key, 0), part.span, line(key, limit), "", f"'{key}' is not kept")
        for other in (limit + 1, limit - 1):
            if other:
                after = line(key, other)
                yield Altered(
                    put_field(rule, key, other), part.span, line(key, limit), after, f"'{key}' is {other}, not {limit}"
                )


def change_bound(part: Part, _: Agent) -> Iterator[Altered]:
    """What is enforced is negated, or one comparison or figure of it is another."""
    rule: Rule = part.value
    for number, text in enumerate(rule.enforce):
        changes = [*shifted(text), (negated(text), "all of it is negated")]
        for new, what in changes:
            held = replace(rule, enforce=put(rule.enforce, number, moved(new, text)))
            yield Altered(held, text.span, line("enforce", text), line("enforce", Placed(new)), f"in what is enforced, {what}")


def drop_constraint(part: Part, _: Agent) -> Iterator[Altered]:
    """Something is not enforced, forbidden or read from the reply any more."""
    rule: Rule = part.value
    for key in ("enforce", "forbid"):
        texts = getattr(rule, key)
        for number, text in enumerate(texts):
            held = put_field(rule, key, apart(texts, number))
            yield Altered(held, text.span, line(key, text), "", f"one entry of '{key}' is lost")
    for number, (name, pattern) in enumerate(rule.extract):
        held = replace(rule, extract=apart(rule.extract, number))
        yield Altered(held, name.span, line(str(name), pattern), "", f"'{name}' is not read from the reply any more")
    if rule.fallback is not None:
        held = replace(rule, fallback=None)
        yield Altered(held, rule.fallback.span, line("fallback", rule.fallback), "", "what is said instead is lost")


def drop_relation(part: Part, _: Agent) -> Iterator[Altered]:
    """The rule does not outrank, exclude or imply one of the rules it did."""
    rule: Rule = part.value
    for key in RELATIONS:
        names = getattr(rule, key)
        for number, name in enumerate(names):
            held = put_field(rule, key, apart(names, number))
            yield Altered(held, name.span, line(key, (name,)), "", f"it no longer {key} '{name}'")
    for number, code in enumerate(rule.language):
        held = replace(rule, language=apart(rule.language, number))
        yield Altered(held, code.span, line("language", (code,)), "", f"it is not held to the language '{code}' any more")

"""Changes of triggers and conditions, wherever in a part they stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from focal_eval.agent import Agent
from focal_eval.agent.model import Trigger
from focal_eval.agent.parts import Part
from focal_eval.agent.placed import Placed
from focal_eval.agent.spellings import Requires
from focal_eval.experiment.agent_mutants_conditions import dropped, negated, shifted
from focal_eval.experiment.agent_mutants_form import Altered, apart, line, moved, place, put, put_field
from focal_eval.source import Span
from focal_eval.value import value

ANYTHING = "(?s:.*)"
"""A pattern that every message has, the empty one too."""

LISTS = ("trigger", "any_words", "all_words", "phrase", "pattern", "filled", "corrected", "called", "on_tool_error", "language")
"""Keys of a trigger that hold names or texts."""

_ONE_OF = {
    "trigger": "trigger", "any_words": "word", "phrase": "phrase", "pattern": "pattern", "filled": "slot", "corrected": "slot",
    "called": "tool", "on_tool_error": "tool", "language": "language",
}  # fmt: skip
"""Keys of which one entry is enough, with what an entry is."""

Put = Callable[[Any], Any]


@value
class Site:
    """A place in a part where a trigger, or a condition, stands: `put` gives the part's value with another in its place."""

    key: str
    held: Any  # Trigger, Placed expression or Requires
    put: Put
    span: Span
    needed: bool = False  # a relocalisation has to have its trigger


def sites(part: Part) -> Iterator[Site]:
    """Every trigger of a part, and every trigger within one."""
    for site in _top(part):
        yield from _within(site)


def _top(part: Part) -> Iterator[Site]:
    held = part.value
    if part.kind == "trigger":
        yield Site(part.name, held, _itself, place(held, part))
    elif part.kind == "rule" and held.match is not None:
        yield _field(held, "match", part)
    elif part.kind == "transition" and held.when is not None:
        yield _field(held, "when", part)
    elif part.kind == "scenario":
        if held.enter.match is not None:
            enter = held.enter
            yield Site(
                "match", enter.match, lambda new: replace(held, enter=replace(enter, match=new)), place(enter.match, part)
            )
        if held.exit is not None:
            yield _field(held, "exit", part)
        for number, back in enumerate(held.relocalise):
            yield Site("when", back.when, _nth(held, "relocalise", number, "when"), place(back.when, back), needed=True)


def _itself(new: Any) -> Any:
    return new


def _field(held: Any, name: str, part: Part) -> Site:
    one = getattr(held, name)
    return Site(name, one, lambda new: replace(held, **{name: new}), place(one, part))


def _nth(held: Any, name: str, number: int, field: str) -> Put:
    """Puts a value into one entry of a list of records."""
    items = getattr(held, name)
    return lambda new: replace(held, **{name: put(items, number, replace(items[number], **{field: new}))})


def _within(site: Site) -> Iterator[Site]:
    yield site
    trigger: Trigger = site.held
    if trigger.not_ is not None:
        inner = trigger.not_
        yield from _within(Site("not", inner, lambda new: site.put(replace(trigger, not_=new)), place(inner, site)))
    for key in ("any_", "all_"):
        for number, inner in enumerate(getattr(trigger, key)):
            yield from _within(Site(key, inner, _inner(site, key, number), place(inner, site)))


def _inner(site: Site, key: str, number: int) -> Put:
    items = getattr(site.held, key)
    return lambda new: site.put(replace(site.held, **{key: put(items, number, new)}))


def negate(part: Part, _: Agent) -> Iterator[Altered]:
    """A trigger holds where it did not, and the other way round; those inside others are negated by themselves."""
    for site in sites(part):
        trigger: Trigger = site.held
        if trigger.not_ is not None and _keys(trigger) == ["not_"]:
            continue  # taking the `not` away is what negating it does, and its inner trigger is a site of its own
        turned = Trigger(not_=trigger, span=trigger.span)
        yield Altered(site.put(turned), site.span, line(site.key, trigger), line(site.key, turned), "the trigger is negated")


def widen(part: Part, _: Agent) -> Iterator[Altered]:
    """One of a trigger's conjuncts is not asked for any more; a trigger that has one only holds of every message."""
    for site in sites(part):
        trigger: Trigger = site.held
        keys = _keys(trigger)
        if len(keys) == 1 and site.key not in ("any_", "all_", "not"):
            anything = Trigger(pattern=(Placed(ANYTHING, trigger.span),), span=trigger.span)
            after = line(site.key, anything)
            yield Altered(site.put(anything), site.span, line(site.key, trigger), after, "it holds of every message")
        if len(keys) < 2:
            continue
        for key in keys:
            if key == "if_":
                continue  # drop-condition
            less = put_field(trigger, key, None if key == "not_" else ())
            held = getattr(trigger, key)
            where = place(held[0] if isinstance(held, tuple) else held, trigger)
            yield Altered(site.put(less), where, line(key, held), "", f"'{key.removesuffix('_')}' is not asked for any more")


def narrow(part: Part, _: Agent) -> Iterator[Altered]:
    """One alternative of several is not known any more; one word of several that were needed is enough to miss."""
    for site in sites(part):
        trigger: Trigger = site.held
        for key in LISTS:
            held = getattr(trigger, key)
            yield from _narrowed(site, trigger, key, held)
        if len(trigger.any_) > 1:
            for number, inner in enumerate(trigger.any_):
                less = replace(trigger, any_=apart(trigger.any_, number))
                yield Altered(
                    site.put(less), place(inner, trigger), line("any", (inner,)), "", "one of its alternatives is lost"
                )


def _narrowed(site: Site, trigger: Trigger, key: str, held: tuple[Placed, ...]) -> Iterator[Altered]:
    for number, item in enumerate(held):
        if key == "all_words":
            less = replace(trigger, all_words=apart(held, number))
            if len(held) > 1:
                yield Altered(site.put(less), item.span, line(key, (item,)), "", f"'{item}' need not be said any more")
        elif len(held) > 1:
            less = put_field(trigger, key, apart(held, number))
            yield Altered(
                site.put(less), item.span, line(key, (item,)), "", f"the {_ONE_OF[key]} '{item}' is not known any more"
            )


def _keys(trigger: Trigger) -> list[str]:
    """The keys a trigger has; all of them must hold."""
    names = (*LISTS, "if_", "not_", "any_", "all_")
    return [name for name in names if getattr(trigger, name) not in (None, ())]


def conditions(part: Part) -> Iterator[Site]:
    """Every expression of a part that decides something."""
    held = part.value
    names = {"transition": ("if_",), "tool": ("if_",), "slot": ("check",)}.get(part.kind, ())
    yield from (_field(held, name, part) for name in names if getattr(held, name) is not None)
    if part.kind in ("rule", "scenario") and held.requires.expression is not None:
        spot = held.requires.expression
        yield Site("requires", spot, lambda new: replace(held, requires=_required(new)), spot.span)
    if part.kind == "scenario" and held.first is not None:
        first = held.first
        yield Site(
            "unless", first.unless, lambda new: replace(held, first=replace(first, unless=new)), first.unless.span, needed=True
        )
    for site in sites(part) if part.kind in ("rule", "scenario", "transition", "trigger") else ():
        trigger: Trigger = site.held
        if trigger.if_ is not None:
            alone = _keys(trigger) == ["if_"]
            yield Site("if", trigger.if_, _if(site, trigger), trigger.if_.span, needed=alone)


def _if(site: Site, trigger: Trigger) -> Put:
    return lambda new: site.put(replace(trigger, if_=new))


def _required(new: Placed | None) -> Requires:
    return Requires() if new is None else Requires(expression=new)


def negate_condition(part: Part, _: Agent) -> Iterator[Altered]:
    """A condition holds where it did not; a name that must be set must not be."""
    for site in conditions(part):
        new = moved(negated(site.held), site.held)
        yield Altered(site.put(new), site.span, line(site.key, site.held), line(site.key, new), "the condition is negated")
    for number, name, requires in _required_names(part):
        rest = [f"{other}" for other in apart(requires.names, number)]
        unset = Requires(expression=moved(" and ".join([f"not {name}", *rest]), name))
        after = line("requires", unset)
        held = replace(part.value, requires=unset)
        yield Altered(held, name.span, line("requires", requires), after, f"'{name}' must not be set, instead of must be")
    for name, others, _rest in _required_values(part):
        wanted = dict(part.value.requires.values)[name]
        text = f"{name} != {wanted!r}" + (f" and {others}" if others else "")
        unlike = Requires(expression=moved(text, name))
        held = replace(part.value, requires=unlike)
        before, after = line("requires", part.value.requires), line("requires", unlike)
        yield Altered(held, name.span, before, after, f"'{name}' must have another value")


def shift_comparison(part: Part, _: Agent) -> Iterator[Altered]:
    """One comparison, or one figure, of a condition is another."""
    for site in conditions(part):
        for text, what in shifted(site.held):
            new = moved(text, site.held)
            yield Altered(site.put(new), site.span, line(site.key, site.held), line(site.key, new), f"in the condition, {what}")


def drop_condition(part: Part, _: Agent) -> Iterator[Altered]:
    """A condition, or one side of its `and` or `or`, is not asked for any more."""
    for site in conditions(part):
        for text, side in dropped(site.held):
            new = moved(text, site.held)
            yield Altered(
                site.put(new), site.span, line(site.key, site.held), line(site.key, new), f"'{side}' does not count any more"
            )
        if not site.needed:
            yield Altered(site.put(None), site.span, line(site.key, site.held), "", "the condition is not asked for any more")
    for number, name, requires in _required_names(part):
        fewer = Requires(names=apart(requires.names, number))
        after = line("requires", fewer) if fewer else ""
        held = replace(part.value, requires=fewer)
        yield Altered(held, name.span, line("requires", requires), after, f"'{name}' need not be set any more")
    for name, _others, rest in _required_values(part):
        held = replace(part.value, requires=rest)
        after = line("requires", rest) if rest else ""
        yield Altered(
            held, name.span, line("requires", part.value.requires), after, f"the value of '{name}' does not count any more"
        )


def _required_names(part: Part) -> Iterator[tuple[int, Placed, Requires]]:
    """The names that a rule or scenario wants set."""
    if part.kind in ("rule", "scenario"):
        requires: Requires = part.value.requires
        yield from ((number, name, requires) for number, name in enumerate(requires.names))


def _required_values(part: Part) -> Iterator[tuple[Placed, str, Requires]]:
    """The names that a rule or scenario wants to have a value, each with the others as an expression."""
    if part.kind in ("rule", "scenario"):
        pairs = part.value.requires.values
        for number, (name, _) in enumerate(pairs):
            others = [f"{other} == {held!r}" for other, held in apart(pairs, number)]
            yield name, " and ".join(others), Requires(values=apart(pairs, number))

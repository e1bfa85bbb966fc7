"""Constraints on a reply: expressions over its figures and the session, and patterns it must not contain."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from focal_eval.agent.candidates import filter_of
from focal_eval.agent.compiled import PlayedRule
from focal_eval.agent.expression import Undecided
from focal_eval.agent.figures import amounts, numbers, parse_number, percents
from focal_eval.agent.respond import draft, fallback
from focal_eval.agent.slots import chosen_group
from focal_eval.agent.turn import Enforced, Request, Said, Work
from focal_eval.pattern import PatternTimeout
from focal_eval.text import words
from focal_eval.value import value


@value
class Judged:
    """What a constraint makes of a reply: None as violation is a pass."""

    rule: PlayedRule
    violation: str | None


def enforce(work: Work, items: list[Said], generated: bool) -> Generator[Request, Any, tuple[list[Said], list[Enforced]]]:
    """The reply that may be said, and what each constraint that applied did."""
    rules = [rule for rule in work.agent.constraints if _applies(work, rule)]
    if not rules:
        return items, []
    judged = _judge(work, rules, items)
    broken = {one.rule.name: one.violation for one in judged if one.violation is not None}
    first = dict(broken)
    attempt = 0
    while broken and generated and attempt < work.agent.settings.max_regenerations:
        attempt += 1
        text = yield draft(work, items, attempt, tuple(f"{name}: {why}" for name, why in broken.items()))
        if text is None:
            break
        items = [Said(items[0].template, str(text), "SUGGEST")]
        judged = _judge(work, rules, items)
        broken = {one.rule.name: one.violation for one in judged if one.violation is not None}
        first = {**broken, **first}
    if broken:
        worst = min((one.rule for one in judged if one.rule.name in broken), key=lambda rule: (-rule.rule.priority, rule.order))
        own = worst.rule.fallback
        items = [fallback(work, None if own is None else str(own))]
    return items, [_record(one, broken, first) for one in judged]


def _record(one: Judged, broken: Mapping[str, str | None], first: Mapping[str, str | None]) -> Enforced:
    name = one.rule.name
    if name in broken:
        return Enforced(name, "fallback", broken[name])
    return Enforced(name, "regenerated", first[name]) if name in first else Enforced(name, "passed")


def _applies(work: Work, rule: PlayedRule) -> bool:
    if rule.name in work.matched:
        return True
    alone = rule.test is None and not rule.lexical
    return (rule.rule.hard or alone) and filter_of(work, rule) is None


def _judge(work: Work, rules: list[PlayedRule], items: list[Said]) -> list[Judged]:
    text = "\n\n".join(item.text for item in items)
    figures = {
        "response": text,
        "words": len(words(text)),
        "numbers": numbers(text),
        "amounts": amounts(text),
        "percents": percents(text),
    }
    judged = []
    for rule in rules:
        applied, violation = _violation(work, rule, text, {**work.names(), **figures})
        if applied:
            judged.append(Judged(rule, violation))
    return judged


def _violation(work: Work, rule: PlayedRule, text: str, names: dict[str, Any]) -> tuple[bool, str | None]:
    """Whether the constraint applied at all, and how the reply breaks it."""
    applied = False
    for pattern in rule.forbid:
        try:
            match = pattern.search(text)
        except PatternTimeout as problem:
            work.note(str(problem))
            return True, f"{problem}, so the reply is not let through"
        applied = True
        if match is not None:
            return True, f"the reply contains '{match.group()}'"
    names |= _extracted(work, rule, text)
    for expression in rule.enforce:
        try:
            holds = expression.value(names)
        except Undecided:
            continue
        applied = True
        if not holds:
            return True, f"{expression.text} does not hold{_known(expression.names, names)}"
    return applied, None


def _known(read: tuple[tuple[str, ...], ...], names: Mapping[str, Any]) -> str:
    single = [name[0] for name in read if len(name) == 1 and name[0] != "response"]
    shown = ", ".join(f"{name} is {names.get(name)!r}" for name in single if names.get(name) is not None)
    return f": {shown}" if shown else ""


def _extracted(work: Work, rule: PlayedRule, text: str) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, pattern in rule.extract:
        try:
            match = pattern.search(text)
        except PatternTimeout as problem:
            work.note(str(problem))
            continue
        found = chosen_group(match, pattern, name) if match is not None else None
        out[name] = None if found is None else _number_or_text(found)
    return out


def _number_or_text(text: str) -> Any:
    plain = text.strip().rstrip(".,")
    if plain and plain[0].isdigit() and all(c.isdigit() or c in ".,'’" for c in plain):
        number = parse_number(plain)
        return text if number is None else number
    return text

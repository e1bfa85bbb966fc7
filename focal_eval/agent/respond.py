"""Puts a turn's response together: rules' texts, the step's text, the fallback."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from focal_eval.agent.scenario import fill_template, missing
from focal_eval.agent.turn import Draft, Request, Said, Work

LAST_RESORT = "Sorry, I cannot help with that."  # where the agent has no FALLBACK template


def compose(work: Work) -> list[Said]:
    """What is said, in order; empty where nothing but a fallback is left."""
    answers = _answers(work)
    exclusive = next((said for said in answers if said.mode == "EXCLUSIVE"), None)
    if exclusive is not None:
        follow = _follows(work, exclusive)
        return [exclusive, *work.said, *_prompt(work, digression=True)] if follow else [exclusive]
    leading = [said for said in answers if _follows(work, said)]
    if work.said or _arrived(work):
        return [*leading, *work.said, *_prompt(work, digression=False)]
    if answers:
        return [*answers, *(_prompt(work, digression=True) if leading else [])]
    return _prompt(work, digression=False)


def _follows(work: Work, said: Said) -> bool:
    return said.template is not None and work.template(said.template).then_step


def _answers(work: Work) -> list[Said]:
    out: dict[str, Said] = {}
    for name in work.matched:
        template = work.played(name).rule.template
        if template is None or str(template) in out:
            continue
        text = fill_template(work, str(template))
        if text is not None:
            mode = work.template(str(template)).mode
            out[str(template)] = Said(str(template), text, mode)
    return list(out.values())


def _arrived(work: Work) -> bool:
    """Whether the step has something new to say: the conversation moved, or the message served the step."""
    step = work.step
    if step is None or step.step.terminal:
        return False
    return work.moved or bool(work.moves) or bool(step.slots & (work.filled | work.invalid))


def _prompt(work: Work, *, digression: bool) -> list[Said]:
    """What the step the conversation rests at says; a digression repeats its question without counting it."""
    step = work.step
    if step is None or step.step.terminal:
        return []
    slot = missing(work, step)
    if slot is not None:
        template = _question(work, slot, digression)
        if not digression:
            work.state.asked[slot] = work.state.asked.get(slot, 0) + 1
    else:
        template = None
    again = not _arrived(work)
    if template is None:
        template = step.step.otherwise if again and not digression and step.step.otherwise is not None else step.step.template
    if template is None:
        return []
    text = fill_template(work, str(template))
    return [] if text is None else [Said(str(template), text, work.template(str(template)).mode, again)]


def _question(work: Work, slot: str, digression: bool) -> str | None:
    authored = work.agent.slots[slot].slot
    repeated = work.state.asked.get(slot, 0) > 0 and not digression
    choices = (
        authored.invalid if slot in work.invalid and not digression else None,
        authored.reask if repeated or slot in work.invalid else None,
        authored.ask,
    )
    return next((str(choice) for choice in choices if choice is not None), None)


def fallback(work: Work, template: str | None = None) -> Said:
    """The fallback that is asked for, else the agent's, else a sentence that always can be said."""
    for name in (template, work.agent.fallback):
        if name is None:
            continue
        text = fill_template(work, name)
        if text is not None:
            return Said(name, text, "FALLBACK")
    return Said(None, LAST_RESORT, "FALLBACK")


def draft(work: Work, items: list[Said], attempt: int = 0, violations: tuple[str, ...] = ()) -> Draft:
    """What a generator is told."""
    rules = [work.played(name).rule for name in work.matched]
    return Draft(
        texts=tuple(item.text for item in items),
        rules=tuple((_text(rule.when), _text(rule.then)) for rule in rules),
        message=work.text,
        history=tuple((user, agent) for user, agent in work.state.history),
        language=work.language,
        scenario=work.state.scenario,
        step=work.state.step,
        variables=dict(work.state.variables),
        results=dict(work.state.results),
        attempt=attempt,
        violations=violations,
    )


def _text(value: str | None) -> str | None:
    return None if value is None else str(value)


def word(work: Work, items: list[Said], worded: bool) -> Generator[Request, Any, tuple[list[Said], bool]]:
    """Lets a generator word what is not said as it stands; whether it did is the second value."""
    if not worded or any(item.mode != "SUGGEST" for item in items) or not (items or work.matched):
        return items, False
    text = yield draft(work, items)
    if text is None:
        return items, False
    return [Said(items[0].template if items else None, str(text), "SUGGEST")], True

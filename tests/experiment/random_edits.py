"""Edits of an agent as somebody may make them, drawn by chance."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from focal_eval.agent import Agent
from focal_eval.agent.model import TemplateDef, Trigger
from focal_eval.agent.parts import NoPart, Part, parts, with_new, with_part, without
from focal_eval.agent.placed import Placed
from focal_eval.agent.spellings import TextByLanguage


def edited(agent: Agent, chance: random.Random) -> Agent:
    """The agent after one edit as somebody may make it."""
    every = list(parts(agent))
    one = chance.choice(every)
    doing = chance.randrange(5)
    if doing == 0:
        try:
            return without(agent, one.kind, one.name)
        except NoPart:
            return agent
    if doing == 1:
        mixed = list(agent.rules)
        chance.shuffle(mixed)
        return replace(agent, rules=tuple(mixed))
    if doing == 2:
        return added(agent, one, chance)
    if doing == 3 and one.kind in ("scenario", "step"):
        field = "steps" if one.kind == "scenario" else "go"
        mixed = list(getattr(one.value, field))
        chance.shuffle(mixed)
        values: dict[str, Any] = {field: tuple(mixed)}
        return with_part(agent, one.kind, one.name, replace(one.value, **values))
    return with_part(agent, one.kind, one.name, changed(one, chance))


def added(agent: Agent, one: Part, chance: random.Random) -> Agent:
    """The agent with a copy of a part more."""
    name = f"new-{chance.randrange(1000)}"
    if one.kind in ("rule", "scenario", "tool", "template", "slot"):
        return with_new(agent, one.kind, name, replace(one.value, id=Placed(name)), chance.choice([None, 0, 1]))
    if one.kind == "step":
        return with_new(agent, "step", one.name, replace(one.value, id=Placed(name)), chance.choice([None, 0]))
    return agent


def changed(one: Part, chance: random.Random) -> Any:
    """The part with something in it edited."""
    held = one.value
    if one.kind == "rule":
        return chance.choice(
            [
                replace(held, priority=held.priority + chance.choice([-3, 1, 7])),
                replace(held, match=Trigger(any_words=(Placed("word"),))),
                replace(held, excludes=(), tags=(Placed("x"),)),
                replace(held, sets=(*held.sets, (Placed(f"v{chance.randrange(9)}"), 1))),
            ]
        )
    if isinstance(held, TemplateDef):
        texts = held.text.texts
        return replace(
            held, text=TextByLanguage(tuple((code, Placed(f"{text}!")) for code, text in texts[: chance.randint(1, 3)]))
        )
    if one.kind == "transition":
        return replace(held, early=not held.early, when=None)
    if one.kind == "variable":
        return chance.choice([None, True, 3, "x"])
    if one.kind == "step":
        return replace(held, tools=(), outcome=Placed("done"))
    return held

"""Turns a script's `agent:` texts into expectations, under the suite's policy."""

from __future__ import annotations

from dataclasses import replace

from focal_eval.registry import find
from focal_eval.script.model import Expectation, Script


def with_golden(script: Script, similar: float | None) -> Script:
    """The script with an expectation for each golden text; unchanged under `golden: off` or without such texts."""
    if similar is None or not any(turn.agent for turn in script.turns):
        return script
    policy = "equal" if similar == 1.0 else "similar"
    check = find("checks", "response.golden")(policy=policy, at_least=similar)
    turns = tuple(
        turn
        if turn.agent is None
        else replace(turn, expect=(*turn.expect, Expectation("response.golden", turn.agent.span, turn.agent.span, check)))
        for turn in script.turns
    )
    return replace(script, turns=turns)

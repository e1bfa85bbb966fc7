"""How a simulated conversation ended, and who is to blame where it came to no good end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from focal_eval.value import value

Blame = Literal["engine", "simulator", "undecided"]

SIMULATOR = "simulator"
"""The kind of fault of an attempt whose simulated user could not go on."""


@value
class Evidence:
    """One thing that speaks against a simulator which a model plays."""

    kind: str  # invented | contradicts | repeats | role | early | endless | without-goal
    turn: int | None  # from 0; None of the conversation
    told: str  # in words, for people


@value
class Ending:
    """The end of a simulated conversation, as the journal's attempt line holds it.

    `end` is a word of `script.model.ENDS` where the user ended it, else the stop rule that did: `no-edge`, `unknown-fact`,
    `max-turns`, `too-often`, `stuck`, `unsayable`, `broke`. Where the engine broke before, it is `engine-broke`.
    """

    end: str
    why: str  # in words, for people
    state: str | None = None  # in which the user was
    turns: int = 0  # how many the conversation had
    path: tuple[str, ...] = ()  # states in the order they were visited; empty where the user has none
    blame: Blame | None = None  # None where nobody is
    audit: tuple[Evidence, ...] = ()  # of a persona


def ending_to_json(ending: Ending) -> dict[str, Any]:
    """An ending as the journal holds it."""
    out: dict[str, Any] = {"end": ending.end, "why": ending.why, "turns": ending.turns}
    if ending.state is not None:
        out["state"] = ending.state
    if ending.path:
        out["path"] = list(ending.path)
    if ending.blame is not None:
        out["blame"] = ending.blame
    if ending.audit:
        out["audit"] = [{"kind": one.kind, "turn": one.turn, "told": one.told} for one in ending.audit]
    return out


def ending_from_json(data: Mapping[str, Any]) -> Ending:
    """The ending that `ending_to_json` wrote. Raises ValueError where it has another shape."""
    path, blame, state, turns = data.get("path") or [], data.get("blame"), data.get("state"), data.get("turns")
    texts = [data.get("end"), data.get("why"), *path, *(() if state is None else (state,))]
    if not isinstance(path, list) or not isinstance(turns, int) or not all(isinstance(text, str) for text in texts):
        raise ValueError("the ending of a simulated conversation is not what it should be")
    if blame not in (None, "engine", "simulator", "undecided"):
        raise ValueError(f"nobody is called '{blame}' who could be to blame")
    return Ending(data["end"], data["why"], state, turns, tuple(path), blame, tuple(map(_evidence, data.get("audit") or ())))


def _evidence(data: Mapping[str, Any]) -> Evidence:
    kind, turn, told = data.get("kind"), data.get("turn"), data.get("told")
    if not isinstance(kind, str) or not isinstance(told, str) or not isinstance(turn, (int, type(None))):
        raise ValueError("the audit of a simulated conversation is not what it should be")
    return Evidence(kind, turn, told)

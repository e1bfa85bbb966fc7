"""Simulated users: what one gets to see, what it gives, and the stop rules that hold for each of them.

A simulated user sees what was said and observed, never what is expected of it, so that it cannot help the engine to pass. It
gives ordinary turns, one at a time, which are sent, judged and written down as those of a script are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Protocol

from focal_eval.records import UNKNOWN, Json, TurnRecord
from focal_eval.script.model import ENDS, Limit, Simulator, Turn
from focal_eval.source import Span
from focal_eval.text import counted
from focal_eval.value import value

DONE, GIVES_UP, LEAVES = ENDS
NO_EDGE, UNKNOWN_FACT, MAX_TURNS, TOO_OFTEN, STUCK, UNSAYABLE, BROKE, ENGINE_BROKE = (
    "no-edge", "unknown-fact", "max-turns", "too-often", "stuck", "unsayable", "broke", "engine-broke",
)  # fmt: skip


@value
class SoFar:
    """What a simulated user knows when it is its turn."""

    turns: Sequence[TurnRecord]  # in order; the last one is the answer to what it said last
    values: Mapping[str, Any]  # for templates: given variables, what it knows, params, and what was saved


@value
class Says:
    """What the user says next: a turn with one text, numbered by the conversation, and what is expected of the answer."""

    turn: Turn  # `state` is set; `user` holds one text
    note: Mapping[str, Json] = field(default_factory=dict)  # how it came by the text; kept in the journal's turn line


@value
class Ends:
    """That the user says no more: a word of `script.model.ENDS`, or the stop rule that ended it."""

    end: str
    why: str  # in words
    state: str | None = None
    note: Mapping[str, Json] = field(default_factory=dict)
    span: Span | None = None  # where the script says so

    @property
    def stopped(self) -> bool:
        """Whether the simulation was stopped, so that it came to no answer."""
        return self.end not in ENDS


Move = Says | Ends


class SimulatedUser(Protocol):
    """Says what comes next. It may ask a model, and so is waited for; it never raises but on cancellation."""

    async def move(self, seen: SoFar) -> Move:
        """The next message, or the end with its reason."""
        ...


class Deciding(Protocol):
    """A simulated user that needs nobody: the graph, and any whose moves were recorded. Recorded runs are judged with it."""

    def decide(self, seen: SoFar) -> Move:
        """The next message, or the end with its reason."""
        ...


def stop_rule(simulator: Simulator, seen: SoFar) -> Ends | None:
    """The end that a stop rule of every user gives to a conversation in which the user would say more."""
    stuck, most = simulator.stuck, simulator.max_turns
    if stuck is not None and (same := _same_replies(seen.turns)) >= stuck.times:
        return limited(stuck, STUCK, f"the agent gave the same reply {counted(same, 'time')} in a row")
    if len(seen.turns) >= most.times:
        return limited(most, MAX_TURNS, f"the user said {counted(most.times, 'message')}, and may say no more")
    return None


def limited(limit: Limit, rule: str, why: str, state: str | None = None) -> Ends:
    """The end of a stop rule that names no state: its own, or the end it leads to."""
    return Ends(rule if limit.to is None else limit.to, why, state, span=limit.span)


def _same_replies(turns: Sequence[TurnRecord]) -> int:
    """How many replies at the end are the same text; a text that is not known is the same as none."""
    last: Any = UNKNOWN
    count = 0
    for turn in reversed(turns):
        text = UNKNOWN if turn.reply is None else turn.reply.response
        if text is UNKNOWN or (count and text != last):
            break
        last, count = text, count + 1
    return count

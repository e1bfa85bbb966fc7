"""A conversation that somebody recorded, in one shape for all formats: what the user said, what the agent said and did.

What a recording does not tell is UNKNOWN. `scenario=None` is known: the conversation stood in no scenario.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from focal_eval.records.turn import Json, ScenarioState, ToolCall, TurnRecord
from focal_eval.records.unknown import UNKNOWN, UnknownType
from focal_eval.value import value


@value
class RecordedExchange:
    """What the user said and all that the agent did until they spoke again."""

    user: str | None  # None where the agent spoke first
    agent: str | UnknownType = UNKNOWN
    rules: tuple[str, ...] | UnknownType = UNKNOWN  # names of the rules that matched
    tools: tuple[ToolCall, ...] | UnknownType = UNKNOWN
    scenario: ScenarioState | None | UnknownType = UNKNOWN  # after the exchange
    template: str | None | UnknownType = UNKNOWN
    variables: Mapping[str, Json] | UnknownType = UNKNOWN  # all of the session's, after the exchange
    line: int = 1  # where it stands in its file, or the nearest place that is known


@value
class Conversation:
    """A recorded conversation and where it was found."""

    id: str  # as its file calls it, else its number in the file
    format: str
    file: str
    line: int
    turns: tuple[RecordedExchange, ...]
    start: Mapping[str, Json] = field(default_factory=dict)  # variables the session began with, as far as they are known
    history: tuple[tuple[str | None, str | None], ...] = ()  # what was said before the first turn, user and agent
    scenario: str | None = None  # where the session began: `returns/confirm`
    metadata: Mapping[str, Json] = field(default_factory=dict)  # of the session: locale, channel, task, ...

    def place(self, turn: int) -> str:
        """Where a turn stands: `file:line`."""
        return f"{self.file}:{self.turns[turn].line}"


def exchange_of(turn: TurnRecord) -> RecordedExchange:
    """A turn of a run as an exchange; of one in which the engine broke only what the user said is known."""
    reply = turn.reply
    if reply is None:
        return RecordedExchange(turn.user)
    return RecordedExchange(
        turn.user,
        agent=reply.response,
        rules=UNKNOWN if reply.rules is UNKNOWN else tuple(match.name for match in reply.rules),
        tools=reply.tools,
        scenario=reply.scenario,
        template=reply.template,
        variables=reply.variables,
    )

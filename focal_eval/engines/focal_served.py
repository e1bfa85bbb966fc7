"""What `focal-eval serve` says and takes beyond Focal's contract: whole replies, seeds, and tools that the client answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from focal_eval.engines.base import HistoryTurn, SessionStart, ToolAnswer
from focal_eval.engines.focal_fields import Fields
from focal_eval.engines.focal_records import EXTRA, ChatReply, StoredTurn
from focal_eval.errors import EngineProtocol
from focal_eval.records import Json, MessageRecord, Reply
from focal_eval.records.codec import Misfit, message_from_json, reply_from_json
from focal_eval.value import value

REPORTS = frozenset(
    {"response", "rules", "candidates", "tools", "scenario", "transitions", "template", "enforcement", "outcome"}
    | {"variables", "metadata", "latency_ms", "messages_stored"}
)
"""What a served agent reports: the same as the embedded engine without a generator."""

UNASKED = "-"  # a message must be there; this one is not read
_NOT_OURS = f"the server sent no '{EXTRA}', so it is not focal-eval's; leave 'served: true' out of the engine"


def asked(start: SessionStart, *, begins: bool, unasked: bool) -> dict[str, Json]:
    """`metadata.focal_eval` of a chat request; the session's start goes with the message that begins it."""
    out: dict[str, Json] = {"unasked": True} if unasked else {}
    if start.stubs is not None:
        out["stubs"] = True
    if begins:
        out["start"] = _start(start)
    return out


def _start(start: SessionStart) -> dict[str, Json]:
    out: dict[str, Json] = {}
    if start.variables:
        out["variables"] = dict(start.variables)
    if start.history:
        out["history"] = [_said(turn) for turn in start.history]
    if start.scenario is not None:
        out["scenario"] = start.scenario
    return out


def _said(turn: HistoryTurn) -> dict[str, Json]:
    return {"user": turn.user, "agent": turn.agent}


def whole_reply(chat: ChatReply) -> Reply:
    """The reply as the agent gave it. Raises EngineProtocol where the server does not tell, or contradicts itself."""
    if chat.extra is None:
        raise EngineProtocol(_NOT_OURS)
    try:
        reply = reply_from_json(chat.extra)
    except Misfit as problem:
        raise EngineProtocol(f"'{EXTRA}' of the reply is wrong: {problem}") from None
    if (reply.session_id, reply.turn_id) != (chat.session, chat.turn):
        raise EngineProtocol(f"'{EXTRA}' of the reply belongs to another turn than the reply")
    return replace(reply, first_token_ms=chat.first_ms)


def whole_messages(turns: Sequence[StoredTurn]) -> tuple[MessageRecord, ...]:
    """The stored messages of the turns, in order. Raises EngineProtocol where the server does not tell them."""
    out: list[MessageRecord] = []
    for turn in turns:
        if turn.messages is None:
            raise EngineProtocol(_NOT_OURS)
        try:
            out += [message_from_json(item) for item in turn.messages]
        except Misfit as problem:
            raise EngineProtocol(f"a stored message is wrong: {problem}") from None
    return tuple(replace(message, raw=None) for message in out)


@value
class ToolAsked:
    """A call that waits for what the script says."""

    session: str
    turn: str
    call: int
    name: str
    arguments: Mapping[str, Json]


def tool_asked(payload: Json) -> ToolAsked:
    """The body of a 202, or the data of an event `tool`."""
    fields = Fields(payload, "the call of a tool")
    return ToolAsked(
        fields.id("session_id"), fields.id("turn_id"), fields.count("call"), fields.text("name"), fields.mapping("arguments")
    )


def tool_answer(call: ToolAsked, answer: ToolAnswer | None) -> dict[str, Json]:
    """What is sent back; a script that says nothing leaves the call to the agent."""
    if answer is None:
        return {"call": call.call, "stub": None}
    stub: dict[str, Json] = {"result": answer.result} if answer.error is None else {"error": answer.error}
    if answer.delay_ms is not None:
        stub["delay_ms"] = answer.delay_ms
    return {"call": call.call, "stub": stub}

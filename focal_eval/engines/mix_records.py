"""Mix's stored messages as records, in every shape its SDKs have known: from 0.1 to today.

An exchange is several rows: the user's, then the agent's and its tools' in turn. `role` alone says whose a row is; every row
has its text in `userInput`, the agent's repeat it in `assistantResponse`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from focal_eval.engines.parts import Part, arguments_of, parts_of, total_of, value_of
from focal_eval.errors import EngineProtocol
from focal_eval.records import UNKNOWN, Json, MessageRecord, Reply, Tokens, ToolCall, UnknownType
from focal_eval.text import shorten

UNFINISHED = "the call did not finish"


@dataclass(frozen=True, slots=True)
class Row:
    """One stored message."""

    id: str
    role: str
    text: str
    tools: tuple[ToolCall, ...]
    reasoning: str | None = None
    reasoning_ms: float | None = None
    tokens: Tokens | None = None
    cost: float | None = None
    model: str | None = None
    raw: Json = None


def bare(payload: Json) -> Json:
    """The body itself: early servers wrap it as `{data, error, message}`."""
    if isinstance(payload, dict) and "data" in payload and "id" not in payload:
        return payload["data"]
    return payload


def rows_of(payload: Json, session: str) -> tuple[Row, ...]:
    """The body of `GET /api/sessions/{id}/messages`."""
    rows = tuple(parts_of(bare(payload), "the stored messages"))
    for row in rows:
        other = row.maybe_text("sessionId")
        if other and other != session:
            raise EngineProtocol(f"the messages of session '{session}' were asked for, one of '{shorten(other, 60)}' was sent")
    return tuple(row_of(row) for row in rows)


def row_of(row: Part) -> Row:
    """One message, whichever version wrote it."""
    role = row.text("role")
    answer = row.maybe_text("assistantResponse")
    text = (answer or row.maybe_text("userInput") or "") if role != "user" else row.maybe_text("userInput") or ""
    return Row(
        id=row.text("id"),
        role=role,
        text=text,
        tools=tuple(_call(part) for part in row.parts("toolCalls")),
        reasoning=row.maybe_text("reasoning") or None,
        reasoning_ms=row.maybe_number("reasoningDuration"),
        tokens=_tokens(row),
        cost=row.maybe_number("cost"),
        model=row.maybe_text("model"),
        raw=row.data,
    )


def _tokens(row: Part) -> Tokens | None:
    """What the row cost; the input counts what was written to the cache already."""
    prompt, completion = row.maybe_count("inputTokens"), row.maybe_count("outputTokens")
    if prompt is None and completion is None:
        return None
    total = None if prompt is None or completion is None else prompt + completion
    read, written = row.maybe_count("cacheReadTokens"), row.maybe_count("cacheCreationTokens")
    return Tokens(total, prompt, completion, cached=read, cache_written=written)


def _call(part: Part) -> ToolCall:
    """A call of a tool; its result may be stored in another row, or nowhere."""
    result = part.maybe_text("result")
    failed, finished = part.maybe_flag("isError") is True, part.maybe_flag("finished")
    error = (result or "the tool failed") if failed else UNFINISHED if finished is False else None
    status = "failed" if failed else None if finished is None else "completed" if finished else "running"
    return ToolCall(
        name=part.text("name"),
        arguments=arguments_of(part.maybe_text("input")),
        result=UNKNOWN if result is None or error is not None else value_of(result),
        error=error,
        id=part.maybe_text("id"),
        type=part.maybe_text("type"),
        status=status,
        parent=part.maybe_text("parentToolCallId"),
    )


def of_last_turn(rows: Sequence[Row], message: str | None) -> tuple[Row, ...]:
    """The agent's rows behind the user's last one; `message` is the id of that one, where it is known."""
    starts = [at for at, row in enumerate(rows) if row.role == "user" and (message is None or row.id == message)]
    return tuple(rows[starts[-1] + 1 :]) if starts else ()


def turn_tokens(rows: Sequence[Row]) -> Tokens | UnknownType:
    """What a turn's rows cost together; rows that are no answer of the model's tell nothing."""
    known = [row.tokens for row in rows if row.tokens is not None]
    return total_of(known) if known else UNKNOWN


def turn_cost(rows: Sequence[Row]) -> float | UnknownType:
    """What a turn's rows cost together, in US dollars; UNKNOWN where the server does not tell."""
    costs = [row.cost for row in rows if row.cost is not None]
    return round(sum(costs), 9) if costs else UNKNOWN


def turn_model(rows: Sequence[Row]) -> str | None:
    """The model that answered last."""
    return next((row.model for row in reversed(rows) if row.model is not None), None)


def merged(streamed: Sequence[ToolCall], stored: Sequence[ToolCall]) -> tuple[ToolCall, ...]:
    """The calls of a turn: what is stored tells results, the stream tells what is not stored or not readable there."""
    by_id = {call.id: call for call in stored if call.id is not None}
    heard = {call.id for call in streamed if call.id is not None}
    out = [_one(call, by_id.get(call.id) if call.id is not None else None) for call in streamed]
    return (*out, *(call for call in stored if call.id is None or call.id not in heard))


def _one(heard: ToolCall, kept: ToolCall | None) -> ToolCall:
    if kept is None:
        return heard
    return ToolCall(
        name=kept.name,
        arguments=heard.arguments if kept.arguments is UNKNOWN else kept.arguments,
        result=kept.result,
        error=heard.error if kept.error is None and kept.result is UNKNOWN else kept.error,
        id=heard.id,
        type=kept.type,
        status=kept.status or heard.status,
        parent=kept.parent,
    )


def synchronous_reply(payload: Json, session: str) -> Reply:
    """The record that servers before SDK 0.6.5 answer a message with: its role may be "user" with the answer beside it."""
    record = Part(bare(payload), "the reply")
    turn = record.text("id")
    if turn == "system-auth-prompt":
        raise EngineProtocol("Mix asks for a login instead of answering; log in to its model's provider first")
    if turn.startswith("cmd-"):
        raise EngineProtocol(
            "Mix ran the message as a command instead of asking the model", detail=shorten(str(record.data), 400)
        )
    if (other := record.maybe_text("sessionId")) and other != session:
        raise EngineProtocol(f"the reply belongs to session '{shorten(other, 60)}', not to '{session}'")
    answer = record.maybe_text("assistantResponse")
    if answer is None:
        raise EngineProtocol("the reply has no 'assistantResponse'")
    row = row_of(record)
    return Reply(
        response=answer,
        tools=row.tools,
        reasoning=row.reasoning,
        reasoning_ms=row.reasoning_ms,
        tokens=UNKNOWN if row.tokens is None else row.tokens,
        cost=turn_cost([row]),
        model=row.model,
        session_id=session,
        turn_id=turn,
        raw=payload,
    )


def with_rows(reply: Reply, rows: Sequence[Row]) -> Reply:
    """The reply with what the turn's rows tell beyond its record: all calls, all that was said, what it cost."""
    texts = tuple(text for row in rows if row.role == "assistant" and (text := row.text.strip()))
    calls = tuple(call for row in rows for call in row.tools)
    several = len(texts) > 1 and texts[-1] == str(reply.response).strip()
    cost = turn_cost(rows)
    tokens = turn_tokens(rows)
    return replace(
        reply,
        response="\n\n".join(texts) if several else reply.response,
        messages=texts if several else (),
        tools=calls or reply.tools,
        tokens=reply.tokens if tokens is UNKNOWN else tokens,
        cost=reply.cost if cost is UNKNOWN else cost,
    )


def records_of(rows: Sequence[Row], session: str) -> tuple[MessageRecord, ...]:
    """The stored messages."""
    return tuple(_record(row, session) for row in rows)


def _record(row: Row, session: str) -> MessageRecord:
    own = row.role == "assistant"
    return MessageRecord(
        role=row.role if row.role in ("user", "assistant", "tool", "system") else "system",
        text=row.text,
        id=row.id,
        tools=row.tools if own else UNKNOWN,
        reasoning=row.reasoning if own else UNKNOWN,
        reasoning_ms=row.reasoning_ms if own else UNKNOWN,
        tokens=UNKNOWN if row.tokens is None else row.tokens,
        cost=UNKNOWN if row.cost is None else row.cost,
        model=row.model,
        session_id=session,
        raw=row.raw,
    )

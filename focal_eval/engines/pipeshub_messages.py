"""PipesHub's conversations as records: the turn a conversation ends with, its stored messages, and pages of them.

Both envelopes are read: the bare conversation of SDK 1.0, and today's `{conversation, meta}`.
What a version does not have is UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from focal_eval.engines.parts import Part, arguments_of, value_of
from focal_eval.errors import EngineError, EngineProtocol
from focal_eval.records import UNKNOWN, Citation, Json, MessageRecord, Reply, ToolCall, UnknownType
from focal_eval.text import shorten

_BROKEN = frozenset({"failed", "stopped"})
_ROLES = {
    "user_query": "user",
    "bot_response": "assistant",
    "error": "assistant",
    "tool_call": "tool",
    "system": "system",
    "feedback": "system",
}
_DEEPEST = 16  # sub-agents within sub-agents


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as it came, out of its envelope."""

    id: str
    part: Part
    messages: tuple[Part, ...]
    meta: Part | None

    @property
    def status(self) -> str:
        """In lower case: the versions spell it differently."""
        return (self.part.maybe_text("status") or "").lower()


def conversation_of(payload: Json, wanted: str | None = None) -> Conversation:
    """The conversation in a body; `wanted` is the id it must have."""
    body = Part(payload, "the reply")
    part = body.part("conversation") if body.has("conversation") else body
    own = part.maybe_text("_id") or part.maybe_text("id")
    if own is None:
        raise EngineProtocol(f"{part.where} has no '_id'")
    if wanted is not None and own != wanted:
        raise EngineProtocol(f"the reply is of conversation '{shorten(own, 60)}', not of '{shorten(wanted, 60)}'")
    return Conversation(own, part, tuple(part.parts("messages")), body.maybe_part("meta"))


def reply_of(payload: Json, *, wanted: str | None = None, known: Iterable[str] = ()) -> Reply:
    """The turn that a conversation ends with; `known` are the ids of answers that came before.

    Raises EngineError where the turn failed: that is told by the status of the conversation, or by a message of type error.
    """
    talk = conversation_of(payload, wanted)
    turn = _last_turn(talk.messages)
    answer = next((message for message in reversed(turn) if _type(message) == "bot_response"), None)
    _no_failure(talk, turn, answer)
    if answer is None:
        status = f"its status is '{shorten(talk.status, 40)}'" if talk.status else "its status is not told"
        raise EngineProtocol(f"the conversation holds no answer to the last question; {status}")
    turn_id = answer.maybe_text("_id") or answer.maybe_text("id")
    if turn_id is not None and turn_id in set(known):
        raise EngineProtocol(f"the conversation ends with an answer that was given before: '{shorten(turn_id, 60)}'")
    return Reply(
        response=answer.maybe_text("content") or "",
        tools=tools_of(answer),
        citations=_citations(answer),
        follow_ups=_follow_ups(answer),
        reasoning=_reasoning(answer),
        confidence=answer.maybe_text("confidence"),
        type="bot_response",
        format=_format(answer),
        metadata=_metadata(answer),
        latency_ms=_latency(answer, talk.meta),
        model=_model(answer),
        session_id=talk.id,
        turn_id=turn_id,
        created_at=answer.maybe_text("createdAt"),
        raw=_without_earlier(payload, talk, turn),
    )


def _without_earlier(payload: Json, talk: Conversation, turn: Sequence[Part]) -> Json:
    """The body with the last turn alone: all of a conversation with every turn would fill a journal with repetitions."""
    begin = len(talk.messages) - len(turn) - 1
    own = {**talk.part.data, "messages": [message.data for message in talk.messages[max(begin, 0) :]]}
    return own if talk.part.data is payload else {**payload, "conversation": own}


def _type(message: Part) -> str:
    return message.maybe_text("messageType") or ""


def _last_turn(messages: Sequence[Part]) -> Sequence[Part]:
    """What stands behind the last question; the whole conversation is sent each time."""
    starts = [at for at, message in enumerate(messages) if _type(message) == "user_query"]
    return messages[starts[-1] + 1 :] if starts else ()


def _no_failure(talk: Conversation, turn: Sequence[Part], answer: Part | None) -> None:
    wrong = next((message for message in reversed(turn) if _type(message) == "error"), None)
    if talk.status not in _BROKEN and (wrong is None or answer is not None):
        return
    said = None if wrong is None else wrong.maybe_text("content")
    told = said or talk.part.maybe_text("failReason") or "no reason is told"
    raise EngineError(
        f"PipesHub's answer failed: {shorten(told, 300)}",
        detail=f"status: {talk.status or 'not told'}; reason: {talk.part.maybe_text('failReason') or 'not told'}",
    )


def tools_of(message: Part) -> tuple[ToolCall, ...] | UnknownType:
    """The calls of a turn: the transcript tells arguments and failures, the older list names and results; else UNKNOWN."""
    if message.has("parts"):
        return tuple(_calls(message.parts("parts"), None, 0))
    if message.has("tools"):
        return tuple(
            ToolCall(
                part.maybe_text("toolName") or "unnamed",
                result=part.data.get("toolResult", UNKNOWN),
            )
            for part in message.parts("tools")
        )
    return UNKNOWN


def _calls(parts: Iterable[Part], parent: str | None, depth: int) -> Iterator[ToolCall]:
    """The calls in a transcript, those of sub-agents at their place in it."""
    if depth > _DEEPEST:
        raise EngineProtocol(f"sub-agents are nested more than {_DEEPEST} deep")
    for part in parts:
        if part.maybe_text("type") == "tool_call":
            yield _call(part, parent)
        inner = part.maybe_text("toolCallId") or part.maybe_text("runId") or parent
        yield from _calls(part.parts("parts"), inner, depth + 1)


def _call(part: Part, parent: str | None) -> ToolCall:
    """One call; what it gave counts as result or as error by its status."""
    status = part.maybe_text("status")
    told = part.maybe_text("resultPreview")
    error = None
    if status in ("failed", "blocked"):
        error = told or f"the call {'failed' if status == 'failed' else 'was blocked'}"
    elif status == "running":
        error = "the call did not finish"
    return ToolCall(
        name=part.maybe_text("toolName") or part.maybe_text("displayName") or "unnamed",
        arguments=arguments_of(part.maybe_text("args")),
        result=UNKNOWN if told is None or error is not None else value_of(told),
        error=error,
        id=part.maybe_text("toolCallId"),
        status=status,
        parent=parent,
    )


def _citations(message: Part) -> tuple[Citation, ...] | UnknownType:
    if not message.has("citations"):
        return UNKNOWN
    return tuple(_citation(part, number) for number, part in enumerate(message.parts("citations"), 1))


def _citation(part: Part, number: int) -> Citation:
    """A source, filled in or by its id alone; its number is what `[1]` in the text means."""
    data = part.maybe_part("citationData")
    about = None if data is None else data.maybe_part("metadata")
    title = None if about is None else about.maybe_text("recordName")
    key = part.maybe_text("citationId")
    return Citation(
        text=part.maybe_text("excerpt") or (None if data is None else data.maybe_text("content")),
        source=title or key,
        url=None if about is None else about.maybe_text("webUrl"),
        index=number,
        id=key,
        score=part.maybe_number("relevanceScore"),
        context=part.maybe_text("context"),
    )


def _follow_ups(message: Part) -> tuple[str, ...] | UnknownType:
    if not message.has("followUpQuestions"):
        return UNKNOWN
    return tuple(text for part in message.parts("followUpQuestions") if (text := part.maybe_text("question")))


def _reasoning(message: Part) -> str | UnknownType:
    """Thoughts; `metadata.reason` is none of them."""
    if not message.has("reasoning"):
        return UNKNOWN
    return "\n\n".join(text for part in message.parts("reasoning") if (text := part.maybe_text("content")))


def _metadata(message: Part) -> dict[str, Json]:
    """What is told beside the answer, by the keys the harness uses; those without a value are left out."""
    about = message.maybe_part("metadata")
    found: dict[str, Json] = {
        "reason": None if about is None else about.maybe_text("reason"),
        "transaction": None if about is None else about.maybe_text("aiTransactionId"),
        "references": [name for part in message.parts("referenceData") if (name := part.maybe_text("name"))],
    }
    return {key: value for key, value in found.items() if value}


def _model(message: Part) -> str | None:
    """The model that answered, as either version tells it."""
    model, about = message.maybe_part("modelInfo"), message.maybe_part("metadata")
    named = None if model is None else model.maybe_text("modelName")
    return named or (None if about is None else about.maybe_text("modelVersion"))


def _format(message: Part) -> str | UnknownType:
    return message.maybe_text("contentFormat") or UNKNOWN


def _latency(message: Part, meta: Part | None) -> float | UnknownType:
    about = message.maybe_part("metadata")
    took = None if about is None else about.maybe_number("processingTimeMs")
    if took is None and meta is not None:
        took = meta.maybe_number("duration")
    return UNKNOWN if took is None else took


@dataclass(frozen=True, slots=True)
class MessagePage:
    """A part of a conversation's messages, in the order they were said."""

    start: int | None  # position of the first in the whole conversation, from 1, where it is told
    records: tuple[MessageRecord, ...]
    more: bool


def page_of(payload: Json, wanted: str) -> MessagePage:
    """A page of `GET /conversations/{id}`; the first page is the newest."""
    talk = conversation_of(payload, wanted)
    pages = talk.part.maybe_part("pagination")
    reach = None if pages is None else pages.maybe_part("messageRange")
    stamps = [stamp for message in talk.messages if (stamp := message.maybe_text("createdAt"))]
    messages = talk.messages if not stamps or stamps[0] <= stamps[-1] else tuple(reversed(talk.messages))
    return MessagePage(
        start=None if reach is None else reach.maybe_count("start"),
        records=tuple(_record(message, wanted) for message in messages),
        more=pages is not None and bool(talk.messages) and pages.maybe_flag("hasNextPage") is True,
    )


def in_order(pages: Sequence[MessagePage]) -> tuple[MessageRecord, ...]:
    """The messages of all pages as they were said; a message on two pages counts once."""
    newest_first = all(page.start is None for page in pages)
    ordered = list(reversed(pages)) if newest_first else sorted(pages, key=lambda page: page.start or 0)
    out: dict[str | int, MessageRecord] = {}
    for record in (record for page in ordered for record in page.records):
        out.setdefault(record.id or -len(out) - 1, record)
    return tuple(out.values())


def _record(message: Part, conversation: str) -> MessageRecord:
    kind = _type(message)
    own = kind == "bot_response"
    return MessageRecord(
        role=_ROLES.get(kind, "system"),
        text=message.maybe_text("content"),
        id=message.maybe_text("_id") or message.maybe_text("id"),
        type=kind or UNKNOWN,
        format=_format(message),
        tools=tools_of(message) if own else UNKNOWN,
        citations=_citations(message) if own else UNKNOWN,
        follow_ups=_follow_ups(message) if own else UNKNOWN,
        reasoning=_reasoning(message) if own else UNKNOWN,
        confidence=message.maybe_text("confidence") if own else UNKNOWN,
        feedback=([part.data for part in message.parts("feedback")] or None) if own else UNKNOWN,
        metadata=_metadata(message) if own else UNKNOWN,
        latency_ms=_latency(message, None) if own else UNKNOWN,
        model=_model(message),
        session_id=conversation,
        created_at=message.maybe_text("createdAt"),
        updated_at=message.maybe_text("updatedAt"),
        raw=message.data,
    )

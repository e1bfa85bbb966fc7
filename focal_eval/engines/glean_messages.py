"""Glean's chat as records: a reply, whole or put together from its stream, and the messages of a saved chat.

Pure functions on decoded JSON. Every key may be missing; enums are open, so that an unknown word is passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from focal_eval.engines.parts import Part, parts_of
from focal_eval.errors import EngineError, EngineProtocol
from focal_eval.records import UNKNOWN, Citation, Json, MessageRecord, Reply, ToolCall
from focal_eval.text import shorten

USER, GLEAN = "USER", "GLEAN_AI"
_SOURCES = ("sourceDocument", "sourceFile", "sourcePerson", "sourceCustomEntity", "sourceSkill")


def user_message(text: str) -> dict[str, Json]:
    """A message of the user's, as it is sent."""
    return _message(USER, text)


def agent_message(text: str) -> dict[str, Json]:
    """An earlier message of Glean's, as it is sent back where the chat is not saved."""
    return _message(GLEAN, text)


def _message(author: str, text: str) -> dict[str, Json]:
    return {"author": author, "messageType": "CONTENT", "fragments": [{"text": text}]}


@dataclass(frozen=True, slots=True)
class _Message:
    """One message of a chat, with what has a default filled in."""

    part: Part
    author: str
    type: str
    fragments: tuple[Part, ...]

    @property
    def text(self) -> str:
        return "".join(fragment.maybe_text("text") or "" for fragment in self.fragments)

    @property
    def spoken(self) -> bool:
        """Whether it is said to the user: progress, control and debug messages are not."""
        return self.author == GLEAN and self.type == "CONTENT"


def _messages(parts: Iterable[Part]) -> list[_Message]:
    return [
        _Message(
            part,
            part.maybe_text("author") or USER,
            part.maybe_text("messageType") or "CONTENT",
            tuple(part.parts("fragments")),
        )
        for part in parts
    ]


def reply_of(payload: Json, chat: str | None = None) -> Reply:
    """A `ChatResponse`; `chat` is the chat it must belong to. Raises EngineError where Glean tells an error in it."""
    body = Part(payload, "the reply")
    messages = _messages(body.parts("messages"))
    session = body.maybe_text("chatId")
    if chat is not None and session is not None and session != chat:
        raise EngineProtocol(f"the reply belongs to the chat '{shorten(session, 60)}', not to '{shorten(chat, 60)}'")
    _no_error(messages)
    spoken = [message for message in messages if message.spoken]
    texts = tuple(text for message in spoken if (text := message.text.strip()))
    tools, pending = _tools(messages)
    if not spoken and not tools:
        raise EngineProtocol("the reply holds no message of the agent")
    return Reply(
        response="\n\n".join(texts),
        messages=texts if len(texts) > 1 else (),
        tools=tools,
        citations=_citations(spoken),
        follow_ups=UNKNOWN if (prompts := body.maybe_texts("followUpPrompts")) is None else prompts,
        progress=_progress(messages),
        type=spoken[-1].type if spoken else messages[-1].type,
        metadata=_metadata(messages, pending),
        latency_ms=UNKNOWN if (took := body.maybe_number("backendTimeMillis")) is None else took,
        session_id=session or chat,
        turn_id=_last(spoken, "messageId"),
        tracking_token=body.maybe_text("chatSessionTrackingToken"),
        created_at=_last(spoken, "ts"),
        raw=payload,
    )


def _no_error(messages: Iterable[_Message]) -> None:
    for message in messages:
        if message.author == GLEAN and message.type == "ERROR":
            raise EngineError(f"Glean answered with an error: {shorten(message.text, 300) or 'without a text'}")


def _last(spoken: list[_Message], key: str) -> str | None:
    """What the last message that has the key says there."""
    told = [value for message in spoken if (value := message.part.maybe_text(key))]
    return told[-1] if told else None


def _progress(messages: Iterable[_Message]) -> tuple[str, ...]:
    """What was shown while Glean worked."""
    own = [message.text.strip() for message in messages if message.author == GLEAN and message.type == "UPDATE"]
    return tuple(text for text in own if text)


def _metadata(messages: list[_Message], pending: list[Json]) -> dict[str, Json]:
    """What is told beside the answer, in words of the harness; keys without a value are left out."""
    own = [message for message in messages if message.author == GLEAN]
    found: dict[str, Json] = {
        "warnings": [message.text for message in own if message.type == "WARNING"],
        "permissions": pending,
        "retrieved": [name for message in own for fragment in message.fragments for name in _retrieved(fragment)],
    }
    return {key: value for key, value in found.items() if value}


def _retrieved(fragment: Part) -> Iterator[str]:
    """Titles of what was found on the way; it need not be cited."""
    for result in fragment.parts("structuredResults"):
        document = result.maybe_part("document") or result.maybe_part("person")
        name = (
            None
            if document is None
            else (document.maybe_text("title") or document.maybe_text("name") or document.maybe_text("id"))
        )
        if name:
            yield name


def _tools(messages: Iterable[_Message]) -> tuple[tuple[ToolCall, ...], list[Json]]:
    """The calls, and the permissions that Glean waits for; what came of a call is never told."""
    calls: list[tuple[ToolCall, str]] = []
    asked: list[Part] = []
    for message in messages:
        if message.author != GLEAN:
            continue
        for fragment in message.fragments:
            if (action := fragment.maybe_part("action")) is not None:
                calls.append(_action(action))
            if (request := fragment.maybe_part("serverToolRequest")) is not None:
                asked.append(request)
    out = list(calls)
    for request in asked:
        name, key = request.maybe_text("toolDisplayName") or "unnamed", request.maybe_text("requestId")
        at = next((at for at, (call, shown) in enumerate(out) if shown == name and call.id is None), None)
        if at is None:
            out.append((ToolCall(name, id=key, type=request.maybe_text("requestType"), status="pending"), name))
        else:
            call, shown = out[at]
            out[at] = (ToolCall(call.name, call.arguments, id=key, type=call.type, status="pending"), shown)
    return tuple(call for call, _ in out), [_permission(request) for request in asked]


def _action(action: Part) -> tuple[ToolCall, str]:
    """A call of a tool, and the name that people see; values of parameters are always text."""
    about = action.maybe_part("metadata")
    name = None if about is None else about.maybe_text("name")
    shown = None if about is None else about.maybe_text("displayName")
    parameters = action.maybe_part("parameters")
    arguments: Mapping[str, Json] = {}
    if parameters is not None:
        arguments = {key: parameters.part(key).maybe_text("value") for key in parameters.data}
    kind = None if about is None else about.maybe_text("type")
    return ToolCall(name or shown or "unnamed", arguments, type=kind), shown or name or "unnamed"


def _permission(request: Part) -> dict[str, Json]:
    preview = request.maybe_part("actionPreview")
    found = {
        "tool": request.maybe_text("toolDisplayName"),
        "type": request.maybe_text("requestType"),
        "id": request.maybe_text("requestId"),
        "about": None if preview is None else preview.maybe_text("description"),
    }
    return {key: value for key, value in found.items() if value is not None}


def _citations(messages: Iterable[_Message]) -> tuple[Citation, ...]:
    """Every source once: those inside the text first, then those of the older list beside it."""
    messages = list(messages)
    inline = [part for message in messages for one in message.fragments if (part := one.maybe_part("citation")) is not None]
    listed = [part for message in messages for part in message.part.parts("citations")]
    out: dict[tuple[str | None, ...], Citation] = {}
    for part in (*inline, *listed):
        key, citation = _citation(part)
        out.setdefault(key, citation)
    return tuple(out.values())


def _citation(part: Part) -> tuple[tuple[str | None, ...], Citation]:
    source = next((found for name in _SOURCES if (found := part.maybe_part(name)) is not None), None)
    key = url = title = None
    if source is not None:
        key, url = source.maybe_text("id"), source.maybe_text("url")
        title = source.maybe_text("title") or source.maybe_text("name")
    text = next(_snippets(part), None)
    citation = Citation(text=text, source=title or key, url=url, id=key)
    return ((key, url) if key or url else (title, text)), citation


def _snippets(part: Part) -> Iterator[str]:
    for place in part.parts("referenceRanges"):
        for snippet in place.parts("snippets"):
            if text := snippet.maybe_text("text") or snippet.maybe_text("snippet"):
                yield text


def records_of(payload: Json, chat: str) -> tuple[MessageRecord, ...]:
    """The messages of a saved chat, out of the body of `getchat`."""
    body = Part(payload, "the saved chat")
    saved = body.part("chatResult").part("chat")
    if (other := saved.maybe_text("id")) is not None and other != chat:
        raise EngineProtocol(f"the chat '{shorten(chat, 60)}' was asked for, '{shorten(other, 60)}' was sent")
    return tuple(_records(_messages(saved.parts("messages")), chat))


def _records(messages: list[_Message], chat: str) -> Iterator[MessageRecord]:
    """Calls may stand in any message of an answer; the last one that is said to the user holds them all."""
    starts = [at for at, message in enumerate(messages) if message.author == USER]
    for start, end in zip([0, *starts], [*starts, len(messages)], strict=True):
        answer = messages[start:end]
        last = next((message for message in reversed(answer) if message.spoken), None)
        tools = _tools(answer)[0]
        for message in answer:
            yield _record(message, tools if message is last else (), chat)


def _record(message: _Message, tools: tuple[ToolCall, ...], chat: str) -> MessageRecord:
    """One stored message; what is not said to the user counts as the system's."""
    part = message.part
    spoken = message.spoken
    return MessageRecord(
        role="user" if message.author == USER else "assistant" if spoken else "system",
        text=message.text,
        id=part.maybe_text("messageId"),
        type=message.type,
        tools=tools if spoken else UNKNOWN,
        citations=_citations([message]) if spoken else UNKNOWN,
        session_id=chat,
        tracking_token=part.maybe_text("messageTrackingToken"),
        created_at=part.maybe_text("ts"),
        raw=part.data,
    )


@dataclass(slots=True)
class StreamedChat:
    """One streamed reply: each line is a part of a `ChatResponse`, whose fragments are put behind those that came."""

    body: dict[str, Json] = field(default_factory=dict)
    messages: list[dict[str, Json]] = field(default_factory=list)
    _by_key: dict[str, dict[str, Json]] = field(default_factory=dict)

    def take(self, payload: Json) -> bool:
        """Takes the next line; whether it brought words for the user."""
        line = Part(payload, "a line of the stream")
        self.body.update({key: value for key, value in line.data.items() if key != "messages" and value is not None})
        spoke = False
        for part in parts_of(line.data.get("messages") or [], "messages of a line"):
            (message,) = _messages([part])
            self._append(part, message)
            spoke = spoke or (message.spoken and bool(message.text))
        return spoke

    def _append(self, part: Part, message: _Message) -> None:
        """Messages are told apart by their id, those without one by author and type."""
        told = part.maybe_text("messageId")
        key = f"id {told}" if told else f"{message.author} {message.type}"
        known = self._by_key.get(key)
        if known is None:
            known = {**part.data, "fragments": [], "citations": []}
            self._by_key[key] = known
            self.messages.append(known)
        known["fragments"] += [fragment.data for fragment in message.fragments]
        known["citations"] += [citation.data for citation in part.parts("citations")]

    def whole(self) -> dict[str, Json]:
        """The reply as it would have come without a stream."""
        return {**self.body, "messages": self.messages}

"""Recorded chat messages become exchanges: one user message and all that the agent did until the next one.

The message shape is the one of chat-completion APIs, which many transcripts follow: roles, `tool_calls` with their arguments
as JSON text, and `tool` messages with the results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from focal_eval.importers.foreign import Placed
from focal_eval.importers.losses import Losses
from focal_eval.records import UNKNOWN, Reply, ToolCall, UnknownType

MAX_ARGUMENT_DEPTH = 40  # deeper ones could not be read back from a script
MAX_TURNS = 5_000  # of one script

SENTENCES = {
    "system-prompt": "system prompts: a script says nothing of how the agent is instructed",
    "unknown-role": "messages of a role that is neither system, user, assistant nor tool",
    "unanswered-message": "last words of the user that nothing answered",
    "joined-messages": "user messages in a row: joined into one turn",
    "not-text": "parts of messages that are not text, such as images",
    "unreadable-arguments": "tool arguments that are not a JSON object: the call is expected by its name alone",
    "missing-result": "tool calls without a recorded result",
    "orphan-result": "tool results that belong to no call",
    "aside": "text written beside a tool call, which the user did not see: kept in the cassette as reasoning",
}
"""What the losses counted here mean."""


@dataclass(frozen=True, slots=True)
class Function:
    """What a tool call asks for."""

    name: str
    arguments: Any = None  # JSON text, or the object itself


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """One entry of `tool_calls`."""

    function: Function
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message."""

    role: str
    content: Any = None  # text, null, or a list of parts
    tool_calls: list[ToolRequest] | None = None
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """One user message (None where the agent spoke first) and the agent's reply to it."""

    user: str | None
    reply: Reply


@dataclass(slots=True)
class _Open:
    """An exchange while its messages come in."""

    user: str | None
    said: list[str] = field(default_factory=list)
    asides: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)  # calls without a result yet

    @property
    def answered(self) -> bool:
        return bool(self.said or self.asides or self.calls)

    def closed(self, *, cut: bool) -> Exchange:
        """The exchange; where it was cut off before the agent said anything, what it would have said is not known."""
        response: str | UnknownType = UNKNOWN if cut and not self.said else "\n\n".join(self.said)
        return Exchange(
            self.user,
            Reply(
                response=response,
                messages=tuple(self.said) if len(self.said) > 1 else (),
                tools=tuple(self.calls),
                reasoning="\n\n".join(self.asides) if self.asides else UNKNOWN,
            ),
        )


class Conversation:
    """Reads messages into exchanges, counting what is left behind; `path` leads to the messages in the file.

    `shown_beside_calls` says whether a user saw the text of a message that also calls tools.
    """

    def __init__(self, placed: Placed, path: tuple[str | int, ...], losses: Losses, *, shown_beside_calls: bool) -> None:
        self._placed, self._path, self._losses = placed, path, losses
        self._shown = shown_beside_calls
        self._done: list[_Open] = []
        self._open = _Open(None)
        self._groups = 0

    def exchanges(self, messages: Sequence[Message]) -> tuple[Exchange, ...]:
        """The conversation's exchanges; last words of the user that were not answered are left out."""
        readers = {"user": self._user, "assistant": self._assistant, "tool": self._tool}
        for index, message in enumerate(messages):
            if read := readers.get(message.role):
                read(message, index)
            else:
                self._lost("system-prompt" if message.role in _INSTRUCTIONS else "unknown-role", index)
        if self._open.answered:
            self._done.append(self._open)
        elif self._open.user is not None:
            self._lost("unanswered-message", len(messages) - 1)
        for exchange in self._done:
            for _ in exchange.waiting:
                self._lost("missing-result", len(messages) - 1)
        last = len(self._done) - 1
        return tuple(exchange.closed(cut=index == last) for index, exchange in enumerate(self._done))

    def _lost(self, kind: str, index: int) -> None:
        self._losses.add(kind, self._placed.at(*self._path, index))

    def _user(self, message: Message, index: int) -> None:
        text = self._text(message.content, index)
        if not text.strip():
            return  # the user said nothing: what follows still belongs to the message before
        if self._open.answered:
            self._done.append(self._open)
        elif self._open.user is not None:
            self._lost("joined-messages", index)
            text = f"{self._open.user}\n\n{text}"
        self._open = _Open(text)

    def _assistant(self, message: Message, index: int) -> None:
        text = self._text(message.content, index)
        if text.strip():
            if message.tool_calls and not self._shown:
                self._lost("aside", index)
                self._open.asides.append(text)
            else:
                self._open.said.append(text)
        group = self._groups if len(message.tool_calls or ()) > 1 else None
        self._groups += group is not None
        for number, request in enumerate(message.tool_calls or ()):
            self._open.waiting.append(len(self._open.calls))
            self._open.calls.append(self._call(request, (index, "tool_calls", number), group))

    def _call(self, request: ToolRequest, at: tuple[int, str, int], group: int | None) -> ToolCall:
        arguments = arguments_of(request.function.arguments)
        if arguments is UNKNOWN:
            self._losses.add("unreadable-arguments", self._placed.at(*self._path, *at, "function", "arguments"))
        return ToolCall(request.function.name, arguments, id=request.id, group=group)

    def _tool(self, message: Message, index: int) -> None:
        calls, waiting = self._open.calls, self._open.waiting
        by_id = [number for number in waiting if message.tool_call_id is not None and calls[number].id == message.tool_call_id]
        without_id = [number for number in waiting if message.tool_call_id is None or calls[number].id is None]
        fitting = by_id or without_id
        if not fitting:
            self._lost("orphan-result", index)
            return
        number = fitting[0]
        waiting.remove(number)
        calls[number] = with_result(calls[number], self._text(message.content, index))

    def _text(self, content: Any, index: int) -> str:
        if content is None:
            return ""
        if isinstance(content, str):
            return content
        texts = []
        for part in content if isinstance(content, list) else [content]:
            if isinstance(part, Mapping) and isinstance(part.get("text"), str):
                texts.append(part["text"])
            else:
                self._lost("not-text", index)
        return "\n".join(texts)


_INSTRUCTIONS = frozenset({"system", "developer"})


def arguments_of(given: Any) -> Mapping[str, Any] | UnknownType:
    """A call's arguments, from JSON text or as they are; UNKNOWN where they are no object."""
    import orjson

    if isinstance(given, str) and given.strip():
        try:
            given = orjson.loads(given)
        except orjson.JSONDecodeError:
            return UNKNOWN
    if given is None or given == "":
        return {}
    return given if isinstance(given, dict) and _depth_within(given, MAX_ARGUMENT_DEPTH) else UNKNOWN


def _depth_within(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most):
        level = [
            child
            for item in level
            if isinstance(item, (dict, list))
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return True
    return False


def with_result(call: ToolCall, content: str) -> ToolCall:
    """The call with its result: JSON collections as data, a text that begins with "Error:" as the call's error."""
    import orjson

    stripped = content.strip()
    if stripped.startswith("Error:"):
        return replace(call, error=stripped.removeprefix("Error:").strip() or "error")
    if stripped[:1] in ("{", "["):
        try:
            return replace(call, result=orjson.loads(stripped))
        except orjson.JSONDecodeError:
            pass
    return replace(call, result=content)

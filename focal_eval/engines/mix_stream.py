"""One turn of Mix, put together from the events of its session: words, thoughts, calls of tools, and what it asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from focal_eval.engines.mix_records import UNFINISHED
from focal_eval.engines.parts import Part, arguments_of
from focal_eval.errors import EngineError, EngineProtocol
from focal_eval.records import UNKNOWN, Json, ToolCall
from focal_eval.text import shorten

_AGENT = "parentToolCallId"  # of a sub-agent's events: they are no part of what is said to the user


@dataclass(frozen=True, slots=True)
class PermissionAsked:
    """The turn waits until a tool is allowed or denied."""

    id: str
    tool: str
    about: str

    def as_json(self) -> dict[str, Json]:
        return {"tool": self.tool, "about": self.about}


@dataclass(frozen=True, slots=True)
class QuestionAsked:
    """The turn waits until a notification is answered."""

    id: str
    title: str
    response: Literal["acknowledge", "text", "choice"]


@dataclass(slots=True)
class _Call:
    id: str
    name: str
    pieces: list[str] = field(default_factory=list)
    input: str | None = None
    done: bool = False
    failed: bool = False

    def as_call(self) -> ToolCall:
        text = "".join(self.pieces) if self.input is None else self.input
        error = "the tool failed" if self.failed else None if self.done else UNFINISHED
        status = "failed" if self.failed else "completed" if self.done else "running"
        arguments = arguments_of(text) if text or self.done else UNKNOWN
        return ToolCall(self.name, arguments, error=error, id=self.id, status=status)


@dataclass(slots=True)
class StreamedTurn:
    """What was heard so far; events go in by `take`. The stream is of one session, and begins before the message is sent."""

    session: str
    user: str | None = None  # the id of the user's message, where it is told
    words: list[str] = field(default_factory=list)
    said: dict[str | None, str] = field(default_factory=dict)  # the same by message: one turn may say several
    thoughts: list[str] = field(default_factory=list)
    calls: dict[str, _Call] = field(default_factory=dict)
    done: Part | None = None

    def take(self, name: str, data: Json) -> PermissionAsked | QuestionAsked | None:
        """Takes the next event; what must be answered comes back. Raises EngineError where the turn failed."""
        if name == "heartbeat":
            return None
        event = Part(data, f"the event '{shorten(name, 40)}'")
        if name == "permission":
            return _permission(event)
        if name == "notification":
            return _question(event)
        if event.has(_AGENT):
            return None
        if name == "error":
            raise EngineError(_failure(event))
        if name == "complete":
            self.done = event
        elif name == "content":
            self.words.append(event.text("content"))
            key = event.maybe_text("assistantMessageId")
            self.said[key] = self.said.get(key, "") + self.words[-1]
        elif name == "thinking":
            self.thoughts.append(event.text("content"))
        elif name == "user_message_created":
            self.user = event.maybe_text("messageId")
        elif name.startswith("tool_"):
            self._tool(name, event)
        return None

    def _tool(self, name: str, event: Part) -> None:
        start = name in ("tool_use_start", "tool_use_parameter_streaming_complete")
        key = event.text("id" if start else "toolCallId")
        call = self.calls.get(key)
        if call is None:
            named = event.maybe_text("name") or event.maybe_text("toolName")
            if named is None:
                raise EngineProtocol(f"{event.where} belongs to no call that began")
            call = self.calls.setdefault(key, _Call(key, named))
        if name == "tool_use_parameter_delta":
            call.pieces.append(event.text("input"))
        elif name == "tool_use_parameter_streaming_complete":
            call.input = event.maybe_text("input")
        elif name == "tool_execution_complete":
            call.done, call.failed = True, not event.flag("success")

    @property
    def text(self) -> str:
        """What was said so far."""
        return "".join(self.words)

    @property
    def messages(self) -> tuple[str, ...]:
        """What the agent said, message by message; of the last one the end tells the whole."""
        spoken = {key: text for key, text in self.said.items() if text.strip()}
        told = (None if self.done is None else self.done.maybe_text("content")) or ""
        if told.strip() and (len(spoken) < 2 or _bare(told) != _bare(" ".join(spoken.values()))):
            spoken[self._ended(spoken, told)] = told
        texts = tuple(spoken.values())
        return texts if len(texts) < 2 else tuple(text.strip() for text in texts)

    def _ended(self, spoken: dict[str | None, str], told: str) -> str | None:
        """The message that the end tells: by its id, else the last one where nothing says that it is another."""
        last = next(reversed(spoken), self.message)
        if not spoken or self.message in spoken:
            return self.message
        return last if None in (last, self.message) or _bare(spoken[last]) == _bare(told) else self.message

    @property
    def reasoning(self) -> str | None:
        told = None if self.done is None else self.done.maybe_text("reasoning")
        return told or "".join(self.thoughts) or None

    @property
    def reasoning_ms(self) -> float | None:
        return None if self.done is None else self.done.maybe_number("reasoningDuration")

    @property
    def message(self) -> str | None:
        """The id of the agent's message."""
        return None if self.done is None else self.done.maybe_text("messageId")

    def tools(self) -> tuple[ToolCall, ...]:
        """The calls; the stream never tells a result."""
        return tuple(call.as_call() for call in self.calls.values())


def _bare(text: str) -> str:
    return " ".join(text.split())


def connected_session(data: Json, session: str) -> None:
    """Checks the event that a stream begins with. Raises EngineProtocol where it is of another session."""
    event = Part(data, "the event 'connected'")
    other = event.maybe_text("sessionId")
    if other is not None and other != session:
        raise EngineProtocol(f"the stream is of session '{shorten(other, 60)}', not of '{session}'")


def _permission(event: Part) -> PermissionAsked:
    about = event.maybe_text("description") or event.maybe_text("action") or ""
    return PermissionAsked(event.text("id"), event.maybe_text("toolName") or "a tool", about)


def _question(event: Part) -> QuestionAsked | None:
    """A notification that waits for words; those that only tell something are acknowledged by nobody."""
    kind = event.maybe_text("responseType") or "acknowledge"
    if kind not in ("text", "choice"):
        kind = "acknowledge"
    title = event.maybe_text("title") or event.maybe_text("message") or ""
    return QuestionAsked(event.text("id"), title, kind)  # type: ignore[arg-type]  # one of the three


def _failure(event: Part) -> str:
    """An error of the turn in words; how often the server tried by itself is part of it."""
    error = event.data.get("error")
    said = error.get("message") if isinstance(error, Mapping) else error
    text = f"Mix answered with an error: {shorten(str(said), 300)}"
    if (kind := event.maybe_text("type")) not in (None, "error"):
        text += f" ({kind})"
    attempt, most, wait = (event.maybe_count(key) for key in ("attempt", "maxAttempts", "retryAfter"))
    if attempt is not None and most is not None:
        text += f", attempt {attempt} of {most}"
    return text + (f", to be tried again after {wait} ms" if wait else "")

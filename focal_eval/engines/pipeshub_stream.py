"""One streamed turn of PipesHub, in each of the three vocabularies its servers have spoken: AG-UI, and two before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from focal_eval.engines.parts import Part
from focal_eval.errors import EngineError, EngineProtocol
from focal_eval.records import Json
from focal_eval.text import shorten

_WORDS = {"TEXT_MESSAGE_CONTENT": "delta", "chunk": "chunk", "answer_chunk": "chunk"}
_ENDS = frozenset({"RUN_FINISHED", "complete"})
_ERRORS = frozenset({"RUN_ERROR", "error"})


@dataclass(slots=True)
class StreamedTurn:
    """What was heard so far; events go in by `take`, the conversation the stream ends with comes out of `whole`."""

    conversation: str | None = None  # its id: known, or announced by the stream that begins it
    words: list[str] = field(default_factory=list)
    done: bool = False
    result: Mapping[str, Json] | None = None
    children: set[str] = field(default_factory=set)  # runs of sub-agents

    def take(self, name: str, data: Json) -> bool:
        """Takes the next event; whether it brought words for the user. Raises EngineError where the turn failed."""
        event = Part(data, f"the event '{shorten(name, 40)}'") if isinstance(data, Mapping) else None
        if event is None:  # the oldest servers put plain text into events that tell nothing
            if name in _ENDS:
                raise EngineProtocol(f"the event '{shorten(name, 40)}' holds no conversation")
            if name in _ERRORS:
                raise EngineError(f"PipesHub answered with an error: {shorten(str(data), 300)}")
            return False
        kind = event.maybe_text("type") if name in ("", "message") else name
        if self._of_child(kind, event):
            return False
        if kind in _ERRORS:
            raise EngineError(_failure(event))
        if kind in _ENDS:
            self._end(event)
        elif kind == "CUSTOM" and event.maybe_text("name") == "conversation_created":
            self._begin(event.part("value").maybe_text("conversationId"))
        elif kind in _WORDS:
            return self._words(event, _WORDS[kind])
        return False

    def _begin(self, announced: str | None) -> None:
        if None not in (self.conversation, announced) and self.conversation != announced:
            said = (
                f"the stream is of conversation '{shorten(str(announced), 60)}', not of '{shorten(str(self.conversation), 60)}'"
            )
            raise EngineProtocol(said)
        self.conversation = self.conversation or announced

    def _of_child(self, kind: str | None, event: Part) -> bool:
        run = event.maybe_text("runId")
        if event.has("parentRunId"):
            if kind == "RUN_STARTED" and run is not None:
                self.children.add(run)
            return True
        return run is not None and run in self.children

    def _words(self, event: Part, key: str) -> bool:
        text = event.maybe_text(key)
        if text is None and (whole := event.maybe_text("accumulated")) is not None:
            said = "".join(self.words)
            text = whole.removeprefix(said) if whole.startswith(said) else None
        if text:
            self.words.append(text)
        return bool(text)

    def _end(self, event: Part) -> None:
        self.done = True
        result = event.maybe_part("result") or event
        if result.has("conversation"):
            self.result = result.data

    def whole(self) -> Mapping[str, Json]:
        """The body that would have come without a stream. Raises EngineProtocol where the stream broke off."""
        if not self.done:
            said = f"after {shorten(''.join(self.words), 60)!r}" if self.words else "before any word"
            raise EngineProtocol(f"the stream ended before the turn was finished, {said}")
        if self.result is None:
            raise EngineProtocol("the stream ended without the conversation")
        return self.result


def _failure(event: Part) -> str:
    error = event.data.get("error")
    told = error.get("message") if isinstance(error, Mapping) else error
    said = event.maybe_text("message") or told or "no reason is told"
    code = event.maybe_text("code")
    return f"PipesHub answered with an error: {shorten(str(said), 300)}" + (f" ({code})" if code else "")

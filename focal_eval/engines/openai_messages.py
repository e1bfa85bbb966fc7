"""Chat completions as records: what one answer of the model holds, whole or streamed, and the messages that are sent back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from focal_eval.engines.base import HistoryTurn, ToolAnswer
from focal_eval.engines.parts import Part, total_of
from focal_eval.errors import EngineError, EngineProtocol
from focal_eval.records import Json, Tokens
from focal_eval.text import shorten

MOST_CALLS = 64  # of one answer
_REASONING = ("reasoning_content", "reasoning")  # as compatible endpoints spell it; OpenAI's own does not tell it


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A tool the model asks for; `arguments` is JSON as the model wrote it, which may be wrong."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer of the model: words, calls of tools, or both."""

    text: str
    calls: tuple[ModelCall, ...] = ()
    finish: str | None = None
    reasoning: str | None = None
    refused: bool = False
    tokens: Tokens | None = None
    id: str | None = None
    model: str | None = None

    def as_message(self) -> dict[str, Json]:
        """The message that stands for it in the next request."""
        out: dict[str, Json] = {"role": "assistant", "content": self.text or None}
        if self.calls:
            out["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in self.calls
            ]
        return out


def completion_of(payload: Json) -> Completion:
    """The body of `POST /chat/completions`."""
    body = Part(payload, "the completion")
    _no_error(body)
    choice = _choice(body)
    message = choice.part("message")
    refusal = message.maybe_text("refusal")
    return Completion(
        text=_text(message) or refusal or "",
        calls=_calls(_call(part) for part in _limited(message.parts("tool_calls"))),
        finish=choice.maybe_text("finish_reason"),
        reasoning=_reasoning(message),
        refused=refusal is not None,
        tokens=_tokens(body),
        id=body.maybe_text("id"),
        model=body.maybe_text("model"),
    )


def _no_error(body: Part) -> None:
    """Some endpoints tell an error with status 200, or in a stream that had begun."""
    if not body.has("error"):
        return
    error = body.data["error"]
    said = error.get("message") if isinstance(error, Mapping) else error
    raise EngineError(f"the model's endpoint answered with an error: {shorten(str(said), 300)}")


def _choice(body: Part) -> Part:
    choices = body.parts("choices")
    if not choices:
        raise EngineProtocol(f"{body.where} has no choices")
    return choices[0]


def _text(message: Part) -> str:
    """The words, which may come as a list of parts."""
    if isinstance(message.data.get("content"), list):
        return "".join(part.maybe_text("text") or "" for part in message.parts("content"))
    return message.maybe_text("content") or ""


def _reasoning(message: Part) -> str | None:
    return next((text for key in _REASONING if (text := message.maybe_text(key))), None)


def _limited(parts: list[Part]) -> list[Part]:
    if len(parts) > MOST_CALLS:
        raise EngineProtocol(f"the model calls {len(parts)} tools in one answer; at most {MOST_CALLS} are answered")
    return parts


def _call(part: Part) -> ModelCall:
    function = part.part("function")
    return ModelCall(part.maybe_text("id") or "", function.text("name"), function.maybe_text("arguments") or "")


def _calls(calls: Iterable[ModelCall]) -> tuple[ModelCall, ...]:
    """The calls, each with an id of its own: some endpoints leave ids out, and answers are told apart by them."""
    out: list[ModelCall] = []
    for number, call in enumerate(calls, 1):
        taken = {one.id for one in out}
        out.append(call if call.id and call.id not in taken else ModelCall(f"call_{number}", call.name, call.arguments))
    return tuple(out)


def _tokens(body: Part) -> Tokens | None:
    usage = body.maybe_part("usage")
    if usage is None:
        return None
    total, prompt, completion = (usage.maybe_count(f"{name}_tokens") for name in ("total", "prompt", "completion"))
    if total is None and prompt is not None and completion is not None:
        total = prompt + completion
    if total is prompt is completion is None:
        return None
    read, spent = usage.maybe_part("prompt_tokens_details"), usage.maybe_part("completion_tokens_details")
    return Tokens(
        total,
        prompt,
        completion,
        cached=None if read is None else read.maybe_count("cached_tokens"),
        reasoning=None if spent is None else spent.maybe_count("reasoning_tokens"),
    )


@dataclass(slots=True)
class _CallInPieces:
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


@dataclass(slots=True)
class StreamedCompletion:
    """One answer in pieces: chunks go in by `take`, the whole comes out of `whole` when the stream has ended."""

    words: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: dict[int, _CallInPieces] = field(default_factory=dict)
    refused: bool = False
    finish: str | None = None
    tokens: Tokens | None = None
    id: str | None = None
    model: str | None = None

    def take(self, payload: Json) -> bool:
        """Takes the next chunk; whether it brought words of the answer."""
        chunk = Part(payload, "a chunk of the stream")
        _no_error(chunk)
        self.id, self.model = self.id or chunk.maybe_text("id"), self.model or chunk.maybe_text("model")
        self.tokens = _tokens(chunk) or self.tokens
        before, calls = len(self.words), len(self.calls)
        for choice in chunk.parts("choices")[:1]:
            if (delta := choice.maybe_part("delta")) is not None:
                self._delta(delta)
            if self.finish is not None and (len(self.words) > before or len(self.calls) > calls):
                raise EngineProtocol(f"the stream goes on after its finish_reason '{shorten(self.finish, 40)}'")
            self.finish = choice.maybe_text("finish_reason") or self.finish
        return len(self.words) > before

    def _delta(self, delta: Part) -> None:
        refusal = delta.maybe_text("refusal")
        self.refused = self.refused or bool(refusal)
        if text := _text(delta) or refusal:
            self.words.append(text)
        if thought := _reasoning(delta):
            self.thoughts.append(thought)
        for part in delta.parts("tool_calls"):
            self._piece(part)

    def _piece(self, part: Part) -> None:
        """Part of a call: the pieces of one call share its `index`; an endpoint without one begins a call with its id."""
        index = part.maybe_count("index")
        key = part.maybe_text("id") or ""
        if index is None:
            last = max(self.calls, default=-1)
            index = last if last >= 0 and key in ("", self.calls[last].id) else last + 1
        if index not in self.calls and len(self.calls) >= MOST_CALLS:
            raise EngineProtocol(f"the model calls more than {MOST_CALLS} tools in one answer")
        call = self.calls.setdefault(index, _CallInPieces())
        call.id = call.id or key
        if (function := part.maybe_part("function")) is not None:
            call.name = call.name or function.maybe_text("name") or ""
            call.arguments.append(function.maybe_text("arguments") or "")

    def whole(self) -> Completion:
        """The answer. Raises EngineProtocol where the stream broke off before it was finished."""
        if self.finish is None:
            said = f"after {shorten(''.join(self.words), 60)!r}" if self.words else "before any word"
            raise EngineProtocol(f"the stream ended without a finish_reason, {said}")
        calls = [ModelCall(call.id, call.name, "".join(call.arguments)) for _, call in sorted(self.calls.items())]
        if any(not call.name for call in calls):
            raise EngineProtocol("the stream holds a call of a tool without a name")
        return Completion(
            text="".join(self.words),
            calls=_calls(calls),
            finish=self.finish,
            reasoning="".join(self.thoughts) or None,
            refused=self.refused,
            tokens=self.tokens,
            id=self.id,
            model=self.model,
        )


def answered(call: ModelCall, answer: ToolAnswer) -> dict[str, Json]:
    """The message that tells the model what the tool answered."""
    said: Json = answer.result if answer.error is None else {"error": answer.error}
    text = said if isinstance(said, str) else orjson.dumps(said, option=orjson.OPT_NON_STR_KEYS, default=str).decode()
    return {"role": "tool", "tool_call_id": call.id, "content": text}


def history_messages(history: Iterable[HistoryTurn]) -> list[dict[str, Json]]:
    """What was said before the conversation under test."""
    out: list[dict[str, Json]] = []
    for turn in history:
        if turn.user is not None:
            out.append({"role": "user", "content": turn.user})
        if turn.agent is not None:
            out.append({"role": "assistant", "content": turn.agent})
    return out


def summed(tokens: Sequence[Tokens | None]) -> Tokens | None:
    """What the completions of a turn cost together, None where one of them does not tell."""
    if not tokens or any(one is None for one in tokens):
        return None
    return total_of([one for one in tokens if one is not None])


def chunks_of(recorded: Json) -> list[Json]:
    """The chunks of a stream as a cassette holds them."""
    chunks = recorded.get("chunks") if isinstance(recorded, dict) else None
    if not isinstance(chunks, list):
        raise EngineProtocol("the recorded stream has no list of chunks")
    return chunks

"""Asks the model that plays personas, so many conversations at a time, and keeps what it answered in a cassette."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focal_eval.clock import content_id
from focal_eval.errors import EngineError
from focal_eval.records import Json, Tokens
from focal_eval.runner.answer_lines import append_line, lines_of
from focal_eval.runner.persona_prompt import VERSION, schema
from focal_eval.value import value

if TYPE_CHECKING:
    from focal_eval.engines.model_client import ModelAccess, ModelClient

FORMAT = 1
TRIES = 2  # answers that are asked for where the first one is of no use


@value
class Wording:
    """How a model is asked to play."""

    temperature: float = 0.7
    max_tokens: int = 400
    structured: str = "json"  # json | schema | off
    concurrency: int = 8
    prices: Mapping[str, float] = field(default_factory=dict)


@value
class Worded:
    """One answer of the model; `error` where it could not be asked."""

    text: str = ""
    model: str | None = None
    tokens: Tokens | None = None
    problem: str | None = None  # why the answer is of no use: refused, cut off
    error: str | None = None
    kept: bool = False  # taken from a cassette: nothing was spent now


class AnswerBook:
    """The answers in one file, a line each. A line that cannot be read is passed over: it is asked for again."""

    def __init__(self, path: Path, mode: str, clean: Callable[[Any], Any]) -> None:
        self._path, self._clean = path, clean
        self.asks = mode != "replay"  # whether what is not kept may be asked
        self._known: dict[str, Worded] = {} if mode == "record" else self._read()

    def find(self, key: str) -> Worded | None:
        """The answer that is kept, None where there is none."""
        return self._known.get(key)

    def keep(self, key: str, worded: Worded) -> None:
        """Appends an answer. Raises StorageError."""
        self._known[key] = worded
        tokens = worded.tokens
        counts = None if tokens is None else [tokens.total, tokens.prompt, tokens.completion]
        told = {"text": worded.text, "model": worded.model, "tokens": counts, "problem": worded.problem}
        append_line(self._path, "the simulator's", {"t": "said", "format": FORMAT, "key": key, **self._clean(told)})

    def _read(self) -> dict[str, Worded]:
        out: dict[str, Worded] = {}
        for data in lines_of(self._path, "the simulator's"):
            try:
                if data["t"] == "said" and data["format"] == FORMAT:
                    out[str(data["key"])] = _kept(data)
            except (ValueError, KeyError, TypeError):
                continue
        return out


def _kept(data: Mapping[str, Any]) -> Worded:
    """An answer of the file. Raises TypeError where it has another shape."""
    text, model, counts, problem = data["text"], data["model"], data["tokens"], data["problem"]
    if not isinstance(text, str) or not all(isinstance(item, (str, type(None))) for item in (model, problem)):
        raise TypeError("no answer")
    tokens = None if counts is None else Tokens(*(None if count is None else int(count) for count in counts))
    return Worded(text, model, tokens, problem, kept=True)


class PersonaAsker:
    """Asks one model. Sessions of a run share it; it is made before the event loop and lives in one."""

    def __init__(self, client: ModelClient, wording: Wording, book: AnswerBook | None = None) -> None:
        self.client, self.wording = client, wording
        self._book = book
        self._limit = asyncio.Semaphore(wording.concurrency)
        self._settings = settings_of(client.access, wording)

    async def say(self, messages: Sequence[Mapping[str, Json]], seed: int) -> Worded:
        """The model's answer; what went wrong is in it. Raises StorageError alone."""
        key = content_id(self._settings, json.dumps(messages, sort_keys=True), str(seed), length=32)
        if self._book is not None:
            kept = self._book.find(key)
            if kept is not None:
                return kept
            if not self._book.asks:
                return Worded(error="the simulator's cassette has no answer to this, and its mode is replay")
        worded = await self._asked(messages, seed)
        if self._book is not None and worded.error is None:
            self._book.keep(key, worded)
        return worded

    async def close(self) -> None:
        """Lets go of the connections."""
        await self.client.close()

    async def _asked(self, messages: Sequence[Mapping[str, Json]], seed: int) -> Worded:
        wording = self.wording
        body: dict[str, Json] = {"temperature": wording.temperature, "max_tokens": wording.max_tokens, "seed": seed}
        if wording.structured == "json":
            body["response_format"] = {"type": "json_object"}
        elif wording.structured == "schema":
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "message", "strict": True, "schema": schema()},
            }
        async with self._limit:
            try:
                found = await self.client.complete(messages, **body)
            except EngineError as broken:
                return Worded(error=f"the simulator's model could not be asked: {broken}")
        problem = "the model refuses to play" if found.refused else None
        if found.finish == "length":
            problem = "the model's answer was cut off"
        return Worded(found.text, found.model or self.client.access.model, found.tokens, problem)


def settings_of(access: ModelAccess, wording: Wording) -> str:
    """A digest of the prompt, the model and how it is asked; not of where it is, nor of what is secret."""
    told = [VERSION, access.model, dict(access.extra), wording.temperature, wording.max_tokens, wording.structured]
    return content_id(json.dumps(told, sort_keys=True, default=str), length=16)


def cost_of(tokens: Tokens | None, prices: Mapping[str, float]) -> float | None:
    """What tokens cost by prices per million; None where either is not known."""
    if tokens is None or not prices:
        return None
    parts = {"prompt": tokens.prompt, "completion": tokens.completion, "total": tokens.total}
    return sum((count or 0) * prices.get(name, 0.0) for name, count in parts.items()) / 1e6

"""A language model that is asked beside the engine, such as a judge: chat completions over the wire of the engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from focal_eval.clock import Clock
from focal_eval.engines.openai_messages import Completion, completion_of
from focal_eval.engines.wire import Faults, Wire
from focal_eval.records import Json
from focal_eval.value import value

PATH = "/chat/completions"


@value
class ModelAccess:
    """Where a model is and how it may be asked; `key` is a bearer token, and it and the headers are secret."""

    url: str  # up to and including /v1
    model: str
    key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict)  # more keys of each request's body
    timeout_s: float = 60.0
    attempts: int = 3
    max_requests_per_s: float | None = None


class ModelClient:
    """Asks one model. Every failure is an EngineError, as of an engine; an answer is asked for again where that helps."""

    def __init__(self, access: ModelAccess, clock: Clock) -> None:
        self.access = access
        faults = Faults(
            attempts=access.attempts,
            request_timeout_s=access.timeout_s,
            max_requests_per_s=access.max_requests_per_s,
            max_reply_bytes=1_000_000,
        )
        headers = {**access.headers, **({} if access.key is None else {"authorization": f"Bearer {access.key}"})}
        self._wire = Wire(access.url, headers=headers, faults=faults, clock=clock)

    async def complete(self, messages: Sequence[Mapping[str, Json]], **body: Json) -> Completion:
        """The model's answer; `body` are more keys of this request."""
        sent = {"model": self.access.model, "messages": list(messages), **body, **self.access.extra}
        answer = await self._wire.request("POST", PATH, body=sent, safe=True)  # asking twice changes nothing
        return completion_of(answer.json())

    async def close(self) -> None:
        await self._wire.close()

"""What an engine asks of others while it answers (a model, a tool's own Python), taken from a recording or kept for one.

An adapter asks through `taped`, which asks at once where nobody records. Which conversation a request belongs to is known
by the context it is made in, so that conversations at the same time do not mix.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Literal

from focal_eval.engines.credentials import Cleaner
from focal_eval.engines.difference import data_difference, nearest_data
from focal_eval.engines.recording import RecordedCall
from focal_eval.errors import CassetteMiss
from focal_eval.records import Json

Mode = Literal["record", "replay", "replay-else-record"]
Layer = Literal["turns", "model", "tools"]

CONVERSATION: tuple[Layer, ...] = ("turns",)
"""The layers of an engine that says nothing of its own; an engine's `cassette_layers` names more."""

_ASKED = {"model": "the model was asked", "tools": "a tool was called with"}


async def taped(layer: Layer, request: Json, ask: Callable[[], Awaitable[Json]]) -> Json:
    """The answer to a request, recorded or of `ask`. Raises CassetteMiss where it must be recorded and is not."""
    calls = current.get()
    return await ask() if calls is None else await calls.answer(layer, request, ask)


class Calls:
    """The requests of one conversation; equal ones are answered in the order they were recorded in."""

    def __init__(
        self, modes: Mapping[Layer, Mode], recorded: tuple[RecordedCall, ...], said: tuple[str, str], clean: Cleaner
    ) -> None:
        self._modes, self._recorded, self._clean = modes, recorded, clean
        self._key, self._file = said
        self.made: list[RecordedCall] = []
        self._left: dict[bytes, deque[RecordedCall]] = {}
        for call in recorded:
            self._left.setdefault(_identity(call.layer, call.request), deque()).append(call)

    async def answer(self, layer: Layer, request: Json, ask: Callable[[], Awaitable[Json]]) -> Json:
        mode = self._modes.get(layer)
        if mode is None:
            return await ask()
        asked = self._clean(request)
        if mode != "record":
            left = self._left.get(_identity(layer, asked))
            if left:
                self.made.append(left.popleft())
                return self.made[-1].answer
            if mode == "replay":
                raise self._miss(layer, asked, again=left is not None)
        answer = await ask()
        self.made.append(RecordedCall(layer, asked, self._clean(answer)))
        return answer

    def _miss(self, layer: Layer, asked: Json, *, again: bool) -> CassetteMiss:
        where = f"the recording '{self._key}' in {self._file}"
        if again:
            return CassetteMiss(f"{_ASKED[layer]} the same more often than {where} has answers to it")
        calls = [call for call in self._recorded if call.layer == layer]
        if not calls:
            return CassetteMiss(f"{_ASKED[layer]} something, and {where} holds no request of the layer '{layer}'")
        left = [call for call in calls if not any(call is one for one in self.made)] or calls
        near = left[nearest_data(asked, [call.request for call in left])]
        number = next(at for at, call in enumerate(calls, start=1) if call is near)
        detail = f"nearest recorded request: number {number} of {len(calls)}\n{data_difference(near.request, asked)}"
        return CassetteMiss(f"{_ASKED[layer]} something that {where} holds no answer to", detail=detail)


def _identity(layer: str, request: Json) -> bytes:
    import orjson

    return layer.encode("utf-8", "replace") + b" " + orjson.dumps(request, option=orjson.OPT_SORT_KEYS)


current: ContextVar[Calls | None] = ContextVar("calls", default=None)
"""The requests of the conversation that is under way."""

"""The chat endpoints: one turn as JSON, one turn as events, and answers to the calls a turn waits for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response

from focal_eval.agent.builtin import ToolOutcome
from focal_eval.clock import Clock
from focal_eval.errors import EngineError
from focal_eval.runner.journal import dumps
from focal_eval.server.catalogue import Item
from focal_eval.server.contract import ChatRequest, Extras, ToolAnswerRequest, extras_of, read, read_body, uuid_in_path
from focal_eval.server.refusals import Refusal, as_json, broken, invalid, not_found
from focal_eval.server.sessions import Filed, Kept, Sessions, new_uuid, timestamp
from focal_eval.server.shown import Shown
from focal_eval.server.turns import Asked, GivenUp, RunningTurn

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Talk:
    """Plays turns for clients."""

    sessions: Sessions
    shown: Shown
    clock: Clock
    latency_s: float = 0.0
    ping_s: float = 15.0
    _asking: dict[str, tuple[Kept, RunningTurn]] = field(default_factory=dict)

    async def chat(self, request: Request) -> Response:
        """POST /v1/chat."""
        chat, extras = await _asked(request)
        kept = self.sessions.of(chat, extras.start if extras else None)
        turn = self._begin(kept, chat, extras)
        return await self._answer(kept, turn, extended=extras is not None)

    async def stream(self, request: Request) -> Response:
        """POST /v1/chat/stream."""
        chat, extras = await _asked(request)
        try:
            kept = self.sessions.of(chat, extras.start if extras else None)
        except Refusal as problem:
            if problem.code != "SESSION_NOT_FOUND":
                raise
            return self._events(_failed(problem))
        turn = self._begin(kept, chat, extras, streamed=True)
        return self._events(self._told(kept, turn, extended=extras is not None))

    async def tool(self, request: Request) -> Response:
        """POST /v1/focal-eval/turns/{turn_id}."""
        asked = uuid_in_path(request, "turn_id")
        said = read(ToolAnswerRequest, await read_body(request), "body")
        kept, turn = self._asking.get(asked, (None, None))
        if kept is None or turn is None or turn.waiting is None or not turn.stands:
            raise not_found("TURN", asked)
        if said.call != turn.waiting.call:
            raise invalid("body.call", f"The turn waits for call {turn.waiting.call}")
        stub = said.stub
        turn.answer(None if stub is None else ToolOutcome(stub.result, stub.error, stub.delay_ms))
        return Response(status_code=204) if turn.streamed else await self._answer(kept, turn, extended=True)

    def _begin(self, kept: Kept, chat: ChatRequest, extras: Extras | None, *, streamed: bool = False) -> RunningTurn:
        kept.give_up()
        wants = extras or Extras()
        turn = RunningTurn(new_uuid(self.clock), streamed=streamed, asks=wants.stubs)
        if turn.asks:
            self._asking[turn.id] = (kept, turn)
        turn.start(self._play(kept, turn, None if wants.unasked else chat.message))
        return turn

    async def _play(self, kept: Kept, turn: RunningTurn, message: str | None) -> Filed:
        began = self.clock.elapsed()
        try:
            async with kept.lock:
                kept.running = kept.engine.turn = turn
                before = kept.engine.place
                if self.latency_s:
                    await asyncio.sleep(self.latency_s)
                reply = await kept.engine.send(message)
                messages = kept.engine.take_messages()
                kept.last = timestamp(self.clock.now())
                filed = Filed(
                    id=turn.id,
                    number=len(kept.turns) + 1,
                    user=message,
                    reply=replace(reply, session_id=kept.id, turn_id=turn.id),
                    before=before,
                    messages=tuple(replace(one, id=f"{turn.id}-{one.role}", turn_id=turn.id) for one in messages),
                    latency_ms=int((self.clock.elapsed() - began) * 1000),
                    at=kept.last,
                )
                kept.turns.append(filed)
                return filed
        finally:
            self._asking.pop(turn.id, None)

    async def _answer(self, kept: Kept, turn: RunningTurn, *, extended: bool) -> Response:
        """What comes next of a turn: its reply, or the call it waits for."""
        try:
            got = await turn.next()
        except GivenUp:
            raise not_found("TURN", turn.id) from None
        except EngineError as problem:
            log.error("turn %s broke: %s", turn.id, problem)
            raise broken() from None
        if isinstance(got, Asked):
            return as_json(self.shown.call(kept, turn.id, got), 202)
        return as_json(self.shown.reply(kept, got, extended=extended))

    def _events(self, events: AsyncIterator[ServerSentEvent]) -> Response:
        return EventSourceResponse(events, sep="\r\n", ping=self.ping_s)

    async def _told(self, kept: Kept, turn: RunningTurn, *, extended: bool) -> AsyncIterator[ServerSentEvent]:
        try:
            while isinstance(got := await turn.next(), Asked):
                yield _event("tool", self.shown.call(kept, turn.id, got))
            words = got.reply.response.split()
            for at, word in enumerate(words, start=1):
                yield _event("token", {"type": "token", "content": word if at == len(words) else word + " "})
            yield _event("done", self.shown.done(kept, got, extended=extended))
        except GivenUp:
            yield _error("TURN_NOT_FOUND", f"Turn {turn.id} was given up")
        except Exception as problem:  # the stream has begun, so the client is told in it
            log.error("turn %s broke: %s", turn.id, problem, exc_info=not isinstance(problem, EngineError))
            yield _error("INTERNAL_ERROR", "An error occurred")
        finally:
            turn.give_up()


async def _asked(request: Request) -> tuple[ChatRequest, Extras | None]:
    chat = read(ChatRequest, await read_body(request), "body")
    return chat, extras_of(chat)


async def _failed(problem: Refusal) -> AsyncIterator[ServerSentEvent]:
    yield _error(problem.code, problem.message)


def _error(code: str, message: str) -> ServerSentEvent:
    return _event("error", {"type": "error", "code": code, "message": message})


def _event(name: str, data: Item | Any) -> ServerSentEvent:
    return ServerSentEvent(dumps(data).decode(), event=name, sep="\r\n")

"""A Mix server on this machine: sessions, events, permissions and stored messages as SDK 0.8 knows them, or as SDK 0.4 did."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response, StreamingResponse

from tests.engines.vendor_stub import Answering, Heard, as_json, frame

NOT_FOUND = {"error": {"code": 404, "message": "Session with ID 'nope' not found", "type": "not_found"}}


@dataclass(slots=True)
class Kept:
    """One session."""

    id: str
    listeners: list[asyncio.Queue[bytes | None]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    events: int = 0
    answers: dict[str, asyncio.Future[str]] = field(default_factory=dict)

    def row(self, role: str, text: str, **more: Any) -> str:
        key = f"{self.id}-m{len(self.rows)}"
        answer = {} if role == "user" else {"assistantResponse": text}
        self.rows.append({"id": key, "sessionId": self.id, "role": role, "userInput": text, **answer, **more})
        return key

    def say(self, name: str, /, **data: Any) -> None:
        self.events += 1
        for queue in self.listeners:
            queue.put_nowait(frame(name, {"type": name, **data}, self.events))

    def hang_up(self) -> None:
        for queue in self.listeners:
            queue.put_nowait(None)

    async def asked(self, key: str) -> str:
        """What the client answers to a question."""
        self.answers[key] = asyncio.get_running_loop().create_future()
        return await self.answers[key]


class MixServer:
    """Answers each message by its words: it may think, call, ask, break, hang up or fall silent; else it counts and echoes."""

    def __init__(self, *, synchronous: bool = False) -> None:
        self.sessions: dict[str, Kept] = {}
        self.synchronous = synchronous
        self.tasks: set[asyncio.Task[None]] = set()

    def routes(self) -> dict[tuple[str, str], Answering]:
        return {
            ("POST", "/api/sessions"): self.create,
            ("DELETE", "/api/sessions/{id}"): self.delete,
            ("POST", "/api/sessions/{id}/cancel"): self.cancel,
            ("POST", "/api/sessions/{id}/messages"): self.send,
            ("GET", "/api/sessions/{id}/messages"): self.rows,
            ("GET", "/stream"): self.stream,
            ("POST", "/api/permissions/{id}/{answer}"): self.answer,
            ("POST", "/api/notifications/{id}/{answer}"): self.answer,
        }

    async def create(self, heard: Heard) -> Response:
        kept = Kept(f"ses-{len(self.sessions)}")
        self.sessions[kept.id] = kept
        counts = ("promptTokens", "completionTokens", "userMessageCount", "assistantMessageCount", "toolCallCount")
        head = {"id": kept.id, "title": heard.body["title"], "createdAt": "2026-03-02T10:00:00Z", "cost": 0.0}
        kinds = {"browserMode": heard.body["browserMode"], "sessionType": "main"}
        return as_json({**head, **kinds, **dict.fromkeys(counts, 0)}, 201)

    async def delete(self, heard: Heard) -> Response:
        self.sessions.pop(heard.params["id"])
        return Response(status_code=204)

    async def cancel(self, heard: Heard) -> Response:
        known = heard.params["id"] in self.sessions
        return as_json({"cancelled": True}) if known else as_json(NOT_FOUND, 404)

    async def rows(self, heard: Heard) -> Response:
        kept = self.sessions.get(heard.params["id"])
        return as_json(NOT_FOUND, 404) if kept is None else as_json(kept.rows)

    async def stream(self, heard: Heard) -> Response:
        kept = self.sessions.get(heard.query["sessionId"])
        if kept is None:
            return as_json(NOT_FOUND, 404)

        async def body() -> AsyncIterator[bytes]:
            queue: asyncio.Queue[bytes | None] = asyncio.Queue()
            kept.listeners.append(queue)
            try:
                yield b": welcome\n\n"
                yield frame("connected", {"sessionId": kept.id}, 0)
                while (piece := await queue.get()) is not None:
                    yield piece
            finally:
                kept.listeners.remove(queue)

        return StreamingResponse(body(), media_type="text/event-stream")

    async def send(self, heard: Heard) -> Response:
        kept = self.sessions.get(heard.params["id"])
        if kept is None:
            return as_json(NOT_FOUND, 404)
        if self.synchronous:
            said = heard.body["content"]
            number = sum(row["role"] == "user" for row in kept.rows) + 1
            kept.row("user", said)
            if "grep" in said:
                await self.grep(kept, said)
            key = kept.row("assistant", f"{number}: {said}")
            return as_json({**kept.rows[-1], "id": key, "role": "user", "userInput": said, "sessionId": ""})
        task = asyncio.create_task(self.turn(kept, heard.body["text"]))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return as_json({"sessionId": kept.id, "status": "processing"}, 202)

    async def answer(self, heard: Heard) -> Response:
        key = heard.params["id"]
        for kept in self.sessions.values():
            if key in kept.answers and not kept.answers[key].done():
                kept.answers[key].set_result(heard.params["answer"])
                return as_json({"message": "done"})
        return as_json(NOT_FOUND, 404)

    async def turn(self, kept: Kept, said: str) -> None:
        user = kept.row("user", said)
        kept.say("user_message_created", messageId=user, content=said)
        kept.say("thinking", content="I should ", assistantMessageId="a")
        kept.say("heartbeat")
        kept.say("thinking", content="answer.", assistantMessageId="a")
        if "grep" in said:
            await self.grep(kept, said)
        if "agent" in said:
            inner = {"parentToolCallId": "task-1"}
            kept.say("content", content="inner words", **inner)
            kept.say("complete", done=True, content="inner words", messageId="inner", **inner)
        if "note" in said or "question" in said:
            kind = "text" if "question" in said else "acknowledge"
            key = f"{kept.id}-n"
            about = {"title": "Ready?", "message": "Ready?", "notificationType": "question", "timeout": 5, "createdAt": 1}
            kept.say("notification", id=key, sessionId=kept.id, responseType=kind, **about)
            await kept.asked(key)
        if "forever" in said:
            return None
        if "break" in said:
            return kept.say("error", error="overloaded", attempt=1, maxAttempts=8, retryAfter=60000)
        if "hang up" in said:
            kept.say("content", content="I was ab", assistantMessageId="a")
            return kept.hang_up()
        number = sum(row["role"] == "user" for row in kept.rows)
        for piece in (f"{number}: ", said):
            await asyncio.sleep(0.001)
            kept.say("content", content=piece, assistantMessageId="a")
        costs = {"inputTokens": 10 * number, "outputTokens": 2, "cost": 0.001, "model": "large"}
        key = kept.row("assistant", f"{number}: {said}", reasoning="I should answer.", reasoningDuration=40, **costs)
        whole = {"content": f"{number}: {said}", "messageId": key, "reasoning": "I should answer.", "reasoningDuration": 40}
        kept.say("complete", done=True, **whole)
        return None

    async def grep(self, kept: Kept, said: str) -> None:
        words = "Let me look." if "look" in said else ""
        if words:
            kept.say("content", content=words, assistantMessageId="b")
        tool = {"id": f"{kept.id}-t{len(kept.rows)}", "name": "Grep"}
        kept.say("tool_use_start", **tool, assistantMessageId="a")
        for piece in ('{"pattern":', '"open"}'):
            kept.say("tool_use_parameter_delta", toolCallId=tool["id"], input=piece, assistantMessageId="a")
        kept.say("tool_use_parameter_streaming_complete", **tool, input='{"pattern":"open"}', assistantMessageId="a")
        key = f"{kept.id}-p{len(kept.rows)}"
        about = {"toolName": "Grep", "action": "search", "description": "Search orders.csv", "path": "orders.csv"}
        kept.say("permission", id=key, sessionId=kept.id, **about)
        good = await kept.asked(key) == "grant"
        running = {"toolCallId": tool["id"], "toolName": "Grep"}
        kept.say("tool_execution_start", **running, progress="running")
        kept.say("tool_execution_complete", **running, progress="done", success=good)
        done = {"finished": True, "type": "function", "input": '{"pattern":"open"}', "isError": not good}
        kept.row("assistant", words, toolCalls=[{**tool, **done, "result": "3 matches" if good else "permission denied"}])
        kept.row("tool", "")

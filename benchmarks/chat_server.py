"""The desk behind HTTP: bare ASGI on uvicorn, one process, the part of Focal's contract that a run needs.

    python benchmarks/chat_server.py PORT

`GET /latency/MS` changes how long each reply is held back, while it runs.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import uvicorn
from engine import LINES, Desk

NAMESPACE = uuid.UUID(int=20261121)
AGENT = str(uuid.uuid5(NAMESPACE, "desk"))
RULES = {line.rule: str(uuid.uuid5(NAMESPACE, line.rule)) for line in LINES}
JSON = (b"content-type", b"application/json")
Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class Server:
    """The desk, and how long it takes to answer."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.latency_s = 0.0
        self.turns = 0

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
        elif scope["path"] == "/v1/chat":
            await answer(send, await self.chat(orjson.loads(await body(receive))))
        else:
            await answer(send, self.listed(scope["path"]))

    async def chat(self, asked: dict[str, Any]) -> dict[str, Any]:
        if self.latency_s:
            await asyncio.sleep(self.latency_s)
        self.turns += 1
        session = asked.get("session_id") or str(uuid.uuid5(NAMESPACE, asked["user_channel_id"]))
        told = self.desk.reply(session, asked["message"])
        rules: Any = told["rules"]
        return {
            "response": told["response"],
            "session_id": session,
            "turn_id": str(uuid.UUID(int=self.turns)),
            "scenario": None,
            "matched_rules": [RULES[rule] for rule in rules],
            "tools_called": told["tools"],
            "tokens_used": 0,
            "latency_ms": 0,
        }

    def listed(self, path: str) -> dict[str, Any]:
        if path.startswith("/latency/"):
            self.latency_s = float(path.rpartition("/")[2]) / 1000
            return {"latency_s": self.latency_s}
        items: list[dict[str, Any]] = []
        if path == "/v1/agents":
            items = [{"id": AGENT, "name": "desk"}]
        elif path.endswith("/rules"):
            items = [{"id": rule, "name": name} for name, rule in RULES.items()]
        return {"items": items, "total": len(items), "has_more": False, "status": "healthy"}


async def lifespan(receive: Receive, send: Send) -> None:
    while True:
        event = await receive()
        await send({"type": event["type"] + ".complete"})
        if event["type"] == "lifespan.shutdown":
            return


async def body(receive: Receive) -> bytes:
    parts = b""
    while True:
        event = await receive()
        parts += bytes(event.get("body", b""))
        if not event.get("more_body"):
            return parts


async def answer(send: Send, told: dict[str, Any]) -> None:
    data = orjson.dumps(told)
    length = (b"content-length", str(len(data)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [JSON, length]})
    await send({"type": "http.response.body", "body": data})


if __name__ == "__main__":
    gc.set_threshold(200_000)  # it keeps every session, and is not what is measured
    uvicorn.run(
        Server(), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False, backlog=4096,
        loop="auto", http="auto",
    )  # fmt: skip

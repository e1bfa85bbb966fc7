"""A client of a served agent, written from docs/reference/serve.md alone, and what tests need around it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from focal_eval.clock import Clock
from focal_eval.engines.base import Abilities, SessionStart, Setting, ToolAnswer
from focal_eval.engines.embedded import Embedded, EmbeddedEngine
from focal_eval.records import MessageRecord, Reply
from focal_eval.records.codec import message_from_json, reply_from_json
from focal_eval.server.app import Options, make_app
from focal_eval.server.listen import in_background

TENANT = "550e8400-e29b-41d4-a716-446655440000"
SOME_AGENT = "6803b4ba-440f-4885-815b-bc7f8a9d23f8"

AGENT = """\
agent: shop
title: A small shop
description: Sells mugs
greeting: hello
variables: {tier: basic}
rules:
  - {id: damaged, when: it is broken, then: offer a refund, match: {any_words: [broken]}, priority: 1, tools: lookup}
  - {id: thanks, match: {any_words: [thanks]}, template: welcome, max_fires: 2}
  - {id: hurry, match: {any_words: [now]}, scope: {step: refund/sure}, template: soon}
  - {id: limit, hard: true, forbid: secret}
slots: {order: {pattern: '[A-Z]-\\d+', listen: always, ask: ask}}
scenarios:
  refund:
    title: Refunds
    enter: {rules: damaged}
    exit: {any_words: [forget it]}
    steps:
      - {id: which, title: Which order, collect: order, go: [{to: sure}]}
      - {id: sure, template: sure, go: [{to: done, when: {any_words: ["yes"]}}]}
      - {id: done, terminal: true, template: done, tools: pay}
tools:
  lookup: {returns: {total: 20}, delay_ms: 30}
  pay: {args: {id: order}, returns: {paid: true}}
templates:
  hello: hi there
  ask: which order?
  sure: {text: "{{ order }} for a {{ tier }}\\ncustomer,  ☕?", mode: EXCLUSIVE}
  done: paid
  welcome: you are welcome
  soon: soon
  FALLBACK: {text: "I did not get that.", mode: FALLBACK}
"""


def engine_of(folder: Path, text: str = AGENT) -> EmbeddedEngine:
    """An engine on an agent's text."""
    (folder / "agent.yaml").write_text(text, encoding="utf-8")
    return Embedded("agent.yaml").connect(Setting(folder))


@contextmanager
def served(engine: EmbeddedEngine, options: Options | None = None, clock: Clock | None = None) -> Iterator[httpx.Client]:
    """A client of the engine, served on a real socket."""
    with in_background(make_app(engine, options, clock)) as url, httpx.Client(base_url=url, verify=False, timeout=20) as client:
        yield client


def body(message: str | None, user: str = "u1", **more: Any) -> dict[str, Any]:
    """A chat request."""
    base = {"tenant_id": TENANT, "agent_id": SOME_AGENT, "channel": "webchat", "user_channel_id": user}
    return {**base, "message": message, **more}


def events_of(raw: str) -> list[tuple[str, Any]]:
    """The events of a stream as it came, read strictly: CRLF, one name and one line of data each; comments left out."""
    out = []
    blocks = raw.split("\r\n\r\n")
    assert blocks.pop() == "", "the stream ends with a blank line"
    assert "\n" not in raw.replace("\r\n", ""), "lines end in CRLF"
    for block in blocks:
        if block.startswith(": "):
            continue
        name, data = block.split("\r\n")
        out.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return out


class ServedEngine:
    """The engine protocol over a served agent, plain or streamed."""

    def __init__(self, url: str, abilities: Abilities, *, stream: bool) -> None:
        self.http = httpx.AsyncClient(base_url=url, timeout=20)
        self.abilities, self.stream = abilities, stream

    async def open(self, start: SessionStart) -> ServedConversation:
        return ServedConversation(self, start)

    async def close(self) -> None:
        await self.http.aclose()


class ServedConversation:
    """One conversation."""

    def __init__(self, engine: ServedEngine, start: SessionStart) -> None:
        self.engine, self.start = engine, start
        self.id: str | None = None

    async def send(self, message: str | None) -> Reply:
        asked: dict[str, Any] = {"unasked": message is None, "stubs": self.start.stubs is not None}
        given = self.start
        if self.id is None:
            history = [{"user": turn.user, "agent": turn.agent} for turn in given.history]
            asked["start"] = {"variables": given.variables, "history": history, "scenario": given.scenario}
        request = body("-" if message is None else message, given.case, channel=given.channel)
        request["metadata"] = {**given.metadata, "focal_eval": asked}
        if self.id is not None:
            request["session_id"] = self.id
        reply = await (self._streamed(request) if self.engine.stream else self._plain(request))
        self.id = reply.session_id
        return reply

    async def _plain(self, request: Mapping[str, Any]) -> Reply:
        answer = await self.engine.http.post("/v1/chat", json=request)
        while answer.status_code == 202:
            answer = await self._tool(answer.json())
        assert answer.status_code == 200, answer.text
        return reply_from_json(answer.json()["focal_eval"])

    async def _streamed(self, request: Mapping[str, Any]) -> Reply:
        words = ""
        async with self.engine.http.stream("POST", "/v1/chat/stream", json=request) as answer:
            async for name, data in _events(answer):
                if name == "tool":
                    assert (await self._tool(data)).status_code == 204
                elif name == "token":
                    words += data["content"]
                else:
                    assert name == "done", data
                    reply = reply_from_json(data["focal_eval"])
        assert isinstance(reply.response, str)
        assert words == " ".join(reply.response.split())
        return reply

    async def _tool(self, call: Mapping[str, Any]) -> httpx.Response:
        assert self.start.stubs is not None
        said: ToolAnswer | None = self.start.stubs(call["name"], call["arguments"])
        stub: dict[str, Any] | None = None
        if said is not None:
            stub = {"error": said.error} if said.error is not None else {"result": said.result}
            stub |= {} if said.delay_ms is None else {"delay_ms": said.delay_ms}
        answer = {"call": call["call"], "stub": stub}
        return await self.engine.http.post(f"/v1/focal-eval/turns/{call['turn_id']}", json=answer)

    async def stored(self) -> tuple[MessageRecord, ...]:
        if self.id is None:
            return ()
        found: list[Any] = []
        while True:
            query = {"sort": "asc", "limit": "100", "offset": str(len(found)), "focal_eval": "true"}
            page = (await self.engine.http.get(f"/v1/sessions/{self.id}/turns", params=query)).json()
            found += page["items"]
            if not page["has_more"]:
                return tuple(message_from_json(one) for item in found for one in item["focal_eval"])

    async def close(self) -> None:
        if self.id is not None:
            await self.engine.http.delete(f"/v1/sessions/{self.id}")


async def _events(answer: httpx.Response) -> AsyncIterator[tuple[str, Any]]:
    left = ""
    async for text in answer.aiter_text():
        left += text
        while "\r\n\r\n" in left:
            block, left = left.split("\r\n\r\n", 1)
            for event in events_of(block + "\r\n\r\n"):
                yield event

"""The floor of remote runs: an HTTP client that sends every message and judges nothing.

    python benchmarks/bare_chat.py aiohttp|httpx-aiohttp URL CONVERSATIONS TURNS CONCURRENCY OUT

The turns of a conversation go one after the other, so many conversations at a time. It knows the messages without reading
a file, and writes one line a conversation, so that it can be seen to have arrived: nothing is judged, so all of them pass.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from engine import LINES, bike

TENANT = "11111111-1111-4111-8111-111111111111"
AGENT = "22222222-2222-4222-8222-222222222222"
Post = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


def request_body(number: int, message: str, session: str | None) -> dict[str, Any]:
    """What a client of Focal sends."""
    body = {
        "tenant_id": TENANT,
        "agent_id": AGENT,
        "channel": "webchat",
        "user_channel_id": f"hire-{number:06d}",
        "message": message,
    }
    return body if session is None else body | {"session_id": session}


async def drive(post: Post, count: int, turns: int, concurrency: int, out: Path) -> None:
    """All conversations through one function that posts."""
    numbers = iter(range(count))
    with out.open("w") as lines:

        async def worker() -> None:
            for number in numbers:
                session = None
                for turn in range(turns):
                    message = LINES[turn % len(LINES)].says.format(bike=bike(number))
                    reply = await post(request_body(number, message, session))
                    session = reply["session_id"]
                lines.write(json.dumps({"conversation": number, "passed": [bool(session)]}) + "\n")

        await asyncio.gather(*[worker() for _ in range(concurrency)])


async def by_aiohttp(url: str, concurrency: int, run: Callable[[Post], Awaitable[None]]) -> None:
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:

        async def post(body: dict[str, Any]) -> dict[str, Any]:
            async with session.post(f"{url}/v1/chat", json=body) as answer:
                told: dict[str, Any] = await answer.json()
                return told

        await run(post)


async def by_httpx_aiohttp(url: str, concurrency: int, run: Callable[[Post], Awaitable[None]]) -> None:
    import httpx
    from httpx_aiohttp import HttpxAiohttpClient

    limits = httpx.Limits(max_connections=concurrency)
    async with HttpxAiohttpClient(timeout=60, limits=limits) as client:

        async def post(body: dict[str, Any]) -> dict[str, Any]:
            told: dict[str, Any] = (await client.post(f"{url}/v1/chat", json=body)).json()
            return told

        await run(post)


def main() -> None:
    kind, url, count, turns, concurrency, out = sys.argv[1:]
    by = {"aiohttp": by_aiohttp, "httpx-aiohttp": by_httpx_aiohttp}[kind]
    at_once = int(concurrency)
    asyncio.run(by(url, at_once, lambda post: drive(post, int(count), int(turns), at_once, Path(out))))


if __name__ == "__main__":
    main()

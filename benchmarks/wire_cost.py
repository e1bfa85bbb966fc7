"""What one request costs by each way to send it: CPU time of the client alone, best of some rounds.

    python benchmarks/wire_cost.py [--requests 2000] [--rounds 3] [--work DIR]

Every way is a transport of httpx and does the same: POST, wait for the reply that the server holds back, read it, give the
connection back. The server is `chat_server.py`, a process of its own. A way that is not installed is left out and named.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
from peers_environment import Peers
from remote import HERE, get, serving

BODY = orjson.dumps({"agent_id": "desk", "channel": "api", "user_channel_id": "1", "message": "hello"})
LATENCY_MS = 20
CONCURRENCIES = (10, 50, 200)


def ours(url: str) -> httpx.AsyncBaseTransport:
    from focal_eval.engines.wire_client import HttpxTransport
    from focal_eval.engines.wire_dial import way_to

    return HttpxTransport(way_to(urlsplit(url)))


def by_aiohttp(_: str) -> httpx.AsyncBaseTransport:
    from aiohttp import ClientSession, TCPConnector
    from httpx_aiohttp import AiohttpTransport

    return AiohttpTransport(client=lambda: ClientSession(connector=TCPConnector(limit=0)))


def by_httpcore(_: str) -> httpx.AsyncBaseTransport:
    return httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=None, max_keepalive_connections=None))


WAYS: dict[str, tuple[Callable[[str], httpx.AsyncBaseTransport], str, str]] = {
    "ours": (ours, "httptools", ""),
    "ours on uvloop": (ours, "uvloop", "uvloop"),
    "httpx-aiohttp": (by_aiohttp, "httpx_aiohttp", ""),
    "httpx": (by_httpcore, "httpcore", ""),
}


async def send(make: Callable[[str], httpx.AsyncBaseTransport], url: str, requests: int, concurrency: int) -> None:
    """So many requests, so many at a time."""
    left = iter(range(requests))
    async with make(url) as transport:

        async def one_after_another() -> None:
            for _ in left:
                request = httpx.Request("POST", f"{url}/v1/chat", headers={"content-type": "application/json"}, content=BODY)
                response = await transport.handle_async_request(request)
                await response.aread()
                await response.aclose()
                assert response.status_code == 200

        await asyncio.gather(*(one_after_another() for _ in range(concurrency)))


def cost_us(name: str, url: str, requests: int, concurrency: int) -> float:
    """Microseconds of CPU a request, connections included."""
    make, _, loop = WAYS[name]
    factory: Any = importlib.import_module(loop).new_event_loop if loop else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(send(make, url, concurrency, concurrency))  # imports
        before = os.times()
        runner.run(send(make, url, requests, concurrency))
        after = os.times()
    return (after.user + after.system - before.user - before.system) / requests * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what one request costs by each way to send it.")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=HERE / ".work", help="where run.py keeps the peers' environment")
    asked = parser.parse_args()
    python = Peers(asked.work.resolve()).python
    here = [name for name, (_, module, _) in WAYS.items() if importlib.util.find_spec(module)]
    print("not installed:", ", ".join(name for name in WAYS if name not in here) or "none", file=sys.stderr)
    print("| µs of CPU a request |", *(f"{at} at a time |" for at in CONCURRENCIES))
    print("|---|" + "---:|" * len(CONCURRENCIES))
    with serving(python if python.exists() else Path(sys.executable)) as url:
        get(f"{url}/latency/{LATENCY_MS}")
        for name in here:
            best = [min(cost_us(name, url, asked.requests, at) for _ in range(asked.rounds)) for at in CONCURRENCIES]
            print(f"| {name} |", *(f"{cost:,.0f} |" for cost in best), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

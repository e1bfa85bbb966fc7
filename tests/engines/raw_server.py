"""A server that says exactly the bytes it is told to, on the test's own loop, and a transport to it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from focal_eval.engines.wire_client import HttpxTransport
from focal_eval.engines.wire_dial import Way
from focal_eval.engines.wire_httpx import httpx

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass(slots=True)
class Raw:
    """The server while it runs: how many connections were made, and what it noticed."""

    url: str
    connections: int = 0
    noticed: list[str] = field(default_factory=list)


@contextlib.asynccontextmanager
async def raw_server(talk: Talk, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> AsyncIterator[Raw]:
    """Each connection is handed to `talk` and closed after it."""
    raw = Raw("")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await talk(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, host, 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    raw.url = f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
    try:
        yield raw
    finally:
        server.close()


async def heard(reader: asyncio.StreamReader) -> bytes:
    """The next request's head."""
    return await reader.readuntil(b"\r\n\r\n")


def saying(*answers: bytes) -> Talk:
    """Answers each request of a connection by the next of these, then closes it."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await heard(reader)
            writer.write(answer)
            await writer.drain()

    return talk


@contextlib.asynccontextmanager
async def transport_to(url: str) -> AsyncIterator[HttpxTransport]:
    """A transport to a server without TLS, closed afterwards."""
    transport = HttpxTransport(Way(urlsplit(url)))
    try:
        yield transport
    finally:
        await transport.aclose()


def request(url: str, method: str = "GET", content: bytes = b"", connect_s: float = 5.0, **headers: str) -> httpx.Request:
    """A request for the root of a server."""
    extensions = {"timeout": {"connect": connect_s}}
    return httpx.Request(method, f"{url}/", headers=headers, stream=httpx.ByteStream(content), extensions=extensions)


async def fetched(transport: HttpxTransport, asked: httpx.Request) -> httpx.Response:
    """The response with its body."""
    response = await transport.handle_async_request(asked)
    try:
        await response.aread()
    finally:
        await response.aclose()
    return response

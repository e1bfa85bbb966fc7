"""A transport of httpx for one server: a request goes in, a response comes out, and connections are used again."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import lru_cache

from focal_eval.engines.wire_dial import Way
from focal_eval.engines.wire_httpx import httpx
from focal_eval.engines.wire_protocol import Broken, Connection, Malformed
from focal_eval.engines.wire_proxy import authorisation
from focal_eval.value import value

IDLE_S = 1.5  # an idle connection is kept shorter than any usual server keeps it, so that none is closed under a request
_WITH_BODY = ("POST", "PUT", "PATCH")
_OURS = (b"content-length", b"transfer-encoding")  # a body is sent whole
_NAME = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")


class Transport(httpx.AsyncBaseTransport):
    """Sends requests to one server, as many at a time as are asked for, each once: nothing is repeated here.

    Errors are httpx's: ConnectError, ConnectTimeout and ProxyError where nothing was sent; RemoteProtocolError for what is
    not HTTP; ReadError where a connection ended. Of httpx's timeouts `connect` is kept; for the rest, cancel the request:
    that closes its connection.
    """

    def __init__(self, way: Way) -> None:
        self.way = way
        self._to = httpx.URL(f"{way.origin.scheme}://{way.origin.netloc}")
        self._idle = Idle()
        self._built = lru_cache(maxsize=256)(self._build)
        by_proxy = way.proxy is not None and way.origin.scheme == "http"  # which is asked by the whole address
        self._before = b"http://" + self._to.netloc if by_proxy else b""
        self._proxy_line = authorisation(way.proxy) if by_proxy else b""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response, once its headers are there; its stream is to be read or closed."""
        stream, connect_s = request.stream, request.extensions.get("timeout", {}).get("connect")
        content = b"".join(stream) if isinstance(stream, httpx.ByteStream) else await request.aread()
        head = self._head(request.method, request.url, request.headers)
        answer = await self._ask(request.method, head, content, connect_s)
        return httpx.Response(answer.status, headers=answer.headers, stream=answer.body, request=request)

    async def send(self, method: str, url: str, headers: Mapping[str, str], content: bytes, connect_s: float | None) -> Begun:
        """The same without httpx's objects, which take longer to make than all the rest of a short exchange."""
        return await self._ask(method, self._built((method, url), tuple(headers.items())), content, connect_s)

    async def _ask(self, method: str, head: bytes, content: bytes, connect_s: float | None) -> Begun:
        length = b"content-length: %d\r\n\r\n" % len(content) if content or method in _WITH_BODY else b"\r\n"
        connection = self._idle.take()
        if connection is None:
            connection = await self.way.dial(connect_s)
        try:
            await connection.ask(head + length, content, bodiless=method == "HEAD")
        except BaseException as problem:
            connection.abort()
            if isinstance(problem, Broken | Malformed):
                raise _told(problem) from problem
            raise
        return Begun(connection.status, connection.headers, Body(connection, self._idle))

    @property
    def idle(self) -> int:
        """How many connections wait for a request."""
        return len(self._idle)

    async def aclose(self) -> None:
        """Closes the connections that are idle, and those in use as soon as they are not."""
        self._idle.close()
        await asyncio.sleep(0)  # asyncio closes them in its next round

    def _build(self, line: tuple[str, str], items: tuple[tuple[str, str], ...]) -> bytes:
        """What requests that differ in their bodies alone have in common, as httpx would write it."""
        return self._head(line[0], httpx.URL(line[1]), httpx.Headers(items))

    def _head(self, method: str, url: httpx.URL, headers: httpx.Headers) -> bytes:
        """The first line and the headers, but for the length. Raises LocalProtocolError where they would be read otherwise."""
        if url.scheme != self._to.scheme or url.raw_host != self._to.raw_host or url.port != self._to.port:
            raise httpx.UnsupportedProtocol(f"this transport goes to {self._to}, not to {url.scheme}://{url.host}")
        told = [(name, said) for name, said in headers.raw if name.lower() not in _OURS]
        if "host" not in headers:
            told.insert(0, (b"host", self._to.netloc))
        if not all(map(_NAME.fullmatch, (method.encode(), *(name for name, _ in told)))):
            raise httpx.LocalProtocolError("the method or the name of a header holds what it may not")
        if not all(_VALUE.fullmatch(said) for _, said in told):
            raise httpx.LocalProtocolError("the value of a header holds what it may not")
        lines = b"".join(b"%b: %b\r\n" % one for one in told)
        return b"%b %b HTTP/1.1\r\n%b%b" % (method.encode(), self._before + url.raw_path, lines, self._proxy_line)


@value
class Begun:
    """An answer whose headers are there."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: Body


class Body(httpx.AsyncByteStream):
    """The body of an answer; `aclose` gives its connection back, or closes it where the body was not read to its end."""

    def __init__(self, connection: Connection, idle: Idle) -> None:
        self._connection: Connection | None = connection
        self._idle = idle

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._connection is None:
            raise httpx.StreamClosed
        try:
            async for chunk in self._connection.chunks():
                yield chunk
        except (Broken, Malformed) as problem:
            raise _told(problem) from problem

    def at_once(self) -> bytes | None:
        """All of it where it came along with the headers, as short answers mostly do; else None."""
        return None if self._connection is None else self._connection.take()

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._idle.keep(connection)


class Idle:
    """Connections that wait for their next request; the one used last is the first to be used again."""

    __slots__ = ("_closed", "_connections", "_timer")

    def __init__(self) -> None:
        self._connections: deque[Connection] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._connections)

    def take(self) -> Connection | None:
        """One that the server has not closed meanwhile; None where there is none."""
        while self._connections:
            connection = self._connections.pop()
            if not connection.stale():
                return connection
            connection.abort()
        return None

    def keep(self, connection: Connection) -> None:
        """Keeps it for a while, or closes it where it cannot be used again."""
        if self._closed or not connection.sound:
            connection.abort()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._connections.append(connection)
        if self._timer is None:
            self._timer = loop.call_later(IDLE_S, self._sweep)

    def close(self) -> None:
        """Closes all, and those that come back later."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._connections:
            self._connections.pop().abort()

    def _sweep(self) -> None:
        loop, self._timer = asyncio.get_running_loop(), None
        while self._connections and (self._connections[0].closed or self._connections[0].idle_since <= loop.time() - IDLE_S):
            self._connections.popleft().abort()
        if self._connections:
            self._timer = loop.call_at(self._connections[0].idle_since + IDLE_S, self._sweep)


def _told(problem: Broken | Malformed) -> httpx.TransportError:
    kind = httpx.ReadError if isinstance(problem, Broken) else httpx.RemoteProtocolError
    return kind(str(problem))

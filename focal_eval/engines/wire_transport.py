"""The way of a request to one server: bytes go in, an answer comes out, and connections are used again."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import lru_cache
from urllib.parse import SplitResult, quote, urlsplit

from focal_eval.engines.wire_dial import Way
from focal_eval.engines.wire_protocol import Broken, Connection
from focal_eval.engines.wire_proxy import PORTS, authorisation
from focal_eval.value import value

IDLE_S = 1.5  # an idle connection is kept shorter than any usual server keeps it, so that none is closed under a request
_WITH_BODY = ("POST", "PUT", "PATCH")
_OURS = (b"content-length", b"transfer-encoding")  # a body is sent whole
_IN_PATH = "/%:@!$&'()*+,;=~"  # what a path may hold as it is
_NAME = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")


class Unsendable(ValueError):
    """A request that a server would read otherwise than it was meant."""


class Elsewhere(Unsendable):
    """A request to another server."""


class Transport:
    """Sends requests to one server, as many at a time as are asked for, each once: nothing is repeated here.

    Raises NotConnected where nothing was sent, Malformed for what is not HTTP, and Broken where a connection ended. There is
    a limit for connecting alone; for the rest, cancel the request: that closes its connection.
    """

    def __init__(self, way: Way) -> None:
        self.way = way
        self._host = _host(way.origin)
        self._idle = Idle()
        self._built = lru_cache(maxsize=256)(self._build)
        by_proxy = way.proxy is not None and way.origin.scheme == "http"  # which is asked by the whole address
        self._before = b"http://" + self._host if by_proxy else b""
        self._proxy_line = authorisation(way.proxy) if by_proxy else b""

    async def send(self, method: str, url: str, headers: Mapping[str, str], content: bytes, connect_s: float | None) -> Begun:
        """The answer, once its headers are there; its body is to be read or closed."""
        return await self.ask(method, self._built((method, url), tuple(headers.items())), content, connect_s)

    async def ask(self, method: str, head: bytes, content: bytes, connect_s: float | None) -> Begun:
        """The same, of what `head` gave."""
        length = b"content-length: %d\r\n\r\n" % len(content) if content or method in _WITH_BODY else b"\r\n"
        connection = self._idle.take()
        if connection is None:
            connection = await self.way.dial(connect_s)
        try:
            await connection.ask(head + length, content, bodiless=method == "HEAD")
        except BaseException:
            connection.abort()
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
        """What requests that differ in their bodies alone have in common."""
        url = urlsplit(line[1])
        path = quote(url.path or "/", safe=_IN_PATH) + (f"?{url.query}" if url.query else "")
        headers = [(name.encode("latin-1"), said.encode("latin-1")) for name, said in items]
        return self.head(line[0], url, path.encode("ascii"), headers)

    def head(self, method: str, url: SplitResult, path: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        """The first line and the headers, but for the length. Raises Unsendable where they would be read otherwise."""
        if (url.scheme, _host(url)) != (self.way.origin.scheme, self._host):
            there = f"{self.way.origin.scheme}://{self._host.decode()}"
            raise Elsewhere(f"this transport goes to {there}, not to {url.scheme}://{url.hostname}")
        told = [(name, said) for name, said in headers if name.lower() not in _OURS]
        if all(name.lower() != b"host" for name, _ in told):
            told.insert(0, (b"host", self._host))
        if not all(map(_NAME.fullmatch, (method.encode(), *(name for name, _ in told)))):
            raise Unsendable("the method or the name of a header holds what it may not")
        if not all(_VALUE.fullmatch(said) for _, said in told):
            raise Unsendable("the value of a header holds what it may not")
        lines = b"".join(b"%b: %b\r\n" % one for one in told)
        return b"%b %b HTTP/1.1\r\n%b%b" % (method.encode(), self._before + path, lines, self._proxy_line)


def _host(url: SplitResult) -> bytes:
    """A server as the header `host` names it: without the port that goes without saying."""
    host = url.hostname or ""
    port = "" if url.port in (None, PORTS.get(url.scheme)) else f":{url.port}"
    return (f"[{host}]{port}" if ":" in host else host + port).encode("ascii")


@value
class Begun:
    """An answer whose headers are there."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: Body


class Body:
    """The body of an answer; `aclose` gives its connection back, or closes it where the body was not read to its end."""

    __slots__ = ("_connection", "_idle")

    def __init__(self, connection: Connection, idle: Idle) -> None:
        self._connection: Connection | None = connection
        self._idle = idle

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._connection is None:
            raise Broken("the answer was closed")
        async for chunk in self._connection.chunks():
            yield chunk

    def at_once(self) -> bytes | None:
        """All of it where it came along with the headers, as short answers mostly do; else None."""
        return None if self._connection is None else self._connection.take()

    @property
    def closed(self) -> bool:
        """Whether `aclose` was called."""
        return self._connection is None

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

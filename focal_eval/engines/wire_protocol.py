"""One connection and the request on it: asyncio carries the bytes, httptools reads them, and limits hold for all of it."""

from __future__ import annotations

import asyncio
import select
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import cast

from httptools import HttpResponseParser

HEAD_BYTES = 64 * 1024  # of an answer's headers, and of anything else that is no body
HEADERS = 256
AHEAD_BYTES = 256 * 1024  # of a body that nobody has read yet; then the server has to wait
_PIECE = 64 * 1024  # of a request's body at a time
_READ_BYTES = 32 * 1024  # of an answer at a time

_VERSIONS = ("1.1", "1.0")


class Broken(Exception):
    """The connection ended where the answer did not."""


class Malformed(Exception):
    """What came is not HTTP."""


class NotConnected(Exception):
    """There is no connection, so nothing was sent; `late` where time ran out, `by_proxy` where the proxy has none to give."""

    def __init__(self, told: str, *, late: bool = False, by_proxy: bool = False) -> None:
        super().__init__(told)
        self.late, self.by_proxy = late, by_proxy


def _reader(transport: asyncio.Transport) -> Callable[[], bool]:
    """Asks the system itself whether there is something to read, be it the end."""
    number = transport.get_extra_info("socket").fileno()
    if not hasattr(select, "poll"):
        return lambda: bool(select.select([number], [], [], 0)[0])
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return lambda: bool(poll.poll(0))


class Connection(asyncio.BufferedProtocol):
    """A connection, used by one request at a time: `ask`, then `chunks` to the end; it may be asked again where `sound`.

    It reads into a buffer of its own: for a plain protocol asyncio makes one of 256 KiB for each read, and has the system map
    and clear it, which costs more than reading a short answer.
    """

    __slots__ = (
        *("_bodiless", "_buffer", "_full", "_head", "_held", "_keep", "_loop", "_loose", "_parser", "_parts", "_paused"),
        *(
            "_problem",
            "_readable",
            "_transport",
            "_waiter",
            "answered",
            "closed",
            "complete",
            "headers",
            "idle_since",
            "status",
        ),
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._buffer = memoryview(bytearray(_READ_BYTES))
        self._transport: asyncio.Transport
        self._waiter: asyncio.Future[None] | None = None
        self._problem: Exception | None = None
        self._readable: Callable[[], bool]
        self._parts: deque[bytes] = deque()
        self._full = False
        self.closed = self._bodiless = True  # until it is made
        self.idle_since = 0.0
        self.complete = True  # there is no request

    def _begin(self, bodiless: bool) -> None:
        if self._bodiless:  # it still waits for that body
            self._parser = HttpResponseParser(self)
        self.headers: list[tuple[bytes, bytes]] = []
        self.status = 0
        self._held = self._head = self._loose = 0
        self._bodiless = bodiless
        self.answered = self.complete = self._paused = self._keep = False

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one without being made from it
        self._readable = _reader(self._transport)
        self.closed = False

    def connection_lost(self, problem: Exception | None) -> None:
        self.closed = True
        if not self.complete and self._problem is None:
            if problem is None and self.answered and self._ends_with_connection():
                self.complete = True
            else:
                self._problem = Broken(str(problem or "the connection was closed"))
        self._wake()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self.complete:
            self.abort()  # nobody asked
            return
        self._loose += nbytes
        try:
            self._parser.feed_data(self._buffer[:nbytes])  # which keeps nothing of it
            if self._loose > HEAD_BYTES and not self.complete:
                raise Malformed("it sends without an end what is no body")
        except Exception as problem:
            if not self.complete:
                self._problem = Malformed(str(problem.__context__ or problem))
            self.abort()
        if self.answered or self._problem is not None:
            self._wake()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._wake()

    # what the parser calls

    def on_message_begin(self) -> None:
        if self.complete:
            raise Malformed("it answered more than once")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head += len(name) + len(value) + 4
        if self._head > HEAD_BYTES or len(self.headers) >= HEADERS:
            raise Malformed("its headers are too many or too long")
        if not self.answered:  # what follows a body is of no use to anybody
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.status = status = self._parser.get_status_code()
        version = self._parser.get_http_version()
        if status < 100 or version not in _VERSIONS:
            raise Malformed(f"its status line is of HTTP/{version}, status {status}")
        if status < 200:
            self.headers = []
            return
        self.answered, self.complete = True, self._bodiless
        self._keep = self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        if self._bodiless:
            raise Malformed("it sent a body where there is none")
        self._loose = 0
        self._parts.append(body)
        self._held += len(body)
        if self._held > AHEAD_BYTES and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self.answered:
            self.complete = True

    # what the transport calls

    def secured(self, transport: asyncio.Transport) -> None:
        """From here on everything goes this way, which is the same connection with TLS."""
        self._transport = transport
        self._bodiless = True  # as an answer to CONNECT is

    async def ask(self, head: bytes, content: bytes = b"", *, bodiless: bool = False) -> None:
        """Sends a request; returns once the answer's headers are there. Raises Broken or Malformed.

        Two-way talk is not waited for: a body is sent on under an early answer, and cut short where that is an error.
        """
        self._begin(bodiless)
        if len(content) <= _PIECE:
            self._transport.write(head + content)
        else:
            self._transport.write(head)
            await self._pour(memoryview(content))
        while not self.answered:
            if self._problem is not None:
                raise self._problem
            await self._wait()

    async def _pour(self, rest: memoryview) -> None:
        while rest and self._problem is None:
            if self.answered:
                if self.status < 400:
                    self._transport.write(rest)
                else:
                    self._keep = False
                return
            if self._full:
                await self._wait()
            else:
                self._transport.write(rest[:_PIECE])
                rest = rest[_PIECE:]

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes; while nobody takes it, the server has to wait. Raises Broken or Malformed."""
        while True:
            while self._parts:
                part = self._parts.popleft()
                self._held -= len(part)
                if self._paused and self._held < AHEAD_BYTES:
                    self._paused = False
                    self._transport.resume_reading()
                yield part
            if self._problem is not None:
                raise self._problem
            if self.complete:
                return
            await self._wait()

    def take(self) -> bytes | None:
        """The rest of the body where all of it is there; else None."""
        if not self.complete or self._paused:
            return None
        body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        return body

    @property
    def sound(self) -> bool:
        """Whether all was sent and read to its end, so that another request may follow."""
        done = self.complete and self._keep and not self._parts and not self.closed
        return done and not self._transport.get_write_buffer_size()

    def stale(self) -> bool:
        """Whether the server closed the idle connection, or spoke on it, though asyncio has not said so yet."""
        return self.closed or self._readable()

    def abort(self) -> None:
        """Closes the connection at once; what was not sent yet never will be."""
        if not self.closed:
            self.closed = True
            self._transport.abort()

    def _ends_with_connection(self) -> bool:
        told = {name.lower(): value.strip().lower() for name, value in self.headers}
        return b"content-length" not in told and not told.get(b"transfer-encoding", b"").endswith(b"chunked")

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

"""Shows a run that is going on to browsers of this machine: one page and its events, behind a token nobody can guess.

A thread with a loop of its own serves it, so that whoever reads slowly only keeps themselves waiting. It listens on the
loopback alone, and a request has to name it by that address: a page from elsewhere cannot ask it under another name.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import threading
from collections.abc import Iterator
from pathlib import Path

from focal_eval.clock import Clock
from focal_eval.errors import StorageError
from focal_eval.report.live import Follower

HOST = "127.0.0.1"
POLL_S = 0.2
HEAD_BYTES = 16_384
HEAD_S = 5.0
SEND_S = 30.0  # after which a reader who takes nothing is let go
PING_S = 10.0
MOST_READERS = 16
GOODBYE_S = 3.0  # what readers have to take the end of the run
_COMMON = (
    "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
    "X-Frame-Options: DENY\r\nCross-Origin-Resource-Policy: same-origin\r\nCross-Origin-Opener-Policy: same-origin\r\n"
    "Content-Security-Policy: frame-ancestors 'none'\r\nConnection: close\r\n"
)


class LiveServer:
    """Serves the page of one run folder until it is closed."""

    def __init__(self, folder: Path) -> None:
        clock = Clock()
        self._elapsed = clock.elapsed
        self.token = clock.new_id()
        self.url = ""
        self._follower = Follower(folder)
        self._over = False  # the run ended, whatever its journal says
        self._readers = 0
        self._failure: OSError | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="focal-eval-live", daemon=True)

    def start(self) -> str:
        """Begins to serve; the page's address. Raises StorageError where no port can be had."""
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise StorageError(f"--live cannot listen on {HOST}: {self._failure.strerror or self._failure}")
        return self.url

    def close(self) -> None:
        """The run is over: readers are told, and given a moment to take what is left."""
        self._over = True
        self._thread.join(GOODBYE_S + 5)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        try:
            server = await asyncio.start_server(self._answer, HOST, 0, limit=HEAD_BYTES)
        except OSError as problem:
            self._failure = problem
            self._ready.set()
            return
        self._port = server.sockets[0].getsockname()[1]
        self.url = f"http://{HOST}:{self._port}/{self.token}/"
        self._ready.set()
        async with server:
            while not self._over:
                await asyncio.sleep(POLL_S)
            server.close()
            ends = self._elapsed() + GOODBYE_S
            while self._readers and self._elapsed() < ends:
                await asyncio.sleep(0.02)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(HEAD_S):
                head = await reader.readuntil(b"\r\n\r\n")
            await self._route(head, writer)
        with contextlib.suppress(OSError, TimeoutError):
            writer.close()
            async with asyncio.timeout(1):
                await writer.wait_closed()

    async def _route(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        first, *rest = head.decode("latin-1").split("\r\n")
        fields = {name.strip().lower(): told.strip() for name, _, told in (line.partition(":") for line in rest)}
        method, target, _ = (*first.split(" ", 2), "", "")[:3]
        parts = target.partition("?")[0].split("/")
        token, path = "".join(parts[1:2]), parts[2:]
        if fields.get("host") not in (f"{HOST}:{self._port}", f"localhost:{self._port}"):
            await self._say(writer, "403 Forbidden", b"this page is asked for by another name")
        elif not hmac.compare_digest(token.encode("latin-1"), self.token.encode()):
            await self._say(writer, "403 Forbidden", b"the token in the address is not this run's")
        elif method != "GET":
            await self._say(writer, "405 Method Not Allowed", b"only GET")
        elif path in ([""], ["summary"]):
            await self._page(writer)
        elif path == ["events"]:
            await self._events(writer, fields.get("last-event-id", ""))
        else:
            await self._say(writer, "404 Not Found", b"there is only the page")

    async def _say(
        self, writer: asyncio.StreamWriter, status: str, body: bytes, kind: str = "text/plain", more: str = ""
    ) -> None:
        kept = f"Content-Type: {kind}; charset=utf-8\r\nContent-Length: {len(body)}\r\n{more}{_COMMON}"
        head = f"HTTP/1.1 {status}\r\n{kept}\r\n"
        await _send(writer, head.encode() + body)

    async def _page(self, writer: asyncio.StreamWriter) -> None:
        await self._catch_up()
        summary = self._follower.summary(self._elapsed())
        await self._say(writer, "200 OK", summary, "text/html", f"Cases-Over: {self._follower.summarised}\r\n")

    async def _events(self, writer: asyncio.StreamWriter, last: str) -> None:
        """Everything that ended so far, then each case as it ends, then the end."""
        if self._readers >= MOST_READERS:
            await self._say(writer, "503 Service Unavailable", b"too many look on already")
            return
        self._readers += 1
        try:
            await _send(writer, f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{_COMMON}\r\nretry: 1000\n\n".encode())
            await self._tell(writer, int(last) if last.isascii() and last.isdigit() and len(last) < 12 else 0)
        finally:
            self._readers -= 1

    async def _tell(self, writer: asyncio.StreamWriter, at: int) -> None:
        quiet = self._elapsed()
        while True:
            over = self._over
            await self._catch_up()
            for after, event in self._follower.events(at):
                await _send(writer, b"id: %d\ndata: %b\n\n" % (after, event))
                at, quiet = after, self._elapsed()
                await asyncio.sleep(0)
            if over or self._follower.ended:
                await _send(writer, b"event: end\ndata: %b\n\n" % self._follower.last())
                return
            if self._elapsed() - quiet > PING_S:
                await _send(writer, b": still here\n\n")
                quiet = self._elapsed()
            await asyncio.sleep(POLL_S)

    async def _catch_up(self) -> None:
        """Reads what was written, a piece at a time, so that the run gets its turn in between."""
        while self._follower.read():
            await asyncio.sleep(0.005)


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    async with asyncio.timeout(SEND_S):
        await writer.drain()


@contextlib.contextmanager
def live_page(folder: Path) -> Iterator[str]:
    """The address of a run folder's page, for as long as the block runs. Raises StorageError where it cannot be served."""
    server = LiveServer(folder)
    url = server.start()
    try:
        yield url
    finally:
        server.close()

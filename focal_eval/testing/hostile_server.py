"""A server on a real socket that answers well, but for the requests it is told to misbehave on."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field

import orjson

from focal_eval.records import Json

MARK = "hostile:"
"""A request that holds `hostile:NAME!` in its body or its path is answered by the misdeed of this name."""
ELSEWHERE = "elsewhere"
"""The answer to a request that holds this word is kept, to be given to another conversation."""

_LONGEST_HEAD = 64 * 1024


@dataclass(frozen=True, slots=True)
class Heard:
    """A request as the server heard it; names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""

    def json(self) -> Json:
        """The body's value."""
        return orjson.loads(self.body)


@dataclass(frozen=True, slots=True)
class Said:
    """A good answer."""

    body: bytes
    kind: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Turn:
    """One request to be answered: what was heard, what a good answer would be, and the connection."""

    heard: Heard
    good: Said
    writer: asyncio.StreamWriter
    hangs: asyncio.Event
    elsewhere: Said | None = None  # the good answer to another conversation
    closes: bool = False  # set by an answer that ends the connection

    async def write(self, *data: bytes) -> None:
        self.writer.write(b"".join(data))
        await self.writer.drain()

    async def say(self, said: Said) -> None:
        """A whole, well-formed answer."""
        await self.write(head(said.status, said.kind, {"content-length": str(len(said.body)), **said.headers}), said.body)

    async def hang(self) -> None:
        """Says nothing more until the server stops."""
        await self.hangs.wait()

    async def chunks(self, parts: AsyncIterator[bytes] | Iterator[bytes], said: Said) -> None:
        """A chunked answer of unknown length."""
        await self.write(head(said.status, said.kind, {"transfer-encoding": "chunked", **said.headers}))
        if isinstance(parts, AsyncIterator):
            async for part in parts:
                await self.write(b"%x\r\n%b\r\n" % (len(part), part))
        else:
            for part in parts:
                await self.write(b"%x\r\n%b\r\n" % (len(part), part))
        await self.write(b"0\r\n\r\n")

    def drop(self) -> None:
        """Closes the connection at once, without a word."""
        self.closes = True

    def reset(self) -> None:
        """Resets the connection as soon as what was written is out."""
        self.closes = True
        self.writer.transport.abort()


def head(status: int, kind: str, headers: Mapping[str, str]) -> bytes:
    """The first lines of an answer."""
    lines = [f"HTTP/1.1 {status} X", f"content-type: {kind}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


Act = Callable[[Turn], Awaitable[None]]
Answering = Callable[[Heard], Said | Awaitable[Said]]
"""A good server: what it answers, at once or after a while."""


def marked_by(heard: Heard) -> bytes:
    """Where a request is looked at for a mark."""
    return heard.body + heard.path.encode()


class HostileServer:
    """The server while it runs; `heard` is every request of it, in order."""

    def __init__(
        self,
        answer: Answering,
        acts: Mapping[str, Act],
        tls: ssl.SSLContext | None = None,
        mark: Callable[[Heard], bytes] = marked_by,
    ) -> None:
        self.url = ""
        self.heard: list[Heard] = []
        self.ports: list[int] = []  # of the other side, one for each request
        self._answer, self._acts, self._tls, self._mark = answer, acts, tls, mark
        self._elsewhere: Said | None = None
        self._up, self._stop, self._hangs = threading.Event(), asyncio.Event(), asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def serve(self) -> None:
        """Runs until `stop`; to be called in a thread of its own."""
        asyncio.run(self._serve())

    def wait(self) -> None:
        self._up.wait(10)

    def stop(self) -> None:
        """Closes the port and every connection, at once; it may have been stopped already."""
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # its loop is over
            self._loop.call_soon_threadsafe(self._stop.set)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        talks: set[asyncio.Task[None]] = set()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            talks.add(task)
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
                await self._talk(reader, writer)
            talks.discard(task)
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=self._tls, limit=_LONGEST_HEAD, backlog=512)
        port = server.sockets[0].getsockname()[1]
        self.url = f"{'http' if self._tls is None else 'https'}://127.0.0.1:{port}"
        self._up.set()
        await self._stop.wait()
        server.close()
        for task in list(talks):
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            heard = await _hear(reader)
            self.heard.append(heard)
            self.ports.append(writer.get_extra_info("peername")[1])
            good = self._answer(heard)
            turn = Turn(heard, good if isinstance(good, Said) else await good, writer, self._hangs, self._elsewhere)
            marked = self._mark(heard)
            if ELSEWHERE.encode() in marked:
                self._elsewhere = turn.good
            act = next((act for name, act in self._acts.items() if f"{MARK}{name}!".encode() in marked), None)
            await (turn.say(turn.good) if act is None else act(turn))
            if turn.closes:
                return


async def _hear(reader: asyncio.StreamReader) -> Heard:
    begin = await reader.readexactly(1)
    if begin == b"\x16":  # the beginning of TLS, which is not spoken here
        raise asyncio.IncompleteReadError(begin, None)
    first, *lines = (begin + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Heard(method, path, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


@contextlib.contextmanager
def hostile_server(
    answer: Answering,
    acts: Mapping[str, Act],
    *,
    tls: ssl.SSLContext | None = None,
    mark: Callable[[Heard], bytes] = marked_by,
) -> Iterator[HostileServer]:
    """Serves from a thread for as long as the block runs: good answers by `answer`, and `acts` where they are asked for."""
    server = HostileServer(answer, acts, tls, mark)
    thread = threading.Thread(target=server.serve, name="hostile-server", daemon=True)
    thread.start()
    server.wait()
    try:
        yield server
    finally:
        server.stop()
        thread.join(10)


@contextlib.contextmanager
def refused() -> Iterator[str]:
    """The URL of a port on which nobody listens."""
    import socket

    with socket.socket() as held:  # bound and never listening: nobody else can take it meanwhile
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"

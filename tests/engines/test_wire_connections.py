"""Connections over real sockets: when one is used again, when it ends, and that neither side can fill the other's memory."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from focal_eval.clock import Clock
from focal_eval.engines import wire_transport
from focal_eval.engines.wire import Faults, Wire
from focal_eval.engines.wire_dial import NEXT_ADDRESS_S
from focal_eval.engines.wire_httpx import httpx
from focal_eval.engines.wire_protocol import AHEAD_BYTES
from focal_eval.errors import EngineUnreachable
from tests.engines.raw_server import OK, fetched, heard, raw_server, request, saying, transport_to

BIG = 40 * 1024 * 1024
PIECE = b"x" * 65_536
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n"


def test_a_cancelled_request_ends_at_the_server_too() -> None:
    """Before its answer and amid it: the server sees the connection end at once, and no request goes out on it again."""

    async def use(begin: bytes) -> None:
        ended = asyncio.Event()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await heard(reader)
            writer.write(begin)
            try:
                assert await reader.read() == b""
            finally:
                ended.set()

        async with raw_server(talk) as raw, transport_to(raw.url) as transport:
            task = asyncio.create_task(fetched(transport, request(raw.url)))
            await asyncio.sleep(0.03)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):  # it is the task's end
                await task
            await asyncio.wait_for(ended.wait(), 1)
            assert transport.under.idle == 0

    asyncio.run(use(b""))
    asyncio.run(use(HEAD % 100 + b"half"))


def test_a_request_cancelled_while_it_is_sent_is_not_sent_on() -> None:
    """What the server had not taken by then never comes."""

    async def use() -> int:
        got, ended = 0, asyncio.Event()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal got
            await asyncio.sleep(0.1)
            try:
                while part := await reader.read(65_536):
                    got += len(part)
            finally:
                ended.set()

        async with raw_server(talk) as raw, transport_to(raw.url) as transport:
            task = asyncio.create_task(fetched(transport, request(raw.url, "POST", bytes(BIG))))
            await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.wait([task])
            await asyncio.wait_for(ended.wait(), 2)
        return got

    assert asyncio.run(use()) < BIG / 2


@contextlib.contextmanager
def silent(host: str, port: int = 0) -> Iterator[int]:
    """A port that accepts nobody: the queue of those who wait is full, so an attempt hangs; the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.ExitStack() as open_ones:
        full = open_ones.enter_context(socket.socket(family))
        full.bind((host, port))
        full.listen(0)
        for _ in range(4):
            one = open_ones.enter_context(socket.socket(family))
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        yield full.getsockname()[1]


def sockets() -> list[str]:
    """The open files of this process; none where the system does not tell."""
    folder = Path("/proc/self/fd")
    return sorted(file.name for file in folder.iterdir() if file.is_symlink()) if folder.is_dir() else []


def test_a_connection_attempt_ends_in_time() -> None:
    """By its own limit, or with the request that it is for; its socket is closed either way."""

    async def use(port: int) -> None:
        url = f"http://127.0.0.1:{port}"
        before = sockets()
        async with transport_to(url) as transport:
            with pytest.raises(httpx.ConnectTimeout, match=r"^$"):
                await fetched(transport, request(url, connect_s=0.1))
            task = asyncio.create_task(fetched(transport, request(url)))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError, match=r"^$"):
                await task
        assert sockets() == before

    with silent("127.0.0.1") as port:
        asyncio.run(use(port))


def test_a_connection_the_server_closed_is_not_used_again() -> None:
    """Idle connections may be closed at any time; the next request takes a new one, and is sent once."""

    async def use() -> None:
        async with raw_server(saying(OK)) as raw, transport_to(raw.url) as transport:
            await fetched(transport, request(raw.url, "POST", b"one"))
            await asyncio.sleep(0.05)
            await fetched(transport, request(raw.url, "POST", b"two"))
            assert raw.connections == 2

    asyncio.run(use())


def test_a_connection_closed_a_moment_ago_is_not_used_again() -> None:
    """Even before asyncio has heard of it: the socket itself is asked before a message goes out that could be lost."""

    async def use() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.setblocking(False)
            loop = asyncio.get_running_loop()
            url = f"http://127.0.0.1:{server.getsockname()[1]}"

            async def answer() -> socket.socket:
                taken, _ = await loop.sock_accept(server)
                await loop.sock_recv(taken, 65_536)
                await loop.sock_sendall(taken, OK)
                return taken

            async with transport_to(url) as transport:
                first = asyncio.create_task(answer())
                await fetched(transport, request(url, "POST", b"one"))
                (await first).close()  # and no turn of the loop in between
                second = asyncio.create_task(answer())
                assert (await fetched(transport, request(url, "POST", b"two"))).content == b"ok"
                (await second).close()

    asyncio.run(use())


@pytest.mark.parametrize(("safe", "retry", "sent"), [(False, "safe", 2), (True, "safe", 3), (False, "unsafe", 3)])
def test_a_message_lost_on_a_used_connection_follows_the_rule(safe: bool, retry: str, sent: int) -> None:
    """The server closed it while the message was under way, and may have read it: it is repeated only where that is safe."""

    async def use() -> int:
        requests = 0

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal requests
            await heard(reader)
            requests += 1
            writer.write(OK.replace(b"ok", b"{}"))
            await heard(reader)
            requests += 1

        async with raw_server(talk) as raw:
            wire = Wire(raw.url, faults=Faults(retry=retry), clock=Clock())  # type: ignore[arg-type]  # of the cases above
            await wire.request("POST", "/a")
            lost = contextlib.nullcontext() if sent > 2 else pytest.raises(EngineUnreachable, match="before it answered")
            with lost:
                await wire.request("POST", "/b", safe=safe)
            await wire.close()
        return requests

    assert asyncio.run(use()) == sent


def test_idle_connections_are_closed_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each after its own rest, and no timer is left."""
    monkeypatch.setattr(wire_transport, "IDLE_S", 0.6)

    async def use() -> None:
        async with raw_server(saying(*[OK] * 9)) as raw, transport_to(raw.url) as transport:
            await asyncio.gather(*(fetched(transport, request(raw.url)) for _ in range(3)))
            assert transport.under.idle == 3
            await asyncio.sleep(0.35)
            await fetched(transport, request(raw.url))
            await asyncio.sleep(0.35)
            assert transport.under.idle == 1
            await asyncio.sleep(0.7)
            assert (transport.under.idle, raw.connections) == (0, 3)

    asyncio.run(use())


@pytest.fixture
def resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host `engine.test` with two addresses, as localhost has on most machines."""
    known = socket.getaddrinfo

    def found(host: str, port: int, *more: Any, **named: Any) -> list[Any]:
        hosts = ["::1", "127.0.0.1"] if host == "engine.test" else [host]
        return [one for host in hosts for one in known(host, port, *more, **named)]

    monkeypatch.setattr(socket, "getaddrinfo", found)


@pytest.mark.skipif(not socket.has_ipv6, reason="this Python knows no IPv6")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.usefixtures("resolved")
def test_all_addresses_of_a_host_are_tried(host: str) -> None:
    """A server listens on one of them."""

    async def use() -> None:
        async with raw_server(saying(OK, OK), host) as raw:
            url = f"http://engine.test:{raw.url.rpartition(':')[2]}"
            async with transport_to(url) as transport:
                assert (await fetched(transport, request(url))).content == b"ok"

    asyncio.run(use())


@pytest.mark.skipif(not socket.has_ipv6, reason="this Python knows no IPv6")
@pytest.mark.usefixtures("resolved")
def test_an_address_that_is_silent_does_not_hold_up_the_others() -> None:
    """The next one is tried beside it after a moment, long before the connection's time is over."""

    async def use() -> float:
        async with raw_server(saying(OK)) as raw:
            port = int(raw.url.rpartition(":")[2])
            with silent("::1", port):
                url, loop = f"http://engine.test:{port}", asyncio.get_running_loop()
                began = loop.time()
                async with transport_to(url) as transport:
                    assert (await fetched(transport, request(url))).content == b"ok"
                return loop.time() - began

    assert NEXT_ADDRESS_S <= asyncio.run(use()) < 2


@pytest.mark.usefixtures("resolved")
def test_a_host_none_of_whose_addresses_answers_is_said_plainly() -> None:
    """In the words of one refused address, however many there are."""

    async def use() -> None:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            url = f"http://engine.test:{held.getsockname()[1]}"
            wire = Wire(url, faults=Faults(attempts=1), clock=Clock())
            with pytest.raises(EngineUnreachable, match=f"^cannot connect to {url}: connection refused$"):
                await wire.request("GET", "/")
            await wire.close()

    asyncio.run(use())


def test_a_body_that_nobody_reads_stays_with_the_server() -> None:
    """A fast server waits for a slow reader: memory holds a little of a long stream, never all of it."""

    async def use() -> tuple[int, int]:
        sent = 0

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            await heard(reader)
            writer.write(HEAD % BIG)
            for _ in range(BIG // len(PIECE)):
                writer.write(PIECE)
                await writer.drain()
                sent += len(PIECE)

        async with raw_server(talk) as raw, transport_to(raw.url) as transport:
            response = await transport.handle_async_request(request(raw.url))
            await asyncio.sleep(0.3)
            before = sent
            tracemalloc.start()
            length = 0
            async for chunk in response.aiter_raw():
                length += len(chunk)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            await response.aclose()
            assert length == BIG
            assert transport.under.idle == 1  # it is read to its end
        return before, peak

    before, peak = asyncio.run(use())
    assert before < BIG / 2  # the sockets' own buffers take some
    assert peak < 16 * AHEAD_BYTES


def test_a_long_request_is_sent_as_fast_as_the_server_reads() -> None:
    """All of it arrives, and no second copy of it is made on the way."""
    content = bytes(BIG)

    async def use() -> tuple[int, int]:
        got = 0

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal got
            await heard(reader)
            while got < BIG:
                got += len(await reader.read(65_536))
            writer.write(OK)
            await heard(reader)

        async with raw_server(talk) as raw, transport_to(raw.url) as transport:
            tracemalloc.start()
            response = await fetched(transport, request(raw.url, "POST", content))
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert (response.content, transport.under.idle) == (b"ok", 1)
        return got, peak

    got, peak = asyncio.run(use())
    assert got == BIG
    assert peak < BIG / 4


@pytest.mark.parametrize(("status", "all_of_it"), [(413, False), (200, True)])
def test_an_answer_may_come_before_the_request_is_sent(status: int, all_of_it: bool) -> None:
    """A refusal ends the sending, and with it the connection; any other answer is read beside it."""

    async def use() -> tuple[int, int]:
        got, read = 0, asyncio.Event()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal got
            await heard(reader)
            writer.write(OK.replace(b"200", b"%d" % status))
            await asyncio.sleep(0.05)
            try:
                while got < BIG and (part := await reader.read(65_536)):
                    got += len(part)
            finally:
                read.set()

        async with raw_server(talk) as raw, transport_to(raw.url) as transport:
            response = await fetched(transport, request(raw.url, "POST", bytes(BIG)))
            assert (response.status_code, response.content) == (status, b"ok")
            if not all_of_it:
                assert transport.under.idle == 0
                await asyncio.wait_for(read.wait(), 2)
        return got, raw.connections

    got, _ = asyncio.run(use())
    assert all_of_it or got < BIG / 2


def test_a_body_that_is_read_twice_is_an_error_of_ours() -> None:
    """As everywhere in httpx."""

    async def use() -> None:
        async with raw_server(saying(OK)) as raw, transport_to(raw.url) as transport:
            response = await transport.handle_async_request(request(raw.url))
            stream = response.stream
            await response.aclose()
            with pytest.raises(httpx.StreamClosed, match="closed"):
                [chunk async for chunk in stream]  # type: ignore[union-attr]  # it is an asynchronous one

    asyncio.run(use())

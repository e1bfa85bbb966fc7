"""Streams of events and lines over real sockets: each as it comes, ended in time, and never longer than is allowed."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from focal_eval.engines.sse import EventDecoder
from focal_eval.engines.wire import Event, Faults, Wire
from focal_eval.errors import EngineProtocol, EngineStatus, EngineTimeout, EngineUnreachable
from focal_eval.testing.hostile_server import Said, Turn, hostile_server
from tests.engines.test_wire import GOOD, answering, asked

EVENTS = "text/event-stream"
THREE = Said(b"data: 1\n\n: ping\n\nevent: b\r\ndata: 2\r\ndata: 3\r\n\r\ndata: {}\r\r", EVENTS)


async def told(wire: Wire, path: str = "/x") -> list[tuple[str, str]]:
    """Every event of a stream."""
    async with contextlib.aclosing(wire.events("POST", path, body={})) as events:
        return [(event.name, event.data) async for event in events]


async def lined(wire: Wire) -> list[bytes]:
    """Every line of a stream."""
    async with contextlib.aclosing(wire.lines("POST", "/x", body={})) as lines:
        return [line async for line in lines]


def test_events_are_told_whatever_ends_their_lines() -> None:
    """Names, several lines of data, comments left out; a packed stream is unpacked, and its type may have parameters."""
    wanted = [("message", "1"), ("b", "2\n3"), ("message", "{}")]
    packed = Said(gzip.compress(THREE.body), f"{EVENTS}; charset=utf-8", headers={"content-encoding": "gzip"})
    for said in (THREE, packed):
        with hostile_server(answering(said), {}) as server:
            assert asked(server.url, told) == wanted
    assert server.heard[0].headers["accept"] == EVENTS


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_events_are_the_same_however_their_bytes_are_cut(size: int) -> None:
    """In the middle of a line end, of a letter, of a mark of the byte order."""
    body = "\ufeffevent: ä\r\ndata: é🙂\r\n\r\ndata: x\r\rid: 1\ndata\n\ndata:  y\n\n".encode()
    decoder = EventDecoder()
    found = [event for at in range(0, len(body), size) for event in decoder.feed(body[at : at + size])]
    decoder.end()
    assert found == [("ä", "é🙂"), ("message", "x"), ("message", ""), ("message", " y")]


@pytest.mark.parametrize("rest", [b"data: half", b"data: half\n", b"event: half\n", b"ev"])
def test_an_event_that_was_cut_off_is_said(rest: bytes) -> None:
    """A browser would drop it without a word."""
    with (
        hostile_server(answering(Said(b"data: 1\n\n" + rest, EVENTS)), {}) as server,
        pytest.raises(EngineProtocol, match="the stream broke off in the middle of an event"),
    ):
        asked(server.url, told)


def test_an_event_is_told_as_soon_as_it_is_there() -> None:
    """With the time of the first byte, which is the stream's, not the answer's."""

    async def slow(turn: Turn) -> None:
        async def parts() -> AsyncIterator[bytes]:
            await asyncio.sleep(0.1)
            yield b"data: 1\n\n"
            await asyncio.sleep(0.3)
            yield b"data: 2\n\n"

        await turn.chunks(parts(), Said(b"", EVENTS))

    async def use(wire: Wire) -> list[tuple[Event, float]]:
        began = time.monotonic()
        async with contextlib.aclosing(wire.events("POST", "/hostile:slow!")) as events:
            return [(event, time.monotonic() - began) async for event in events]

    with hostile_server(answering(GOOD), {"slow": slow}) as server:
        (first, early), (second, late) = asked(server.url, use)
    assert (first.data, second.data) == ("1", "2")
    assert 0.1 <= early < 0.35 <= late
    assert 90 <= first.first_byte_ms == second.first_byte_ms < 350


async def _drips(turn: Turn) -> None:
    await turn.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
    while True:
        await turn.write(b"data: a\n\n")
        await asyncio.sleep(0.02)


def test_a_stream_that_drips_ends_at_its_limit() -> None:
    """Each piece comes in time, and the whole does not; the time a listener takes for a piece is not the stream's."""
    with hostile_server(answering(GOOD), {"drips": _drips}) as server:
        began = time.monotonic()
        with pytest.raises(EngineTimeout, match=r"the request took longer than 0\.3 s \(request_timeout_s\)"):
            asked(server.url, lambda wire: told(wire, "/hostile:drips!"), Faults(request_timeout_s=0.3))
    assert 0.25 < time.monotonic() - began < 1.5


def test_a_listener_may_leave_early() -> None:
    """The connection is closed, not kept reading, and the next request has another one."""

    async def use(wire: Wire) -> None:
        async with contextlib.aclosing(wire.events("POST", "/hostile:drips!")) as events:
            assert (await anext(events)).data == "a"
        await wire.request("POST", "/x")

    with hostile_server(answering(GOOD), {"drips": _drips}) as server:
        asked(server.url, use)
    assert len(set(server.ports)) == 2


def test_a_stream_is_asked_for_again_only_before_it_begins() -> None:
    """A server that is busy is asked again; a stream that broke off is not."""
    with hostile_server(answering(Said(b"{}", status=503), THREE), {}) as server:
        assert len(asked(server.url, told)) == 3
    assert len(server.heard) == 2

    async def breaks(turn: Turn) -> None:
        await turn.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 99\r\n\r\ndata: 1\n\n")
        turn.drop()

    with hostile_server(answering(GOOD), {"breaks": breaks}) as server:
        with pytest.raises(EngineProtocol, match="the answer broke off"):
            asked(server.url, lambda wire: told(wire, "/hostile:breaks!"), Faults(retry="unsafe"))
        with pytest.raises(EngineProtocol, match="the answer is application/json, not a stream of events"):
            asked(server.url, told)
    assert len(server.heard) == 2


def test_a_stream_that_is_refused_is_the_error_it_is() -> None:
    """The error's body is read as JSON although events were asked for."""
    with (
        hostile_server(answering(Said(b'{"error":{"code":"BAD","message":"no agent"}}', status=404)), {}) as server,
        pytest.raises(EngineStatus, match=r"the engine answered 404 \(BAD\): no agent"),
    ):
        asked(server.url, told)


def _many(piece: bytes, **headers: str) -> Callable[[Turn], Any]:
    async def act(turn: Turn) -> None:
        await turn.chunks((piece for _ in range(100_000)), Said(b"", EVENTS, headers=headers))

    return act


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (_many(b"data: 1\n\n" * 50), r"the stream holds more than 100 events \(max_events\)"),
        (_many(b": ping\n\n" * 500), r"the answer is longer than 20,000 bytes \(max_reply_bytes\)"),
        (_many(b"data: endless " * 500), r"the answer is longer than 20,000 bytes \(max_reply_bytes\)"),
        (_many(gzip.compress(b"") * 50, **{"content-encoding": "gzip"}), r"longer than 20,000 bytes \(max_reply_bytes\)"),
    ],
    ids=["events", "comments", "one line", "packed emptiness"],
)
def test_an_endless_stream_is_cut_off(act: Callable[[Turn], Any], said: str) -> None:
    """Whatever it is made of: events, silence in comments, one line without an end, or nothing at all, well packed."""
    with hostile_server(answering(GOOD), {"many": act}) as server, pytest.raises(EngineProtocol, match=said):
        asked(server.url, lambda wire: told(wire, "/hostile:many!"), Faults(max_events=100, max_reply_bytes=20_000))


def test_lines_are_told_without_empty_ones() -> None:
    """The last one may end with the stream; a page is no stream of lines, and too many lines are refused."""
    body = b'{"a": 1}\r\n\n  {"b": 2}\n{"c": 3}'
    with hostile_server(answering(Said(body, "text/plain")), {}) as server:
        assert asked(server.url, lined) == [b'{"a": 1}', b'{"b": 2}', b'{"c": 3}']
        with pytest.raises(EngineProtocol, match=r"more than 1 events \(max_events\)"):
            asked(server.url, lined, Faults(max_events=1))
    with (
        hostile_server(answering(Said(b"<html>", "text/html")), {}) as server,
        pytest.raises(EngineProtocol, match="the answer is text/html, not lines of JSON"),
    ):
        asked(server.url, lined)


def test_a_stream_from_nobody_is_unreachable() -> None:
    """Before its headers a stream fails as any request does."""

    async def lost(turn: Turn) -> None:
        turn.drop()

    with (
        hostile_server(answering(GOOD), {"lost": lost}) as server,
        pytest.raises(EngineUnreachable, match="closed the connection before it answered"),
    ):
        asked(server.url, lambda wire: told(wire, "/hostile:lost!"))
    assert len(server.heard) == 1

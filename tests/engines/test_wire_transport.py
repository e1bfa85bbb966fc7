"""The transport as httpx sees it, over real sockets: what is sent, what an answer is read as, and what is not HTTP."""

from __future__ import annotations

import asyncio
import gzip
import subprocess
import sys
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from focal_eval.engines.wire_client import HttpxTransport
from focal_eval.engines.wire_dial import Way
from focal_eval.engines.wire_httpx import httpx
from focal_eval.engines.wire_protocol import HEAD_BYTES, HEADERS
from tests.engines.raw_server import OK, fetched, heard, raw_server, request, saying, transport_to

H = b"HTTP/1.1 200 OK\r\n"
CHUNKED = H + b"transfer-encoding: chunked\r\n\r\n"


def exchanged(*pieces: bytes, method: str = "GET", pause_s: float = 0.005) -> tuple[httpx.Response, int]:
    """The response to an answer that comes in these pieces, and how many connections two such requests need."""

    whole = b"".join(pieces)
    ends = b"close" in whole or not (b"length" in whole or b"chunked" in whole)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await heard(reader)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause_s if len(pieces) > 1 else 0)
            if ends:
                return

    async def use() -> tuple[httpx.Response, int]:
        async with raw_server(talk) as raw, transport_to(raw.url) as transport:
            response = await fetched(transport, request(raw.url, method))
            await fetched(transport, request(raw.url, method))
            return response, raw.connections

    return asyncio.run(asyncio.wait_for(use(), 10))


@pytest.mark.parametrize(
    ("pieces", "status", "body", "connections"),
    [
        ((OK,), 200, b"ok", 1),
        (tuple(OK[at : at + 1] for at in range(len(OK))), 200, b"ok", 1),
        (
            (CHUNKED, b"2;x=1\r\nok\r\n", b"1\r\n!\r\n0\r\n", b"x-sum: 1\r\n\r\n"),
            200,
            b"ok!",
            1,
        ),
        ((H + b"connection: close\r\n\r\n", b"until ", b"the end"), 200, b"until the end", 2),
        ((H + b"connection: close\r\ncontent-length: 2\r\n\r\nok",), 200, b"ok", 2),
        ((b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", b""), 200, b"ok", 2),
        ((b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early\r\nlink: </x>\r\n\r\n", OK), 200, b"ok", 1),
        ((b"HTTP/1.1 204 No Content\r\nx-length: 0\r\n\r\n",), 204, b"", 1),
        ((b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",), 304, b"", 1),
        ((b"HTTP/1.1 429 \r\ncontent-length: 0\r\n\r\n",), 429, b"", 1),
    ],
    ids=["whole", "byte by byte", "chunked", "to the end", "closed", "1.0", "1xx", "204", "304", "no reason"],
)
def test_an_answer_is_read_as_http_says(pieces: tuple[bytes, ...], status: int, body: bytes, connections: int) -> None:
    """However it is cut into packets; a connection is used again where the server keeps it, and only there."""
    response, made = exchanged(*pieces)
    assert (response.status_code, response.content, made) == (status, body, connections)
    assert "link" not in response.headers
    assert "x-sum" not in response.headers


def test_the_answer_to_head_has_no_body() -> None:
    """Its length is that of the body it would have, and the connection is good for the next request."""
    response, made = exchanged(H + b"content-length: 1000\r\n\r\n", method="HEAD")
    assert (response.content, response.headers["content-length"], made) == (b"", "1000", 1)


def test_headers_keep_their_order_and_their_bytes() -> None:
    """Empty ones, repeated ones and those that are not ASCII included."""
    response, _ = exchanged(H + b"X-A:\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nx-name: caf\xe9\r\ncontent-length: 0\r\n\r\n")
    assert response.headers.raw[:3] == [(b"X-A", b""), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    assert dict(response.headers.raw)[b"x-name"] == b"caf\xe9"


@pytest.mark.parametrize(
    "answer",
    [
        H + b"a: b\r\n c\r\ncontent-length: 0\r\n\r\n",
        H + b"a: b\rx: c\r\ncontent-length: 0\r\n\r\n",
        H + b"a: b\x00c\r\ncontent-length: 0\r\n\r\n",
        H + b"a : b\r\ncontent-length: 0\r\n\r\n",
        H + b"a: b\ncontent-length: 0\r\n\r\n",
        H + b"content-length: 2\r\ncontent-length: 3\r\n\r\nok!",
        H + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        H + b"content-length: -1\r\n\r\n",
        H + b"content-length: 99999999999999999999999\r\n\r\n",
        H + b"a: %b\r\ncontent-length: 0\r\n\r\n" % (b"x" * HEAD_BYTES),
        H + b"a: b\r\n" * (HEADERS + 1) + b"content-length: 0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 000 No\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 99999 No\r\ncontent-length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"\x15\x03\x03\x00\x02\x02\x28",
    ],
    ids=[
        *("folded", "cr in a value", "nul", "space before colon", "bare lf", "two lengths", "length and chunks", "below 0"),
        *(
            "overflow",
            "long header",
            "many headers",
            "endless 1xx",
            "upgrade",
            "http 2",
            "status 0",
            "status 99999",
            "ssh",
            "tls",
        ),
    ],
)
def test_what_is_not_http_is_not_read(answer: bytes) -> None:
    """No guess is made about what a server may have meant: two readers that guess differently can be played on."""

    async def use() -> None:
        async with raw_server(saying(answer)) as raw, transport_to(raw.url) as transport:
            with pytest.raises(httpx.RemoteProtocolError, match=r"\S"):
                await fetched(transport, request(raw.url))

    asyncio.run(asyncio.wait_for(use(), 10))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (H + b"content-length: 10\r\n\r\nshort", httpx.ReadError),
        (CHUNKED + b"5\r\nsh", httpx.ReadError),
        (CHUNKED + b"2\r\nok\r\n", httpx.ReadError),
        (CHUNKED + b"2\r\nokXX0\r\n\r\n", httpx.RemoteProtocolError),
        (CHUNKED + b"fffffffffffffffff\r\n", httpx.RemoteProtocolError),
        (CHUNKED + b"0\r\n" + b"x-t: 1\r\n" * 10_000, httpx.RemoteProtocolError),
        (CHUNKED + b"0\r\nx-t: " + b"x" * 10**6, httpx.RemoteProtocolError),
        (CHUNKED + b"2;" + b"x" * 10**6, httpx.RemoteProtocolError),
    ],
    ids=[
        "short",
        "in a chunk",
        "between chunks",
        "damaged",
        "overflow",
        "many trailers",
        "endless trailer",
        "endless extension",
    ],
)
def test_a_body_that_breaks_off_is_never_taken_for_a_whole_one(answer: bytes, kind: type[Exception]) -> None:
    """Neither is what follows a body without an end."""

    async def use() -> None:
        async with raw_server(saying(answer)) as raw, transport_to(raw.url) as transport:
            response = await transport.handle_async_request(request(raw.url))
            with pytest.raises(kind, match=r"\S"):
                await response.aread()
            await response.aclose()

    asyncio.run(asyncio.wait_for(use(), 10))


def test_a_second_answer_to_one_request_is_nobodys() -> None:
    """The first one counts; the second is not read as the answer to the next request, which takes another connection."""
    evil = H + b"content-length: 4\r\n\r\nevil"

    async def use() -> None:
        async with raw_server(saying(OK + evil, OK)) as raw, transport_to(raw.url) as transport:
            for _ in range(2):
                assert (await fetched(transport, request(raw.url))).content == b"ok"
            assert raw.connections == 2

    asyncio.run(use())


def test_what_a_server_says_unasked_is_not_read() -> None:
    """Words on an idle connection end it."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(OK)
        await asyncio.sleep(0.02)
        writer.write(H + b"content-length: 4\r\n\r\nevil")
        await reader.read()

    async def use() -> None:
        async with raw_server(talk) as raw, transport_to(raw.url) as transport:
            assert (await fetched(transport, request(raw.url))).content == b"ok"
            await asyncio.sleep(0.05)
            assert (await fetched(transport, request(raw.url))).content == b"ok"
            assert raw.connections == 2

    asyncio.run(use())


def test_what_would_be_more_than_one_header_is_not_sent() -> None:
    """No connection is made for it."""

    async def use() -> None:
        async with raw_server(saying(OK)) as raw, transport_to(raw.url) as transport:
            for name, value in (("x-a", "b\r\nx-evil: 1"), ("x-a\r\nx-evil", "1"), ("x-a", "\x00"), ("x a", "1")):
                with pytest.raises(httpx.LocalProtocolError, match="holds what it may not"):
                    await transport.handle_async_request(request(raw.url, "GET", b"", 5.0, **{name: value}))
            with pytest.raises(httpx.LocalProtocolError, match="holds what it may not"):
                await transport.handle_async_request(request(raw.url, "GET / HTTP/1.1\r\nx-evil: 1\r\n\r\nGET"))
            assert raw.connections == 0

    asyncio.run(use())


def test_another_server_is_not_asked() -> None:
    """A transport goes to one server, whatever the request says."""

    async def use() -> None:
        async with raw_server(saying(OK)) as raw, transport_to(raw.url) as transport:
            for other in ("http://127.0.0.1:1", raw.url.replace("http:", "https:"), raw.url.replace("127.0.0.1", "localhost")):
                with pytest.raises(httpx.UnsupportedProtocol, match="this transport goes to"):
                    await transport.handle_async_request(request(other))
            assert raw.connections == 0

    asyncio.run(use())


def test_a_client_of_httpx_works_on_it() -> None:
    """It is a transport like any other: bodies of all kinds, unpacking, streams and errors come out as httpx promises."""
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await heard(reader)
            lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
            seen.append(head + await reader.readexactly(int(lines.get(b"content-length", b"0"))))
            body = gzip.compress(b'{"ok": true}')
            writer.write(H + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

    async def use() -> None:
        async def parts() -> AsyncIterator[bytes]:
            for part in (b"in ", b"parts"):
                yield part

        async with raw_server(talk) as raw:
            async with httpx.AsyncClient(transport=HttpxTransport(Way(urlsplit(raw.url))), base_url=raw.url) as client:
                assert (await client.post("/a?b=c d", json={"x": 1})).json() == {"ok": True}
                await client.put("/", content=parts())
                async with client.stream("GET", "/") as response:
                    assert [chunk async for chunk in response.aiter_lines()] == ['{"ok": true}']
            assert raw.connections == 1

    asyncio.run(use())
    post, put, get = seen
    assert post.startswith(b"POST /a?b=c%20d HTTP/1.1\r\n")
    assert post.endswith(b'content-length: 7\r\n\r\n{"x":1}')
    assert (put.endswith(b"content-length: 8\r\n\r\nin parts"), b"chunked" in put) == (True, False)
    assert (get.lower().count(b"host: "), b"content-length" in get) == (1, False)


def test_nothing_is_loaded_that_is_not_needed() -> None:
    """Not even httpx by the engines; by its clients, not its command line, which would bring a terminal's colours along."""

    def loaded(module: str) -> set[str]:
        program = f"import sys, focal_eval.engines.{module}; print(*sys.modules)"
        return set(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split())

    others = {"aiohttp", "httpcore", "h11", "click", "rich", "pygments", "httpx._main"}
    engine, client = loaded("wire_transport"), loaded("wire_client")
    assert {"httptools", "asyncio"} <= engine
    assert (others | {"httpx"}).isdisjoint(engine)
    assert "httpx" in client
    assert others.isdisjoint(client)

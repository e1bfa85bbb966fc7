"""The way to remote engines over real sockets: what is sent, what an answer is taken for, and what is never shared."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import parse_qs

import pytest

from focal_eval import __version__
from focal_eval.clock import Clock
from focal_eval.engines.wire import Answer, Faults, Wire
from focal_eval.errors import (
    EngineError,
    EngineProtocol,
    EngineStatus,
    EngineTimeout,
    EngineUnauthorised,
    UsageError,
)
from focal_eval.testing.hostile_server import Heard, Said, Turn, head, hostile_server
from focal_eval.testing.misdeeds import MISDEEDS

T = TypeVar("T")
GOOD = Said(b'{"ok": true}')


def asked(url: str, use: Callable[[Wire], Awaitable[T]], faults: Faults | None = None, **headers: str) -> T:
    """What `use` gives of a wire to the URL."""

    async def run() -> T:
        wire = Wire(url, headers=headers, faults=faults, clock=Clock())
        try:
            return await use(wire)
        finally:
            await wire.close()

    return asyncio.run(run())


def answering(*answers: Said) -> Callable[[Heard], Said]:
    """The answers in order, the last one for ever."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def get(wire: Wire) -> Awaitable[Answer]:
    return wire.request("GET", "/x", safe=True)


def post(wire: Wire) -> Awaitable[Answer]:
    return wire.request("POST", "/x", body={"message": "hi"})


def test_a_request_is_sent_as_it_is_asked_for() -> None:
    """Method, path below the base's, parameters, headers, and JSON; nothing about the machine."""
    with hostile_server(answering(GOOD), {}) as server:

        async def use(wire: Wire) -> Answer:
            await wire.request("PUT", "/v1/x:y", params={"q": "a b&c=/é"}, headers={"X-Extra": "1"})
            return await post(wire)

        answer = asked(server.url + "/base/", use, authorization="Bearer t0ken")
    assert (answer.status, answer.json(), answer.attempts) == (200, {"ok": True}, 1)
    assert answer.headers["content-type"] == "application/json"
    first, second = server.heard
    path, _, query = first.path.partition("?")
    assert (first.method, path, parse_qs(query)) == ("PUT", "/base/v1/x:y", {"q": ["a b&c=/é"]})
    assert (first.headers["x-extra"], first.headers["authorization"], first.body) == ("1", "Bearer t0ken", b"")
    assert (second.method, second.path, second.json()) == ("POST", "/base/x", {"message": "hi"})
    assert second.headers["content-type"] == "application/json"
    assert second.headers["user-agent"] == f"focal-eval/{__version__}"
    assert second.headers["accept-encoding"] == "identity"
    assert "x-extra" not in second.headers


def test_connections_are_shared_and_cookies_are_not() -> None:
    """A second request uses the first one's connection; what a server sets is not sent back, as it is another session's."""
    with hostile_server(answering(Said(b"{}", headers={"set-cookie": "session=1; Path=/"})), {}) as server:

        async def use(wire: Wire) -> None:
            for _ in range(3):
                await get(wire)

        asked(server.url, use)
    assert len(set(server.ports)) == 1
    assert [heard.headers.get("cookie") for heard in server.heard] == [None] * 3


@pytest.mark.parametrize("status", [500, 502])
def test_a_connection_is_fresh_after_a_server_error(status: int) -> None:
    """The server may drop the old one without a word; a request under way beside it ends well on its own."""

    async def slow(turn: Turn) -> None:
        await asyncio.sleep(0.1)
        await turn.say(turn.good)

    async def broken(turn: Turn) -> None:
        await turn.say(Said(b"{}", status=status))

    with hostile_server(answering(GOOD), {"slow": slow, "broken": broken}) as server:

        async def use(wire: Wire) -> None:
            beside = asyncio.create_task(wire.request("POST", "/x", body="hostile:slow!"))
            await asyncio.sleep(0.03)
            await get(wire)
            with pytest.raises(EngineStatus, match=f"answered {status}"):
                await wire.request("POST", "/x", body="hostile:broken!")
            await get(wire)
            assert (await beside).json() == {"ok": True}

        asked(server.url, use)
    slow_port, first, second, third = server.ports
    assert first == second
    assert third not in (slow_port, first)


ENVELOPES = [
    (404, b'{"error":{"code":"SESSION_NOT_FOUND","message":"No  session"}}', "404 (SESSION_NOT_FOUND): No session", None),
    (400, b'{"error":{"code":"BAD","message":"m","details":[{"field":"a"}]}}', "400 (BAD): m", '[{"field":"a"}]'),
    (404, b'{"detail":"Not Found"}', "404: Not Found", None),
    (404, b'{"error":{"code":404,"message":"gone","type":"not_found"}}', "404 (404): gone", None),
    (400, b'{"error":{"message":"no model","type":"bad_request","code":null}}', "400 (bad_request): no model", None),
    (418, b'{"error":"short and stout"}', "418: short and stout", None),
    (400, b'{"title":"Problem","status":400}', "400: Problem", None),
    (502, b"<html><h1>Bad\x00gateway</h1>", "502: Bad Gateway", "<html><h1>Bad gateway</h1>"),
    (503, b"", "503: Service Unavailable", None),
    (499, b"[1]", "499: no reason given", "[1]"),
    (400, b'{"detail":[{"loc":["a"],"msg":"missing"}]}', "400: Bad Request", '{"detail":[{"loc":["a"],"msg":"missing"}]}'),
    (400, b'{"detail":"a\x1b[31m\xe2\x80\xa8b"}', "400: Bad Request", None),
    (400, b'{"detail":"a\\u001b[31m\\u2028b"}', "400: a [31m b", None),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "said", "detail"), ENVELOPES)
def test_an_error_speaks_for_itself(status: int, body: bytes, said: str, detail: str | None) -> None:
    """Code and message come out of every usual envelope, on one line, without control characters."""
    with (
        hostile_server(answering(Said(body, status=status)), {}) as server,
        pytest.raises(EngineStatus, match="answered") as problem,
    ):
        asked(server.url, post)
    assert str(problem.value) == f"the engine answered {said}"
    assert problem.value.status == status
    if detail is not None:
        assert problem.value.detail == detail
    assert problem.value.kind == "engine-status"


@pytest.mark.parametrize("status", [401, 403])
def test_who_is_not_let_in_hears_it(status: int) -> None:
    """A kind of its own, and a token that the server repeats is not shown."""
    told = Said(b'{"error":{"code":"AUTH","message":"bad token s3cr3t-t0ken"}}', status=status)
    with hostile_server(answering(told), {}) as server, pytest.raises(EngineUnauthorised, match="AUTH") as problem:
        asked(server.url, get, authorization="Bearer s3cr3t-t0ken")
    assert str(problem.value) == f"the engine answered {status} (AUTH): bad token [redacted]"
    assert (problem.value.kind, problem.value.status, problem.value.code) == ("engine-unauthorised", status, "AUTH")
    assert len(server.heard) == 1, "a wrong token is not tried again"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("localhost:8000", "did you mean http://localhost:8000?"),
        ("ftp://host", "is not of the form http://host:port"),
        ("http://", "is not of the form http://host:port"),
        ("http://host:99999", "is not of the form http://host:port"),
        ("http://[::1", "is not of the form http://host:port"),
        ("http://a..b", "is not of the form http://host:port"),
        ("http://-a", "is not of the form http://host:port"),
        (f"http://{'a' * 64}.com", "is not of the form http://host:port"),
        ("http://256.1.1.1", "is not of the form http://host:port"),
        ("http://a%62c", "is not of the form http://host:port"),
        ("", "is not of the form http://host:port"),
        ("http://me:secret@host", "holds a user or a password; give a token instead"),
        ("http://host/?a=1", "more than a scheme, a host and a path"),
        ("http://host/a b", "more than a scheme, a host and a path"),
        ("http://ho\tst/", "more than a scheme, a host and a path"),
    ],
)
def test_a_wrong_url_is_refused_before_anything_is_sent(url: str, said: str) -> None:
    """The suite's mistake is no engine's fault, and a password is not repeated."""
    with pytest.raises(UsageError) as problem:  # the text is compared below, and holds signs of patterns
        Wire(url, clock=Clock())
    assert said in str(problem.value)
    assert "secret" not in str(problem.value)


def test_what_json_cannot_say_is_not_sent() -> None:
    """Half a surrogate pair of a script's text, a number too long: the engine's error, not a crash."""
    with hostile_server(answering(GOOD), {}) as server:
        for body in ("\ud800", {"number": 2**70}):

            def use(wire: Wire, body: Any = body) -> Awaitable[Answer]:
                return wire.request("POST", "/", body=body)

            with pytest.raises(EngineError, match="the request cannot be sent as JSON"):
                asked(server.url, use)
    assert server.heard == []


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a\0b", "é", "\x7f"])
def test_nothing_gets_into_a_header(value: str) -> None:
    """Neither by the suite nor by an id of the engine's."""
    with pytest.raises(UsageError, match="the engine's header 'x-key' holds characters that no header may hold"):
        Wire("http://host", headers={"x-key": value}, clock=Clock())
    with pytest.raises(UsageError, match="holds characters that no header may hold"):
        Wire("http://host", headers={f"x-{value}": "1"}, clock=Clock())
    with hostile_server(answering(GOOD), {}) as server, pytest.raises(EngineProtocol, match="is no value of a header"):
        asked(server.url, lambda wire: wire.request("GET", "/x", headers={"x-key": value}))
    assert server.heard == []


@pytest.mark.parametrize(
    "path",
    [
        "x",
        "",
        "/a b",
        "/a?b=1",
        "/a#b",
        "/../x",
        "/a/..",
        "/a/./b",
        "/%2e%2e/x",
        "/a\r\nb",
        "/é",
        "/a\\b",
        '/"',
        "/" + "x" * 20_000,
    ],
)
def test_nothing_gets_into_a_path(path: str) -> None:
    """An id that would change what is asked for is refused, whoever wrote it."""
    with hostile_server(answering(GOOD), {}) as server, pytest.raises(EngineProtocol, match="is no path to ask for"):
        asked(server.url, lambda wire: wire.request("GET", path))
    assert server.heard == []


def test_json_is_read_strictly() -> None:
    """The refusal says what was there instead."""
    with pytest.raises(EngineProtocol, match=r"^the answer is empty$"):
        Answer(200).json()
    with pytest.raises(EngineProtocol, match=r"^the answer is text/plain, not JSON$"):
        Answer(200, {"content-type": "text/plain; charset=x"}, b"hello").json()
    with pytest.raises(EngineProtocol, match=r"^the answer is of no type, not JSON$") as problem:
        Answer(200, {}, b"hello\x1b[31m").json()
    assert problem.value.detail == "hello [31m"
    for bad in (b'{"a": NaN}', b"[Infinity]", b"[1e999]", b'"\\ud800"', b"{} {}", b"[" * 2000 + b"]" * 2000):
        with pytest.raises(EngineProtocol, match=r"^the answer is not JSON: "):
            Answer(200, {"content-type": "application/json"}, bad).json()
    assert Answer(200, {}, b"123456789012345678901234567890").json() == pytest.approx(1.2345678901234568e29)
    assert Answer(200, {"content-type": "text/plain"}, b'{"a": 1}').json() == {"a": 1}, "what is JSON is taken for it"


def test_a_request_has_a_limit_of_its_own() -> None:
    """Where no turn's limit stands around it, it ends all the same, dripping or silent."""
    acts = {name: MISDEEDS[name].act for name in ("drips", "hangs", "drips-headers", "500-hangs")}
    with hostile_server(answering(GOOD), acts) as server:
        for name in acts:

            def use(wire: Wire, body: str = f"hostile:{name}!") -> Awaitable[Answer]:
                return wire.request("POST", "/", body=body)

            with pytest.raises(EngineTimeout, match=r"the request took longer than 0\.2 s \(request_timeout_s\)"):
                asked(server.url, use, Faults(request_timeout_s=0.2))


@pytest.mark.parametrize("name", ["long", "long-unseen", "gzip-bomb"])
def test_a_long_answer_is_never_held(name: str) -> None:
    """A hundred megabytes cost no more memory than the limit allows."""
    with hostile_server(answering(GOOD), {name: MISDEEDS[name].act}) as server:

        async def use(wire: Wire) -> None:
            await get(wire)
            tracemalloc.start()
            with pytest.raises(EngineProtocol, match=r"the answer is longer than 1,000,000 bytes \(max_reply_bytes\)"):
                await wire.request("POST", "/", body=f"hostile:{name}!")

        asked(server.url, use, Faults(max_reply_bytes=1_000_000))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 6_000_000


def test_an_error_is_read_only_so_far() -> None:
    """An endless error is still the error it is."""

    async def endless(turn: Turn) -> None:
        await turn.write(head(400, "text/plain", {"content-length": str(10**9)}))
        for _ in range(1_000):
            await turn.write(b"no! " * 10_000)

    with (
        hostile_server(answering(GOOD), {"endless": endless}) as server,
        pytest.raises(EngineStatus, match="400: Bad Request") as problem,
    ):
        asked(server.url, lambda wire: wire.request("POST", "/", body="hostile:endless!"))
    assert (problem.value.detail or "").startswith("no! no!")


def test_packed_answers_are_unpacked() -> None:
    """A server may pack although it was not asked to; several members are one answer; another coding is refused."""
    import gzip
    import zlib

    text = b'{"text": "' + b"word " * 1_000 + b'"}'
    cases: list[tuple[str, bytes]] = [
        ("gzip", gzip.compress(text)),
        ("GZIP", gzip.compress(text[:100]) + gzip.compress(text[100:])),
        ("deflate", zlib.compress(text)),
        ("identity", text),
    ]
    for coding, body in cases:
        with hostile_server(answering(Said(body, headers={"content-encoding": coding})), {}) as server:
            assert asked(server.url, get).content == text
    for coding, body, said in [
        ("br", text, "packed as 'br', which was not asked for"),
        ("gzip", gzip.compress(text)[:-20], "the packed answer broke off"),
    ]:
        with (
            hostile_server(answering(Said(body, headers={"content-encoding": coding})), {}) as server,
            pytest.raises(EngineProtocol, match=said),
        ):
            asked(server.url, get)


def test_a_wire_outlives_its_event_loop() -> None:
    """Connections belong to a loop; in a second one there are new ones, and closing twice is allowed."""
    with hostile_server(answering(GOOD), {}) as server:
        wire = Wire(server.url, clock=Clock())

        async def once(*, close: bool) -> Any:
            answer = await get(wire)
            if close:
                await wire.close()
                await wire.close()
            return answer.json()

        assert asyncio.run(once(close=True)) == {"ok": True}
        assert asyncio.run(once(close=True)) == {"ok": True}


def test_many_requests_at_once_are_all_answered() -> None:
    """Three hundred at a time, each on a connection of its own; nothing makes one wait for another."""
    under_way, most = 0, 0

    async def counted(turn: Turn) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1
        await turn.say(turn.good)

    with hostile_server(answering(GOOD), {"counted": counted}) as server:

        async def use(wire: Wire) -> int:
            return len(await asyncio.gather(*(wire.request("POST", "/", body="hostile:counted!") for _ in range(300))))

        assert asked(server.url, use) == 300
    assert most > 50


def test_settings_are_held_to_their_bounds() -> None:
    """A wrong number is the suite's mistake."""
    wrong: list[tuple[str, Any]] = [("attempts", 0), ("breaker_after", 0), ("max_reply_bytes", 0), ("max_events", -1)]
    for key, value in wrong:
        with pytest.raises(ValueError, match=f"'{key}' is {value}; at least 1 is expected"):
            Faults(**{key: value})
    nothing: Any = 0
    for key in ("connect_timeout_s", "request_timeout_s", "max_requests_per_s"):
        with pytest.raises(ValueError, match=f"'{key}' is 0; a number above 0 is expected"):
            Faults(**{key: nothing})


def test_every_error_of_the_wire_is_an_engines() -> None:
    """One except clause is enough for an adapter."""
    for kind in (EngineProtocol, EngineStatus, EngineTimeout, EngineUnauthorised):
        assert issubclass(kind, EngineError)
    assert issubclass(EngineUnauthorised, EngineStatus)

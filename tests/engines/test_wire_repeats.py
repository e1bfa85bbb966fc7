"""What is asked again and what never, how fast, and when a server is given up; over real sockets."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Literal

import pytest

from focal_eval.clock import Clock
from focal_eval.engines.wire import Answer, Faults, Wire
from focal_eval.engines.wire_limits import Breaker
from focal_eval.errors import EngineError, EngineGivenUp, EngineStatus, EngineUnreachable
from focal_eval.testing.hostile_server import Said, Turn, hostile_server, refused
from tests.engines.test_wire import GOOD, answering, asked, get, post

BUSY, LATE = Said(b"{}", status=503), Said(b"{}", status=504)


def limited(after: str | None) -> Said:
    return Said(b"{}", status=429, headers={} if after is None else {"retry-after": after})


@pytest.mark.parametrize(
    ("first", "use", "faults", "asked_times", "ends"),
    [
        (limited("0"), post, Faults(), 2, 200),
        (limited("0"), post, Faults(retry="off"), 1, 429),
        (limited("0"), post, Faults(attempts=1), 1, 429),
        (limited(None), post, Faults(), 1, 429),
        (limited(None), get, Faults(), 1, 429),
        (limited("nonsense"), post, Faults(), 1, 429),
        (limited("31"), post, Faults(), 1, 429),
        (limited("-5"), post, Faults(), 1, 429),
        (limited("9" * 400), post, Faults(), 1, 429),
        (BUSY, get, Faults(), 2, 200),
        (BUSY, get, Faults(retry="off"), 1, 503),
        (BUSY, post, Faults(), 2, 200),
        (Said(b"{}", status=503, headers={"retry-after": "31"}), post, Faults(), 1, 503),
        (LATE, get, Faults(), 2, 200),
        (LATE, post, Faults(), 1, 504),
        (LATE, post, Faults(retry="unsafe"), 2, 200),
        (Said(b"{}", status=502), post, Faults(), 1, 502),
        (Said(b"{}", status=500), get, Faults(retry="unsafe"), 1, 500),
        (Said(b"{}", status=404), get, Faults(retry="unsafe"), 1, 404),
    ],
)
def test_an_error_is_met_by_asking_again_where_that_is_safe(
    first: Said, use: Callable[[Wire], Awaitable[Answer]], faults: Faults, asked_times: int, ends: int
) -> None:
    """What the server did not do may be done again; what it may have done is done again only where the suite says so."""
    with hostile_server(answering(first, GOOD), {}) as server:
        if ends == 200:
            answer = asked(server.url, use, faults)
            assert (answer.status, answer.attempts) == (200, asked_times)
        else:
            with pytest.raises(EngineStatus, match=f"answered {ends}"):
                asked(server.url, use, faults)
        assert len(server.heard) == asked_times


@pytest.mark.parametrize("act", ["drop", "reset"])
@pytest.mark.parametrize(
    ("method", "safe", "retry", "asked_times"),
    [("POST", False, "safe", 1), ("POST", False, "unsafe", 3), ("GET", True, "safe", 3), ("GET", True, "off", 1)],
)
def test_a_message_whose_answer_was_lost_is_not_sent_twice(
    act: str, method: str, safe: bool, retry: Literal["safe", "unsafe", "off"], asked_times: int
) -> None:
    """It may have been acted on, so only `unsafe` repeats it; a request that only reads is repeated."""

    async def lost(turn: Turn) -> None:
        turn.drop() if act == "drop" else turn.reset()

    with (
        hostile_server(answering(GOOD), {"lost": lost}) as server,
        pytest.raises(EngineUnreachable, match="closed the connection before it answered") as problem,
    ):
        asked(server.url, lambda wire: wire.request(method, "/hostile:lost!", safe=safe), Faults(retry=retry))
    assert len(server.heard) == asked_times
    assert ("asked 3 times" in (problem.value.detail or "")) == (asked_times == 3)


def test_a_message_lost_on_an_old_connection_is_not_sent_twice() -> None:
    """The connection served before and breaks under the second message: this is no refused connection."""

    async def lost(turn: Turn) -> None:
        turn.drop()

    with hostile_server(answering(GOOD), {"lost": lost}) as server:

        async def use(wire: Wire) -> None:
            await post(wire)
            with pytest.raises(EngineUnreachable, match="closed the connection before it answered"):
                await wire.request("POST", "/", body="hostile:lost!")

        asked(server.url, use)
    assert len(server.heard) == 2
    assert len(set(server.ports)) == 1


def test_the_wait_a_server_asks_for_is_kept() -> None:
    """In seconds or as a date; a wait that is too long is not waited, and said."""
    soon = format_datetime((datetime.now(UTC) + timedelta(seconds=2)).replace(microsecond=0), usegmt=True)
    for after, least in ((soon, 0.5), ("1", 1.0)):
        with hostile_server(answering(limited(after), GOOD), {}) as server:
            began = time.monotonic()
            assert asked(server.url, post).attempts == 2
            assert least <= time.monotonic() - began < 4
    with (
        hostile_server(answering(limited("3600")), {}) as server,
        pytest.raises(EngineStatus, match="answered 429") as problem,
    ):
        asked(server.url, post)
    assert (problem.value.detail or "").startswith("it asks to wait 3,600 s")


def test_a_refused_connection_is_tried_again() -> None:
    """Nothing was sent, so a server that comes up in time answers the message, once."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        heard: list[bytes] = []

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}")

        async def use(wire: Wire) -> Answer:
            waiting = asyncio.create_task(wire.request("POST", "/"))
            await asyncio.sleep(0.05)
            server = await asyncio.start_server(talk, sock=held)
            answer = await waiting
            server.close()
            return answer

        answer = asked(f"http://127.0.0.1:{held.getsockname()[1]}", use)
    assert 2 <= answer.attempts <= 3
    assert len(heard) == 1


def test_a_refused_connection_is_said_in_plain_words() -> None:
    """Where to, why, and how often it was tried."""
    with refused() as url, pytest.raises(EngineUnreachable) as problem:  # the whole text is compared below
        asked(url, post)
    assert str(problem.value) == f"cannot connect to {url}: connection refused"
    assert (problem.value.detail or "").startswith("asked 3 times")
    with refused() as url, pytest.raises(EngineUnreachable, match="connection refused") as problem:
        asked(url, post, Faults(retry="off"))
    assert "asked" not in (problem.value.detail or "")


def test_a_name_that_no_host_has_is_said() -> None:
    """The usual slip in a URL."""
    with pytest.raises(
        EngineUnreachable, match=r"cannot connect to http://no-such-host\.invalid: there is no host of this name"
    ):
        asked("http://no-such-host.invalid", get, Faults(attempts=1))


def test_a_connection_that_is_never_taken_ends_in_time() -> None:
    """A full backlog answers nothing at all."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen(0)
        address = held.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        began = time.monotonic()
        with pytest.raises(EngineUnreachable, match=r"no connection within 0\.3 s"):
            asked(f"http://127.0.0.1:{address[1]}", post, Faults(attempts=1, connect_timeout_s=0.3))
        assert time.monotonic() - began < 2
        for filler in fillers:
            filler.close()


def test_a_server_that_is_gone_is_given_up() -> None:
    """After so many failures in a row everything is refused at once, in the words of the last failure."""
    with refused() as url:

        async def use(wire: Wire) -> list[EngineError]:
            out: list[EngineError] = []
            for _ in range(200):
                with pytest.raises(EngineUnreachable, match="connection refused") as problem:
                    await post(wire)
                out.append(problem.value)
            with pytest.raises(EngineUnreachable, match="connection refused"):
                await wire.ready()
            return out

        began = time.monotonic()
        problems = asked(url, use, Faults(breaker_after=3, attempts=2))
    assert time.monotonic() - began < 3
    assert len({str(problem) for problem in problems}) == 1
    given_up = "not asked any more: 3 requests in a row had no answer (breaker_after: 3)"
    assert [isinstance(problem, EngineGivenUp) for problem in problems] == [False] * 2 + [True] * 198
    assert [(problem.detail or "").startswith(given_up) for problem in problems] == [False] * 2 + [True] * 198


def test_a_server_that_was_given_up_is_tried_again_after_a_while() -> None:
    """Where a wire outlives a run: one failure more gives it up again, an answer makes it good."""
    now = 0.0
    breaker = Breaker(3, Clock(elapsed=lambda: now))
    for _ in range(3):
        breaker.check()
        breaker.failed(EngineUnreachable("gone"))
    now = 29.0
    with pytest.raises(EngineGivenUp, match="gone"):
        breaker.check()
    now = 31.0
    breaker.check()
    breaker.failed(EngineUnreachable("still gone"))
    with pytest.raises(EngineGivenUp, match="still gone"):
        breaker.check()
    now = 62.0
    breaker.check()
    breaker.answered()
    breaker.failed(EngineUnreachable("a slip"))
    breaker.check()


def test_an_answer_that_was_under_way_does_not_bring_a_server_back() -> None:
    """Cases are told one thing: once it was given up, what was asked before that changes nothing."""
    breaker = Breaker(2, Clock(elapsed=lambda: 0.0))
    for _ in range(2):
        breaker.failed(EngineUnreachable("gone"))
    breaker.answered()
    with pytest.raises(EngineGivenUp, match="gone"):
        breaker.check()


def test_any_answer_keeps_a_server_in_play() -> None:
    """Failures that are not in a row do not add up, even where the answer is an error."""

    async def lost(turn: Turn) -> None:
        turn.drop()

    with hostile_server(answering(Said(b"{}", status=500)), {"lost": lost}) as server:

        async def use(wire: Wire) -> None:
            for _ in range(6):
                with pytest.raises(EngineUnreachable, match="closed the connection"):
                    await wire.request("POST", "/", body="hostile:lost!")
                with pytest.raises(EngineStatus, match="answered 500"):
                    await post(wire)

        asked(server.url, use, Faults(breaker_after=2))


def test_a_server_that_takes_everything_and_answers_nothing_is_given_up() -> None:
    """Each wait ends by its turn's limit, and counts."""

    async def hangs(turn: Turn) -> None:
        await turn.hang()

    with hostile_server(answering(GOOD), {"hangs": hangs}) as server:

        async def use(wire: Wire) -> None:
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await wire.request("POST", "/", body="hostile:hangs!")
            with pytest.raises(EngineUnreachable, match="gives no answer") as problem:
                await post(wire)
            assert "3 requests in a row" in (problem.value.detail or "")

        asked(server.url, use, Faults(breaker_after=3))


def test_a_wait_cut_off_by_the_turns_limit_counts_too() -> None:
    """A limit shorter than the waits between attempts leaves no server in play that nobody reaches."""
    with refused() as url:

        async def use(wire: Wire) -> None:
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await post(wire)
            with pytest.raises(EngineGivenUp, match="connection refused"):
                await wire.ready()

        asked(url, use, Faults(breaker_after=3))


def test_requests_keep_to_their_pace() -> None:
    """Evenly spread from the first on, whoever asks, streams too."""
    with hostile_server(answering(GOOD), {}) as server:

        async def use(wire: Wire) -> float:
            began = asyncio.get_running_loop().time()
            await asyncio.gather(*(get(wire) for _ in range(21)))
            return asyncio.get_running_loop().time() - began

        took = asked(server.url, use, Faults(max_requests_per_s=50))
    assert 0.4 <= took < 1.5


def test_a_wire_keeps_its_pace_in_a_second_loop() -> None:
    """Slots of a loop that is gone are not waited for."""
    with hostile_server(answering(GOOD), {}) as server:
        wire = Wire(server.url, faults=Faults(max_requests_per_s=2), clock=Clock())

        async def once() -> None:
            await get(wire)
            await wire.close()

        began = time.monotonic()
        asyncio.run(once())
        asyncio.run(once())
    assert time.monotonic() - began < 0.45

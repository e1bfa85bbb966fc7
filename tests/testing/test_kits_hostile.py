"""The kit of hostile servers finds engines that do not survive them, and says which promise was broken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from focal_eval.clock import Clock
from focal_eval.engines.base import Abilities, Session, SessionStart
from focal_eval.engines.wire import Answer, Faults, Wire
from focal_eval.errors import EngineProtocol
from focal_eval.records import UNKNOWN, MessageRecord, Reply, UnknownType
from focal_eval.testing import hostile_conformance
from focal_eval.testing.hostile_server import Heard, Said
from focal_eval.testing.misdeeds import MISDEEDS

Reading = Callable[[Answer], Reply]


class Small:
    """The smallest remote engine: one request a message; how an answer is read is given."""

    def __init__(self, url: str, read: Reading) -> None:
        self.wire = Wire(url, faults=Faults(attempts=2), clock=Clock())
        self.read = read

    @property
    def abilities(self) -> Abilities:
        return Abilities()

    async def open(self, start: SessionStart) -> Session:
        return SmallSession(self)

    async def close(self) -> None:
        await self.wire.close()


class SmallSession:
    """One conversation of it."""

    def __init__(self, engine: Small) -> None:
        self.engine = engine

    async def send(self, message: str | None) -> Reply:
        return self.engine.read(await self.engine.wire.request("POST", "/say", body={"text": message}))

    async def stored(self) -> tuple[MessageRecord, ...] | UnknownType:
        return UNKNOWN

    async def close(self) -> None: ...


def echo(heard: Heard) -> Said:
    """A good server: it repeats."""
    asked: Any = heard.json()
    return Said(orjson.dumps({"said": asked["text"], "more": 1}))


def careful(answer: Answer) -> Reply:
    """Reads an answer as an adapter should."""
    found = answer.json()
    if not isinstance(found, dict) or not isinstance(found.get("said"), str):
        raise EngineProtocol("the reply has no text 'said'")
    return Reply(response=str(found["said"]))


def careless(answer: Answer) -> Reply:
    """Trusts the server."""
    found: Any = answer.json()
    return Reply(response=found["said"])


def deaf(answer: Answer) -> Reply:
    """Takes anything for an answer."""
    return Reply(response=answer.content.decode("utf-8", "replace"))


BLIND = ("injects", "mixes-up")


def test_a_careful_engine_passes() -> None:
    """Every misdeed that fits its replies has its error; no server and no TLS are among them."""
    found = hostile_conformance(lambda url: Small(url, careful), echo, unnoticed=BLIND)
    whole = {name for name, deed in MISDEEDS.items() if deed.of != "stream" and name not in BLIND}
    assert set(found) == whole | {"refuses", "no-tls"}


def test_an_engine_that_crashes_is_found() -> None:
    """A KeyError of the adapter is not the server's fault."""
    said = "a server that answers with a list where an object is expected is EngineProtocol; it raised TypeError"
    with pytest.raises(AssertionError, match=said):
        hostile_conformance(lambda url: Small(url, careless), echo, unnoticed=BLIND)


def test_an_engine_that_takes_anything_is_found() -> None:
    """What it answered is shown."""
    said = r"a server that .* is EngineProtocol; it answered Reply\("
    with pytest.raises(AssertionError, match=said):
        hostile_conformance(lambda url: Small(url, deaf), echo, unnoticed=BLIND)


def test_an_engine_that_does_not_end_in_time_is_found() -> None:
    """One that goes on although its time is over holds the whole run up."""

    class Slow(SmallSession):
        async def send(self, message: str | None) -> Reply:
            try:
                return await super().send(message)
            except asyncio.CancelledError:
                await asyncio.sleep(1.2)
                raise

    class Engine(Small):
        async def open(self, start: SessionStart) -> Session:
            return Slow(self)

    with pytest.raises(AssertionError, match=r"it ends within its time limit of 0\.1 s; 'hangs' took 1\.\d s"):
        hostile_conformance(lambda url: Engine(url, careful), echo, unnoticed=BLIND, timeout_s=0.1)


def test_an_engine_that_mixes_conversations_is_found() -> None:
    """A fault of one conversation that ends in another one is said with both."""

    class Sticky(Small):
        broken: EngineProtocol | None = None

        async def open(self, start: SessionStart) -> Session:
            return StickySession(self)

    class StickySession(SmallSession):
        async def send(self, message: str | None) -> Reply:
            assert isinstance(self.engine, Sticky)
            if self.engine.broken is not None:
                raise self.engine.broken
            try:
                return await super().send(message)
            except EngineProtocol as problem:
                self.engine.broken = problem
                raise

    with pytest.raises(AssertionError, match=r"other conversations go on; .* got EngineProtocol"):
        hostile_conformance(lambda url: Sticky(url, careful), echo, unnoticed=BLIND)


def test_only_what_cannot_be_noticed_may_be_excused() -> None:
    """An engine cannot talk itself out of reading JSON."""
    with pytest.raises(AssertionError, match="only some misdeeds can go unnoticed; these cannot: nan"):
        hostile_conformance(lambda url: Small(url, careful), echo, unnoticed=("nan",))

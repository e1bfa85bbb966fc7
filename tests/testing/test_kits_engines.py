"""The engine kit: passes sound engines, names the broken promise of others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from focal_eval.engines import Abilities, Engine, Names, Probe, SessionStart, Setting
from focal_eval.engines.cassette import Cassette
from focal_eval.engines.recording import RecordedConversation, RecordedTurn, recording_bytes
from focal_eval.errors import EngineProtocol, EngineTimeout
from focal_eval.records import UNKNOWN, MessageRecord, Reply, RuleMatch, ToolCall
from focal_eval.testing import ScriptedEngine, engine_conformance
from focal_eval.testing.doubles import ScriptedSession

ECHO = Abilities(deterministic=True)


def echo(said: Sequence[str | None]) -> str:
    return f"{len(said)}: {said[-1]}"


def test_a_sound_engine_passes() -> None:
    """The scripted double keeps every promise itself."""
    engine_conformance(lambda: ScriptedEngine(echo))


def test_a_cassette_passes(tmp_path: Path) -> None:
    """The cassette engine, with all kinds of fields recorded, in both ways of matching."""
    replies = (
        Reply("Hi!", rules=(RuleMatch("greet", 0.5),), tools=(ToolCall("look", {"a": [1]}, {"b": None}),), scenario=None),
        Reply("Bye!", messages=("Bye", "!"), metadata={"k": 1}, latency_ms=3.0, follow_ups=("x",)),
    )
    turns = tuple(RecordedTurn(text, reply) for text, reply in zip(("hello", "and now?"), replies, strict=True))
    talk = RecordedConversation("talk", turns, (MessageRecord("user", "hello"),))
    (tmp_path / "tape.jsonl").write_bytes(recording_bytes([talk]))
    start = SessionStart("conformance", script="talk")
    engine_conformance(Cassette("tape.jsonl"), start=start, setting=Setting(tmp_path))
    engine_conformance(Cassette("tape.jsonl", "position"), start=start, setting=Setting(tmp_path))


def test_an_engine_that_is_not_deterministic_may_vary() -> None:
    """Only an engine that calls itself deterministic is held to it."""
    counter = iter(range(1_000_000))
    engine_conformance(lambda: ScriptedEngine(lambda _: str(next(counter)), abilities=Abilities()))


def shared_memory() -> Engine:
    """All sessions talk into one list."""
    heard: list[str | None] = []

    def answer(said: Sequence[str | None]) -> str:
        heard.append(said[-1])
        return str(len(heard))

    return ScriptedEngine(answer)


class LastSpeaker(ScriptedEngine):
    """Answers what was said last in any session: right as long as they take turns."""

    def __init__(self) -> None:
        super().__init__(echo)
        self.speaker: ScriptedSession | None = None

    async def open(self, start: SessionStart) -> ScriptedSession:
        engine = self

        class Mixed(ScriptedSession):
            async def send(self, message: str | None) -> Reply:
                engine.speaker = self
                await asyncio.sleep(0)
                assert engine.speaker is not None
                return await super().send(message) if engine.speaker is self else Reply("mixed up")

        return Mixed(start, self._answers)


class Rude(ScriptedEngine):
    """Its sessions cannot be closed twice."""

    async def open(self, start: SessionStart) -> ScriptedSession:
        class Once(ScriptedSession):
            async def close(self) -> None:
                if self.closed:
                    raise RuntimeError("already closed")
                self.closed = True

        return Once(start, self._answers)


def crash_on(text: str) -> Callable[[Sequence[str | None]], str]:
    def answer(said: Sequence[str | None]) -> str:
        if said[-1] == text:
            raise KeyError(text)
        return "fine"

    return answer


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            shared_memory,
            "a new session begins anew, whatever was said in an earlier one; to 'hello' 'response' was '1', then '3'",
        ),
        (LastSpeaker, "sessions side by side do not mix; to 'hello' 'response' was '1: hello', then 'mixed up'"),
        (lambda: Rude(echo), "a session can be closed twice; it raised RuntimeError: already closed"),
        (lambda: ScriptedEngine(crash_on("")), "the message '' is answered or an EngineError; it raised KeyError: ''"),
        (lambda: ScriptedEngine(crash_on("hello")), "the message 'hello' is answered; it raised KeyError: 'hello'"),
        (lambda: ScriptedEngine([Reply("a", rules=())] * 2), r"holds only declared fields, .* UNKNOWN; \['rules'\] were set"),
        (lambda: ScriptedEngine([Reply("a", raw={1: 2})] * 2), "a reply comes back from the journal as it was"),
        (lambda: ScriptedEngine([EngineTimeout("slow")]), "the message 'hello' is answered; it raised EngineTimeout: slow"),
        (lambda: ScriptedEngine(echo, messages=(MessageRecord("user", "x"),)), "stored messages are declared"),
        (
            lambda: ScriptedEngine(echo, abilities=Abilities(frozenset({"response", "rulez"}))),
            r"`reports` names fields of Reply, or messages_stored; it names \['rulez'\]",
        ),
        (lambda: ScriptedEngine(echo, abilities=Abilities(seeds=frozenset({"mood"}))), r"`seeds` .* it names \['mood'\]"),
        (
            lambda: ScriptedEngine([Reply("a", session_id="s")] * 2, abilities=ECHO),
            r"sessions have ids of their own; \['s'\] came twice",
        ),
    ],
)
def test_a_broken_promise_is_named(make: Callable[[], Engine], said: str) -> None:
    """The message says which promise, and what was seen instead."""
    with pytest.raises(AssertionError, match=said):
        engine_conformance(make)


def test_a_claim_to_be_deterministic_is_tried() -> None:
    """Two engines of one configuration must answer the same, not only two sessions of one."""
    made = iter(range(100))

    def make() -> Engine:
        number = next(made)
        return ScriptedEngine(lambda _: str(number))

    with pytest.raises(AssertionError, match="a deterministic engine answers the same each time"):
        engine_conformance(make)


@dataclass
class Loose:
    """A configuration that can change."""

    kind: str = "loose"

    def connect(self, setting: Setting) -> Engine:
        return ScriptedEngine(echo)

    def agent_file(self, setting: Setting) -> Path | None:
        return None


def test_a_configuration_is_looked_at_too() -> None:
    """It is frozen, and none of its fields hides the engine's kind."""
    with pytest.raises(AssertionError, match="engine Loose: a configuration is a frozen dataclass"):
        engine_conformance(Loose())
    body = {"__annotations__": {"kind": str}, "kind": "x", "connect": Loose.connect}
    made: Any = dataclass(frozen=True)(type("Kinded", (), body))
    with pytest.raises(AssertionError, match="`kind` names the engine in a suite"):
        engine_conformance(made())


class Probed(ScriptedEngine):
    """Gives this when it is probed, or raises it."""

    def __init__(self, found: Any) -> None:
        super().__init__(echo)
        self.found = found

    async def probe(self) -> Any:
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


@pytest.mark.parametrize(
    ("found", "said"), [({"ok": True}, "it gave {'ok': True}"), (KeyError("x"), "it raised KeyError: 'x'")]
)
def test_a_probe_is_tried_where_there_is_one(found: Any, said: str) -> None:
    """It gives a Probe, or raises what a turn would raise."""
    for sound in (Probe(), EngineTimeout("slow")):
        engine_conformance(lambda sound=sound: Probed(sound))
    with pytest.raises(AssertionError, match=f"a probe gives a Probe or an EngineError; {said}"):
        engine_conformance(lambda: Probed(found))


class Listing(Probed):
    """Gives this when it is asked for what it lists, or raises it."""

    async def probe(self) -> Any:
        return Probe()

    async def listed(self) -> Any:
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


@pytest.mark.parametrize(("found", "said"), [(["greet"], r"it gave \['greet'\]"), (KeyError("x"), "it raised KeyError: 'x'")])
def test_a_list_of_names_is_tried_where_there_is_one(found: Any, said: str) -> None:
    """It gives Names, None where it has none, or raises what a turn would raise."""
    for sound in (Names("the agent", ""), None, EngineTimeout("slow")):
        engine_conformance(lambda sound=sound: Listing(sound))
    with pytest.raises(AssertionError, match=f"what an engine lists is Names, None or an EngineError; {said}"):
        engine_conformance(lambda: Listing(found))


@dataclass(frozen=True)
class Naming:
    """A configuration that knows names."""

    names: Any = None
    file: str | None = None

    def connect(self, setting: Setting) -> Engine:
        return ScriptedEngine(echo)

    def agent_file(self, setting: Setting) -> Path | None:
        return None if self.file is None else Path(self.file)

    def known_names(self, setting: Setting) -> Any:
        return self.names


def test_known_names_are_names_and_stand_alone() -> None:
    """They are asked for instead of an agent file, not beside it."""
    engine_conformance(Naming(Names("desk", "1")))
    with pytest.raises(AssertionError, match="known_names gives Names; it gave None"):
        engine_conformance(Naming())
    with pytest.raises(AssertionError, match="known_names stands for agent_file; there are both"):
        engine_conformance(Naming(Names("desk", "1"), "agent.yaml"))


def test_times_and_ids_may_differ() -> None:
    """What differs by nature is no broken promise of a deterministic engine."""
    counter = iter(range(1_000_000))

    def answer(said: Sequence[str | None]) -> Reply:
        number = next(counter)
        call = ToolCall("t", {}, id=str(number), duration_ms=float(number))
        return Reply("x", tools=(call,), latency_ms=float(number), turn_id=str(number))

    reports = frozenset({"response", "tools", "latency_ms"})
    engine_conformance(lambda: ScriptedEngine(answer, abilities=Abilities(reports, deterministic=True)))


def test_a_scripted_engine_says_when_it_runs_out() -> None:
    """A test that sends more than it scripted gets an engine error, and can look at all that was said."""
    engine = ScriptedEngine(["one", replace(Reply("two"), tools=())])

    async def told() -> list[Reply]:
        session = await engine.open(SessionStart("c"))
        return [await session.send("a"), await session.send(None)]

    assert asyncio.run(told()) == [Reply("one"), Reply("two", tools=())]
    assert engine.sessions[0].said == ["a", None]
    assert engine.sessions[0].start.case == "c"
    with pytest.raises(EngineProtocol, match="only 2 answers were scripted"):
        asyncio.run(engine.sessions[0].send("b"))
    assert Reply("x").rules is UNKNOWN

"""What every engine promises, tried on one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from focal_eval.document import Record, shape_of
from focal_eval.engines import Abilities, Engine, Names, Probe, Session, SessionStart, Setting
from focal_eval.errors import EngineError
from focal_eval.records import UNKNOWN, MessageRecord, Reply, ToolCall
from focal_eval.records.codec import reply_from_json, reply_to_json
from focal_eval.testing.promises import Kit
from focal_eval.value import is_settled

T = TypeVar("T")
_REPORTABLE = frozenset(spec.name for spec in fields(Reply) if spec.default is UNKNOWN)
_SEEDS = frozenset({"variables", "history", "scenario"})
_ODD = ("", " \n", "\x00\x1b[0m", "{{ 7 * 7 }} {% raw %}", "\U0001f41b\u202e\u0301", "x" * 100_000, None)


def engine_conformance(
    subject: Any,
    *,
    messages: Sequence[str] = ("hello", "and now?"),
    start: SessionStart | None = None,
    setting: Setting | None = None,
) -> None:
    """Raises AssertionError where an engine breaks a promise of `focal_eval.engines.base`.

    `subject` is an engine's configuration, or a function that gives a new engine. `messages` are answered by it in one
    conversation that begins with `start`; the kit opens some ten conversations.
    """
    kit = Kit("engine", subject)
    setting = setting or Setting(Path())
    if is_dataclass(subject) and not isinstance(subject, type):
        _configuration(kit, subject, setting)
    make: Callable[[], Engine] = subject
    if hasattr(subject, "connect") and not isinstance(subject, type):
        make = lambda: subject.connect(setting)  # noqa: E731  # one of two ways to make it
    asyncio.run(_Trial(kit, make, tuple(messages), start or SessionStart("conformance")).all())


def _configuration(kit: Kit, config: Any, setting: Setting) -> None:
    kind: Any = type(config)
    kit.holds(is_settled(kind), "a configuration is a frozen dataclass", "it is not frozen")
    try:
        shape = shape_of(kind)
    except TypeError as problem:
        kit.broken("its fields give the keys of a suite's `engine:`", str(problem), problem)
    keys = shape.entries if isinstance(shape, Record) else {}
    kit.holds("kind" not in keys, "`kind` names the engine in a suite", "a field of that name could never be set")
    file = config.agent_file(setting)
    kit.holds(file is None or isinstance(file, Path), "agent_file gives a path or None", f"it gave {file!r}")
    if hasattr(config, "known_names"):
        named = config.known_names(setting)
        kit.holds(isinstance(named, Names), "known_names gives Names", f"it gave {named!r}")
        kit.holds(file is None, "known_names stands for agent_file", "there are both")


class _Trial:
    """The promises, one method each; every one takes a new engine."""

    def __init__(self, kit: Kit, make: Callable[[], Engine], messages: tuple[str, ...], start: SessionStart) -> None:
        self.kit, self.make, self.messages, self.start = kit, make, messages, start
        self.opened = 0

    async def all(self) -> None:
        engine = await self.guarded("connecting and asking for abilities works", self._made())
        self.abilities(engine.abilities)
        replies = await self.answers(engine)
        await self.fresh(engine, replies)
        await self.side_by_side(engine, replies)
        await self.again(replies)
        await self.odd_messages(engine)
        await self.cancelled(engine)
        await self.stored(engine)
        await self.probed(engine)
        await self.listed(engine)
        await self.closing(engine)

    async def _made(self) -> Engine:
        return self.make()

    async def guarded(self, promise: str, doing: Awaitable[T]) -> T:
        """The result; any exception breaks the promise."""
        try:
            return await doing
        except Exception as problem:
            self.kit.crashed(promise, problem)

    async def open(self, engine: Engine) -> Session:
        """A fresh session under a case name of its own."""
        self.opened += 1
        start = replace(self.start, case=f"{self.start.case}-{self.opened}")
        return await self.guarded("a session can be opened", engine.open(start))

    async def talk(self, session: Session) -> list[Reply]:
        """The replies to the agreed messages."""
        return [await self.guarded(f"the message {text!r} is answered", session.send(text)) for text in self.messages]

    def abilities(self, said: Abilities) -> None:
        unknown = said.reports - _REPORTABLE - {"messages_stored"}
        known = "`reports` names fields of Reply, or messages_stored"
        self.kit.holds(not unknown, known, f"it names {sorted(unknown)}")
        promise = "`seeds` names what a session can start with"
        self.kit.holds(said.seeds <= _SEEDS, promise, f"it names {sorted(said.seeds - _SEEDS)}")
        other = self.make().abilities
        self.kit.holds(other == said, "two engines of one configuration have the same abilities", f"{other} is not {said}")

    async def answers(self, engine: Engine) -> list[Reply]:
        """A reply is a Reply, holds only what is declared, and can be written down."""
        session = await self.open(engine)
        replies = await self.talk(session)
        for text, reply in zip(self.messages, replies, strict=True):
            self.kit.holds(isinstance(reply, Reply), "an answer is a Reply", f"to {text!r} it was {type(reply).__name__}")
            extra = sorted(name for name in _REPORTABLE - engine.abilities.reports if getattr(reply, name) is not UNKNOWN)
            self.kit.holds(not extra, "a reply holds only declared fields, the others are UNKNOWN", f"{extra} were set")
            self.written_down(reply)
        await self.guarded("a session can be closed", session.close())
        return replies

    def written_down(self, reply: Reply) -> None:
        import orjson

        promise = "a reply comes back from the journal as it was"
        try:
            back = reply_from_json(orjson.loads(orjson.dumps(reply_to_json(reply))))
        except (TypeError, AttributeError, ValueError) as problem:
            self.kit.crashed(promise, problem)
        differing = [spec.name for spec in fields(Reply) if getattr(back, spec.name) != getattr(reply, spec.name)]
        first = differing[0] if differing else ""
        seen = f"'{first}' was {getattr(reply, first, None)!r} and came back as {getattr(back, first, None)!r}"
        self.kit.holds(not differing, promise, seen)

    async def fresh(self, engine: Engine, before: list[Reply]) -> None:
        """A new session knows nothing of an earlier one."""
        session = await self.open(engine)
        replies = await self.talk(session)
        await session.close()
        self.alike(engine, before, replies, "a new session begins anew, whatever was said in an earlier one")
        ids = {reply.session_id for reply in before if reply.session_id} & {reply.session_id for reply in replies}
        self.kit.holds(not ids, "sessions have ids of their own", f"{sorted(map(str, ids))} came twice")

    async def side_by_side(self, engine: Engine, alone: list[Reply]) -> None:
        """Sessions that run at the same time do not mix, whichever is ahead."""
        sessions = [await self.open(engine) for _ in range(3)]
        rounds = []
        for text in self.messages:
            sending = (self.guarded(f"the message {text!r} is answered", session.send(text)) for session in sessions)
            rounds.append(await asyncio.gather(*sending))
        for replies in zip(*rounds, strict=True):
            self.alike(engine, alone, list(replies), "sessions side by side do not mix")
        for session in sessions:
            await session.close()

    async def again(self, before: list[Reply]) -> None:
        """An engine that calls itself deterministic is."""
        engine = self.make()
        session = await self.open(engine)
        self.alike(engine, before, await self.talk(session), "a deterministic engine answers the same each time")
        await session.close()
        await self.guarded("an engine can be closed", engine.close())

    def alike(self, engine: Engine, before: list[Reply], after: list[Reply], promise: str) -> None:
        if not engine.abilities.deterministic:
            return
        for text, one, other in zip(self.messages, before, after, strict=True):
            first, second = settled(one), settled(other)
            name = next((spec.name for spec in fields(Reply) if getattr(first, spec.name) != getattr(second, spec.name)), "")
            seen = f"to {text!r} '{name}' was {getattr(first, name, None)!r}, then {getattr(second, name, None)!r}"
            self.kit.holds(first == second, promise, seen)

    async def odd_messages(self, engine: Engine) -> None:
        """Any message is answered or refused by an EngineError."""
        for text in _ODD:
            session = await self.open(engine)
            try:
                reply = await session.send(text)
            except EngineError:
                reply = Reply()
            except Exception as problem:
                self.kit.crashed(f"the message {_shown(text)} is answered or an EngineError", problem)
            self.kit.holds(isinstance(reply, Reply), "an answer is a Reply", f"to {_shown(text)} it was {reply!r}")
            await self.guarded("a session can be closed after an error", session.close())

    async def cancelled(self, engine: Engine) -> None:
        """A message that is given up leaves the engine usable."""
        session = await self.open(engine)
        task = asyncio.ensure_future(session.send(self.messages[0]))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await self.guarded("a session can be closed after a message was given up", session.close())
        other = await self.open(engine)
        await self.talk(other)
        await other.close()

    async def stored(self, engine: Engine) -> None:
        """Stored messages are declared, and are records."""
        session = await self.open(engine)
        await self.talk(session)
        kept = await self.guarded("reading the stored messages works", session.stored())
        await session.close()
        declared = "messages_stored" in engine.abilities.reports
        if kept is UNKNOWN:
            return
        self.kit.holds(declared, "stored messages are declared as messages_stored", "they came undeclared")
        sound = isinstance(kept, tuple) and all(isinstance(item, MessageRecord) for item in kept)
        self.kit.holds(sound, "stored messages are a tuple of MessageRecord, or UNKNOWN", f"it was {kept!r}")

    async def listed(self, engine: Engine) -> None:
        """What it lists, where it lists anything, is names."""
        asked = getattr(engine, "listed", None)
        if asked is None:
            return
        promise = "what an engine lists is Names, None or an EngineError"
        try:
            found = await asked()
        except EngineError:
            return
        except Exception as problem:
            self.kit.crashed(promise, problem)
        self.kit.holds(found is None or isinstance(found, Names), promise, f"it gave {found!r}")

    async def probed(self, engine: Engine) -> None:
        """A probe, where there is one, tells what it found or raises an EngineError."""
        probe = getattr(engine, "probe", None)
        if probe is None:
            return
        try:
            found = await probe()
        except EngineError:
            return
        except Exception as problem:
            self.kit.crashed("a probe gives a Probe or an EngineError", problem)
        self.kit.holds(isinstance(found, Probe), "a probe gives a Probe or an EngineError", f"it gave {found!r}")

    async def closing(self, engine: Engine) -> None:
        """Closing is allowed at any time and any number of times."""
        session = await self.open(engine)
        for _ in range(2):
            await self.guarded("a session can be closed twice", session.close())
        try:
            await session.send(self.messages[0])
        except EngineError:
            pass
        except Exception as problem:
            self.kit.crashed("a message after the end is answered or an EngineError", problem)
        for _ in range(2):
            await self.guarded("an engine can be closed twice", engine.close())


def _shown(text: str | None) -> str:
    return repr(text) if text is None or len(text) < 60 else f"{text[:20]!r}... of {len(text):,} characters"


def settled(reply: Reply) -> Reply:
    """The reply without what differs between two runs by nature: times, ids and the raw payload."""
    tools = reply.tools if reply.tools is UNKNOWN else tuple(_settled_call(call) for call in reply.tools)
    return replace(
        reply,
        latency_ms=UNKNOWN,
        reasoning_ms=UNKNOWN,
        first_token_ms=None,
        elapsed_ms=None,
        session_id=None,
        turn_id=None,
        tracking_token=None,
        created_at=None,
        raw=None,
        tools=tools,
    )


def _settled_call(call: ToolCall) -> ToolCall:
    return replace(call, duration_ms=None, id=None)

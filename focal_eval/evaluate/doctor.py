"""Whether an engine can be asked: is it there, does it let the suite in, how fast is it, what does it tell, what does it list.

Nothing is said to it unless a message is given: without one only what its own lists and health tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from focal_eval.clock import Clock
from focal_eval.document import read_file
from focal_eval.engines import EngineConfig, Names, Probe, SessionStart, Setting
from focal_eval.engines.base import Engine
from focal_eval.engines.probing import address
from focal_eval.errors import (
    EngineError,
    EngineStatus,
    EngineTimeout,
    EngineUnauthorised,
    EngineUnreachable,
    ExitCode,
    Problems,
    Refused,
    UsageError,
    told,
)
from focal_eval.evaluate.agents import AgentFile, agent_of
from focal_eval.evaluate.connecting import engine_of
from focal_eval.records import UNKNOWN, Json, Reply
from focal_eval.registry import did_you_mean
from focal_eval.runner.redact import Redactor
from focal_eval.script.load import nearest_file, shown
from focal_eval.script.suite import Suite, looks_like_suite, read_suite
from focal_eval.script.suite_engines import Engine as EngineEntry

T = TypeVar("T")
FIELDS = tuple(sorted([*(spec.name for spec in fields(Reply) if spec.default is UNKNOWN), "messages_stored"]))
"""What an engine may report of a turn or of a conversation."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One real turn: what the reply held, by field how much, and how long it took."""

    elapsed_ms: float
    told: Mapping[str, int | None]  # how many there were, None for what is no list


@dataclass(frozen=True, slots=True)
class Lists:
    """What the engine lists, beside what the agent file names."""

    rules: int
    scenarios: int
    file: str | None = None
    listed: bool = True  # False: the engine lists nothing, the numbers are the file's
    not_listed: tuple[str, ...] = ()  # in the file, not at the engine
    not_in_file: tuple[str, ...] = ()


@dataclass(slots=True)
class Findings:
    """What was found; None is not known."""

    engine: str
    kind: str
    reports: frozenset[str]
    probe: Probe | None = None
    reachable: bool | None = None
    authorised: bool | None = None
    problem: str | None = None
    turn: Turn | None = None
    lists: Lists | None = None
    secrets: Redactor = field(default_factory=Redactor)
    url: str | None = None  # as the suite has it, for an engine that did not get as far as telling its address

    @property
    def local(self) -> bool:
        """Whether the engine runs in this process."""
        return self.probe is not None and self.probe.where is None

    @property
    def where(self) -> str | None:
        """Its address; None of one in this process, and of a plug-in that has no `url` and told none."""
        told = None if self.probe is None else self.probe.where
        return told or self.url

    @property
    def exit_code(self) -> ExitCode:
        """3 where something stands in the way of a run."""
        return ExitCode.OK if self.problem is None else ExitCode.NO_VERDICT

    @property
    def round_trip_ms(self) -> float | None:
        """The median."""
        times = sorted(self.probe.round_trips_ms) if self.probe is not None else []
        return times[len(times) // 2] if times else None

    @property
    def silent(self) -> tuple[str, ...]:
        """Fields it does not report; after a turn, those that the turn did not tell."""
        known = self.reports if self.turn is None else self.turn.told.keys()
        return tuple(name for name in FIELDS if name not in known)

    def clean(self, text: str) -> str:
        """The text without secrets: tokens, and whatever came from the environment."""
        return self.secrets(text.encode("utf-8", "replace")).decode("utf-8", "replace")

    def as_json(self) -> dict[str, Json]:
        """The same as one document."""
        probe, lists, turn = self.probe, self.lists, self.turn
        return {
            "engine": self.engine,
            "kind": self.kind,
            "where": None if self.where is None else self.clean(self.where),
            "in_this_process": self.local,
            "reachable": self.reachable,
            "authorised": self.authorised,
            "problem": self.problem,
            "asked": [] if probe is None else list(probe.asked),
            "round_trip_ms": self.round_trip_ms,
            "agent": None if probe is None else probe.agent,
            "reports": sorted(self.reports),
            "does_not_report": list(self.silent),
            "turn": None if turn is None else {"elapsed_ms": turn.elapsed_ms, "told": dict(turn.told)},
            "names": None if lists is None else {name: getattr(lists, name) for name in Lists.__slots__},
            "exit_code": int(self.exit_code),
        }


@dataclass(frozen=True, slots=True)
class Examined:
    """Which engine to look at, and how."""

    suite: Path
    engine: str | None = None  # a name under the suite's `engines:`
    message: str | None = None  # of one real turn
    limit_s: float = 10.0  # of each step
    allow_python: bool = True


def examine(what: Examined, clock: Clock | None = None) -> Findings:
    """What there is to know of an engine. Raises Refused where the suite itself is wrong."""
    clock = clock or Clock()
    suite, entry = _entry(what)
    setting = Setting(suite.folder, clock, what.allow_python)
    config: EngineConfig = entry.config
    problems = Problems()
    agent = agent_of(entry, setting, problems)
    if problems.errors:
        raise Refused("the engine was not asked", problems)
    engine = engine_of(entry, setting)
    secrets = Redactor((*entry.secrets, *setting.secrets))
    url = getattr(config, "url", None)
    where = address(url) if isinstance(url, str) else None
    found = Findings(what.engine or "engine", entry.kind, engine.abilities.reports, secrets=secrets, url=where)
    asyncio.run(_Examination(engine, found, what.message, what.limit_s, clock).all())
    if found.probe is not None:
        found.lists = _compared(found.probe.names, None if config.agent_file(setting) is None else agent)
    return found


def _entry(what: Examined) -> tuple[Suite, EngineEntry]:
    """The suite and the engine that is meant; scripts are not read."""
    if not what.suite.is_file():
        near = nearest_file(what.suite)
        raise UsageError(f"there is no suite {what.suite}" + (f"; {near}" if near else ""))
    document = read_file(what.suite, shown(what.suite))
    if document.root is not None and not looks_like_suite(document.root):
        raise UsageError(f"{document.file} is not a suite: it has neither 'scripts' nor 'engine'")
    suite = read_suite(document, what.suite)
    if suite is None:
        raise Refused("the suite cannot be read", document.problems)
    entry = suite.fields.engine if what.engine is None else suite.fields.engines.get(what.engine)
    if entry is None:
        fix = did_you_mean(what.engine or "", suite.fields.engines) or "it names no engines under 'engines:'"
        raise UsageError(f"{suite.file} has no engine '{what.engine}'; {fix}")
    unset = Problems()
    for variable, span in entry.missing:
        fix = f"export {variable}=…, or write ${{{variable}:-default}}"
        unset.error("unset-variable", f"the environment variable {variable} is not set", span, help=fix)
    if unset.errors:
        raise Refused("the engine was not asked", unset)
    return suite, entry


class _Examination:
    """One engine, looked at."""

    def __init__(self, engine: Engine, found: Findings, message: str | None, limit_s: float, clock: Clock) -> None:
        self._engine, self._found, self._message, self._limit_s, self._clock = engine, found, message, limit_s, clock

    async def all(self) -> None:
        try:
            await self._asked()
            if self._message is not None and self._found.problem is None:
                await self._guarded(self._told(self._message))
        finally:
            await self._engine.close()

    async def _asked(self) -> None:
        probe = getattr(self._engine, "probe", None)
        if probe is None:
            return
        found = self._found
        found.probe = await self._guarded(probe())
        if found.probe is not None:
            found.reachable = True
            found.authorised = found.probe.authorised

    async def _told(self, message: str) -> None:
        """One turn of a conversation of its own."""
        found = self._found
        session = await self._engine.open(SessionStart(f"doctor-{self._clock.new_id()[:12]}"))
        try:
            began = self._clock.elapsed()
            reply = await session.send(message)
            elapsed = (self._clock.elapsed() - began) * 1000
            stored = await session.stored() if "messages_stored" in found.reports else UNKNOWN
        finally:
            await session.close()
        values = {**{name: getattr(reply, name) for name in FIELDS if name != "messages_stored"}, "messages_stored": stored}
        found.turn = Turn(elapsed, {name: _count(value) for name, value in values.items() if value is not UNKNOWN})
        found.reachable = True
        if not found.local:
            found.authorised = True

    async def _guarded(self, doing: Awaitable[T]) -> T | None:
        """The result within the time limit; None where the engine does not give one, and then why."""
        found = self._found
        try:
            async with asyncio.timeout(self._limit_s):
                return await doing
        except TimeoutError:
            problem: BaseException = EngineTimeout(f"no answer within {self._limit_s:g} s")
        except EngineError as raised:
            problem = raised
        except Exception as raised:  # a plug-in's own mistake
            problem = EngineError(f"the engine's adapter raised {told(raised)}")
        if isinstance(problem, (EngineUnreachable, EngineTimeout)):
            found.reachable = False
        elif isinstance(problem, EngineStatus):
            found.reachable = True
            found.authorised = False if isinstance(problem, EngineUnauthorised) else found.authorised
        found.problem = found.clean(str(problem))
        return None


def _count(value: Any) -> int | None:
    return len(value) if isinstance(value, (Sequence, Mapping)) and not isinstance(value, str) else 0 if value is None else None


def _compared(names: Names | None, agent: AgentFile | None) -> Lists | None:
    if agent is None or agent.names is None:
        return None if names is None else Lists(len(names.rules), len(names.scenarios))
    if names is None:
        return Lists(len(agent.names.rules), len(agent.names.scenarios), agent.file, listed=False)
    wanted = agent.names.rules | agent.names.scenarios.keys()
    listed = names.rules | names.scenarios.keys()
    return Lists(
        len(names.rules),
        len(names.scenarios),
        agent.file,
        not_listed=tuple(sorted(wanted - listed)),
        not_in_file=tuple(sorted(listed - wanted)),
    )

"""A rule engine in this process that is asked by `process_turn`, as Focal's is: one call a turn, ids made for it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from focal_eval.clock import Clock, uuid_of
from focal_eval.engines.alignment import REPORTS, reply_of
from focal_eval.engines.base import Abilities, Probe, Session, SessionStart
from focal_eval.engines.focal_names import Aliases, Names
from focal_eval.errors import EngineError, EngineProtocol, UsageError
from focal_eval.records import UNKNOWN, MessageRecord, Reply, UnknownType
from focal_eval.text import shorten


def is_turn_processor(target: Any) -> bool:
    """Whether an object is asked by `process_turn`; a class is not, an object of it is."""
    return callable(getattr(target, "process_turn", None)) and not inspect.isclass(target)


@dataclass(frozen=True, slots=True)
class Processor:
    """The user's object: `process_turn`, and beside it `tenant_id`, `agent_id`, `names` and `open_session` where they are.

    `names` maps ids of scenarios and steps to what scripts call them. `open_session(conversation)` gives the id of a session
    that the engine knows: without it the engine gets an id it has never seen, and keeps nothing between turns.
    """

    target: Any
    who: str

    def accepted(self) -> frozenset[str] | None:
        """The names of what `process_turn` takes, None where it takes anything. Raises UsageError."""
        try:
            given = inspect.signature(self.target.process_turn).parameters.values()
        except (TypeError, ValueError):
            return None
        if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in given):
            return None
        names = frozenset(one.name for one in given if one.kind is not inspect.Parameter.POSITIONAL_ONLY)
        if "message" not in names:
            raise UsageError(f"{self.who}: 'process_turn' takes no 'message'")
        needed = [one.name for one in given if one.default is inspect.Parameter.empty and one.name in ("tenant_id", "agent_id")]
        for name in needed:
            if getattr(self.target, name, None) is None:
                raise UsageError(f"{self.who}: 'process_turn' needs '{name}', which the object does not have")
        return names

    def names(self) -> Names:
        """Names for the ids in its results. Raises UsageError."""
        found = getattr(self.target, "names", None) or {}
        if not isinstance(found, Mapping):
            raise UsageError(f"{self.who}: 'names' is {type(found).__name__}, a mapping from ids to names is expected")
        known = {str(key).lower(): str(name) for key, name in found.items()}
        return Names(rules=known, scenarios=known, steps=known, aliases=Aliases())


class ProcessTurnEngine:
    """Opens conversations with one object."""

    def __init__(self, processor: Processor, abilities: Abilities, clock: Clock) -> None:
        self.processor, self._abilities, self.clock = processor, abilities, clock
        self.accepted, self.names = processor.accepted(), processor.names()

    @property
    def abilities(self) -> Abilities:
        return self._abilities

    async def open(self, start: SessionStart) -> Session:
        session = uuid_of(self.clock.new_id())
        opener = getattr(self.processor.target, "open_session", None)
        if opener is not None:
            session = await _called(opener, f"{self.processor.who}: open_session", start)
        return ProcessTurnSession(self, start, session)

    async def probe(self) -> Probe:
        """Nothing to ask: it is here."""
        return Probe()

    async def close(self) -> None:
        return None


class ProcessTurnSession:
    """One conversation."""

    def __init__(self, engine: ProcessTurnEngine, start: SessionStart, session: Any) -> None:
        self._engine = engine
        target = engine.processor.target
        given = {
            "session_id": session,
            "tenant_id": getattr(target, "tenant_id", None),
            "agent_id": getattr(target, "agent_id", None),
            "channel": start.channel,
            "channel_user_id": f"{start.case}-{engine.clock.new_id()[:12]}",
        }
        accepted = engine.accepted
        self._given = {
            key: value for key, value in given.items() if value is not None and (accepted is None or key in accepted)
        }

    async def send(self, message: str | None) -> Reply:
        engine = self._engine
        who = engine.processor.who
        if message is None:
            raise EngineError(f"{who} says nothing unasked")
        result = await _called(engine.processor.target.process_turn, who, message=message, **self._given)
        reply = reply_of(result, engine.names, who)
        hidden = {
            name: UNKNOWN for name in REPORTS if name not in engine.abilities.reports and getattr(reply, name) is not UNKNOWN
        }
        return replace(reply, **hidden) if hidden else reply  # type: ignore[arg-type]  # each of them may be UNKNOWN

    async def stored(self) -> tuple[MessageRecord, ...] | UnknownType:
        return UNKNOWN

    async def close(self) -> None:
        return None


async def _called(function: Any, who: str, *args: Any, **kwargs: Any) -> Any:
    """What a function of the user's gives, plain or async; what it raises is the engine's fault."""
    try:
        if inspect.iscoroutinefunction(function):
            return await function(*args, **kwargs)
        value = await asyncio.to_thread(function, *args, **kwargs)
        return await value if inspect.isawaitable(value) else value
    except EngineProtocol:
        raise
    except Exception as problem:
        said = f"{type(problem).__name__}: {problem}"
        raise EngineError(f"{who} raised {shorten(said, 300)}", detail=said) from problem

"""A rule engine in this process that is asked by `process_turn`, as Focal's is: one call a turn, ids made for it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from focal_eval.clock import Clock, uuid_of
from focal_eval.engines.alignment import REPORTS, reply_of
from focal_eval.engines.base import Abilities, Probe, Session, SessionStart
from focal_eval.engines.calls import Raised, call
from focal_eval.engines.focal_fields import is_uuid
from focal_eval.engines.focal_names import Aliases, Names
from focal_eval.errors import EngineError, UsageError
from focal_eval.records import UNKNOWN, MessageRecord, Reply, UnknownType
from focal_eval.registry import did_you_mean
from focal_eval.text import shorten


def is_turn_processor(target: Any) -> bool:
    """Whether an object is asked by `process_turn`; a class is not, an object of it is."""
    return callable(getattr(target, "process_turn", None)) and not inspect.isclass(target)


@dataclass(frozen=True, slots=True)
class Processor:
    """The user's object: `process_turn`, and beside it `tenant_id`, `agent_id`, `names` and `open_session` where they are.

    `names` maps ids of scenarios and steps to what scripts call them. `open_session(conversation)` gives the id of a session
    that the engine knows: without it the engine gets an id it has never seen, and keeps nothing between turns.
    `arguments` are given with each message, and come before what the object and the conversation have of that name.
    """

    target: Any
    who: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    aliases: Aliases = field(default_factory=Aliases)

    def takes(self) -> Takes:
        """What `process_turn` is called with. Raises UsageError where it takes no message, or needs what nobody gives."""
        takes = _takes(self.target.process_turn)
        own = {key: value for key in _OF_THE_OBJECT if (value := getattr(self.target, key, None)) is not None}
        said = {key: _as_id(value) for key, value in self.arguments.items()}
        if not takes.any and "message" not in takes.names:
            raise UsageError(f"{self.who}: 'process_turn' takes no 'message'")
        for key in said:
            if key == "message" or not takes(key):
                fix = did_you_mean(key, takes.names - {"message"})
                raise UsageError(f"{self.who}: 'process_turn' takes no '{key}' of 'arguments'" + (f"; {fix}" if fix else ""))
        lacking = takes.needed - {"message", *own, *said, *_OF_THE_CONVERSATION}
        if lacking:
            raise UsageError(f"{self.who}: 'process_turn' needs '{min(lacking)}', which 'arguments' may give it")
        return replace(takes, given={key: value for key, value in (own | said).items() if takes(key)})

    def names(self) -> Names:
        """Names for the ids in its results. Raises UsageError."""
        found = getattr(self.target, "names", None) or {}
        if not isinstance(found, Mapping):
            raise UsageError(f"{self.who}: 'names' is {type(found).__name__}, a mapping from ids to names is expected")
        known = {str(key).lower(): str(name) for key, name in found.items()}
        return Names(rules=known, scenarios=known, steps=known, aliases=self.aliases)


@dataclass(frozen=True, slots=True)
class Takes:
    """Which arguments a method takes, and those that are given with every message."""

    names: frozenset[str]
    needed: frozenset[str]
    any: bool
    given: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, name: str) -> bool:
        return self.any or name in self.names


_OF_THE_OBJECT = ("tenant_id", "agent_id")
_OF_THE_CONVERSATION = ("session_id", "channel", "channel_user_id")


def _takes(method: Any) -> Takes:
    try:
        parameters = inspect.signature(method).parameters.values()
    except (TypeError, ValueError):  # a method of an extension module may not tell
        return Takes(frozenset(), frozenset(), True)
    named = [one for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    return Takes(
        names=frozenset(one.name for one in named),
        needed=frozenset(one.name for one in named if one.default is one.empty),
        any=any(one.kind is one.VAR_KEYWORD for one in parameters),
    )


def _as_id(value: Any) -> Any:
    """Focal's ids are UUID objects, a suite's are texts."""
    return uuid_of(value) if isinstance(value, str) and is_uuid(value) else value


class ProcessTurnEngine:
    """Opens conversations with one object."""

    def __init__(self, processor: Processor, abilities: Abilities, clock: Clock) -> None:
        self.processor, self._abilities, self.clock = processor, abilities, clock
        self.takes, self.names = processor.takes(), processor.names()

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
        conversation = {
            "session_id": session,
            "channel": start.channel,
            "channel_user_id": f"{start.case}-{engine.clock.new_id()[:12]}",
        }
        taken = {key: value for key, value in conversation.items() if engine.takes(key)}
        self._given = {**taken, **engine.takes.given}

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
        return await call(function, *args, **kwargs)
    except Raised as problem:
        if isinstance(problem.__cause__, EngineError):
            raise problem.__cause__ from None
        said = str(problem)
        raise EngineError(f"{who} raised {shorten(said, 300)}", detail=said) from problem

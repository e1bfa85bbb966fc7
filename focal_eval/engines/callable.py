"""The `callable` engine: a Python function of the user's own answers, one call a turn; or an object with `process_turn`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from focal_eval.clock import content_id
from focal_eval.engines.alignment import REPORTS
from focal_eval.engines.answer import REPORTABLE, reply_of
from focal_eval.engines.base import Abilities, Engine, HistoryTurn, Probe, Session, SessionStart, Setting, ToolAnswer
from focal_eval.engines.calls import Raised, call
from focal_eval.engines.focal_names import Aliases, read_aliases
from focal_eval.engines.local import find_callable, find_object
from focal_eval.engines.process_turn import Processor, ProcessTurnEngine, is_turn_processor
from focal_eval.errors import EngineError, UsageError
from focal_eval.records import UNKNOWN, Json, MessageRecord, Reply, UnknownType
from focal_eval.registry import did_you_mean
from focal_eval.text import shorten
from focal_eval.value import value


@dataclass(slots=True)
class Conversation:
    """What a function is told of the conversation it answers in; `data` is its own, kept between turns."""

    id: str
    channel: str
    metadata: Mapping[str, Json]
    variables: Mapping[str, Json]
    history: tuple[HistoryTurn, ...]
    scenario: str | None
    seed: int
    turns: list[tuple[str | None, str]] = field(default_factory=list)  # what was said so far
    data: dict[str, Any] = field(default_factory=dict)
    stubs: Callable[[str, Mapping[str, Json]], ToolAnswer | None] | None = None

    def stub(self, tool: str, arguments: Mapping[str, Json]) -> ToolAnswer | None:
        """What the script says the tool answers, None where it says nothing."""
        return None if self.stubs is None else self.stubs(tool, arguments)


@value
class LocalCallable:
    """A function `(message, conversation) -> text, mapping or Reply`, plain or async; or an object with `process_turn`."""

    target: str = field(metadata={"doc": "`module:name`, or `path/to/file.py:name` below the suite's folder."})
    reports: tuple[str, ...] = field(
        default=(),
        metadata={
            "doc": "Fields of the reply it tells; nothing said: the response, and of `process_turn` all that its results tell."
        },
    )
    speaks_first: bool = field(default=False, metadata={"doc": "It is asked for what it says unasked."})
    seeds: tuple[Literal["variables", "history", "scenario"], ...] = field(
        default=(), metadata={"doc": "What a conversation may begin with; it reads them from the conversation it is given."}
    )
    stubs: bool = field(default=False, metadata={"doc": "It takes tool answers from the script."})
    deterministic: bool = field(default=False, metadata={"doc": "It answers the same each time."})
    agent: str | None = field(default=None, metadata={"doc": "An agent file that names in scripts are checked against."})
    arguments: Mapping[str, Any] = field(
        default_factory=dict, metadata={"doc": "More arguments of `process_turn`; what is spelled as a UUID is given as one."}
    )
    aliases: str | None = field(
        default=None,
        metadata={"doc": "Of `process_turn`: a file that says what scripts call its rules, scenarios, steps and tools."},
    )

    def __post_init__(self) -> None:
        for name in self.reports:
            if name not in REPORTABLE:
                fix = did_you_mean(name, REPORTABLE, list_up_to=30)
                raise ValueError(f"'{name}' is not a field of a reply" + (f"; {fix}" if fix else ""))

    def connect(self, setting: Setting) -> Engine:
        found = find_object(self.target, setting, "the engine's target")
        if is_turn_processor(found):
            return self._processing(found, setting)
        for key in ("arguments", "aliases"):
            if getattr(self, key):
                raise UsageError(f"the engine's target '{self.target}' is a function, which '{key}' is not for")
        return CallableEngine(self, find_callable(self.target, setting, "the engine's target"))

    def _processing(self, found: Any, setting: Setting) -> ProcessTurnEngine:
        for name, given in (("speaks_first", self.speaks_first), ("seeds", self.seeds), ("stubs", self.stubs)):
            if given:
                raise UsageError(f"the engine's target '{self.target}' is asked by process_turn, which knows no '{name}'")
        reports = frozenset(self.reports) | {"response"} if self.reports else REPORTS
        abilities = Abilities(reports=reports, deterministic=self.deterministic)
        aliases = Aliases() if self.aliases is None else read_aliases(setting.root / self.aliases, self.aliases)
        return ProcessTurnEngine(Processor(found, self.target, self.arguments, aliases), abilities, setting.clock)

    def agent_file(self, setting: Setting) -> Path | None:
        return None if self.agent is None else setting.root / self.agent


class CallableEngine:
    """Opens conversations with one function."""

    def __init__(self, config: LocalCallable, function: Callable[..., Any]) -> None:
        self.config, self.function = config, function
        self.reports = frozenset(config.reports) | {"response"}
        self._abilities = Abilities(
            reports=self.reports,
            speaks_first=config.speaks_first,
            seeds=frozenset(config.seeds),
            stubs=config.stubs,
            deterministic=config.deterministic,
        )

    @property
    def abilities(self) -> Abilities:
        return self._abilities

    async def open(self, start: SessionStart) -> Session:
        return CallableSession(self, start)

    async def probe(self) -> Probe:
        """Nothing to ask: it is here."""
        return Probe()

    async def close(self) -> None:
        return None


class CallableSession:
    """One conversation; a plain function runs in a thread, so that others go on meanwhile."""

    def __init__(self, engine: CallableEngine, start: SessionStart) -> None:
        self._engine = engine
        self._conversation = Conversation(
            id=content_id(engine.config.target, start.case),
            channel=start.channel,
            metadata=start.metadata,
            variables=start.variables,
            history=start.history,
            scenario=start.scenario,
            seed=start.seed,
            stubs=start.stubs,
        )

    async def send(self, message: str | None) -> Reply:
        who, function = self._engine.config.target, self._engine.function
        try:
            value = await call(function, message, self._conversation)
        except Raised as problem:
            said = str(problem)
            raise EngineError(f"{who} raised {shorten(said, 300)}", detail=said) from problem
        reply = reply_of(value, self._engine.reports, who)
        text = reply.response if isinstance(reply.response, str) else ""
        self._conversation.turns.append((message, text))
        return reply

    async def stored(self) -> tuple[MessageRecord, ...] | UnknownType:
        return UNKNOWN

    async def close(self) -> None:
        return None

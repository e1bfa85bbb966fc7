"""What an engine is to a run: it opens sessions, a session answers messages. An adapter never sees expectations.

Errors: anything that is the engine's fault is raised as an EngineError of `focal_eval.errors`; a wrong configuration is
Refused by the factory before the run starts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from focal_eval.clock import Clock
from focal_eval.errors import Diagnostic
from focal_eval.records import Json, MessageRecord, Reply, UnknownType
from focal_eval.value import value

if TYPE_CHECKING:
    from focal_eval.agent.model import Agent


@value
class ToolAnswer:
    """What a script's stub says a tool does: a result, or an error."""

    result: Json = None
    error: str | None = None
    delay_ms: float | None = None


StubAnswers = Callable[[str, Mapping[str, Json]], ToolAnswer | None]
"""(tool name, arguments) → the stub's answer, or None where the script has no stub for this call."""


@value
class HistoryTurn:
    """A turn that lies before the conversation under test."""

    user: str | None
    agent: str | None


@value
class Coming:
    """A message that will be said: UNKNOWN where it depends on replies; `sure` where nothing can keep it from being sent."""

    text: str | None | UnknownType
    sure: bool = True


@value
class Foreseen:
    """What is known of a conversation before it begins, beside its start: a recording tells by it whether it is the same."""

    name: str  # of the case; one in a run
    stubs: Json = None  # what the script's tools answer, as data
    coming: tuple[Coming, ...] = ()
    says: Callable[[Sequence[Reply]], str | None] | None = field(default=None, compare=False)
    """Of a simulated user: the message that comes, behind those of `coming`, after these replies; None where none does."""


@value
class SessionStart:
    """How one conversation begins; `case` is unique to the attempt and safe as an external user id."""

    case: str
    channel: str = "api"
    metadata: Mapping[str, Json] = field(default_factory=dict)
    variables: Mapping[str, Json] = field(default_factory=dict)
    history: tuple[HistoryTurn, ...] = ()
    scenario: str | None = None  # "returns/confirm"
    stubs: StubAnswers | None = None
    seed: int = 0
    script: str = ""  # the script's id; a cassette finds its recording by it
    foreseen: Callable[[], Foreseen] | None = field(default=None, compare=False)  # asked by recordings alone


@value
class Abilities:
    """What an engine can do and which Reply fields it reports, known before the run."""

    reports: frozenset[str] = frozenset({"response"})  # field names of Reply, and "messages_stored"
    speaks_first: bool = False
    seeds: frozenset[str] = frozenset()  # of SessionStart: variables, history, scenario
    stubs: bool = False  # takes tool answers from the script
    deterministic: bool = False


class Session(Protocol):
    """One conversation."""

    async def send(self, message: str | None) -> Reply:
        """The engine's answer; None as message asks for what it says unasked."""
        ...

    async def stored(self) -> tuple[MessageRecord, ...] | UnknownType:
        """The messages the engine keeps of this conversation, UNKNOWN where it keeps none."""
        ...

    async def close(self) -> None:
        """Ends the conversation; must not raise."""
        ...


class Engine(Protocol):
    """A chat engine, connected.

    It may have one more method, `async probe() -> Probe`, for `focal-eval doctor`: requests that change nothing and begin no
    conversation. It raises the EngineError that a turn would. And `async listed() -> Names | None`: what the engine lists
    of its agent's rules and scenarios; a run asks for it where no file tells them, and refuses scripts that misspell one.
    """

    @property
    def abilities(self) -> Abilities: ...

    async def open(self, start: SessionStart) -> Session:
        """A fresh session, never an earlier one resumed."""
        ...

    async def close(self) -> None: ...


@value
class Setting:
    """Where an engine is set up: the folder relative paths start from, the clock, and whether local Python may run.

    What an engine authorises itself with it adds to `secrets`, so that a run writes it nowhere. `agents` are agent files that
    were read already, each with the digest of its text: an engine that plays one of them need not read it again.
    """

    root: Path  # the suite file's folder
    clock: Clock = field(default_factory=Clock)
    allow_python: bool = True
    secrets: list[str] = field(default_factory=list, compare=False, repr=False)
    agents: dict[Path, tuple[Agent, str]] = field(default_factory=dict, compare=False, repr=False)


@value
class Names:
    """What an engine's own definition of its agent names, so that scripts are checked against it before a run."""

    file: str  # as messages call it
    digest: str
    id: str | None = None
    rules: frozenset[str] = frozenset()
    tools: Mapping[str, frozenset[str] | None] = field(default_factory=dict)  # argument names, None where not declared
    scenarios: Mapping[str, frozenset[str]] = field(default_factory=dict)  # step ids
    problems: tuple[Diagnostic, ...] = ()  # with an error among them the names are not complete


@value
class Probe:
    """What is known of a live engine without a conversation; None where only a turn would tell."""

    where: str | None = None  # its address; None for an engine that runs in this process
    asked: tuple[str, ...] = ()  # "GET /health"
    round_trips_ms: tuple[float, ...] = ()
    authorised: bool | None = None
    agent: str | None = None  # as the engine calls it
    names: Names | None = None  # what its own lists hold


class EngineConfig(Protocol):
    """A suite's `engine:` entry: a frozen dataclass whose fields are the YAML keys beside `kind`.

    Its name in the registry is the `kind`; its shape, JSON Schema and errors come from the fields.

    An engine whose agent is defined in a language of its own may have one more method, `known_names(setting) -> Names`: it
    then stands for `agent_file`. It raises UsageError where there is no such definition.
    """

    def connect(self, setting: Setting) -> Engine:
        """The engine; raises Refused, with diagnostics where a file is wrong. Nothing is sent yet."""
        ...

    def agent_file(self, setting: Setting) -> Path | None:
        """The agent definition that names in scripts are checked against, where there is one."""
        ...

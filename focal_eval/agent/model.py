"""An agent file as data: frozen, every text with its place. The keys of the file are the fields' names.

A name that ends in `_` has the key without it (`if_` is `if`). `span` is never a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, ClassVar, Literal

from focal_eval.agent.placed import NOWHERE, ById, KeyedBy, Located, Placed, PlainData
from focal_eval.agent.spellings import Collect, Requires, TextByLanguage
from focal_eval.document.shape import ListOf, Number
from focal_eval.source import Span
from focal_eval.value import value

Count = Annotated[int, Number(whole=True, minimum=0)]
Share = Annotated[float, Number(minimum=0, maximum=1)]
Milliseconds = Annotated[float, Number(minimum=0, maximum=3_600_000)]
Values = Annotated[tuple[tuple[Placed, Any], ...], KeyedBy(PlainData())]  # name: value, templates allowed
Names = tuple[Placed, ...]


@value
class Trigger(Located):
    """When something holds of the message and the conversation; all keys that are given must hold."""

    short: ClassVar[str] = "trigger"
    trigger: Names = ()  # one of these named triggers holds
    any_words: Names = ()
    all_words: Names = ()
    phrase: Names = ()
    pattern: Names = ()
    filled: Names = ()  # the message gave one of these slots a value
    corrected: Names = ()  # the message changed one of these slots
    language: Names = ()
    called: Names = ()  # one of these tools answered in this turn
    on_tool_error: Names = ()  # one of these tools failed in this turn
    if_: Placed | None = None
    not_: Trigger | None = None
    any_: tuple[Trigger, ...] = ()
    all_: tuple[Trigger, ...] = ()
    span: Span = NOWHERE


@value
class Scope(Located):
    """Where a rule applies: everywhere, in scenarios, or at steps."""

    short: ClassVar[str] = "kind"
    kind: Literal["global", "GLOBAL"] = "global"
    scenario: Names = ()
    step: Names = ()  # scenario/step
    span: Span = NOWHERE


@value
class Rule(Located):
    """A rule: when it matches, what it then does, and how it stands to other rules."""

    id: Placed
    when: Placed | None = None  # the condition in words; scored where there is no `match`
    match: Trigger | None = None
    then: Placed | None = None  # the action in words; what a generator is told
    priority: int = 0
    scope: Scope = Scope()
    enabled: bool = True
    cooldown_turns: Count = 0
    max_fires: Count = 0  # 0: no limit
    requires: Requires = field(default_factory=Requires)
    excludes: Names = ()
    implies: Names = ()
    outranks: Names = ()
    language: Names = ()
    tools: Names = ()
    template: Placed | None = None
    sets: Values = ()
    outcome: Placed | None = None
    hard: bool = False
    enforce: Names = ()
    extract: Annotated[tuple[tuple[Placed, Placed], ...], KeyedBy(Placed.__shape__())] = ()
    forbid: Names = ()
    fallback: Placed | None = None
    tags: Names = ()
    span: Span = NOWHERE


@value
class Go(Located):
    """A transition: where to, and when."""

    to: Placed  # step, or scenario/step, or "end"
    when: Trigger | None = None
    if_: Placed | None = None
    on_tool_error: Names = ()
    priority: int = 0
    early: bool = False  # may be taken before the step's slots are filled
    at_once: bool = False  # may read the message that led to the step
    clear: Names = ()  # slots forgotten on the way
    sets: Values = ()
    span: Span = NOWHERE


@value
class Step(Located):
    """A step: what it collects, runs, says, and where it goes."""

    id: Placed
    title: str | None = None
    collect: Collect = field(default_factory=Collect)
    tools: Names = ()
    sets: Values = ()
    template: Placed | None = None
    otherwise: Placed | None = None  # said where a message moved nothing
    go: tuple[Go, ...] = ()
    terminal: bool = False
    outcome: Placed | None = None
    span: Span = NOWHERE


@value
class Enter(Located):
    """What starts a scenario: one of these rules matched, or the trigger holds."""

    rules: Names = ()
    match: Trigger | None = None
    span: Span = NOWHERE


@value
class First(Located):
    """A scenario that comes before this one, unless an expression holds."""

    scenario: Placed
    unless: Placed
    span: Span = NOWHERE


@value
class Relocalise(Located):
    """Back to a step of the active scenario, forgetting slots on the way."""

    when: Trigger
    to: Placed
    clear: Names = ()
    sets: Values = ()
    span: Span = NOWHERE


@value
class Scenario(Located):
    """A flow of steps; at most one is active at a time."""

    id: Placed
    steps: Annotated[tuple[Step, ...], ById(Step)]
    title: str | None = None
    enter: Enter = Enter()
    requires: Requires = field(default_factory=Requires)
    first: First | None = None
    start: Placed | None = None  # the first step, unless said otherwise
    priority: int = 0
    interrupts: Literal["always", "idle", "never"] = "idle"
    resume: bool = True
    clear: Names = ()  # slots forgotten when it starts
    exit: Trigger | None = None
    exit_template: Placed | None = None
    relocalise: tuple[Relocalise, ...] = ()
    span: Span = NOWHERE


@value
class Slot(Located):
    """A value read from what the user says; it becomes the variable of the same name."""

    id: Placed
    kind: Literal["text", "number", "amount", "date", "email", "choice"] | None = None  # text, or choice where it has values
    pattern: Names = ()
    values: Annotated[tuple[tuple[Placed, Names], ...], KeyedBy(ListOf(Placed.__shape__()))] = ()
    formats: Names = ()
    normalise: tuple[Literal["upper", "lower", "title", "digits", "no_spaces"], ...] = ()
    min: float | None = None
    max: float | None = None
    check: Placed | None = None
    invalid: Placed | None = None
    ask: Placed | None = None
    reask: Placed | None = None
    listen: Literal["step", "scenario", "always"] = "scenario"
    correctable: bool = True
    span: Span = NOWHERE


@value
class Arg(Located):
    """Where a tool's argument comes from; exactly one source."""

    short: ClassVar[str] = "variable"
    variable: Placed | None = None
    from_: Names = ()
    result: Placed | None = None
    expression: Placed | None = None
    value: Annotated[Any, PlainData()] = None
    optional: bool = False
    span: Span = NOWHERE


@value
class Answer(Located):
    """What a tool answers to calls with these arguments."""

    when: Values = ()
    returns: Annotated[Any, PlainData()] = None
    fails: Placed | None = None
    span: Span = NOWHERE


@value
class Table(Located):
    """Answers looked up by one argument, or by several joined with `|`."""

    by: Names
    rows: Values
    missing: Placed = field(default_factory=lambda: Placed("not found"))
    span: Span = NOWHERE


@value
class Tool(Located):
    """A tool binding: its arguments, and what it answers where a script has no stub."""

    id: Placed
    description: str | None = None
    args: Annotated[tuple[tuple[Placed, Arg], ...], KeyedBy(Arg.__shape__())] = ()
    depends_on: Names = ()
    if_: Placed | None = None
    reuse: bool = False
    returns: Annotated[Any, PlainData()] = None
    answers: tuple[Answer, ...] = ()
    table: Table | None = None
    python: Placed | None = None
    fails: Placed | None = None
    delay_ms: Milliseconds = 0.0
    sets: Values = ()
    span: Span = NOWHERE


@value
class TemplateDef(Located):
    """A text the agent says."""

    short: ClassVar[str] = "text"
    id: Placed
    text: TextByLanguage
    mode: Literal["SUGGEST", "EXCLUSIVE", "FALLBACK"] = "SUGGEST"
    then_step: bool = False
    span: Span = NOWHERE


@value
class Languages(Located):
    """Which languages the agent speaks and how it notices the user's."""

    default: Placed = field(default_factory=lambda: Placed("en"))
    detect: Annotated[tuple[tuple[Placed, Trigger], ...], KeyedBy(Trigger.__shape__())] = ()
    metadata: Placed | None = None  # the metadata key that holds a locale
    span: Span = NOWHERE


@value
class Settings(Located):
    """Figures that decide for the whole agent."""

    threshold: Share = 0.35
    max_rules: Annotated[int, Number(whole=True, minimum=1)] = 10
    max_regenerations: Annotated[int, Number(whole=True, minimum=0, maximum=5)] = 1
    max_moves: Annotated[int, Number(whole=True, minimum=1, maximum=100)] = 16
    queue: bool = True
    span: Span = NOWHERE


@value
class AgentNames:
    """What scripts may refer to in this agent."""

    rules: frozenset[str]
    tools: Mapping[str, frozenset[str]]  # name → argument names
    scenarios: Mapping[str, tuple[str, ...]]  # id → steps
    templates: frozenset[str]
    variables: frozenset[str]  # slots and every variable that something sets


@value
class Agent(Located):
    """A whole agent as authored."""

    agent: Placed
    title: str | None = None
    description: str | None = None
    greeting: Placed | None = None
    fallback: Placed | None = None
    languages: Languages = Languages()
    variables: Values = ()
    settings: Settings = Settings()
    triggers: Annotated[tuple[tuple[Placed, Trigger], ...], KeyedBy(Trigger.__shape__())] = ()
    rules: Annotated[tuple[Rule, ...], ById(Rule)] = ()
    scenarios: Annotated[tuple[Scenario, ...], ById(Scenario)] = ()
    slots: Annotated[tuple[Slot, ...], ById(Slot)] = ()
    tools: Annotated[tuple[Tool, ...], ById(Tool)] = ()
    templates: Annotated[tuple[TemplateDef, ...], ById(TemplateDef)] = ()
    span: Span = NOWHERE

    @property
    def id(self) -> str:
        """The agent's name."""
        return str(self.agent)

    def setters(self) -> tuple[Rule | Tool | Step | Go | Relocalise, ...]:
        """Everything that sets variables."""
        steps = [step for flow in self.scenarios for step in flow.steps]
        goes = [go for step in steps for go in step.go]
        return (*self.rules, *self.tools, *steps, *goes, *(back for flow in self.scenarios for back in flow.relocalise))

    def names(self) -> AgentNames:
        """What scripts may refer to."""
        sets = [pair for holder in self.setters() for pair in holder.sets]
        variables = {str(name) for name, _ in (*self.variables, *sets)} | {str(slot.id) for slot in self.slots} | {"language"}
        return AgentNames(
            rules=frozenset(str(rule.id) for rule in self.rules),
            tools={str(tool.id): frozenset(str(name) for name, _ in tool.args) for tool in self.tools},
            scenarios={str(flow.id): tuple(str(step.id) for step in flow.steps) for flow in self.scenarios},
            templates=frozenset(str(template.id) for template in self.templates),
            variables=frozenset(variables),
        )

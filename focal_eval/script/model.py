"""A script as data: frozen, each authored value with its place.

`Expectation.check` is opaque here (floor 3 does not know floor 4): it is an instance of the class the registry has under
`key`, or None where the value holds `{{ }}` and is built per case by `script.fill`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from focal_eval.source import Span
from focal_eval.value import value

Path = tuple[str | int, ...]


@value
class Expectation:
    """One authored entry: what to judge and where it stands. `any_of`, `all_of` and `not` hold `children` instead."""

    key: str  # "rules", "response.contains", "any_of", "all_of", "not", "conversation.never"
    span: Span  # the key
    value_span: Span
    check: Any = None
    soft: bool = False
    because: str | None = None
    children: tuple[tuple[Expectation, ...], ...] = ()  # any_of/all_of: one tuple an alternative; not: one tuple
    node: Any = None  # the value's YAML node where it holds {{ }}
    templated: bool = False


@value
class Said:
    """A text of the script with its place; `template` where it holds `{{ }}`."""

    text: str
    span: Span
    template: bool = False


@value
class Saved:
    """`save:` of a turn: a name and where its value comes from."""

    name: str
    source: Said
    span: Span


@value
class Turn:
    """One user message and its expectations."""

    index: int
    user: tuple[Said, ...]  # variants; empty where the agent speaks first
    span: Span
    expect: tuple[Expectation, ...] = ()
    agent: Said | None = None  # golden reply
    save: tuple[Saved, ...] = ()
    when: tuple[Expectation, ...] | None = None  # sent only if all of these hold of the turns so far
    timeout_s: float | None = None
    name: str | None = None
    state: str | None = None  # of the simulated user who says this; None where the script says it


@value
class Step:
    """What one call of a stubbed tool gives: a result or an error, after a stated (not waited for) delay."""

    returns: Any = None
    fails: str | None = None
    delay_ms: float | None = None


@value
class Answer:
    """One answer of a stub: taken where `when` fits the arguments and fewer than `times` calls took it."""

    span: Span
    steps: tuple[Step, ...]  # one a call; the last one repeats
    when: Mapping[str, Any] | None = None  # matchers by argument name, None fits any call
    only: bool = False  # no arguments beside those of `when`
    times: int | None = None
    node: Any = None  # the YAML node where it holds {{ }}: read again per case
    argument_spans: Mapping[str, Span] = field(default_factory=dict)  # the names under `when`


@value
class Stub:
    """What a tool answers in this script."""

    tool: str
    span: Span
    answers: tuple[Answer, ...]


@value
class Given:
    """Where the conversation starts."""

    variables: Mapping[str, Any] = field(default_factory=dict)
    history: tuple[tuple[Said | None, Said | None], ...] = ()  # (user, agent)
    scenario: str | None = None
    scenario_span: Span | None = None
    span: Span | None = None


@value
class Mark:
    """`xfail` or `skip`, with its reason."""

    reason: str
    span: Span


@value
class Edge:
    """Where a simulated user goes from a state: the first edge whose facts hold is taken."""

    to: str  # a state, or one of `ENDS`
    span: Span  # of that word
    when: tuple[Expectation, ...] | None = None  # facts of the turn that was just answered; None: in any case


@value
class Limit:
    """A stop rule: what comes after so many times, `to` None where the simulation then has no answer."""

    times: int
    span: Span
    to: str | None = None


@value
class State:
    """One thing a simulated user may say, what is expected of the answer, and where the user goes from there.

    `turn` holds the texts, expectations and savings; its index is the state's number.
    """

    name: str
    span: Span  # of the name
    turn: Turn
    then: tuple[Edge, ...]
    at_most: Limit | None = None  # visits


ENDS = ("done", "gives_up", "leaves")
"""How a simulated user ends a conversation: with what they came for, because the agent did not help, of their own accord."""


@value
class Persona:
    """Who a model plays: it words what the user says."""

    text: Said  # who the user is, and how they speak
    wants: Said  # what they came for

    @property
    def span(self) -> Span:
        """Where the script says it."""
        return self.text.span


@value
class Simulator:
    """A simulated user, instead of turns: a graph of states, or a persona that a model plays."""

    span: Span
    states: tuple[State, ...]  # empty where a model plays
    start: str  # a state; empty where there are none
    max_turns: Limit
    stuck: Limit | None = None  # replies in a row that are the same
    knows: Mapping[str, Any] = field(default_factory=dict)  # for `{{ }}`, in what it says and what is expected
    goal: tuple[Expectation, ...] = ()  # of the whole conversation, judged where the user is `done`
    persona: Persona | None = None


@value
class Script:
    """A conversation as authored. `id` is its path below the scripts' root without the suffix.

    Where a user is simulated, `turns` is empty: what will be said is not known before it is said.
    """

    id: str
    file: str
    digest: str
    title: str
    span: Span
    turns: tuple[Turn, ...]
    tags: tuple[str, ...] = ()
    channel: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    given: Given = field(default_factory=Given)
    rows: tuple[Mapping[str, Any], ...] = ({},)  # one case each; a matrix is already multiplied out
    param_spans: Mapping[str, Span] = field(default_factory=dict)
    stubs: tuple[Stub, ...] = ()
    conversation: tuple[Expectation, ...] = ()
    xfail: Mark | None = None
    skip: Mark | None = None
    timeout_s: float | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)  # where an imported script came from
    texts: Mapping[str, str] = field(default_factory=dict)  # every file it came from, for frames
    simulator: Simulator | None = None

    @property
    def authored(self) -> tuple[Turn, ...]:
        """Every turn that somebody wrote: those of the conversation, or what a simulated user may say in each state."""
        return self.turns if self.simulator is None else tuple([state.turn for state in self.simulator.states])

    def turn_at(self, index: int, state: str | None) -> Turn | None:
        """The authored turn of a record, by its place or by the state it was said in; None where there is none any more."""
        if state is None:
            return self.turns[index] if index < len(self.turns) else None
        return next((turn for turn in self.authored if turn.state == state), None)

    @property
    def named(self) -> Mapping[str, Any]:
        """The values that names have in all cases: the session's variables, and what a simulated user knows."""
        return self.given.variables if self.simulator is None else {**self.given.variables, **self.simulator.knows}

    @property
    def closing(self) -> tuple[Expectation, ...]:
        """What is expected of the conversation as a whole: of any, and where a simulated user is done."""
        return self.conversation if self.simulator is None else (*self.conversation, *self.simulator.goal)

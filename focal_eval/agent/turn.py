"""What a turn asks of the outside, what it gives, and the workbench in between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from focal_eval.agent.compiled import Playable, PlayedRule, PlayedStep
from focal_eval.agent.model import TemplateDef
from focal_eval.agent.state import State
from focal_eval.text import words
from focal_eval.value import value


@value
class ToolRequest:
    """A tool to be called; the answer is a ToolOutcome, or None for the tool's built-in behaviour."""

    name: str
    arguments: Mapping[str, Any]


@value
class Draft:
    """A reply to be worded; the answer is the text, or None to say the drafts as they stand."""

    texts: tuple[str, ...]  # what the templates give, may be empty
    rules: tuple[tuple[str | None, str | None], ...]  # (condition, action) of matched rules, highest first
    message: str
    history: tuple[tuple[str | None, str | None], ...]
    language: str
    scenario: str | None
    step: str | None
    variables: Mapping[str, Any]
    results: Mapping[str, Any]
    attempt: int = 0
    violations: tuple[str, ...] = ()  # of the attempt before


Request = ToolRequest | Draft


@value
class Match:
    """A rule that matched."""

    name: str
    score: float
    reason: str


@value
class Dropped:
    """A candidate that did not match; `why` is the word of the filter, `by` what it was in words."""

    name: str
    score: float
    why: str
    by: str | None = None
    reason: str | None = None


@value
class Called:
    """A tool that was called."""

    name: str
    arguments: Mapping[str, Any]
    result: Any = None
    error: str | None = None
    duration_ms: float = 0.0


@value
class Moved:
    """A move of a scenario; `kind` is start, continue, transition, exit or relocalise."""

    kind: str
    scenario: str
    source: str | None = None
    target: str | None = None
    reason: str | None = None


@value
class Enforced:
    """What a constraint did; `action` is passed, regenerated or fallback."""

    rule: str
    action: str
    violation: str | None = None


@value
class Said:
    """A text the turn says."""

    template: str | None
    text: str
    mode: str = "SUGGEST"
    again: bool = False  # a step's text said once more, because nothing moved


@value
class Played:
    """One turn, played: the state after it and all that can be said about it."""

    state: State
    messages: tuple[str, ...]
    rules: tuple[Match, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    tools: tuple[Called, ...] = ()
    scenario: str | None = None
    step: str | None = None
    moves: tuple[Moved, ...] = ()
    template: str | None = None
    enforcement: tuple[Enforced, ...] = ()
    outcome: str = "resolved"
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def response(self) -> str:
        return "\n\n".join(self.messages)


class Work:
    """The workbench of one turn: the state being changed and what has been found so far."""

    __slots__ = (
        "_names", "agent", "began", "called", "calls", "corrected", "done_calls", "dropped", "failed", "filled", "hits",
        "invalid", "language", "left_out", "matched", "moved", "moves", "notes", "outcome", "said", "searched", "skipped",
        "state", "text", "words",
    )  # fmt: skip

    def __init__(self, agent: Playable, state: State, text: str) -> None:
        self.agent, self.state, self.text = agent, state, text
        self.words = words(text)
        self.hits = agent.lexicon.find(self.words)
        self.searched: dict[str, str | None] = {}
        self.filled: set[str] = set()
        self.corrected: set[str] = set()
        self.invalid: set[str] = set()
        self.called: set[str] = set()
        self.failed: set[str] = set()
        self.language = str(state.variables.get("language") or agent.file.languages.default)
        self.matched: dict[str, Match] = {}
        self.dropped: dict[str, Dropped] = {}
        self.calls: list[Called] = []
        self.done_calls: set[str] = set()
        self.skipped: list[dict[str, Any]] = []
        self.moves: list[Moved] = []
        self.moved = False  # the message has moved the conversation
        self.began = (state.scenario, state.step)
        self.said: list[Said] = []
        self.outcome: str | None = None
        self.notes: list[str] = []
        self.left_out: list[str] = []
        self._names: dict[str, Any] | None = None

    def names(self) -> Mapping[str, Any]:
        """What expressions and templates may read; a name without a value is absent."""
        if self._names is None:
            state = self.state
            made = {name: value for name, value in state.variables.items() if value is not None}
            made |= {"result": state.results, "error": state.errors, "asked": state.asked, "fires": state.fires}
            made |= {"channel": state.channel, "metadata": state.metadata, "message": self.text, "turn": state.turn}
            made |= {"language": self.language, "scenario": state.scenario, "step": state.step}
            self._names = made
        return self._names

    def set(self, name: str, value: Any) -> None:
        """Gives a variable a value; None takes it away."""
        self.state.variables[name] = value
        if name == "language" and isinstance(value, str):
            self.language = value
        if self._names is not None:
            self._names.pop(name, None)
            if value is not None:
                self._names[name] = value

    def stand(self, scenario: str | None, step: str | None) -> None:
        """Puts the conversation at a step."""
        self.state.scenario, self.state.step, self.state.settled = scenario, step, False
        if self._names is not None:
            self._names["scenario"], self._names["step"] = scenario, step

    def note(self, text: str) -> None:
        """Keeps a remark for the turn's metadata, once."""
        if text not in self.notes:
            self.notes.append(text)

    @property
    def step(self) -> PlayedStep | None:
        """The step the conversation is at."""
        state = self.state
        return None if state.scenario is None else self.agent.scenarios[state.scenario].steps[str(state.step)]

    def template(self, name: str) -> TemplateDef:
        return self.agent.templates[name]

    def played(self, name: str) -> PlayedRule:
        return self.agent.rules[name]

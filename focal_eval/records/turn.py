"""What was observed in one turn, in one shape for all engines.

Every field of `Reply` may be UNKNOWN: the engine does not report it. `scenario=None` is known: in no scenario.
Field names follow Focal's ChatResponse where it has one; the union adds what Glean, Mix and PipesHub store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from focal_eval.records.unknown import UNKNOWN, UnknownType
from focal_eval.value import value

Json = Any  # what json.loads returns


@value
class RuleMatch:
    """A rule that matched; `name` is what scripts say, `id` what the engine says where they differ."""

    name: str
    score: float | None = None  # the engine's relevance, 0..1 where it normalises
    id: str | None = None


@value
class Candidate:
    """A rule that was looked at; `suppressed` says what dropped it, None where it matched."""

    name: str
    score: float | None = None
    suppressed: str | None = None  # near-miss | scope | disabled | cooldown | max-fires | requires | excluded | outranked
    by: str | None = None  # the rule, scenario or figure that dropped it, in words
    reason: str | None = None  # why it was a candidate: the words or pattern that hit


@value
class ToolCall:
    """One call; `error` is set where it failed, `group` is equal for calls reported as parallel."""

    name: str
    arguments: Mapping[str, Json] | UnknownType = UNKNOWN
    result: Json | UnknownType = UNKNOWN
    error: str | None = None
    duration_ms: float | None = None
    id: str | None = None
    group: int | None = None
    type: str | None = None  # the engine's kind of tool: function, retrieval, action, ...
    status: str | None = None  # pending | running | completed | failed | blocked, where the engine says more than `error`
    parent: str | None = None  # id of the call whose sub-agent made this one


@value
class ScenarioState:
    """Where the conversation stands after the turn; `step` is None where the engine names only the scenario."""

    id: str
    step: str | None = None

    def __str__(self) -> str:
        return self.id if self.step is None else f"{self.id}/{self.step}"


@value
class Transition:
    """The edge a scenario took; `kind` is start | continue | transition | exit | relocalise."""

    kind: str
    source: str | None = None  # step id
    target: str | None = None  # step id
    scenario: str | None = None
    reason: str | None = None


@value
class Enforcement:
    """What a hard constraint did; `action` is passed | regenerated | fallback."""

    rule: str
    action: str
    violation: str | None = None


@value
class Citation:
    """A source the reply names."""

    text: str | None = None
    source: str | None = None  # title or document id
    url: str | None = None
    index: int | None = None
    id: str | None = None
    score: float | None = None  # relevance, 0..1 where the engine normalises
    context: str | None = None  # what stands around the cited text


@value
class Tokens:
    """Token counts; `total` alone where the engine does not split them."""

    total: int | None = None
    prompt: int | None = None
    completion: int | None = None
    cached: int | None = None  # of the prompt, read from a cache
    cache_written: int | None = None
    reasoning: int | None = None  # of the completion, spent on reasoning


@value
class Reply:
    """What an engine answered to one message."""

    response: str | UnknownType = UNKNOWN  # several messages joined by blank lines
    messages: tuple[str, ...] = ()  # the single messages where there were several
    rules: tuple[RuleMatch, ...] | UnknownType = UNKNOWN
    candidates: tuple[Candidate, ...] | UnknownType = UNKNOWN
    tools: tuple[ToolCall, ...] | UnknownType = UNKNOWN
    scenario: ScenarioState | None | UnknownType = UNKNOWN
    transitions: tuple[Transition, ...] | UnknownType = UNKNOWN
    template: str | None | UnknownType = UNKNOWN
    enforcement: tuple[Enforcement, ...] | UnknownType = UNKNOWN
    outcome: str | UnknownType = UNKNOWN  # resolved | awaiting-user | fallback | blocked | escalated | ...
    variables: Mapping[str, Json] | UnknownType = UNKNOWN  # the session's variables after the turn
    citations: tuple[Citation, ...] | UnknownType = UNKNOWN
    follow_ups: tuple[str, ...] | UnknownType = UNKNOWN
    reasoning: str | None | UnknownType = UNKNOWN
    reasoning_ms: float | None | UnknownType = UNKNOWN
    confidence: float | str | None | UnknownType = UNKNOWN
    progress: tuple[str, ...] | UnknownType = UNKNOWN  # what was shown while the engine worked
    type: str | UnknownType = UNKNOWN  # kind of message: CONTENT, bot_response, error, ...
    format: str | UnknownType = UNKNOWN  # MARKDOWN, HTML, JSON, ...
    metadata: Mapping[str, Json] | UnknownType = UNKNOWN
    tokens: Tokens | UnknownType = UNKNOWN
    cost: float | UnknownType = UNKNOWN  # in US dollars, as the engine reports it
    latency_ms: float | UnknownType = UNKNOWN  # as the engine reports it
    model: str | None = None
    finish_reason: str | None = None  # stop | length | tool_calls | ...
    session_id: str | None = None
    turn_id: str | None = None
    tracking_token: str | None = None  # follows the session through the engine's own systems
    created_at: str | None = None
    raw: Json = None  # the payload as it came, secrets removed
    first_token_ms: float | None = None  # of a stream, as the adapter measured it
    elapsed_ms: float | None = None  # as a cassette's recording measured it: a replay takes that time, not its own


@value
class Fault:
    """Why a turn has no reply: the engine broke. `kind` is an EngineError's kind."""

    kind: str
    message: str
    detail: str | None = None


@value
class TurnRecord:
    """One turn as it happened; exactly one of `reply`, `fault` and `skipped` is set."""

    index: int  # from 0, over the script's turns
    user: str | None  # None where the agent speaks first
    reply: Reply | None = None
    fault: Fault | None = None
    skipped: str | None = None  # why the turn was not sent
    elapsed_ms: float | None = None  # as we measured it
    first_token_ms: float | None = None
    state: str | None = None  # of the simulated user who said it


@value
class MessageRecord:
    """One message as an engine stores it, read back after the conversation."""

    role: str  # user | assistant | tool | system
    text: str | None
    id: str | None = None
    turn_id: str | None = None
    type: str | UnknownType = UNKNOWN
    format: str | UnknownType = UNKNOWN
    rules: tuple[RuleMatch, ...] | UnknownType = UNKNOWN
    tools: tuple[ToolCall, ...] | UnknownType = UNKNOWN
    scenario: ScenarioState | None | UnknownType = UNKNOWN
    citations: tuple[Citation, ...] | UnknownType = UNKNOWN
    follow_ups: tuple[str, ...] | UnknownType = UNKNOWN
    reasoning: str | None | UnknownType = UNKNOWN
    reasoning_ms: float | None | UnknownType = UNKNOWN
    confidence: float | str | None | UnknownType = UNKNOWN
    feedback: Json | UnknownType = UNKNOWN
    metadata: Mapping[str, Json] | UnknownType = UNKNOWN
    tokens: Tokens | UnknownType = UNKNOWN
    cost: float | UnknownType = UNKNOWN  # in US dollars
    latency_ms: float | UnknownType = UNKNOWN
    model: str | None = None
    finish_reason: str | None = None
    session_id: str | None = None
    tracking_token: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    raw: Json = None


@value
class Transcript:
    """A whole conversation: its turns in order and the engine's stored messages where it keeps them."""

    turns: tuple[TurnRecord, ...]
    messages: tuple[MessageRecord, ...] | UnknownType = UNKNOWN
    saved: Mapping[str, Json] = field(default_factory=dict)

"""`conversation.total_tokens`, `total_cost`, `total_latency_ms`, `turns`: what a whole conversation may take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from focal_eval.checks.base import Conversation, ConversationCheck, Unreported, written_short
from focal_eval.checks.limits import Clock, cost_of, latency_of, over, total_of
from focal_eval.checks.ranges import Count, Limits, figure
from focal_eval.checks.reported import known, not_reported
from focal_eval.checks.whole import WholeValue
from focal_eval.document import Shape, shape_of
from focal_eval.document.shape import Number
from focal_eval.records import Finding, Reply, TurnRecord

_MAX: Any = {"shape": Number(minimum=0), "doc": "At most."}
_MIN: Any = {"shape": Number(minimum=0), "doc": "At least."}
Whole = Annotated[int, Number(whole=True, minimum=0)]


def answered(seen: Conversation) -> list[tuple[TurnRecord, Reply]]:
    """The turns that have a reply."""
    return [(turn, turn.reply) for turn in seen.turns if turn.reply is not None]


def _sum(seen: Conversation, figure_of: Callable[[TurnRecord, Reply], float], limits: Limits) -> float:
    """The sum over all turns. A turn that tells nothing leaves it unknown, unless the others already exceed the limit."""
    total, blind = 0.0, None
    for turn, reply in answered(seen):
        try:
            total += figure_of(turn, reply)
        except Unreported as problem:
            blind = blind or problem
    if blind is not None and (limits.max is None or total <= limits.max):
        raise blind
    return total


@dataclass(frozen=True, slots=True)
class TotalTokens(ConversationCheck):
    """How many tokens the conversation took."""

    short: ClassVar[str] = "max"
    needs: ClassVar[frozenset[str]] = frozenset({"tokens"})
    max: Whole | None = field(default=None, metadata={"doc": "At most."})
    min: Whole | None = field(default=None, metadata={"doc": "At least."})
    brief: bool = written_short()

    def __post_init__(self) -> None:
        Limits(self.min, self.max)

    def judge(self, seen: Conversation) -> tuple[Finding, ...]:
        limits = Limits(self.min, self.max)
        total = _sum(seen, _tokens, limits)
        return over("the conversation's number of tokens", total, limits, "", self.at("max"), ("min",))

    def describe(self) -> str:
        return f"all tokens are {Limits(self.min, self.max).describe()}"

    def idle(self) -> str | None:
        return "no conversation takes less than 0 tokens" if self.max is None and not self.min else None


def _tokens(_: TurnRecord, reply: Reply) -> float:
    total = total_of(known(reply.tokens, "tokens"))
    if total is None:
        raise Unreported(not_reported("tokens"))
    return total


@dataclass(frozen=True, slots=True)
class TotalCost(ConversationCheck):
    """What the conversation costs by the suite's prices, in their currency."""

    short: ClassVar[str] = "max"
    needs: ClassVar[frozenset[str]] = frozenset({"tokens"})
    max: Annotated[float, Number(minimum=0)]
    brief: bool = written_short()

    def judge(self, seen: Conversation) -> tuple[Finding, ...]:
        limits = Limits(None, self.max)
        total = _sum(seen, lambda _, reply: cost_of(known(reply.tokens, "tokens"), seen.prices), limits)
        return over("the conversation's cost", total, limits, "", self.at("max"))

    def describe(self) -> str:
        return f"the whole cost is at most {figure(self.max)}"


@dataclass(frozen=True, slots=True)
class TotalLatency(ConversationCheck):
    """How long all turns took together, in milliseconds: the engine's figures, or ours where it gives none."""

    short: ClassVar[str] = "max"
    max: float | None = field(default=None, metadata=_MAX)
    min: float | None = field(default=None, metadata=_MIN)
    clock: Clock = field(default="either", metadata={"doc": "Whose figure counts."})
    brief: bool = written_short()

    def __post_init__(self) -> None:
        Limits(self.min, self.max)

    def needed(self) -> frozenset[str]:
        return frozenset({"latency_ms"}) if self.clock == "engine" else frozenset()

    def judge(self, seen: Conversation) -> tuple[Finding, ...]:
        limits = Limits(self.min, self.max)
        total = _sum(seen, lambda turn, _: latency_of(turn, self.clock), limits)
        return over("the conversation's latency", total, limits, " ms", self.at("max"), ("min",))

    def describe(self) -> str:
        return f"all turns together take {Limits(self.min, self.max).describe()} ms"

    def idle(self) -> str | None:
        return "no conversation takes less than 0 ms" if self.max is None and not self.min else None


@dataclass(frozen=True, slots=True)
class Turns(ConversationCheck):
    """How many turns were answered: a number, or `{min: n, max: n}`."""

    count: Count

    @classmethod
    def __shape__(cls) -> Shape:
        return WholeValue(cls, "count", shape_of(Count))

    def judge(self, seen: Conversation) -> tuple[Finding, ...]:
        number = len(answered(seen))
        return over("the number of answered turns", number, self.count, "", ("max",), ("min",))

    def describe(self) -> str:
        return f"turns answered: {self.count.describe()}"

    def idle(self) -> str | None:
        return "every conversation has at least 0 turns" if self.count.idle() else None

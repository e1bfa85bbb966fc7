"""`latency_ms`, `first_token_ms`, `tokens`, `cost`: what a turn may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, ClassVar, Literal

from focal_eval.checks.base import Moment, TurnCheck, Unreported, written_short
from focal_eval.checks.ranges import Count, Limits, figure
from focal_eval.checks.reported import known, not_reported
from focal_eval.document.shape import Number
from focal_eval.records import UNKNOWN, Finding, Tokens, TurnRecord
from focal_eval.value import value

Amount = Annotated[float, Number(minimum=0)]
Clock = Literal["either", "engine", "measured"]
_MAX: Any = {"shape": Number(minimum=0), "doc": "At most."}
_MIN: Any = {"shape": Number(minimum=0), "doc": "At least."}


def over(
    what: str, value: float, limits: Limits, unit: str, above: tuple[str | int, ...], below: tuple[str | int, ...] | None = None
) -> tuple[Finding, ...]:
    """The finding of a figure outside its limits, with how far, at the path of the limit it breaks; none where it is within."""
    if limits.holds(value):
        return ()
    high = limits.max is not None and value > limits.max
    edge = limits.max if high else limits.min
    path = above if high or below is None else below
    assert edge is not None
    off = f"{figure(abs(value - edge))}{unit} {'over' if high else 'under'} the limit"
    if edge:
        off += f" ({abs(value - edge) / edge:.0%})"
    return (Finding(f"{what} is {figure(value)}{unit}", limits.describe() + unit, f"{figure(value)}{unit}, {off}", path=path),)


def latency_of(turn: TurnRecord, clock: Clock) -> float:
    """How long a turn took, by the engine's own figure where it is known and asked for, else as measured."""
    assert turn.reply is not None
    reported = turn.reply.latency_ms
    if clock != "measured" and reported is not UNKNOWN:
        return reported
    if clock == "engine":
        raise Unreported(not_reported("latency_ms"))
    if turn.elapsed_ms is None:
        raise Unreported("nobody measured how long this turn took")
    return turn.elapsed_ms


@value
class Latency(TurnCheck):
    """How long the turn took, in milliseconds: the engine's figure, or ours where it gives none."""

    short: ClassVar[str] = "max"
    needs: ClassVar[frozenset[str]] = frozenset()
    max: float | None = field(default=None, metadata=_MAX)
    min: float | None = field(default=None, metadata=_MIN)
    clock: Clock = field(default="either", metadata={"doc": "Whose figure counts."})
    brief: bool = written_short()

    def __post_init__(self) -> None:
        Limits(self.min, self.max)

    def needed(self) -> frozenset[str]:
        return frozenset({"latency_ms"}) if self.clock == "engine" else frozenset()

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        took = latency_of(seen.turn, self.clock)
        return over("the turn's latency", took, Limits(self.min, self.max), " ms", self.at("max"), ("min",))

    def describe(self) -> str:
        return f"latency is {Limits(self.min, self.max).describe()} ms"

    def idle(self) -> str | None:
        return "no turn takes less than 0 ms" if self.max is None and not self.min else None


@value
class FirstToken(TurnCheck):
    """How long until the first words came, in milliseconds, as measured on a streaming engine."""

    short: ClassVar[str] = "max"
    needs: ClassVar[frozenset[str]] = frozenset()
    max: float | None = field(default=None, metadata=_MAX)
    min: float | None = field(default=None, metadata=_MIN)
    brief: bool = written_short()

    def __post_init__(self) -> None:
        Limits(self.min, self.max)

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        took = seen.turn.first_token_ms
        if took is None:
            raise Unreported("the time to the first token was not measured: this engine does not stream")
        return over("the time to the first token", took, Limits(self.min, self.max), " ms", self.at("max"), ("min",))

    def describe(self) -> str:
        return f"first token comes after {Limits(self.min, self.max).describe()} ms"

    def idle(self) -> str | None:
        return "no turn takes less than 0 ms" if self.max is None and not self.min else None


@value
class TokenUse(TurnCheck):
    """How many tokens the turn took, in total or apart."""

    short: ClassVar[str] = "max"
    needs: ClassVar[frozenset[str]] = frozenset({"tokens"})
    max: Annotated[int, Number(whole=True, minimum=0)] | None = field(default=None, metadata={"doc": "At most, in total."})
    min: Annotated[int, Number(whole=True, minimum=0)] | None = field(default=None, metadata={"doc": "At least, in total."})
    total: Count | None = field(default=None, metadata={"doc": "In total, exactly or within bounds."})
    prompt: Count | None = field(default=None, metadata={"doc": "Of the prompt."})
    completion: Count | None = field(default=None, metadata={"doc": "Of the completion."})
    brief: bool = written_short()

    def __post_init__(self) -> None:
        if self.max is not None or self.min is not None:
            Limits(self.min, self.max)
        elif self.total is None and self.prompt is None and self.completion is None:
            raise ValueError("give 'max', 'min', 'total', 'prompt' or 'completion'")

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        tokens = known(seen.reply.tokens, "tokens")
        out: list[Finding] = []
        if self.max is not None or self.min is not None:
            total = _some(total_of(tokens), "")
            out += over("the number of tokens", total, Limits(self.min, self.max), "", self.at("max"), ("min",))
        if self.total is not None:
            out += over("the number of tokens", _some(total_of(tokens), ""), self.total, "", ("total",))
        if self.prompt is not None:
            out += over("the number of prompt tokens", _some(tokens.prompt, "prompt "), self.prompt, "", ("prompt",))
        if self.completion is not None:
            count = _some(tokens.completion, "completion ")
            out += over("the number of completion tokens", count, self.completion, "", ("completion",))
        return tuple(out)

    def describe(self) -> str:
        parts = [f"tokens are {Limits(self.min, self.max).describe()}"] if self.max is not None or self.min is not None else []
        for name in ("total", "prompt", "completion"):
            limits: Count | None = getattr(self, name)
            if limits is not None:
                parts.append(f"{name} tokens are {limits.describe()}")
        return ", ".join(parts)


def total_of(tokens: Tokens) -> int | None:
    """All tokens of a turn: as reported, or the sum of its parts."""
    if tokens.total is not None:
        return tokens.total
    return None if tokens.prompt is None or tokens.completion is None else tokens.prompt + tokens.completion


def _some(count: int | None, which: str) -> int:
    if count is None:
        raise Unreported(f"this engine does not report {which}tokens apart" if which else not_reported("tokens"))
    return count


def cost_of(tokens: Tokens, prices: Mapping[str, float]) -> float:
    """What a turn costs by prices per million tokens: prompt and completion apart where possible, else by the total."""
    if not prices:
        raise Unreported("no prices are given, so the cost is not known")
    if "prompt" in prices and "completion" in prices and tokens.prompt is not None and tokens.completion is not None:
        return (tokens.prompt * prices["prompt"] + tokens.completion * prices["completion"]) / 1_000_000
    total = total_of(tokens)
    if "total" in prices and total is not None:
        return total * prices["total"] / 1_000_000
    raise Unreported("the prices given do not fit the tokens this engine reports")


@value
class Cost(TurnCheck):
    """What the turn costs by the suite's prices, in their currency."""

    short: ClassVar[str] = "max"
    needs: ClassVar[frozenset[str]] = frozenset({"tokens"})
    max: Amount
    brief: bool = written_short()

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        cost = cost_of(known(seen.reply.tokens, "tokens"), seen.prices)
        return over("the turn's cost", cost, Limits(None, self.max), "", self.at("max"))

    def describe(self) -> str:
        return f"cost is at most {figure(self.max)}"

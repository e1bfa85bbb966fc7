"""Counts and limits: `2`, `{min: 1}`, `{min: 1, max: 3}`."""

from __future__ import annotations

from typing import Any

from focal_eval.document import INVALID, Reader, SchemaBuilder, Shape, record_of
from focal_eval.document.reader import Node
from focal_eval.document.shape import Number, is_number
from focal_eval.value import value


def figure(value: float) -> str:
    """A number as people write it: `3`, `0.25`, `1,200`; no more digits than it has."""
    return f"{value:,.0f}" if value == round(value) else f"{value:,.6g}"


def bounds_of(low: float | None, high: float | None) -> str:
    """Bounds in words: `exactly 2`, `at least 1 and at most 3`."""
    if low is not None and low == high:
        return f"exactly {figure(low)}"
    parts = [f"at least {figure(low)}"] if low is not None else []
    parts += [f"at most {figure(high)}"] if high is not None else []
    return " and ".join(parts)


@value
class Limits:
    """A number within bounds, both inclusive."""

    min: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        if self.min is None and self.max is None:
            raise ValueError("give 'min', 'max' or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"no number is at least {figure(self.min)} and at most {figure(self.max)}")

    def holds(self, value: float) -> bool:
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)

    def describe(self) -> str:
        return bounds_of(self.min, self.max)

    def idle(self) -> bool:
        """Whether every count fulfils it."""
        return self.max is None and self.min is not None and self.min <= 0


@value
class Count(Limits):
    """How many: a whole number, or bounds; both inclusive."""

    min: int | None = None
    max: int | None = None

    @classmethod
    def __shape__(cls) -> Shape:
        return CountShape()


class CountShape(Shape):
    """A whole number for "exactly so many", or `{min: n, max: n}`."""

    expected = "a number or {min: n, max: n}"

    def read(self, node: Node, reader: Reader) -> Any:
        if not is_number(node):
            made = record_of(Count).read(node, reader)
            if made is INVALID or min(made.min or 0, made.max or 0) >= 0:
                return made
            return reader.error("out-of-range", "a count is never below 0", node)
        number = Number(whole=True, minimum=0).read(node, reader)
        return INVALID if number is INVALID else Count(number, number)

    def schema(self, into: SchemaBuilder) -> dict[str, Any]:
        return {"anyOf": [{"type": "integer", "minimum": 0}, record_of(Count).schema(into)]}

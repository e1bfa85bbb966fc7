"""Conditions written with an operator: `{at_least: 5}`, `{matches: '^A-'}`, `{one_of: [a, b]}`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from focal_eval.pattern import Pattern
from focal_eval.script.conditions import AnyValue, Condition, Literal, Mismatch
from focal_eval.script.wording import ABSENT, SHOWN_WIDTH, is_number, kind_of, show, typed
from focal_eval.text import fold, listed
from focal_eval.value import value


@value
class Matching(Condition):
    """A text in which the pattern is found."""

    pattern: Pattern

    def mismatch(self, value: Any) -> Mismatch | None:
        if isinstance(value, str) and self.pattern.search(value):
            return None
        return Mismatch((), self.describe(), show(value) if isinstance(value, str) else typed(value))

    def describe(self) -> str:
        return f"text matching /{self.pattern.text}/"


@value
class OneOf(Condition):
    """Any of these."""

    choices: tuple[Condition, ...]

    def mismatch(self, value: Any) -> Mismatch | None:
        if any(choice.mismatch(value) is None for choice in self.choices):
            return None
        return Mismatch((), self.describe(), typed(value))

    def describe(self) -> str:
        return "one of " + listed([choice.describe() for choice in self.choices], last="or")


@value
class Approx(Condition):
    """A number near `centre`; `within` is the distance allowed, inclusive, judged as the numbers are written."""

    centre: float
    within: float

    def mismatch(self, value: Any) -> Mismatch | None:
        if is_number(value) and (isinstance(value, int) or math.isfinite(value)):
            distance = abs(_decimal(value) - _decimal(self.centre))
            if distance <= _decimal(self.within):
                return None
            return Mismatch((), self.describe(), f"{show(value)}, off by {distance:f}"[:SHOWN_WIDTH])
        return Mismatch((), self.describe(), typed(value))

    def describe(self) -> str:
        return f"{show(self.centre)} ± {show(self.within)}"


def _decimal(value: float) -> Decimal:
    """As written: 18.51 is exactly 18.51, which a float is not."""
    return Decimal(value) if isinstance(value, int) else Decimal(repr(value))


@value
class Between(Condition):
    """A number within bounds, both inclusive."""

    low: float | None = None
    high: float | None = None

    def mismatch(self, value: Any) -> Mismatch | None:
        if not is_number(value):
            return Mismatch((), f"a number, {self.describe()}", typed(value))
        above = self.low is None or value >= self.low
        if above and (self.high is None or value <= self.high):
            return None
        return Mismatch((), self.describe(), show(value))

    def describe(self) -> str:
        low = None if self.low is None else f"at least {show(self.low)}"
        high = None if self.high is None else f"at most {show(self.high)}"
        return " and ".join(part for part in (low, high) if part)


@value
class Containing(Condition):
    """A text with all of these in it, or a list with an item for each of these."""

    parts: tuple[Condition, ...]

    def mismatch(self, value: Any) -> Mismatch | None:
        if not isinstance(value, (str, list, tuple)):
            return Mismatch((), f"{self.describe()}, in a text or list", typed(value))
        for part in self.parts:
            if not self._holds(value, part):
                return Mismatch((), f"something containing {part.describe()}", show(value))
        return None

    @staticmethod
    def _holds(value: str | Sequence[Any], part: Condition) -> bool:
        if not isinstance(value, str):
            return any(part.mismatch(item) is None for item in value)
        if isinstance(part, Literal) and isinstance(part.value, str):
            return fold(part.value) in fold(value)
        return part.mismatch(value) is None

    def describe(self) -> str:
        return "something containing " + listed([part.describe() for part in self.parts])


KINDS = ("text", "number", "integer", "boolean", "null", "list", "mapping")


@value
class OfKind(Condition):
    """A value of one of these kinds; `integer` is a number without a fraction."""

    kinds: tuple[str, ...]

    def mismatch(self, value: Any) -> Mismatch | None:
        if value is not ABSENT:
            if kind_of(value) in self.kinds:
                return None
            whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
            if "integer" in self.kinds and not isinstance(value, bool) and whole:
                return None
        return Mismatch((), self.describe(), typed(value))

    def describe(self) -> str:
        words = [kind if kind in ("text", "null") else ("an " if kind == "integer" else "a ") + kind for kind in self.kinds]
        return listed(words, last="or")


@value
class Not(Condition):
    """There, and not that; `not: any` is `absent`."""

    inner: Condition

    def mismatch(self, value: Any) -> Mismatch | None:
        if self.inner.mismatch(value) is None:
            return Mismatch((), self.describe(), show(value))
        if value is ABSENT and not isinstance(self.inner, AnyValue):
            return Mismatch((), self.describe(), "nothing")
        return None

    def describe(self) -> str:
        return "nothing" if isinstance(self.inner, AnyValue) else f"anything but {self.inner.describe()}"


@value
class HasLength(Condition):
    """A text, list or mapping whose length is as asked."""

    length: Condition

    def mismatch(self, value: Any) -> Mismatch | None:
        if not isinstance(value, (str, list, tuple, Mapping)):
            return Mismatch((), f"a text, list or mapping of {self.describe()}", typed(value))
        if self.length.mismatch(len(value)) is None:
            return None
        return Mismatch((), self.describe(), f"length {len(value)}: {show(value)}")

    def describe(self) -> str:
        return f"length {self.length.describe()}"


@value
class AllOf(Condition):
    """All of these at once."""

    conditions: tuple[Condition, ...]

    def mismatch(self, value: Any) -> Mismatch | None:
        return next((found for condition in self.conditions if (found := condition.mismatch(value))), None)

    def describe(self) -> str:
        return listed([condition.describe() for condition in self.conditions])

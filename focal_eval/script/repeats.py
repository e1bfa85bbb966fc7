"""`repeats`: how often each case is run, and when enough is known of a case to stop."""

from __future__ import annotations

import math
from dataclasses import field
from typing import Annotated, ClassVar, Literal

from focal_eval.document.shape import Number
from focal_eval.value import value

COUNT = Number(whole=True, minimum=1, maximum=10_000)
_SHARE = Number(minimum=0.001, maximum=0.5)


@value
class Repeats:
    """How often each case is run at most, and what ends its repeats early."""

    short: ClassVar[str] = "at_most"

    at_most: Annotated[int, COUNT] = field(metadata={"doc": "Each case is run so often at most."})
    until: Literal["decided", "stable"] | None = field(
        default=None,
        metadata={
            "doc": "`decided` ends a case's repeats once it is known to be stable or flaky; `stable` only where it is stable, "
            "and runs a flaky case to the end, for its rate. Without it every case is run `at_most` times."
        },
    )
    flaky_from: Annotated[float, _SHARE] = field(
        default=0.2, metadata={"doc": "The smallest share of odd outcomes that has to be noticed."}
    )
    alpha: Annotated[float, _SHARE] = field(
        default=0.05, metadata={"doc": "How likely such a case may be called stable all the same."}
    )

    def __post_init__(self) -> None:
        if self.until is not None and self.at_most < self.enough:
            raise ValueError(
                f"at_most: {self.at_most} is too few to stop early: a case is stable after {self.enough} equal repeats "
                f"(flaky_from {self.flaky_from:g}, alpha {self.alpha:g})"
            )

    @property
    def enough(self) -> int:
        """Equal outcomes, without an odd one, after which a case is stable: the least n with (1 - f)^n + f^n <= alpha."""
        count = math.ceil(math.log(self.alpha) / math.log1p(-self.flaky_from) - 1e-9)
        while (1 - self.flaky_from) ** count + self.flaky_from**count > self.alpha + 1e-12:
            count += 1
        return count

    @property
    def sure(self) -> int:
        """Repeats that every case is given, whatever comes out: figures over all cases count these alone."""
        if self.until is None:
            return self.at_most
        return min(self.at_most, self.enough if self.until == "stable" else 2)


ONCE = Repeats(1)

"""How far apart two sides are in their median and 95th percentile, with the interval that chance alone leaves open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from typing import TYPE_CHECKING

from focal_eval.clock import seeded
from focal_eval.compare.stats.estimates import Interval
from focal_eval.value import value

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

LEAST_CASES = 10  # with fewer, drawing cases again says little of cases not seen
_MANY = 20_000  # values from which fewer draws are made: the interval is narrow then


@value
class QuantileDifference:
    """A quantile of one figure on both sides; the interval is of candidate minus baseline, None for fewer than ten cases."""

    share: float  # 0.5 for the median
    before: float
    after: float
    interval: Interval | None
    cases: int
    values: tuple[int, int]  # turns measured on each side
    draws: int  # of the bootstrap, 0 without an interval

    @property
    def difference(self) -> float:
        return self.after - self.before


@value
class _Ordered:
    """The values of one side in order, each with the position of its case."""

    values: NDArray[numpy.float64]
    owners: NDArray[numpy.int64]

    def quantiles(self, shares: Sequence[float], weights: NDArray[numpy.int64]) -> list[float]:
        """Nearest-rank quantiles where each case counts as often as it was drawn."""
        ranks = weights[self.owners].cumsum()
        return [float(self.values[ranks.searchsorted(max(1, ceil(share * int(ranks[-1]))))]) for share in shares]


def quantile_differences(
    before: Sequence[Sequence[float]],
    after: Sequence[Sequence[float]],
    shares: Sequence[float] = (0.5, 0.95),
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> list[QuantileDifference]:
    """The differences of quantiles over all values. Position i of both sides is the same case and has a value on both.

    The percentile bootstrap: Efron, B. (1979), "Bootstrap methods: another look at the jackknife", Annals of Statistics 7,
    1-26; Efron and Tibshirani (1993), "An Introduction to the Bootstrap", chapter 13. Whole cases are drawn, not turns, as the
    turns of a conversation go together (Davison and Hinkley 1997, "Bootstrap Methods", section 3.8), and the same cases on
    both sides.
    Quantiles are by nearest rank, as those of the gates. The same input and seed give the same interval.
    """
    if not before or len(before) != len(after) or not all(before) or not all(after):
        raise ValueError("each case needs a value on both sides")
    sides = _ordered(before), _ordered(after)
    low, high = (side.quantiles(shares, _weights(range(len(before)), len(before))) for side in sides)
    lengths = len(sides[0].values), len(sides[1].values)
    draws = 0 if len(before) < LEAST_CASES else 1_999 if sum(lengths) <= _MANY else 999
    drawn = list(_drawn(sides, shares, len(before), draws, seed))
    out = []
    for index, share in enumerate(shares):
        interval = _interval(sorted(row[index] for row in drawn), confidence) if drawn else None
        out.append(QuantileDifference(share, low[index], high[index], interval, len(before), lengths, draws))
    return out


def _ordered(cases: Sequence[Sequence[float]]) -> _Ordered:
    import numpy as np

    values = np.array([number for numbers in cases for number in numbers], dtype=np.float64)
    owners = np.repeat(np.arange(len(cases)), [len(numbers) for numbers in cases])
    order = values.argsort(kind="stable")
    return _Ordered(values[order], owners[order])


def _weights(drawn: Sequence[int] | NDArray[numpy.int64], cases: int) -> NDArray[numpy.int64]:
    import numpy as np

    return np.bincount(drawn, minlength=cases)


def _drawn(
    sides: tuple[_Ordered, _Ordered], shares: Sequence[float], cases: int, draws: int, seed: int
) -> Iterator[list[float]]:
    """The differences of each draw."""
    import numpy as np

    chance = seeded(seed)
    for _ in range(draws):
        bits = np.frombuffer(chance.randbytes(8 * cases), dtype="<u8")  # the same on every machine and with every numpy
        weights = _weights((bits % np.uint64(cases)).astype(np.int64), cases)
        low, high = (side.quantiles(shares, weights) for side in sides)
        yield [after - before for before, after in zip(low, high, strict=True)]


def _interval(ordered: Sequence[float], confidence: float) -> Interval:
    """Between the draws that leave half of what is not covered on each side."""
    rank = max(1, round((len(ordered) + 1) * (1 - confidence) / 2))
    return Interval(ordered[rank - 1], ordered[-rank])

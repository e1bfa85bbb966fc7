"""What two sides say of each other: whether the cases as a whole got worse, which did on their own, and what they take."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from focal_eval.compare.stats.bootstrap import QuantileDifference, quantile_differences
from focal_eval.compare.stats.estimates import Interval, wilson
from focal_eval.compare.stats.exact import attainable, benjamini_hochberg, fisher_worse, sign_test
from focal_eval.compare.stats.flake import BAD, GOOD
from focal_eval.compare.stats.measuring import Measured
from focal_eval.compare.stats.summary import CONFIDENCE, ends, figure
from focal_eval.records import Json
from focal_eval.value import value

ALPHA = 0.05
LATENCY = "latency_ms"  # what times are called in the document of a comparison
Counts = tuple[int, int]  # good and judged repeats


@value
class CaseTest:
    """One case whose share of good repeats differs between the sides."""

    key: str
    before: Counts
    after: Counts
    p: float  # one-sided, in the direction it went
    q: float | None  # adjusted for the number of cases; None where so few repeats could not have been significant

    @property
    def effect(self) -> float:
        """Candidate minus baseline, from -1 to 1."""
        return self.after[0] / self.after[1] - self.before[0] / self.before[1]


@value
class Paired:
    """The cases judged on both sides, as one set."""

    cases: int
    worse: int
    better: int
    p: float  # the exact paired test, two-sided
    rates: tuple[float | None, float | None]  # averages of the cases' rates
    intervals: tuple[Interval, Interval]


@value
class Statistics:
    """All figures of a comparison; each has its n beside it."""

    alpha: float
    deterministic: bool  # the engine answers the same each time: one repeat says it all, no test is needed
    paired: Paired
    tests: tuple[CaseTest, ...]  # the least likely first
    tested: tuple[int, int]  # cases that could have become significantly worse, and better
    unpaired: tuple[int, int]  # cases judged before only, and after only
    errored: tuple[int, int]  # repeats that broke on each side; they are in no rate
    latency: tuple[QuantileDifference, ...]  # of a turn, in ms: median and 95th percentile
    tokens: tuple[QuantileDifference, ...]  # of a turn
    uncompared: Mapping[str, str] = field(default_factory=dict)  # figures that say nothing of the sides, and why, in words

    @property
    def set_is_worse(self) -> bool:
        """Whether the cases as a whole got significantly worse."""
        return self.paired.worse > self.paired.better and self.paired.p <= self.alpha

    def worsened(self, min_effect: float = 0.0) -> tuple[CaseTest, ...]:
        """The cases that got worse by at least `min_effect`, as far as it is no chance.

        With a deterministic engine all of them; also where the set as a whole got significantly worse; else those that did so
        on their own. Each of the two questions has half of `alpha`, so that where nothing changed they raise a false alarm
        with a probability of at most `alpha` together.
        """
        worse = tuple(test for test in self.tests if test.effect < 0 and test.effect <= -min_effect + 1e-12)
        if self.deterministic or self.set_is_worse:
            return worse
        return tuple(test for test in worse if test.q is not None and test.q <= self.alpha / 2)

    def as_json(self) -> dict[str, Json]:
        """The form of `statistics` in the document of a comparison."""
        paired = self.paired
        return {
            "alpha": self.alpha,
            "deterministic": self.deterministic,
            "paired": {
                "cases": paired.cases,
                "worse": paired.worse,
                "better": paired.better,
                "p": figure(paired.p),
                "confidence": CONFIDENCE,
                **{
                    side: {"rate": figure(rate), **ends(interval)}
                    for side, rate, interval in zip(("before", "after"), paired.rates, paired.intervals, strict=True)
                },
            },
            "tested": {"worse": self.tested[0], "better": self.tested[1]},
            "cases": [_test_json(test) for test in self.tests],
            "unpaired": {"before": self.unpaired[0], "after": self.unpaired[1]},
            "errored": {"before": self.errored[0], "after": self.errored[1]},
            LATENCY: [_difference_json(row) for row in self.latency],
            "tokens": [_difference_json(row) for row in self.tokens],
            "uncompared": dict(self.uncompared),
        }


def _test_json(test: CaseTest) -> dict[str, Json]:
    sides = (("before", test.before), ("after", test.after))
    rates = {side: {"good": counts[0], "judged": counts[1], **ends(wilson(*counts))} for side, counts in sides}
    return {"case": test.key, **rates, "effect": figure(test.effect), "p": figure(test.p), "q": figure(test.q)}


def _difference_json(row: QuantileDifference) -> dict[str, Json]:
    return {
        "quantile": row.share,
        "before": figure(row.before),
        "after": figure(row.after),
        "difference": figure(row.difference),
        "interval": None if row.interval is None else ends(row.interval),
        "confidence": CONFIDENCE,
        "cases": row.cases,
        "turns": list(row.values),
        "draws": row.draws,
    }


@dataclass(slots=True)
class _Side:
    """One side, gathered: a few numbers a case."""

    outcomes: dict[str, list[tuple[int, bool]]] = field(default_factory=dict)  # by repeat
    errored: int = 0
    latencies: dict[str, array[float]] = field(default_factory=dict)
    tokens: dict[str, array[float]] = field(default_factory=dict)

    def add(self, case: Measured) -> None:
        if case.verdict in GOOD or case.verdict in BAD:
            self.outcomes.setdefault(case.key, []).append((case.repeat, case.verdict in GOOD))
        self.errored += case.verdict == "errored"
        for kept, numbers in ((self.latencies, case.latencies), (self.tokens, case.tokens)):
            if numbers:
                kept.setdefault(case.key, array("d")).extend(numbers)

    def row(self, key: str) -> list[bool]:
        return [good for _, good in sorted(self.outcomes[key])]


def statistics_of(
    before: Iterable[Measured],
    after: Iterable[Measured],
    *,
    deterministic: bool = False,
    alpha: float = ALPHA,
    seed: int = 0,
    no_latency: str | None = None,
) -> Statistics:
    """The figures of a comparison. Both sides are read once, and a few numbers are kept of each case.

    `no_latency` says in words why times are not to be compared.
    """
    low, high = _Side(), _Side()
    for side, cases in ((low, before), (high, after)):
        for case in cases:
            side.add(case)
    keys = sorted(low.outcomes.keys() & high.outcomes.keys())
    rows = {key: (low.row(key), high.row(key)) for key in keys}
    tests, tested = _tests(rows, alpha / 2)
    return Statistics(
        alpha=alpha,
        deterministic=deterministic,
        paired=_paired(rows.values()),
        tests=tests,
        tested=tested,
        unpaired=(len(low.outcomes) - len(keys), len(high.outcomes) - len(keys)),
        errored=(low.errored, high.errored),
        latency=() if no_latency else _differences(low.latencies, high.latencies, seed),
        tokens=_differences(low.tokens, high.tokens, seed),
        uncompared={LATENCY: no_latency} if no_latency else {},
    )


def _paired(rows: Iterable[tuple[Sequence[bool], Sequence[bool]]]) -> Paired:
    """Each case by as many repeats as both sides have, the first ones: more on one side would tilt the pair."""
    rates = []
    for low, high in rows:
        count = min(len(low), len(high))
        rates.append((sum(low[:count]) / count, sum(high[:count]) / count))
    worse, better = sum(high < low for low, high in rates), sum(high > low for low, high in rates)
    sums = sum(low for low, _ in rates), sum(high for _, high in rates)
    n = len(rates)
    return Paired(
        cases=n,
        worse=worse,
        better=better,
        p=sign_test(worse, better),
        rates=(sums[0] / n, sums[1] / n) if n else (None, None),
        intervals=(wilson(min(sums[0], n), n, CONFIDENCE), wilson(min(sums[1], n), n, CONFIDENCE)),
    )


def _tests(
    rows: Mapping[str, tuple[Sequence[bool], Sequence[bool]]], level: float
) -> tuple[tuple[CaseTest, ...], tuple[int, int]]:
    """The cases whose rates differ, and how many cases were tested for each direction.

    Every case that could have been significant is tested in both directions, changed or not; adjusted is for all of them.
    """
    counts = {key: ((sum(low), len(low)), (sum(high), len(high))) for key, (low, high) in rows.items()}
    worse = _adjusted(counts, level)
    better = _adjusted({key: (after, before) for key, (before, after) in counts.items()}, level)
    out = []
    for key, (before, after) in counts.items():
        if before[0] * after[1] == after[0] * before[1]:
            continue
        fell = after[0] * before[1] < before[0] * after[1]
        p = fisher_worse(*before, *after) if fell else fisher_worse(*after, *before)
        out.append(CaseTest(key, before, after, p, (worse if fell else better).get(key)))
    return tuple(sorted(out, key=lambda test: (test.p, test.effect, test.key))), (len(worse), len(better))


def _adjusted(counts: Mapping[str, tuple[Counts, Counts]], level: float) -> dict[str, float]:
    """The adjusted p-value of each case that could have been significant at `level`."""
    could = {key: pair for key, pair in counts.items() if _attainable(pair) <= level}
    adjusted = benjamini_hochberg([fisher_worse(*before, *after) for before, after in could.values()])
    return dict(zip(could, adjusted, strict=True))


def _attainable(pair: tuple[Counts, Counts]) -> float:
    (good, tried), (good_after, tried_after) = pair
    return attainable(tried, tried_after, good + good_after)


def _differences(
    before: Mapping[str, Sequence[float]], after: Mapping[str, Sequence[float]], seed: int
) -> tuple[QuantileDifference, ...]:
    keys = sorted(before.keys() & after.keys())
    if not keys:
        return ()
    return tuple(quantile_differences([before[key] for key in keys], [after[key] for key in keys], seed=seed))

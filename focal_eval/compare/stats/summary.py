"""What the repeats of a whole run say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from focal_eval.compare.stats.estimates import Interval, pass_at_k, pass_hat_k, wilson
from focal_eval.compare.stats.flake import Flake, Tally, flake_class
from focal_eval.records import Json
from focal_eval.script.repeats import Repeats
from focal_eval.value import value

MOST_TRIES = 8  # k up to which pass@k and pass^k are told
CONFIDENCE = 0.95


@value
class Tries:
    """k tries at each case that has at least k judged repeats, the average over these cases."""

    k: int
    cases: int
    at_least_one: float  # pass@k
    all: float  # pass^k


@value
class FlakyCase:
    """A case that passed and failed."""

    key: str
    good: int
    judged: int
    interval: Interval


@value
class RunStatistics:
    """Figures over the cases of one run, each case with the same weight."""

    rule: Repeats
    cases: int  # with at least one judged repeat
    unjudged: int  # cases without: every repeat errored or was skipped
    attempts: int  # judged
    errored: int  # repeats that broke; they are in no rate
    rate: float | None  # the average of the cases' rates: pass@1
    interval: Interval
    tries: tuple[Tries, ...]
    classes: Mapping[Flake, int]
    flaky: tuple[FlakyCase, ...]  # the most uneven last

    def as_json(self) -> dict[str, Json]:
        """The form of `statistics` in run.json."""
        return {
            "rule": {
                "at_most": self.rule.at_most,
                "until": self.rule.until,
                "flaky_from": self.rule.flaky_from,
                "alpha": self.rule.alpha,
                "enough": self.rule.enough,
            },
            "cases": self.cases,
            "unjudged": self.unjudged,
            "attempts": self.attempts,
            "errored": self.errored,
            "pass_at_1": {"value": figure(self.rate), **ends(self.interval), "confidence": CONFIDENCE, "cases": self.cases},
            "tries": [
                {"k": row.k, "cases": row.cases, "pass_at_k": figure(row.at_least_one), "pass_hat_k": figure(row.all)}
                for row in self.tries
            ],
            "classes": {flake.value: self.classes[flake] for flake in Flake},
            "flaky": [
                {"case": case.key, "good": case.good, "judged": case.judged, **ends(case.interval)} for case in self.flaky
            ],
        }


def figure(number: float | None) -> float | None:
    """A figure to six digits after the point, the same on every machine."""
    return None if number is None else round(number, 6)


def ends(interval: Interval) -> dict[str, Json]:
    """An interval as two keys."""
    return {"low": figure(interval.low), "high": figure(interval.high)}


def run_statistics(tallies: Mapping[str, Tally], rule: Repeats) -> RunStatistics:
    """The figures of one run from its cases' tallies.

    Rates over all cases count only the repeats that every case is given: those after depend on what came before them, and a
    rate that counts them is wrong by up to a tenth. The interval treats a case as one observation, however often it was tried:
    repeats of a case go together, so that it is never too narrow.
    """
    rates = [tally.sure_good / tally.sure for tally in tallies.values() if tally.sure]
    judged = [tally for tally in tallies.values() if tally.judged]
    classes = Counter(flake_class(tally, rule) for tally in judged)
    return RunStatistics(
        rule=rule,
        cases=len(judged),
        unjudged=len(tallies) - len(judged),
        attempts=sum(tally.judged for tally in judged),
        errored=sum(tally.errored for tally in tallies.values()),
        rate=mean(rates),
        interval=wilson(min(sum(rates), len(rates)), len(rates), CONFIDENCE),
        tries=tuple(_tries(judged)),
        classes={flake: classes[flake] for flake in Flake},
        flaky=tuple(sorted(_flaky(tallies), key=lambda case: (abs(case.good / case.judged - 0.5), case.key))),
    )


def mean(rates: Sequence[float]) -> float | None:
    """The average, None of nothing."""
    return sum(rates) / len(rates) if rates else None


def pass_hat(tallies: Iterable[Tally], k: int) -> tuple[float | None, int]:
    """pass^k over the cases with at least `k` judged repeats among those every case is given, and their number."""
    given = [tally for tally in tallies if tally.sure >= k]
    return mean([pass_hat_k(tally.sure, tally.sure_good, k) for tally in given]), len(given)


def _tries(judged: Sequence[Tally]) -> Iterable[Tries]:
    for k in range(1, min(MOST_TRIES, max((tally.sure for tally in judged), default=0)) + 1):
        every, count = pass_hat(judged, k)
        assert every is not None
        some = [pass_at_k(tally.sure, tally.sure_good, k) for tally in judged if tally.sure >= k]
        yield Tries(k, count, sum(some) / count, every)


def _flaky(tallies: Mapping[str, Tally]) -> Iterable[FlakyCase]:
    for key, tally in tallies.items():
        if tally.good and tally.bad:
            yield FlakyCase(key, tally.good, tally.judged, wilson(tally.good, tally.judged, CONFIDENCE))

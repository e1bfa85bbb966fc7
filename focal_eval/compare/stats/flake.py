"""What the repeats of one case say of it, and when enough of them are known."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from focal_eval.script.repeats import Repeats

GOOD = frozenset({"passed", "xfailed"})
BAD = frozenset({"failed", "xpassed"})


class Flake(StrEnum):
    """The class of a case by its repeats."""

    STABLE_PASS = "stable-pass"  # noqa: S105  # a class of outcomes
    STABLE_FAIL = "stable-fail"
    FLAKY = "flaky"  # it passed and it failed
    UNDECIDED = "undecided"  # always the same, but not often enough to say more


@dataclass(slots=True)
class Tally:
    """The repeats of one case, counted; `errored` broke and say nothing of the case."""

    good: int = 0
    bad: int = 0
    errored: int = 0
    sure_good: int = 0  # of those that every case is given, whatever comes out
    sure_bad: int = 0

    def add(self, verdict: str, *, sure: bool = True) -> None:
        """Counts one repeat; `sure` is one that was not for the case's earlier outcomes to decide."""
        if verdict in GOOD:
            self.good += 1
            self.sure_good += sure
        elif verdict in BAD:
            self.bad += 1
            self.sure_bad += sure
        elif verdict == "errored":
            self.errored += 1

    @property
    def judged(self) -> int:
        return self.good + self.bad

    @property
    def sure(self) -> int:
        return self.sure_good + self.sure_bad


def flake_class(tally: Tally, rule: Repeats) -> Flake:
    """What is known of a case.

    Flaky is a fact: it passed and it failed. Stable is concluded after `rule.enough` equal outcomes: a case with a share of odd
    outcomes of `flaky_from` or more is called stable with a probability of at most `alpha`, also where its repeats are stopped
    at that moment. That is Wald's sequential probability ratio test of "never odd" against "odd in a share `flaky_from`": the
    first odd outcome decides at once, equal ones are accepted at the bound beta = alpha (Wald, A. 1945, "Sequential Tests of
    Statistical Hypotheses", Annals of Mathematical Statistics 16, 117-186).
    """
    if tally.good and tally.bad:
        return Flake.FLAKY
    if tally.judged < rule.enough:
        return Flake.UNDECIDED
    return Flake.STABLE_PASS if tally.good else Flake.STABLE_FAIL


def needs_more(tally: Tally, under_way: int, rule: Repeats) -> bool:
    """Whether another repeat is wanted whatever those under way will bring.

    What is started is so the same however long each takes: the shortest row of repeats that decides, never one beyond it.
    """
    if rule.until is None:
        return True
    known = flake_class(tally, rule)
    if known is Flake.FLAKY:
        return rule.until == "stable"
    if known is not Flake.UNDECIDED:
        return False
    if tally.judged + under_way >= rule.enough:
        return False
    return rule.until == "stable" or tally.judged + under_way < 2 or not under_way

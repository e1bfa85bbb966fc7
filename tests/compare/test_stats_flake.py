"""Classes of flakiness, and when a case's repeats end."""

from __future__ import annotations

import pytest

from focal_eval.clock import seeded
from focal_eval.compare.stats import Flake, Tally, flake_class, needs_more
from focal_eval.script.repeats import Repeats

STABLE, DECIDED = Repeats(20, "stable"), Repeats(20, "decided")


def played(good: int, bad: int = 0, errored: int = 0) -> Tally:
    return Tally(good, bad, errored, good, bad)


@pytest.mark.parametrize(
    ("tally", "flake"),
    [
        (played(14), Flake.STABLE_PASS),
        (played(0, 14), Flake.STABLE_FAIL),
        (played(13), Flake.UNDECIDED),
        (played(13, 0, 7), Flake.UNDECIDED),
        (played(0), Flake.UNDECIDED),
        (played(1, 1), Flake.FLAKY),
        (played(500, 1), Flake.FLAKY),
    ],
)
def test_a_class_is_a_fact_or_a_conclusion(tally: Tally, flake: Flake) -> None:
    """Both outcomes make a case flaky; fourteen equal ones make it stable; what broke counts for nothing."""
    assert flake_class(tally, STABLE) is flake


@pytest.mark.parametrize(
    ("flaky_from", "alpha", "enough"), [(0.2, 0.05, 14), (0.1, 0.05, 29), (0.05, 0.05, 59), (0.5, 0.05, 6), (0.2, 0.01, 21)]
)
def test_enough_is_the_least_number_that_keeps_the_promise(flaky_from: float, alpha: float, enough: int) -> None:
    """One repeat fewer would call such a case stable too often. 29 and 59 are the known sample sizes of 95/90 and 95/95."""
    assert Repeats(100, "stable", flaky_from, alpha).enough == enough
    for n in (enough - 1, enough):
        wrong = (1 - flaky_from) ** n + flaky_from**n
        assert (wrong <= alpha) is (n == enough)


def test_too_few_repeats_to_stop_early_are_refused() -> None:
    """A cap below what a stable case takes would make `until` an idle word."""
    with pytest.raises(ValueError, match="at_most: 13 is too few to stop early: a case is stable after 14 equal repeats"):
        Repeats(13, "stable")


@pytest.mark.parametrize("under_way", range(20))
def test_nothing_is_started_that_may_not_be_needed(under_way: int) -> None:
    """From the outset fourteen are sure to be needed until stable; two until decided."""
    assert needs_more(Tally(), under_way, STABLE) is (under_way < 14)
    assert needs_more(Tally(), under_way, DECIDED) is (under_way < 2)
    assert needs_more(Tally(), under_way, Repeats(20)) is True


def test_a_flaky_case_goes_on_until_stable_and_ends_when_decided() -> None:
    """Its rate is wanted, or it is not."""
    assert needs_more(played(3, 1), 5, STABLE)
    assert not needs_more(played(3, 1), 0, DECIDED)
    assert not needs_more(played(14), 0, STABLE)
    assert needs_more(played(13, 0, 4), 0, DECIDED)
    assert not needs_more(played(13, 0, 4), 1, DECIDED)


def sample(rate: float, rule: Repeats, chance: object) -> Tally:
    """The repeats of a case that passes with a probability of `rate`."""
    tally = Tally()
    for number in range(1, rule.at_most + 1):
        if not needs_more(tally, 0, rule):
            break
        good = chance.random() < rate  # type: ignore[attr-defined]
        tally.add("passed" if good else "failed", sure=number <= rule.sure)
    return tally


@pytest.mark.slow
@pytest.mark.parametrize("rule", [STABLE, DECIDED, Repeats(40, "decided", 0.1, 0.1)])
@pytest.mark.parametrize("odd", [1.0, 1.5, 2.0])
def test_a_flaky_case_is_seldom_called_stable(rule: Repeats, odd: float) -> None:
    """Of cases that are odd in a share `flaky_from` or more at most a share `alpha` is called stable, stopped early or not."""
    chance, times = seeded(11), 6_000
    rate = 1 - min(0.5, rule.flaky_from * odd)
    wrong = sum(flake_class(sample(rate, rule, chance), rule) is Flake.STABLE_PASS for _ in range(times)) / times
    assert wrong <= rule.alpha + 3 * (rule.alpha * (1 - rule.alpha) / times) ** 0.5


@pytest.mark.slow
@pytest.mark.parametrize("rule", [STABLE, DECIDED])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_rates_over_the_sure_repeats_are_unbiased(rule: Repeats, rate: float) -> None:
    """Stopping early tilts a rate over all repeats; over those every case is given it is right in the mean."""
    chance, times = seeded(5), 8_000
    tallies = [sample(rate, rule, chance) for _ in range(times)]
    sure = sum(tally.sure_good / tally.sure for tally in tallies) / times
    assert sure == pytest.approx(rate, abs=4 * (rate * (1 - rate) / (rule.sure * times)) ** 0.5)
    if rule is DECIDED and rate == 0.9:
        assert abs(sum(tally.good / tally.judged for tally in tallies) / times - rate) > 0.05

"""Rates with what is known of them."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import pytest

from focal_eval.clock import seeded
from focal_eval.compare.stats.estimates import pass_at_k, pass_hat_k, wilson
from focal_eval.compare.stats.flake import Tally
from focal_eval.compare.stats.summary import run_statistics
from focal_eval.script.repeats import Repeats

SAMPLE = Path(__file__).resolve().parents[3] / "shared" / "data" / "tau-bench-trajectories"


@pytest.mark.parametrize(
    ("good", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_published_intervals(good: int, n: int, low: float, high: float) -> None:
    """Newcombe (1998), Statistics in Medicine 17, 857-872, table I, method 3: the score interval without correction."""
    assert tuple(round(end, 4) for end in wilson(good, n)) == (low, high)


def test_wilson_ends_lie_where_the_score_test_just_rejects() -> None:
    """At both ends the rate that was seen is exactly z standard errors away: the interval's own definition."""
    for good, n in ((8, 10), (13, 20), (1, 3)):
        for end in wilson(good, n):
            assert abs(good / n - end) / (end * (1 - end) / n) ** 0.5 == pytest.approx(1.959963984540054, abs=1e-9)


def test_wilson_of_nothing_is_everything() -> None:
    """Where nothing was tried, any rate is possible; what is no rate is refused."""
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(5, 5).high == 1.0
    with pytest.raises(ValueError, match="6 of 5 is no rate"):
        wilson(6, 5)


@pytest.mark.parametrize("n", range(1, 8))
def test_tries_are_counted_over_every_choice(n: int) -> None:
    """The formulas equal the share of all k-subsets of the repeats with one good try, and with good tries alone."""
    for good in range(n + 1):
        outcomes = [True] * good + [False] * (n - good)
        for k in range(1, n + 1):
            chosen = list(combinations(outcomes, k))
            assert pass_at_k(n, good, k) == pytest.approx(sum(map(any, chosen)) / len(chosen))
            assert pass_hat_k(n, good, k) == pytest.approx(sum(map(all, chosen)) / len(chosen))


def test_more_tries_than_repeats_are_refused() -> None:
    """Nothing is extrapolated."""
    with pytest.raises(ValueError, match="5 tries cannot be estimated from 2 of 4"):
        pass_hat_k(4, 2, 5)


def test_humaneval_figures_of_many_samples() -> None:
    """pass@k of large n stays exact: C(180, 100) / C(200, 100), computed with whole numbers by another road."""
    wanted = 1.0
    for index in range(20):  # C(n - c, k) / C(n, k) as a product over the good ones
        wanted *= (100 - index) / (200 - index)
    assert pass_at_k(200, 20, 100) == pytest.approx(1 - wanted, rel=1e-12)


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="the sample data beside the checkout is absent")
def test_pass_hat_k_of_recorded_tau_bench_trials() -> None:
    """The rewards of 25 airline tasks, four trials each, give what counting the choices of trials by hand gives."""
    rewards: dict[int, list[bool]] = defaultdict(list)
    for row in json.loads((SAMPLE / "gpt-4o-airline.tasks-00-24.json").read_text(encoding="utf-8")):
        rewards[row["task_id"]].append(row["reward"] > 1 - 1e-6)
    assert {len(trials) for trials in rewards.values()} == {4}
    assert len(rewards) == 25
    tallies = {}
    for task, trials in rewards.items():
        tallies[str(task)] = Tally()
        for good in trials:
            tallies[str(task)].add("passed" if good else "failed")
    tries = run_statistics(tallies, Repeats(4)).tries
    assert [(row.k, row.cases) for row in tries] == [(k, 25) for k in (1, 2, 3, 4)]
    for row in tries:
        by_task = [[all(choice) for choice in combinations(trials, row.k)] for trials in rewards.values()]
        assert row.all == pytest.approx(sum(sum(choices) / len(choices) for choices in by_task) / 25)
    assert tries[0].all == sum(sum(trials) for trials in rewards.values()) / 100
    assert tries[3].all == sum(all(trials) for trials in rewards.values()) / 25
    assert tries[3].at_least_one == sum(any(trials) for trials in rewards.values()) / 25


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.05, 0.3, 0.5, 0.8, 0.97])
def test_wilson_covers_what_it_promises(rate: float) -> None:
    """Of 20,000 samples of 30, some 95 % of the intervals hold the true rate (a little less: Brown, Cai and DasGupta 2001)."""
    chance, times = seeded(7), 20_000
    covered = 0
    for _ in range(times):
        low, high = wilson(sum(chance.random() < rate for _ in range(30)), 30)
        covered += low <= rate <= high
    assert 0.925 <= covered / times <= 0.985

"""Exact tests against published figures and against counting every case."""

from __future__ import annotations

from itertools import combinations, product

import pytest

from focal_eval.clock import seeded
from focal_eval.compare.stats.exact import attainable, benjamini_hochberg, fisher_worse, sign_test


@pytest.mark.parametrize(
    ("worse", "better", "p"),
    [(0, 0, 1.0), (2, 0, 0.5), (6, 0, 0.03125), (1, 7, 0.0703125), (10, 3, 0.09228515625), (59, 16, 6.114156572521501e-07)],
)
def test_the_paired_test_gives_what_statsmodels_gives(worse: int, better: int, p: float) -> None:
    """Values of `mcnemar(..., exact=True)` of statsmodels 0.15.0; 10 of 13 is 0.09229 in R's binom.test as well."""
    assert sign_test(worse, better) == pytest.approx(p, rel=1e-12)


@pytest.mark.parametrize("n", range(1, 11))
def test_the_paired_test_counts_every_way(n: int) -> None:
    """Of all 2^n ways that n cases can go, the share that is as uneven or more."""
    ways = [sum(way) for way in product((0, 1), repeat=n)]
    for worse in range(n + 1):
        uneven = sum(abs(2 * way - n) >= abs(2 * worse - n) for way in ways) / len(ways)
        assert sign_test(worse, n - worse) == pytest.approx(uneven)


def test_the_paired_test_of_many_cases_is_quick_and_whole() -> None:
    """Ten thousand cases are no trouble, and an even split says nothing."""
    assert sign_test(5_000, 5_000) == 1.0
    assert sign_test(0, 10_000) == 0.0  # below the smallest number a float can hold
    with pytest.raises(ValueError, match="counts are not negative"):
        sign_test(-1, 2)


def test_fisher_gives_the_published_values() -> None:
    """R's documentation of fisher.test: the tea taster (3 of 4 and 1 of 4: p = 0.2429), and the convictions (p = 0.0004652)."""
    assert fisher_worse(3, 4, 1, 4) == pytest.approx(0.2429, abs=5e-5)
    assert fisher_worse(10, 13, 2, 17) == pytest.approx(0.0004652, abs=5e-8)


@pytest.mark.parametrize(
    ("k", "p"), [(19, 0.5), (17, 0.1153846153846154), (15, 0.023562023562023564), (11, 0.00061425061425061)]
)
def test_fisher_gives_what_scipy_gives(k: int, p: float) -> None:
    """Values of `scipy.stats.fisher_exact(..., alternative="less")`, scipy 1.17.1: 20 of 20 before, k of 20 after."""
    assert fisher_worse(20, 20, k, 20) == pytest.approx(p, rel=1e-10)


@pytest.mark.parametrize(("before", "after"), [(3, 3), (4, 2), (2, 5), (1, 6)])
def test_fisher_counts_every_way_to_deal_the_good_ones(before: int, after: int) -> None:
    """The share of all ways to deal the good outcomes over both sides in which the candidate gets as few or fewer."""
    for good in range(before + after + 1):
        dealt = [sum(place >= before for place in places) for places in combinations(range(before + after), good)]
        for after_good in set(dealt):
            wanted = sum(count <= after_good for count in dealt) / len(dealt)
            assert fisher_worse(good - after_good, before, after_good, after) == pytest.approx(wanted)
        assert attainable(before, after, good) == pytest.approx(dealt.count(min(dealt)) / len(dealt))


def test_a_stable_case_could_not_have_been_significant() -> None:
    """All good or all bad on both sides leaves one table: it is in no family of tests."""
    assert attainable(20, 20, 40) == 1.0
    assert attainable(20, 20, 0) == 1.0
    assert attainable(1, 1, 1) == 0.5
    assert [attainable(n, n, n) <= 0.025 for n in (3, 4)] == [False, True]


PUBLISHED = [
    *(0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344),
    *(0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000),
]


def test_the_adjustment_makes_the_published_choice() -> None:
    """Benjamini and Hochberg (1995), section 3.2: of fifteen p-values the first four are called at 0.05."""
    adjusted = benjamini_hochberg(PUBLISHED)
    assert [q <= 0.05 for q in adjusted] == [True] * 4 + [False] * 11
    assert adjusted[3] == pytest.approx(0.0095 * 15 / 4)


def test_the_adjustment_keeps_order_and_place() -> None:
    """Shuffled p-values come back in their places, never smaller than they were, never above one."""
    shuffled = list(enumerate(PUBLISHED))
    seeded(3).shuffle(shuffled)
    adjusted = benjamini_hochberg([p for _, p in shuffled])
    wanted = benjamini_hochberg(PUBLISHED)
    assert adjusted == [wanted[index] for index, _ in shuffled]
    assert all(p <= q <= 1 for p, q in zip(PUBLISHED, wanted, strict=True))
    assert wanted == sorted(wanted)
    assert benjamini_hochberg([]) == []
    assert benjamini_hochberg([0.03, 0.03]) == [0.03, 0.03]


@pytest.mark.parametrize("call", [lambda: fisher_worse(3, 2, 0, 1), lambda: fisher_worse(1, 2, 2, 1)])
def test_counts_that_are_none_are_refused(call: object) -> None:
    """More good than tried is a mistake of the caller, and said."""
    with pytest.raises(ValueError, match="are no rates"):
        call()  # type: ignore[operator]

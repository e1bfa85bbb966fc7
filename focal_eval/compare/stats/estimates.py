"""Rates with what is known of them: intervals, and the unbiased estimators of k tries."""

from __future__ import annotations

from math import comb, sqrt
from typing import NamedTuple


class Interval(NamedTuple):
    """Where a figure lies, with the confidence asked for."""

    low: float
    high: float


def wilson(good: float, n: int, confidence: float = 0.95) -> Interval:
    """The score interval of a rate of `good` in `n`; from 0 to 1 where nothing was tried.

    Wilson, E. B. (1927), "Probable inference, the law of succession, and statistical inference", JASA 22, 209-212;
    recommended for small n by Brown, Cai and DasGupta (2001), Statistical Science 16, 101-133. Without continuity correction.
    """
    if not 0 <= good <= n:
        raise ValueError(f"{good} of {n} is no rate")
    if not n:
        return Interval(0.0, 1.0)
    from statistics import NormalDist  # which brings fractions and decimals: most runs have no interval to tell

    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    rate, square = good / n, z * z
    middle = (rate + square / (2 * n)) / (1 + square / n)
    half = z / (1 + square / n) * sqrt(rate * (1 - rate) / n + square / (4 * n * n))
    return Interval(0.0 if good == 0 else max(0.0, middle - half), 1.0 if good == n else min(1.0, middle + half))


def pass_at_k(n: int, good: int, k: int) -> float:
    """The chance that at least one of `k` tries is good, estimated without bias from `good` of `n`.

    1 - C(n - good, k) / C(n, k): Chen et al. (2021), "Evaluating Large Language Models Trained on Code", arXiv:2107.03374,
    equation 1.
    """
    _allowed(n, good, k)
    return 1 - comb(n - good, k) / comb(n, k)


def pass_hat_k(n: int, good: int, k: int) -> float:
    """The chance that all of `k` tries are good, estimated without bias from `good` of `n`.

    C(good, k) / C(n, k): Yao et al. (2024), "τ-bench: A Benchmark for Tool-Agent-User Interaction in Real-World Domains",
    arXiv:2406.12045, section 4 (pass^k).
    """
    _allowed(n, good, k)
    return comb(good, k) / comb(n, k)


def _allowed(n: int, good: int, k: int) -> None:
    if not (0 <= good <= n and 1 <= k <= n):
        raise ValueError(f"{k} tries cannot be estimated from {good} of {n}")

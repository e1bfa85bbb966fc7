"""Exact tests on counts, in whole numbers as far as they go: no approximation, no library."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb


def sign_test(worse: int, better: int) -> float:
    """How likely so uneven a split is, or a more uneven one, where either way is as likely as the other; two-sided.

    Of cases tried once on both sides this is McNemar's exact test: McNemar, Q. (1947), Psychometrika 12, 153-157;
    the exact form in Fagerland, Lydersen and Laake (2013), BMC Medical Research Methodology 13:91.
    Cases that did not change say nothing and are not counted (Dixon and Mood 1946, JASA 41, 557-566).
    """
    if min(worse, better) < 0:
        raise ValueError("counts are not negative")
    n = worse + better
    term = tail = 1
    for index in range(min(worse, better)):
        term = term * (n - index) // (index + 1)
        tail += term
    return min(1.0, 2 * tail / (1 << n))


def fisher_worse(before_good: int, before: int, after_good: int, after: int) -> float:
    """How likely as few good outcomes after, or fewer, are where both sides are equally good; one-sided.

    Fisher's exact test: Fisher, R. A. (1935), "The Design of Experiments", chapter II; `alternative = "less"` of R's
    fisher.test with the candidate's row first. Outcomes good and tried are given for each side.
    """
    if not (0 <= before_good <= before and 0 <= after_good <= after):
        raise ValueError(f"{before_good} of {before} and {after_good} of {after} are no rates")
    good = before_good + after_good
    least = max(0, good - before)
    below = sum(comb(after, count) * comb(before, good - count) for count in range(least, after_good + 1))
    return below / comb(before + after, good)


def attainable(before: int, after: int, good: int) -> float:
    """The smallest p-value `fisher_worse` could have come to, with so many good outcomes on both sides together.

    Where it is above the level there was nothing to learn from the case, however it had gone: it is left out of the family of
    tests (Tarone 1990, Biometrics 46, 515-522; Gilbert 2005, Applied Statistics 54, 143-158).
    """
    least = max(0, good - before)
    return fisher_worse(good - least, before, least, after)


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for their number, in their order: calling those up to q true is wrong in a share q of them.

    Benjamini, Y. and Hochberg, Y. (1995), "Controlling the false discovery rate", JRSS B 57, 289-300;
    `p.adjust(method = "BH")` in R.
    """
    count = len(p_values)
    out = [1.0] * count
    least = 1.0
    for rank, index in sorted(enumerate(sorted(range(count), key=p_values.__getitem__), 1), reverse=True):
        least = min(least, p_values[index] * count / rank)
        out[index] = least
    return out

"""Repeats of one case folded into one comparison."""

from __future__ import annotations

from collections.abc import Sequence

from focal_eval.compare.diff import BAD, GOOD, compare_cases
from focal_eval.compare.mask import Masks
from focal_eval.compare.model import CaseChange, RecordedCase, is_as_flaky


def compare_repeats(before: Sequence[RecordedCase], after: Sequence[RecordedCase], masks: Masks) -> CaseChange:
    """What became of one case, of which each side may have several repeats, or none.

    The repeats that are set side by side are the first ones with a verdict. Where repeats disagree they are a good one before
    and a bad one after, as far as there are such: that is what a reader wants to see.
    Where they disagree on both sides as often as ever they are two good ones: anything else would tell of a change.
    """
    tried = (*_counted(before), *_counted(after))
    mixed = 0 < tried[0] < tried[1] or 0 < tried[2] < tried[3]
    one = _deciding(before, GOOD if mixed else GOOD | BAD)
    other = _deciding(after, BAD if mixed and not is_as_flaky(tried) else GOOD if mixed else GOOD | BAD)
    return compare_cases(one, other, masks, tried=tried)


def _counted(cases: Sequence[RecordedCase]) -> tuple[int, int]:
    good = sum(case.verdict in GOOD for case in cases)
    return good, good + sum(case.verdict in BAD for case in cases)


def _deciding(cases: Sequence[RecordedCase], wanted: frozenset[str]) -> RecordedCase | None:
    judged = next((case for case in cases if case.verdict in GOOD | BAD), None)
    return next((case for case in cases if case.verdict in wanted), judged or (cases[0] if cases else None))

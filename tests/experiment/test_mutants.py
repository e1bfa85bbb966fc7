"""Mutants and their score."""

from __future__ import annotations

import pytest

from focal_eval.experiment.mutants import Fate, Mutant, Tried, mutant_id, score


def tried(fate: Fate) -> Tried:
    return Tried(Mutant("m", "trace", "drop-tool", "tool:refund", "a.yaml", 1, "refund", "", "lost"), fate)


def test_what_nobody_touches_counts_as_survived_and_what_cannot_be_noticed_does_not_count() -> None:
    """A timeout was noticed; an equivalent mutant and one that cannot be loaded are told apart from the score."""
    fates = [Fate.KILLED] * 6 + [Fate.TIMEOUT, Fate.SURVIVED, Fate.NOT_COVERED, Fate.EQUIVALENT, Fate.BROKEN, Fate.BROKEN]
    found = score(map(tried, fates))
    assert (found.killed, found.timeouts, found.survived, found.not_covered) == (6, 1, 1, 1)
    assert (found.equivalent, found.broken, found.tried) == (1, 2, 9)
    assert found.value == pytest.approx(7 / 9)
    assert found.low < 7 / 9 < found.high


def test_there_is_no_score_of_nothing() -> None:
    """Where no mutant could be made nothing is known, which is neither 0 nor 100 %."""
    found = score([])
    assert found.value is None
    assert (found.low, found.high) == (0.0, 1.0)


def test_an_id_depends_on_content_alone() -> None:
    """The same change at the same place has the same id; another place or operator another one."""
    one = mutant_id("drop-tool", "tool:refund", "returns/damaged", "1")
    assert one == mutant_id("drop-tool", "tool:refund", "returns/damaged", "1")
    assert one != mutant_id("drop-tool", "tool:refund", "returns/damaged", "2")
    assert one != mutant_id("duplicate-tool", "tool:refund", "returns/damaged", "1")

"""What the tries of a case come to, and what tells one copy of a run from another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from focal_eval.store import CaseFacts, TryFacts
from focal_eval.store.folding import NOTHING, Own, Standing, fold
from focal_eval.store.model import clean, milliseconds
from focal_eval.testing.stores import stored_run


def case(*tries: tuple[int, int, str]) -> CaseFacts:
    made = tuple(TryFacts(repeat, attempt, verdict, 1, f"why {verdict} {repeat}") for repeat, attempt, verdict in tries)
    return CaseFacts("a", "a", "A", "a.yaml", "d", made)


@pytest.mark.parametrize(
    ("tries", "verdict", "good", "judged", "flaky"),
    [
        ([(1, 1, "passed")], "passed", 1, 1, False),
        ([(1, 1, "xpassed")], "xpassed", 0, 1, False),
        ([(1, 1, "errored")], "errored", 0, 0, False),
        ([(1, 1, "passed"), (2, 1, "failed")], "failed", 1, 2, True),
        ([(1, 1, "passed"), (2, 1, "errored")], "errored", 1, 1, False),
        ([(1, 1, "failed"), (1, 2, "passed")], "passed", 1, 1, True),
        ([(1, 1, "errored"), (1, 2, "passed")], "passed", 1, 1, True),
        ([(1, 1, "failed"), (1, 2, "failed")], "failed", 0, 1, False),
        ([(1, 1, "xfailed"), (2, 1, "xfailed")], "xfailed", 2, 2, False),
        ([(1, 1, "skipped"), (2, 1, "skipped")], "skipped", 0, 0, False),
        ([], "not_run", 0, 0, False),
    ],
)
def test_of_several_tries_the_worst_repeat_tells(
    tries: list[tuple[int, int, str]], verdict: str, good: int, judged: int, flaky: bool
) -> None:
    """The last attempt of a repeat decides it; flaky is what disagrees, or passed at a later attempt."""
    found = case(*tries).outcome()
    assert (found.verdict, found.good, found.judged, found.flaky) == (verdict, good, judged, flaky)


def test_the_reason_is_that_of_the_verdict() -> None:
    """Of the first repeat that has it, not of another one."""
    assert case((1, 1, "passed"), (2, 1, "failed"), (3, 1, "failed")).outcome().reason == "why failed 2"


def test_a_digest_tells_copies_apart() -> None:
    """The same facts give the same one; one verdict more, another."""
    run = stored_run(1)
    assert run.digest == stored_run(1).digest
    assert replace(run, state="interrupted").digest != run.digest
    assert replace(run, cases=run.cases[:-1]).digest != run.digest
    assert replace(run, folder="elsewhere").digest == run.digest


def test_moments_are_placed_whatever_their_form() -> None:
    """With a zone, without one, and where it is none."""
    assert milliseconds("2026-01-01T00:00:00.250Z") == milliseconds("2026-01-01T01:00:00.250+01:00") == 1767225600250
    assert milliseconds("2026-01-01T00:00:00.250") == 1767225600250
    assert milliseconds("yesterday") == 0


def test_texts_are_bounded_and_storable() -> None:
    """NUL and half pairs become the replacement sign."""
    assert clean("a\x00b\ud800c", 3) == "a\ufffdb"


def own(at: int, *, good: bool, terms: str | None = "t", script: int = 1, flaky: bool = False) -> Own:
    return Own(at, int(good), 1, flaky, 10, None, script, terms)


def folded(*runs: Own) -> list[Standing]:
    out, now = [], NOTHING
    for run in runs:
        now = fold(now, run)
        out.append(now)
    return out


def test_a_change_for_no_known_reason_is_unsteady() -> None:
    """Same script, same terms, other verdict; with another agent or script it is an edit."""
    assert [item.unsteady for item in folded(own(1, good=True), own(2, good=False), own(3, good=True))] == [False, True, True]
    assert not folded(own(1, good=True), own(2, good=False, terms="u"))[1].unsteady
    assert not folded(own(1, good=True), own(2, good=False, script=2))[1].unsteady


def test_where_the_agent_is_not_known_only_a_change_back_is() -> None:
    """One change may be an edit that nobody recorded."""
    runs = [own(number, good=number != 2, terms=None) for number in (1, 2, 3)]
    assert [item.unsteady for item in folded(*runs)] == [False, False, True]


def test_a_flaky_run_is_one_sign_not_two() -> None:
    """Going back after it to what was before adds nothing."""
    assert [item.unsteady for item in folded(own(1, good=True), own(2, good=False, flaky=True), own(3, good=True))] == [
        False,
        True,
        False,
    ]


def test_a_run_without_a_verdict_changes_no_streak() -> None:
    """It neither ends one nor counts in a sum."""
    nothing = Own(2, 0, 0, False, 99, 5, 1, "t")
    before, after = folded(own(1, good=False), nothing)
    assert replace(after, unsteady=before.unsteady) == before
    assert after.since == 1

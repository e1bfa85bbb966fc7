"""What a case is as of each of its runs: sums over all runs so far, its present streak, and whether it was unsteady."""

from __future__ import annotations

from focal_eval.value import value


@value
class Own:
    """What one run says of a case."""

    at: int
    good: int
    judged: int
    flaky: bool
    us: int | None
    tokens: int | None
    script: int
    terms: str | None  # of the run; None where the agent is not known


@value
class Standing:
    """What a case is as of a run, that run included."""

    unsteady: bool = False
    judged_at: int | None = None  # the latest run that judged it
    is_good: bool | None = None
    was_good: bool | None = None  # in the judged run before that one
    since: int | None = None  # the first judged run of the streak
    before: int | None = None  # the judged run before that one
    sums: tuple[int, int, int, int, int, int, int, int] = (0,) * 8  # runs, good, judged, unsteady, us, timed, tokens, counted
    # of the latest judged run
    flaky: bool = False
    script: int | None = None
    terms: str | None = None


NOTHING = Standing()


def fold(before: Standing, own: Own) -> Standing:
    """What a case is after one more run; a run that did not judge it adds its time to nothing and changes no streak."""
    if not own.judged:
        return Standing(
            False,
            before.judged_at,
            before.is_good,
            before.was_good,
            before.since,
            before.before,
            before.sums,
            before.flaky,
            before.script,
            before.terms,
        )
    good = own.good == own.judged
    same = before.judged_at is not None and before.is_good is good
    unsteady = own.flaky or _turned(before, own, good)
    return Standing(
        unsteady,
        own.at,
        good,
        before.is_good,
        before.since if same else own.at,
        before.before if same else before.judged_at,
        _added(before.sums, own, unsteady),
        own.flaky,
        own.script,
        own.terms,
    )


def _turned(before: Standing, own: Own, good: bool) -> bool:
    """Whether the verdict changed for no reason that is known.

    With the same script and the same terms any change is one; where the agent is not known, only a change back.
    After a run that was flaky itself, going back to what it was before is no second sign of the same.
    """
    if before.judged_at is None or before.is_good is good or before.flaky or before.script != own.script:
        return False
    if own.terms is not None and before.terms is not None:
        return own.terms == before.terms
    return before.was_good is good


def _added(sums: tuple[int, ...], own: Own, unsteady: bool) -> tuple[int, int, int, int, int, int, int, int]:
    runs, good, judged, wavering, us, timed, tokens, counted = sums
    return (
        runs + 1,
        good + own.good,
        judged + own.judged,
        wavering + unsteady,
        us + (own.us or 0),
        timed + (own.us is not None),
        tokens + (own.tokens or 0),
        counted + (own.tokens is not None),
    )

"""Histories on the terminal: what a strip, a line of figures and a rate say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from focal_eval.report.ansi import Paint
from focal_eval.report.history_text import case_lines, rate_words, spark, strip, suite_lines
from focal_eval.store.answers import CaseHistory, Point, Rate, Series, Standing, StoredRun, Streak, SuiteHistory

PLAIN = Paint(on=False)
SERIES = Series("evals/shop.yaml", "embedded")


def point(number: int, verdict: str = "passed", **more: object) -> Point:
    start = f"2026-01-{number:02d}T08:00:00.000Z"
    bad = verdict == "failed"
    made = Point(
        f"run-{number}", start, verdict, False, False, False, int(not bad), 1, 10.0 * number, None, None, "s", "a", "u", "1"
    )
    return replace(made, **more)  # type: ignore[arg-type]


def history(*points: Point, streak: Streak | None = None) -> CaseHistory:
    good, judged = sum(item.good for item in points), sum(item.judged for item in points)
    rate = Rate(good, judged)
    return CaseHistory("money/refund", "A refund", "refund.yaml", SERIES, points, rate, Rate(0, len(points)), streak)


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (Rate(1, 1), "100 % of 1 run"),
        (Rate(1, 3), "33.3 % of 3 runs"),
        (Rate(0, 0), "no run"),
        (Rate(99_999, 100_000), "> 99.9 % of 100,000 runs"),
        (Rate(1, 100_000), "< 0.1 % of 100,000 runs"),
    ],
)
def test_a_rate_is_told_with_its_n(rate: Rate, words: str) -> None:
    """All is said only of all, none only of none."""
    assert rate_words(rate, "run") == words


def test_a_line_goes_from_the_lowest_to_the_highest() -> None:
    """Unknown values leave a dot; many are put together; equal ones are all in the middle."""
    assert spark([1, 2, None, 8]) == "▁▂·█"
    assert spark([5, 5]) == "▅▅"
    assert spark([None]) == ""
    assert len(spark(list(range(1000)))) == 60


def test_a_strip_shows_the_newest_runs() -> None:
    """A sign a run, the oldest first; a flaky run has its own."""
    points = [point(1), point(2, "failed"), point(3, "errored"), point(4, "passed", flaky=True)]
    assert strip(points, PLAIN) == "✓✗!~"
    assert len(strip([point(1)] * 100, PLAIN)) == 60


def test_the_first_bad_run_is_told_with_what_changed() -> None:
    """The run, the last good one, what changed and what is not known, and why it failed."""
    streak = Streak(
        False, "run-3", "2026-01-03T08:00:00.000Z", 2, "run-2", ("the agent",), ("the script",), "'refund' is missing"
    )
    lines = "\n".join(case_lines(history(point(1), point(2), point(3, "failed"), streak=streak), PLAIN, most=5))
    assert "bad since run run-3 (3 January 2026, 08:00:00 UTC), 2 judged runs\n  'refund' is missing\n" in lines
    assert "the last good one was run run-2; since then the agent changed; whether the script did is not known" in lines


def test_a_trend_compares_its_halves() -> None:
    """From four runs on the older half is set beside the newer one."""
    text = "\n".join(case_lines(history(*(point(number) for number in range(1, 9))), PLAIN, most=5))
    assert "time        ▁▂▃▄▅▆▇█  median 45 ms, last 80 ms; older half 25 ms, newer half 65 ms (+160 %)" in text


def test_quarantine_is_told_while_it_lasts() -> None:
    """Of the last run, not of one long ago."""
    held, free = point(1, "failed", quarantined=True), point(2)
    assert "quarantine  its last run held it there: it gated nothing" in list(case_lines(history(free, held), PLAIN, most=5))
    assert "quarantine" not in "\n".join(case_lines(history(held, free), PLAIN, most=5))


def test_control_characters_do_nothing() -> None:
    """Names and reasons come from files and engines."""
    streak = Streak(False, "run\x1b[2J", "2026", 1, None, None, (), "\x1b]0;owned\x07")
    found = replace(history(point(1, "failed"), streak=streak), name="a\x1b[31mb", title="\x07")
    assert "\x1b" not in "\n".join(case_lines(found, PLAIN, most=5))


def test_a_suite_names_its_worst_cases() -> None:
    """Runs, shares, and each list with its figures; a case that was never good has not regressed."""
    run = StoredRun(
        "run-1", SERIES, "2026-01-01T08:00:00Z", "finished", "failed", 3, 2, 3, 1, 0, 0, 9, 50.0, 1.0, 2.0, 90, "a", "1", "f"
    )
    bad = Standing("money/refund", 4, Rate(1, 4), Rate(2, 4), 12.0, None, bad=True, since="run-1", before=False)
    found = SuiteHistory(SERIES, (run,), 3, (bad,), (bad,), (bad,), 7, Rate(2, 12))
    lines = list(suite_lines(found, PLAIN))
    assert "runs        ✗" in lines
    assert "passed      █  median 66.7 %, last 66.7 %".replace("█", lines[4][12]) == lines[4]
    assert "bad now, since their first bad run: 7 cases" in lines
    assert "  money/refund  since run run-1, never good" in lines
    assert "  money/refund  50 % of 4 judged runs unsteady" in lines
    assert "  money/refund  12 ms a conversation, 4 runs" in lines

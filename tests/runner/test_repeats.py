"""Repeats that end early."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from focal_eval.clock import fixed_clock
from focal_eval.engines import SessionStart
from focal_eval.records import Reply
from focal_eval.runner.opening import Terms
from focal_eval.runner.plan import Selection, make_plan
from focal_eval.runner.schedule import Schedule
from focal_eval.script.repeats import Repeats
from tests.runner.desk import Desk, echo, script_of
from tests.runner.test_schedule import Watched

ONE = "turns:\n  - {user: hello, expect: {response: {contains: hello}}}\n"


class Odd(Desk):
    """Fails the n-th conversation of each script for the n given, and breaks others."""

    def __init__(self, bad: dict[str, set[int]], broken: dict[str, set[int]] | None = None) -> None:
        super().__init__()
        self.bad, self.broken = bad, broken or {}
        self.seen: Counter[str] = Counter()
        self.answer = self.said

    def said(self, message: str | None, start: SessionStart) -> Reply:
        self.seen[start.script] += 1
        number = self.seen[start.script]
        if number in self.broken.get(start.script, ()):
            raise ConnectionError("the line went dead")
        return Reply(response="no") if number in self.bad.get(start.script, ()) else echo(message, start)


def run(
    desk: Desk, rule: Repeats, names: tuple[str, ...] = ("a", "b"), *, concurrency: int = 4, stop_after: int = 0
) -> Schedule:
    plan = make_plan([script_of(ONE, name) for name in names], repeats=rule.at_most, variants="rotate", select=Selection())
    schedule = Schedule(
        plan,
        Terms(desk, fixed_clock()),
        lambda line: None,
        Watched(),
        concurrency=concurrency,
        stop_after=stop_after,
        repeats=rule,
    )
    asyncio.run(asyncio.wait_for(schedule.run(), 20))
    return schedule


@pytest.mark.parametrize("concurrency", [1, 3, 64])
def test_a_stable_case_ends_and_a_flaky_one_goes_on(concurrency: int) -> None:
    """Fourteen equal repeats are enough; the case that failed once is run to the cap; the rest of the plan is spared."""
    desk = Odd({"b": {3}})
    schedule = run(desk, Repeats(20, "stable"), concurrency=concurrency)
    assert desk.seen == {"a": 14, "b": 20}
    assert schedule.spared == 6
    assert schedule.totals.flaky == 1
    assert {key: (tally.good, tally.bad, tally.sure) for key, tally in schedule.totals.tallies.items()} == {
        "a": (14, 0, 14),
        "b": (19, 1, 14),
    }


@pytest.mark.parametrize("concurrency", [1, 3, 64])
def test_a_decided_case_ends_whatever_it_is(concurrency: int) -> None:
    """The repeat that disagrees is the last one, however many run at a time."""
    desk = Odd({"b": {3}})
    schedule = run(desk, Repeats(20, "decided"), concurrency=concurrency)
    assert desk.seen == {"a": 14, "b": 3}
    assert schedule.spared == 23


def test_repeats_that_break_do_not_count() -> None:
    """A case is stable after fourteen judged repeats: two that broke are made up for."""
    desk = Odd({}, {"a": {2, 5}})
    schedule = run(desk, Repeats(20, "stable"), ("a",))
    assert desk.seen == {"a": 16}
    assert schedule.totals.counts == {"passed": 14, "errored": 2}


def test_concurrency_is_used_as_far_as_repeats_are_sure_to_be_needed() -> None:
    """The first fourteen of a case run beside each other."""
    desk = Desk(delay=0.01)
    run(desk, Repeats(20, "stable"), ("a",), concurrency=64)
    assert desk.busiest == 14
    assert len(desk.opened) == 14


def test_stopping_wakes_who_waits() -> None:
    """A failure that stops the run lets no worker wait for repeats that nobody starts."""
    desk = Odd({"a": {1}})
    schedule = run(desk, Repeats(20, "decided"), concurrency=64, stop_after=1)
    assert schedule.state == "stopped"
    assert sum(desk.seen.values()) <= 4


def test_without_a_rule_every_repeat_is_run() -> None:
    """A plain number spares nothing, and its tallies are complete."""
    desk = Odd({"a": {1, 2}})
    schedule = run(desk, Repeats(5))
    assert desk.seen == {"a": 5, "b": 5}
    assert schedule.spared == 0
    assert schedule.totals.tallies["a"].sure_bad == 2


def test_a_case_run_once_has_no_tally() -> None:
    """Runs without repeats keep nothing for each case."""
    assert run(Odd({}), Repeats(1)).totals.tallies == {}

"""Many cases at a time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from focal_eval.clock import fixed_clock
from focal_eval.errors import StorageError
from focal_eval.runner.opening import Terms
from focal_eval.runner.plan import Selection, keyword_filter, make_plan
from focal_eval.runner.schedule import Schedule
from tests.runner.desk import Desk, script_of

ONE = "turns:\n  - {user: a REFUND, expect: {rules: [refund]}}\n"
BAD = "turns:\n  - {user: a REFUND, expect: {rules: [greet]}}\n  - more\n"


@dataclass
class Watched:
    """Keeps what it is told."""

    done: list[tuple[str, str]] = field(default_factory=list)
    plan: tuple[int, int] = (0, 0)
    over: int = 0

    def started(self, plan_cases: int, plan_turns: int) -> None:
        self.plan = (plan_cases, plan_turns)

    def case_done(self, name: str, verdict: str) -> None:
        self.done.append((name, verdict))

    def finished(self) -> None:
        self.over += 1


def run(
    texts: dict[str, str], desk: Desk | None = None, *, concurrency: int = 4, stop_after: int = 0
) -> tuple[Schedule, Watched]:
    scripts = [script_of(text, name) for name, text in texts.items()]
    plan = make_plan(scripts, repeats=1, variants="rotate", select=Selection())
    seen = Watched()
    terms = Terms(desk or Desk(), fixed_clock())
    schedule = Schedule(plan, terms, lambda line: None, seen, concurrency=concurrency, stop_after=stop_after)
    asyncio.run(schedule.run())
    return schedule, seen


def test_every_case_is_run_once_and_counted() -> None:
    """Counts by verdict add up to the plan, and the observer hears of each case."""
    schedule, seen = run({f"s{number}": ONE for number in range(20)} | {"bad": BAD})
    assert dict(schedule.totals.counts) == {"passed": 20, "failed": 1}
    assert seen.plan == (21, 22)
    assert len(seen.done) == 21
    assert seen.over == 1


def test_concurrency_is_bounded_and_used() -> None:
    """No more conversations at a time than allowed, and as many as allowed."""
    desk = Desk(delay=0.005)
    run({f"s{number}": ONE for number in range(12)}, desk, concurrency=3)
    assert desk.busiest == 3


def test_longest_conversations_start_first() -> None:
    """The plan puts long scripts first, so that none is waited for at the end."""
    desk = Desk()
    run({"short": ONE, "long": "turns: [a, b, c]\n", "middle": BAD}, desk, concurrency=1)
    assert [start.script for start in desk.opened] == ["long", "middle", "short"]


def test_stop_after_starts_no_new_case() -> None:
    """After the first failure nothing new is started, and the run says it was stopped."""
    schedule, seen = run({"a": BAD} | {f"s{number}": ONE for number in range(9)}, concurrency=1, stop_after=1)
    assert schedule.state == "stopped"
    assert len(seen.done) == 1


def test_skip_is_not_run_and_says_why() -> None:
    """A script marked `skip` never reaches the engine."""
    desk = Desk()
    schedule, _ = run({"a": "skip: not yet\n" + ONE}, desk)
    assert dict(schedule.totals.counts) == {"skipped": 1}
    assert not desk.opened


def test_sessions_are_fresh_and_users_differ() -> None:
    """Each case opens its own session under a name of its own."""
    desk = Desk()
    run({f"s{number}": ONE for number in range(5)}, desk)
    assert len({start.case for start in desk.opened}) == 5


def test_an_interrupt_ends_the_run_and_keeps_what_was_done() -> None:
    """`interrupt` cuts running conversations off at once."""

    async def go() -> Schedule:
        plan = make_plan([script_of(ONE, f"s{n}") for n in range(50)], repeats=1, variants="rotate", select=Selection())
        terms = Terms(Desk(delay=0.05), fixed_clock())
        schedule = Schedule(plan, terms, lambda line: None, Watched(), concurrency=2, stop_after=0)
        task = asyncio.create_task(schedule.run())
        await asyncio.sleep(0.12)
        schedule.interrupt()
        await task
        return schedule

    schedule = asyncio.run(go())
    assert schedule.state == "interrupted"
    assert 0 < schedule.totals.counts.total() < 50


def test_a_journal_that_cannot_be_written_stops_the_run() -> None:
    """A full disk is no verdict about the engine: StorageError ends the run."""

    def full(line: bytes) -> None:
        raise StorageError("the journal cannot be written: No space left on device")

    plan = make_plan([script_of(ONE)], repeats=1, variants="rotate", select=Selection())
    schedule = Schedule(plan, Terms(Desk(), fixed_clock()), full, Watched(), concurrency=4, stop_after=0)
    with pytest.raises(StorageError, match="No space left"):
        asyncio.run(schedule.run())


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("refund", ["returns/refund[order=A-1]", "refund-late"]),
        ("refund and late", ["refund-late"]),
        ("refund not late", ["returns/refund[order=A-1]"]),
        ("late or hello", ["refund-late", "Hello"]),
        ('"order=a-1"', ["returns/refund[order=A-1]"]),
        ("(late or order) and refund", ["returns/refund[order=A-1]", "refund-late"]),
        ("not refund", ["Hello"]),
    ],
)
def test_keywords_select_by_name(expression: str, names: list[str]) -> None:
    """-k joins words of the case's name with and, or, not and parentheses; case does not matter."""
    keep = keyword_filter(expression)
    assert [name for name in ("returns/refund[order=A-1]", "refund-late", "Hello") if keep(name)] == names


@pytest.mark.parametrize("expression", ["and", "(a", "a or", "not", "a )", "", "(" * 5000, "not " * 5000 + "a"])
def test_a_broken_keyword_expression_is_said_so(expression: str) -> None:
    """What is not an expression is a ValueError with a sentence."""
    with pytest.raises(ValueError, match="-k "):
        keyword_filter(expression)


def test_tags_select_and_leave_out() -> None:
    """Any of the tags selects; a tag with ! leaves out."""
    scripts = [script_of(f"tags: [{tags}]\nturns: [hi]\n", f"s{n}") for n, tags in enumerate(["a", "a, slow", "b"])]

    def chosen(*tags: str) -> list[str]:
        plan = make_plan(scripts, repeats=1, variants="rotate", select=Selection(tags=tags))
        return [case.name for case in plan.cases]

    assert chosen("a") == ["s0", "s1"]
    assert chosen("a", "!slow") == ["s0"]
    assert chosen("a", "b") == ["s0", "s1", "s2"]
    assert chosen("!slow") == ["s0", "s2"]


def test_ids_come_from_content() -> None:
    """A row added at the end renames no other case, repeats and rows have names of their own."""
    few = script_of("params: {n: [1, 2]}\nturns: ['{{ n }}']\n")
    more = script_of("params: {n: [1, 2, 3]}\nturns: ['{{ n }}']\n")

    def ids(script: object) -> list[str]:
        plan = make_plan([script], repeats=2, variants="rotate", select=Selection())  # type: ignore[list-item]
        return [case.id for case in plan.cases]

    assert ids(more)[:4] == ids(few)
    assert len(set(ids(more))) == 6


def test_a_run_of_too_many_cases_is_refused_before_it_fills_the_memory() -> None:
    """Rows, wordings and repeats are multiplied first; beyond a million cases the number is said."""
    script = script_of("params: {n: [1, 2, 3]}\nturns: [{user: [a, b]}]\n")
    assert len(make_plan([script], repeats=2, variants="all", select=Selection()).cases) == 12
    with pytest.raises(ValueError, match="give 6,000,000 cases; the limit of a run is 1,000,000"):
        make_plan([script], repeats=1_000_000, variants="all", select=Selection())

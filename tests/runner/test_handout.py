"""Batches of a plan, and what is handed out again."""

from __future__ import annotations

import asyncio

import pytest

from focal_eval.records import Verdict
from focal_eval.runner.handout import MOST_DEATHS, MOST_IN_BATCH, Handout
from focal_eval.runner.plan import Case, Selection, make_plan
from focal_eval.runner.played import Batch, Lost
from focal_eval.runner.repeats import Order, order_of
from focal_eval.script.repeats import ONCE
from tests.runner.desk import script_of

ONE = "turns:\n  - {user: a REFUND, expect: {rules: [refund]}}\n"


def planned(count: int) -> tuple[Case, ...]:
    return make_plan(
        [script_of(ONE, f"s{number}") for number in range(count)], repeats=1, variants="rotate", select=Selection()
    ).cases


def handout(count: int, workers: int = 2) -> tuple[Handout, Order]:
    cases = planned(count)
    order = order_of(cases, ONCE)
    return Handout(order, len(cases), workers, asyncio.Event()), order


async def next_of(batches: Handout) -> Batch | None:
    """The next batch, None where there is none for now."""
    try:
        async with asyncio.timeout(0.01):
            return await anext(batches)
    except (TimeoutError, StopAsyncIteration):
        return None


def test_every_case_is_handed_out_once_in_batches_that_shrink() -> None:
    """Large ones first, single cases at the end, so that all workers end at about the same time."""

    async def go() -> list[int]:
        batches, order = handout(2_000)
        sizes, seen = list[int](), list[str]()
        async for batch in batches:
            sizes.append(len(batch.cases))
            seen += batch.cases
            for name in batch.cases:
                case = batches.done(name)
                assert case is not None
                order.done(case, Verdict.PASSED)
        assert len(seen) == len(set(seen)) == 2_000
        return sizes

    sizes = asyncio.run(go())
    assert sizes[0] == MOST_IN_BATCH
    assert sizes[-1] == 1
    assert sizes == sorted(sizes, reverse=True)


def test_batches_end_only_when_nothing_is_under_way() -> None:
    """What is lost may come again, so whoever takes batches waits for the last results."""

    async def go() -> None:
        batches, _ = handout(1)
        first = await anext(batches)
        waiting = asyncio.create_task(anext(batches))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        batches.done(first.cases[0])
        with pytest.raises(StopAsyncIteration, match=r"^$"):
            await waiting

    asyncio.run(go())


def test_lost_cases_come_again_and_the_one_that_kills_is_found() -> None:
    """All of a lost batch come again, at the third try alone; after three deaths a case is given up, and no other one."""

    async def go() -> tuple[list[str], list[str]]:
        batches, _ = handout(300, workers=1)
        deadly = (await anext(batches)).cases[5]
        again, given_up, alone = list[str](), list[str](), False
        batch: Batch | None = Batch((*(planned(300)[at].id for at in range(37)),))
        assert batch is not None
        while batch is not None and len(given_up) < 1:
            if deadly in batch.cases:
                alone = batch.alone
                given_up += [case.id for case in batches.lost(Lost("w", batch.cases, "was killed by SIGKILL"))]
            else:
                again += [name for name in batch.cases if batches.done(name)]
            batch = await next_of(batches)
        assert alone
        assert deadly not in again
        return given_up, [deadly]

    given_up, expected = asyncio.run(go())
    assert given_up == expected
    assert MOST_DEATHS == 3


def test_a_case_that_is_over_is_not_taken_twice() -> None:
    """Where a worker that was given up answers after all, its case may come back two times; the second is ignored."""

    async def go() -> None:
        batches, _ = handout(1)
        (name,) = (await anext(batches)).cases
        assert batches.lost(Lost("w", (name,), "ended")) == []
        assert batches.done(name) is not None
        assert batches.done(name) is None
        assert batches.lost(Lost("w", (name,), "ended")) == []

    asyncio.run(go())


def test_nothing_more_is_handed_out_after_a_stop() -> None:
    """Also to whoever waits for a batch at that moment."""

    async def go() -> None:
        batches, _ = handout(1)
        await anext(batches)
        waiting = asyncio.create_task(anext(batches))
        await asyncio.sleep(0)
        batches.stop()
        with pytest.raises(StopAsyncIteration, match=r"^$"):
            await waiting

    asyncio.run(go())

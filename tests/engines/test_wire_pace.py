"""How fast a server is asked by several who share a run, in a time of its own that takes none."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from focal_eval.clock import Clock
from focal_eval.engines.wire_pace import Pace, share_pace
from tests.swift import swiftly

MORNING = datetime(2026, 1, 1, 9, tzinfo=UTC)


def played(since: float, work: Callable[[], Coroutine[Any, Any, list[float]]]) -> list[float]:
    """When requests were sent, in seconds since the morning, by a process whose clock of its own says otherwise."""
    return [at - since for at in swiftly(work, since)]


async def asking(pace: Pace, number: int, lanes: int, times: int) -> list[float]:
    """When one of several sent its requests, one after the other."""
    share_pace(number, lanes)
    out = []
    for _ in range(times):
        await pace.turn()
        out.append(asyncio.get_running_loop().time())
    return out


@pytest.mark.parametrize("lanes", [2, 3, 8])
def test_processes_that_share_a_run_never_send_at_once(lanes: int) -> None:
    """Each with a monotonic clock of its own: all slots of the rate are used, and none twice."""
    sent = []
    for number in range(lanes):
        sent += played(1_000.0 * number, lambda number=number: asking(_pace(10), number, lanes, 5))  # type: ignore[misc]
    sent.sort()
    gaps = [later - sooner for sooner, later in itertools.pairwise(sent)]
    assert gaps == pytest.approx([0.1] * (5 * lanes - 1), abs=1e-4)


def test_one_that_begins_later_takes_what_is_left_of_its_lane() -> None:
    """A worker that takes the place of another one, or a batch that comes to another machine, does not send in between."""
    first = played(0.0, lambda: asking(_pace(10), 1, 4, 3))
    later = played(77.0, lambda: asking(_pace(10, late=first[-1] + 0.01), 1, 4, 2))
    assert later[0] == pytest.approx(0.39, abs=1e-4)  # of the lane's 0.4 s
    assert later[1] - later[0] == pytest.approx(0.4, abs=1e-4)


def test_who_is_alone_waits_for_no_slot_before_the_first() -> None:
    """A lane is for those who share; a single process sends at once, then evenly."""
    assert played(5.0, lambda: asking(_pace(10), 0, 1, 3)) == pytest.approx([0.0, 0.1, 0.2])


def test_no_rate_is_no_wait() -> None:
    """Without `max_requests_per_s` nothing is spread, in a lane or not."""
    assert played(5.0, lambda: asking(_pace(None), 3, 8, 3)) == [0.0, 0.0, 0.0]


def test_tasks_that_a_worker_begins_are_in_its_lane() -> None:
    """What is told once holds for every conversation of the worker, and for nobody else in the process."""

    async def work() -> list[float]:
        pace = _pace(10)

        async def worker(number: int) -> list[float]:
            share_pace(number, 2)
            began = asyncio.get_running_loop().time()

            async def conversation() -> float:
                await pace.turn()
                return asyncio.get_running_loop().time() - began

            return await asyncio.gather(*(conversation() for _ in range(2)))

        return await asyncio.create_task(worker(1))

    assert played(0.0, work) == pytest.approx([0.1, 0.3], abs=1e-4)


def _pace(rate: float | None, *, late: float = 0.0) -> Pace:
    return Pace(rate, Clock(now=lambda: MORNING + timedelta(seconds=late)))

"""One limit for many waits at a time: each is cut off when its own time is over, and nothing else is."""

from __future__ import annotations

import asyncio

import pytest

from focal_eval.engines.wire_deadlines import Deadlines


def test_each_wait_is_cut_off_in_its_own_time() -> None:
    """Waits that begin later are due later; those that are over in time give what they were for."""

    async def use() -> list[object]:
        deadlines = Deadlines(0.6)
        took: dict[int, float] = {}
        loop = asyncio.get_running_loop()

        async def wait(number: int, seconds: float) -> int:
            began = loop.time()
            try:
                await deadlines.within(asyncio.sleep(seconds))
            finally:
                took[number] = loop.time() - began
            return number

        tasks = []
        for number, seconds in enumerate((5, 0.01, 5, 0.02)):
            tasks.append(asyncio.create_task(wait(number, seconds)))
            await asyncio.sleep(0.03)
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(0.55 < took[number] < 4 for number in (0, 2))
        deadlines.close()
        return list(found)

    found = asyncio.run(use())
    assert [type(item) for item in found] == [TimeoutError, int, TimeoutError, int]


def test_a_cancellation_from_outside_stays_one() -> None:
    """Whoever cancels the task gets a cancelled task, not a time limit."""

    async def use() -> None:
        deadlines = Deadlines(5)
        task = asyncio.create_task(deadlines.within(asyncio.sleep(5)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError, match=r"^$"):
            await task
        assert task.cancelled()
        deadlines.close()

    asyncio.run(use())


def test_a_limit_within_a_limit_is_told_apart() -> None:
    """The inner limit ends the inner wait alone; the task goes on, and can be cut off by the outer one later."""

    async def use() -> str:
        deadlines = Deadlines(0.02)
        try:
            async with asyncio.timeout(1):
                with pytest.raises(TimeoutError, match=r"^$"):
                    await deadlines.within(asyncio.sleep(5))
                await asyncio.sleep(5)
        except TimeoutError:
            return "outer"
        return "none"

    assert asyncio.run(use()) == "outer"


def test_another_event_loop_begins_anew() -> None:
    """What an earlier loop left behind cuts off nothing."""
    deadlines = Deadlines(5)
    for _ in range(2):
        assert asyncio.run(deadlines.within(asyncio.sleep(0, "done"))) == "done"
    deadlines.close()

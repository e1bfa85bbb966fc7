"""Limits on what a task waits for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from focal_eval.runner.limits import Watch, within


async def answered(value: str, after: float = 0.0) -> str:
    if after:
        await asyncio.sleep(after)
    return value


def test_what_does_not_wait_needs_no_timer() -> None:
    """It is done before a limit is looked at, so even none at all is enough."""
    assert asyncio.run(within(answered("at once"), 0.0)) == "at once"


def test_one_watch_limits_one_wait_after_the_other() -> None:
    """A long limit, a short one that cuts off, and again a long one; the timer of the first does not cut off the last."""

    async def turns() -> list[str]:
        watch, told = Watch(), []
        for after, limit in ((0.01, 0.8), (5.0, 0.03), (0.2, 5.0), (5.0, 0.03)):
            try:
                told.append(await watch.within(answered("answered", after), limit))
            except TimeoutError:
                told.append("too late")
        watch.close()
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        return told

    assert asyncio.run(turns()) == ["answered", "too late", "answered", "too late"]


def test_a_cancellation_from_outside_is_no_timeout() -> None:
    """Whoever ends the task is heard, also where its time ends in the same moment."""

    async def ended(limit: float) -> Any:
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(within(answered("never", 5.0), limit))
        loop.call_at(loop.time() + 0.05, task.cancel)
        return (await asyncio.gather(task, return_exceptions=True))[0]

    assert isinstance(asyncio.run(ended(5.0)), asyncio.CancelledError)

    async def at_once() -> Any:
        task = asyncio.create_task(within(answered("never", 5.0), 0.0))
        await asyncio.sleep(0)  # it waits, and its timer is due
        task.cancel()
        return (await asyncio.gather(task, return_exceptions=True))[0]

    assert isinstance(asyncio.run(at_once()), asyncio.CancelledError)


def test_an_error_of_the_work_comes_through() -> None:
    """What the work raises while it waits is raised; the watch is ready for the next wait."""

    async def broken() -> str:
        await asyncio.sleep(0.01)
        raise ValueError("the work broke")

    async def turns() -> str:
        watch = Watch()
        with pytest.raises(ValueError, match="the work broke"):
            await watch.within(broken(), 5.0)
        return await watch.within(answered("answered", 0.01), 5.0)

    assert asyncio.run(turns()) == "answered"


def test_work_that_hears_of_its_end_may_say_so_itself() -> None:
    """Its own error then counts, and the task is not left cancelled."""

    async def polite() -> str:
        try:
            return await answered("never", 5.0)
        except asyncio.CancelledError:
            raise ValueError("cut off") from None

    async def turns() -> int:
        with pytest.raises(ValueError, match="cut off"):
            await within(polite(), 0.02)
        await asyncio.sleep(0.01)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    assert asyncio.run(turns()) == 0


def test_a_closed_watch_leaves_no_timer() -> None:
    """Nothing of it is called after the task went on."""

    async def turns() -> int:
        watch = Watch()
        await watch.within(answered("answered", 0.01), 0.6)
        watch.close()
        task = asyncio.current_task()
        assert task is not None
        await asyncio.sleep(0.7)
        return task.cancelling()

    assert asyncio.run(turns()) == 0

"""Time limits: one that costs nothing where nothing is waited for, and one for a task that waits again and again."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


async def within(work: Coroutine[Any, Any, T], limit: float) -> T:
    """What `work` returns; TimeoutError where it waits longer than `limit` seconds.

    The work is started at once, and a timer is only set when it first waits: an engine in this process that answers
    without waiting pays for none. A limit can only ever cut off waiting, so the outcome is the same.
    """
    watch = Watch()
    try:
        return await watch.within(work, limit)
    finally:
        watch.close()


class Watch:
    """Limits what one task waits for, one thing after the other; the task closes it.

    `asyncio.timeout` sets a timer for each wait and takes it back, which costs a tenth of sending a request. Nearly all waits
    are over long before their time, so one timer is left running: where it comes due too early it is set anew.
    """

    __slots__ = ("_deadline", "_late", "_task", "_timer")

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = math.inf  # of what is waited for now
        self._task: asyncio.Task[Any] | None = None
        self._late = False  # the task was cancelled, and is about to hear of it

    async def within(self, work: Coroutine[Any, Any, T], limit: float) -> T:
        """As the function of this name."""
        rest: Awaitable[T] = work
        if self._task is None:  # a task that waited once will wait again: it needs no second look
            try:
                waiting = work.send(None)
            except StopIteration as done:
                result: T = done.value
                return result
            rest = _Rest(work, waiting)
        task = self._begin(limit)
        before = task.cancelling()
        try:
            return await rest
        except asyncio.CancelledError as problem:
            if self._late:
                self._late = False
                if task.uncancel() <= before:
                    raise TimeoutError from problem
            raise
        finally:
            self._deadline = math.inf
            if self._late:
                self._late = False
                task.uncancel()

    def close(self) -> None:
        """Takes the timer back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self, limit: float) -> asyncio.Task[Any]:
        loop = asyncio.get_running_loop()
        task = self._task = asyncio.current_task(loop)
        assert task is not None, "a limit is for what a task waits for"
        self._deadline = loop.time() + limit
        if self._timer is not None and self._timer.when() > self._deadline:
            self.close()
        if self._timer is None:
            self._timer = loop.call_at(self._deadline, self._due, loop)
        return task

    def _due(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if self._deadline <= loop.time():
            assert self._task is not None
            self._late = True
            self._task.cancel()
        elif self._deadline < math.inf:
            self._timer = loop.call_at(self._deadline, self._due, loop)


class _Rest:
    """The rest of a coroutine that was started and waits for `waiting`."""

    __slots__ = ("waiting", "work")

    def __init__(self, work: Coroutine[Any, Any, Any], waiting: Any) -> None:
        self.work, self.waiting = work, waiting

    def __await__(self) -> Generator[Any, Any, Any]:
        waiting = self.waiting
        try:
            while True:
                try:
                    value = yield waiting
                except BaseException as problem:  # a cancellation belongs to the coroutine
                    waiting = self.work.throw(problem)
                else:
                    waiting = self.work.send(value)
        except StopIteration as done:
            return done.value

"""One limit for many waits at a time, for which one timer is enough: who began first is due first."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Ticket:
    """One wait: whose it is, when it is due, and whether it was cut off."""

    __slots__ = ("before", "due", "late", "over", "task")

    def __init__(self, task: asyncio.Task[Any], due: float) -> None:
        self.task, self.due, self.before = task, due, task.cancelling()
        self.late = self.over = False


class Deadlines:
    """The same limit in seconds for each wait. `asyncio.timeout` makes a timer for each, a tenth of what a request costs."""

    __slots__ = ("_loop", "_timer", "_waits", "limit")

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waits: deque[_Ticket] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def within(self, work: Coroutine[Any, Any, T]) -> T:
        """What is waited for. Raises TimeoutError where it takes longer."""
        ticket = self._begin()
        try:
            return await work
        except asyncio.CancelledError as problem:
            if ticket.late:
                ticket.late = False
                if ticket.task.uncancel() <= ticket.before:
                    raise TimeoutError from problem
            raise
        finally:
            ticket.over = True
            if ticket.late:  # it was done in the moment in which it was due
                ticket.task.uncancel()

    def _begin(self) -> _Ticket:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._timer = loop, None
            self._waits.clear()
        task = asyncio.current_task(loop)
        assert task is not None, "a limit is for what a task waits for"
        waits = self._waits
        while waits and waits[0].over:
            waits.popleft()
        ticket = _Ticket(task, loop.time() + self.limit)
        waits.append(ticket)
        if self._timer is None:
            self._timer = loop.call_at(ticket.due, self._sweep, loop)
        return ticket

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        waits, now = self._waits, loop.time()
        while waits and (waits[0].over or waits[0].due <= now):
            ticket = waits.popleft()
            if not ticket.over:
                ticket.late = True
                ticket.task.cancel()
        self._timer = loop.call_at(waits[0].due, self._sweep, loop) if waits else None

    def close(self) -> None:
        """Takes the timer back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

"""How fast a server is asked, by one process or by several that play one run together."""

from __future__ import annotations

import asyncio
import math
from contextvars import ContextVar

from focal_eval.clock import Clock

_LANE: ContextVar[tuple[int, int]] = ContextVar("lane", default=(0, 1))
_SAME = 1e-6  # of the time between two slots: what adding times up may be wrong by


def share_pace(number: int, lanes: int) -> None:
    """Says that what is asked from here on, in this task and those it begins, is asked in one lane of several, from 0.

    Every slot that `max_requests_per_s` allows belongs to one lane, in turn. They are told by the time of day, so that
    processes and machines that share a run keep to the rate without a word between them.
    """
    _LANE.set((number, lanes))


class Pace:
    """Spreads requests evenly, in the order they come."""

    __slots__ = ("_clock", "_epoch", "_gap", "_loop", "_next")

    def __init__(self, per_second: float | None, clock: Clock) -> None:
        self._gap = 0.0 if per_second is None else 1.0 / per_second
        self._clock = clock
        self._next = self._epoch = 0.0  # both by the loop's time
        self._loop: asyncio.AbstractEventLoop | None = None

    async def turn(self) -> None:
        """Returns when the next request may be sent."""
        if not self._gap:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        if loop is not self._loop:
            self._loop, self._next, self._epoch = loop, 0.0, now - self._clock.now().timestamp()
        slot = self._slot(max(now, self._next))
        if slot > now:
            await asyncio.sleep(slot - now)

    def _slot(self, earliest: float) -> float:
        """Takes the first slot from a moment on; alone, that moment is one."""
        number, lanes = _LANE.get()
        apart = self._gap * lanes
        if lanes > 1:
            first = self._epoch + number * self._gap
            earliest = first + math.ceil((earliest - first) / apart - _SAME) * apart
        self._next = earliest + apart
        return earliest

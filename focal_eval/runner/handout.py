"""Hands the cases of a plan out in batches to those who play them elsewhere, and again where a worker was lost with them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from focal_eval.runner.plan import Case
from focal_eval.runner.played import Batch, Lost
from focal_eval.runner.repeats import Order

MOST_DEATHS = 3  # of workers that had a case under way, after which it is not tried any more
MOST_IN_BATCH = 64
_SHARES = 8  # a batch is this part of what a worker may still expect, so that all end at about the same time


class Handout:
    """Batches of a plan, and what is known of the cases that are away. Iterate over it once."""

    def __init__(self, order: Order, cases: int, workers: int, stop: asyncio.Event) -> None:
        self._order, self._workers = order, max(1, workers)
        self._left = cases  # at most so many are still to be handed out for the first time
        self._away: dict[str, Case] = {}
        self._again: deque[tuple[str, ...]] = deque()
        self._deaths: dict[str, int] = {}
        self._changed = asyncio.Event()
        self._stop = stop

    def __aiter__(self) -> AsyncIterator[Batch]:
        return self

    async def __anext__(self) -> Batch:
        """The next batch; no more once nothing is under way, or nothing more is to be begun."""
        while not self._stop.is_set():
            self._changed.clear()
            if self._again:
                ids = self._again.popleft()
                return Batch(ids, alone=len(ids) == 1 and self._deaths[ids[0]] + 1 >= MOST_DEATHS)
            found = self._fresh()
            if found:
                return Batch(tuple(found))
            if not self._away:
                break
            await self._changed.wait()
        raise StopAsyncIteration

    def _fresh(self) -> list[str]:
        most = max(1, min(MOST_IN_BATCH, self._left // (_SHARES * self._workers)))
        found: list[str] = []
        while len(found) < most and (case := self._order.take()) is not None:
            self._away[case.id] = case
            found.append(case.id)
        self._left -= len(found)
        return found

    def done(self, id: str) -> Case | None:
        """Takes back a case that is over; None where it was taken back before."""
        self._changed.set()
        return self._away.pop(id, None)

    def lost(self, lost: Lost) -> list[Case]:
        """Has the cases of a worker that is gone played again; those that it happened to too often come back."""
        hopeless: list[Case] = []
        again: list[str] = []
        for name in lost.cases:
            case = self._away.get(name)
            if case is None:
                continue
            deaths = self._deaths[name] = self._deaths.get(name, 0) + 1
            if deaths >= MOST_DEATHS:
                hopeless.append(self._away.pop(name))
            else:
                again.append(name)
        size = 1 if any(self._deaths[name] + 1 >= MOST_DEATHS for name in again) else max(1, len(again) // _SHARES)
        self._again.extend(tuple(again[at : at + size]) for at in range(0, len(again), size))
        self._changed.set()
        return hopeless

    def stop(self) -> None:
        """Hands out nothing more."""
        self._stop.set()
        self._changed.set()

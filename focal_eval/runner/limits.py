"""A time limit that costs nothing where nothing is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


async def within(work: Coroutine[Any, Any, T], limit: float) -> T:
    """What `work` returns; TimeoutError where it waits longer than `limit` seconds.

    The work is started at once, and a timer is only set when it first waits: an engine in this process that answers
    without waiting pays for none. A limit can only ever cut off waiting, so the outcome is the same.
    """
    try:
        waiting = work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    async with asyncio.timeout(limit):
        rest: T = await _Rest(work, waiting)
    return rest


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

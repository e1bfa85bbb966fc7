"""Worker processes on this machine, as an Executor."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from focal_eval.errors import EngineError
from focal_eval.runner.nursery import GONE_S, Hand, Nursery
from focal_eval.runner.parcel import unpacked
from focal_eval.runner.played import Batch, Lost, Played
from focal_eval.runner.serving import BROKEN, END, LEFT, PLAY, READY, STOP

MOST_IN_VAIN = 3  # workers in a row that end before they were ready


@dataclass(slots=True, eq=False)
class _Worker:
    """One process, and the cases it has."""

    name: str
    hand: Hand
    share: int  # conversations it has at the same time
    open: dict[str, None] = field(default_factory=dict)  # ids, in the order in which they were given
    size: int = 0  # of the last batch
    alone: bool = False
    thread: threading.Thread | None = None
    why: str | None = None  # its last words

    def has_room(self) -> bool:
        """Whether it should get more: it plays the last of what it has while the next is on its way."""
        return not self.alone and len(self.open) <= max(self.size, self.share)

    def say(self, order: str, ids: tuple[str, ...] = ()) -> None:
        with contextlib.suppress(OSError):  # it is gone, which its pipe tells
            self.hand.pipe.send_bytes(orjson.dumps((order, ids)))


class Processes:
    """Plays batches in so many processes at a time. A process that ends is told as Lost, and another one takes its place."""

    def __init__(self, nursery: Nursery, shares: tuple[int, ...]) -> None:
        self._nursery, self._shares = nursery, shares  # conversations at the same time, of each process
        self._workers: dict[int, _Worker] = {}
        self._news: asyncio.Queue[tuple[int, _Worker | None, bytes | None]] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._in_vain = 0
        self._stopping = False

    async def run(self, batches: AsyncIterator[Batch], stop: asyncio.Event) -> AsyncGenerator[Played | Lost, None]:
        """As the protocol says. Raises EngineError where workers cannot be had."""
        for number in range(len(self._shares)):
            self._hire(number)
        feeder = asyncio.create_task(self._feed(batches))
        feeder.add_done_callback(lambda _: self._news.put_nowait((0, None, None)))  # wakes who waits for news
        stopper = asyncio.create_task(self._stop(stop))
        try:
            while not (feeder.done() and not any(worker.open for worker in self._workers.values())):
                number, worker, data = await self._news.get()
                if worker is None:
                    continue
                for item in self._heard(number, worker, data):
                    yield item
                self._changed.set()
            feeder.result()
        finally:
            for task in (feeder, stopper):
                task.cancel()
            await asyncio.gather(feeder, stopper, return_exceptions=True)
            await self._end()

    def _hire(self, number: int) -> None:
        try:
            hand = self._nursery.hire(number)
        except (OSError, ValueError) as problem:
            raise EngineError(f"a worker process cannot be started: {problem}") from None
        worker = _Worker(f"worker {number + 1}", hand, self._shares[number])
        self._workers[number] = worker
        worker.thread = threading.Thread(
            target=_listen, args=(worker, number, asyncio.get_running_loop(), self._news), name=worker.name, daemon=True
        )
        worker.thread.start()

    async def _feed(self, batches: AsyncIterator[Batch]) -> None:
        while True:
            await self._free(alone=False)
            try:
                batch = await anext(batches)
            except StopAsyncIteration:
                return
            worker = await self._free(alone=batch.alone)
            worker.open.update(dict.fromkeys(batch.cases))
            worker.size, worker.alone = len(batch.cases), batch.alone
            worker.say(PLAY, batch.cases)

    async def _free(self, *, alone: bool) -> _Worker:
        """The worker with the least to do, once there is one with room; for what is to be alone, one with nothing to do."""
        while True:
            free = [worker for worker in self._workers.values() if (not worker.open if alone else worker.has_room())]
            if free:
                return min(free, key=lambda worker: len(worker.open))
            self._changed.clear()
            await self._changed.wait()

    async def _stop(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._stopping = True
        for worker in self._workers.values():
            worker.say(STOP)

    def _heard(self, number: int, worker: _Worker, data: bytes | None) -> list[Played | Lost]:
        if data is None:
            return self._gone(number, worker)
        said, over = unpacked(data, worker.name)
        for played in over:
            worker.open.pop(played.case, None)
        for name in said.get(LEFT, ()):
            worker.open.pop(name, None)
        worker.alone = worker.alone and bool(worker.open)
        worker.why = said.get(BROKEN, worker.why)
        if READY in said:
            self._in_vain = 0
        return list(over)

    def _gone(self, number: int, worker: _Worker) -> list[Played | Lost]:
        del self._workers[number]
        why = worker.hand.ended()
        worker.hand.pipe.close()
        if worker.why is not None:
            raise EngineError(f"{worker.name} cannot play: {worker.why}")
        self._in_vain += 1
        if self._in_vain > MOST_IN_VAIN * len(self._shares):
            raise EngineError(f"workers end before they have played anything: the last one {why}")
        if not self._stopping:
            self._hire(number)
        return [Lost(worker.name, tuple(worker.open), why)]

    async def _end(self) -> None:
        """Lets workers go that have nothing to do, and ends the others."""
        workers = list(self._workers.values())
        for worker in workers:
            if worker.open:
                worker.hand.kill()
            else:
                worker.say(END)
        for worker in workers:
            if worker.thread is not None:
                await asyncio.to_thread(worker.thread.join, GONE_S)
            worker.hand.kill()
            worker.hand.ended()
            worker.hand.pipe.close()
        self._workers.clear()


def _listen(worker: _Worker, number: int, loop: asyncio.AbstractEventLoop, news: asyncio.Queue[Any]) -> None:
    """Passes on what a worker says; None once it is gone."""
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know any more
        try:
            while True:
                data = worker.hand.pipe.recv_bytes()
                loop.call_soon_threadsafe(news.put_nowait, (number, worker, data))
        except (EOFError, OSError):
            loop.call_soon_threadsafe(news.put_nowait, (number, worker, None))

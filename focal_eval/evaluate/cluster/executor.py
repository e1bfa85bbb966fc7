"""Plays batches on a cluster, whichever it is; a cluster has to offer no more than a `Link`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, Protocol

from focal_eval.errors import Refused, WorkersLost
from focal_eval.evaluate.cluster.player import unpacked
from focal_eval.evaluate.cluster.probe import SOURCE, Wanted, differences, here
from focal_eval.evaluate.cluster.shipping import Shipment, task_of
from focal_eval.runner.plan import Case
from focal_eval.runner.played import Batch, Lost, Played

ASKED_S = 60.0  # how long a worker may take to tell what it has, and to read what it is sent


class BatchLost(Exception):
    """A worker ended while it had a batch, as often as the cluster tries that."""

    def __init__(self, worker: str, why: str) -> None:
        super().__init__(why)
        self.worker, self.why = worker, why


class Link(Protocol):
    """A connection to a cluster."""

    @property
    def slots(self) -> Mapping[str, int]:
        """Its workers, and how many batches each plays at the same time."""
        ...

    async def ask(self, source: str, wanted: list[Any]) -> Mapping[str, Any]:
        """What the function `probe` of a piece of Python returns on every worker; an Exception for one that cannot tell."""
        ...

    def submit(self, task: bytes, worker: str | None = None) -> asyncio.Task[bytes]:
        """What `player.play` makes of a task, on any worker or on this one. Raises BatchLost and WorkersLost."""
        ...

    async def stop(self, token: str, *, at_once: bool) -> None:
        """Has every worker begin no further case of a run; `at_once` ends it there."""
        ...

    async def close(self) -> None: ...


class ClusterExecutor:
    """Plays the cases of one run on a cluster's workers."""

    def __init__(self, link: Link, shipment: Shipment, cases: Mapping[str, Case], *, ahead: bool, most: int) -> None:
        self.link, self.shipment, self.cases = link, shipment, cases
        slots = sum(link.slots.values())
        self.most = min(slots, most)
        self._most = 2 * self.most if ahead and self.most == slots else self.most
        """Batches under way. One more for each slot keeps workers busy between two; where what all may ask of the engine at
        the same time is bounded there are none, or a worker that joins would take them at once."""

    async def check(self) -> None:
        """Has every worker say what it has, and read what it is sent. Raises Refused that names all that cannot play."""
        await check_workers(self.link, self.shipment.wanted)
        task = task_of(self.shipment, (), whole=True)
        answers = {worker: self.link.submit(task, worker) for worker in self.link.slots}
        wrong = []
        for worker, answer in answers.items():
            try:
                said, _ = unpacked(await asyncio.wait_for(answer, ASKED_S))
            except (BatchLost, TimeoutError):
                said = {"wrong": "it ended, or did not answer, when it was sent the suite"}
            if "wrong" in said:
                wrong.append((worker, str(said["wrong"])))
        _refuse(wrong)

    async def run(self, batches: AsyncIterator[Batch], stop: asyncio.Event) -> AsyncGenerator[Played | Lost, None]:
        """As `Executor.run`."""
        away: dict[asyncio.Task[bytes], Batch] = {}
        coming: asyncio.Task[Batch] | None = None
        stopped = asyncio.create_task(stop.wait())
        ended = told = False
        try:
            while True:
                if coming is None and not ended and not stop.is_set() and len(away) < self._most:
                    coming = asyncio.ensure_future(anext(batches))
                waited: set[asyncio.Task[Any]] = {*away, *({coming} if coming else ()), *(() if told else (stopped,))}
                if not away and coming is None:
                    return
                done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
                if stopped in done and not told:
                    ended = told = True
                    await self.link.stop(self.shipment.token, at_once=False)
                if coming is not None and coming.done():
                    batch, coming = _next(coming), None
                    ended = ended or batch is None
                    if batch is not None:
                        away[self._sent(batch.cases)] = batch
                for answer in [task for task in done if task in away]:
                    for news in self._taken(answer, away, stop):
                        yield news
        finally:
            stopped.cancel()
            if coming is not None:
                coming.cancel()
            for task in away:
                task.cancel()
            await asyncio.gather(self.link.stop(self.shipment.token, at_once=True), *away, return_exceptions=True)

    def _sent(self, cases: tuple[str, ...], *, whole: bool = False) -> asyncio.Task[bytes]:
        batch = [self.cases[name] for name in cases]
        return self.link.submit(task_of(self.shipment, batch, whole=whole))

    def _taken(
        self, answer: asyncio.Task[bytes], away: dict[asyncio.Task[bytes], Batch], stop: asyncio.Event
    ) -> list[Played | Lost]:
        batch = away.pop(answer)
        try:
            said, played = unpacked(answer.result())
        except BatchLost as problem:
            return [Lost(problem.worker, batch.cases, problem.why)]
        if "wrong" in said:
            raise WorkersLost(f"the worker {said['worker']} cannot go on: {said['wrong']}")
        if said.get("need"):  # a worker that joined, or was started again
            away[self._sent(batch.cases, whole=True)] = batch
            return []
        over = {case.case for case in played}
        left = tuple(name for name in batch.cases if name not in over)
        return [*played, *([Lost(said["worker"], left, "left it unplayed")] if left and not stop.is_set() else [])]


def _next(coming: asyncio.Task[Batch]) -> Batch | None:
    try:
        return coming.result()
    except StopAsyncIteration:
        return None


async def check_workers(link: Link, wanted: Wanted) -> None:
    """Has every worker say what is installed there. Raises Refused that names those on which a run cannot be played."""
    ours = here(wanted)
    wrong = []
    for worker, said in (await link.ask(SOURCE, wanted.plain())).items():
        told = [f"it cannot be asked ({said})"] if isinstance(said, BaseException) else differences(ours, said)
        wrong += [(worker, item) for item in told]
    _refuse(wrong)


def _refuse(wrong: list[tuple[str, str]]) -> None:
    if not wrong:
        return
    lines = [f"the worker {worker} cannot play this: {what}" for worker, what in sorted(wrong)]
    shown = lines[:10] + ([f"and {len(lines) - 10} more"] if len(lines) > 10 else [])
    raise Refused("\n".join([*shown, "nothing was run"]))

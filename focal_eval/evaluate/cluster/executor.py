"""Plays batches on a cluster, whichever it is; a cluster has to offer no more than a `Link`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from focal_eval.errors import Refused, WorkersLost
from focal_eval.evaluate.cluster.probe import SOURCE, Wanted, differences, here
from focal_eval.evaluate.cluster.shipping import Shipment, task_of
from focal_eval.runner.parcel import unpacked
from focal_eval.runner.plan import Case
from focal_eval.runner.played import Batch, Lost, Played

ASKED_S = 60.0  # how long a worker may take to tell what it has, and to read what it is sent
ALIVE_S = 5.0  # after so long it is looked again whether a worker is there
DESERTED_S = 60.0  # how long a run waits for workers when the last one is gone


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

    async def alive(self) -> bool:
        """Whether any worker is there, or whoever could tell does not answer: that is told by what is under way."""
        ...

    async def stop(self, token: str, *, at_once: bool) -> None:
        """Has every worker begin no further case of a run; `at_once` ends it there."""
        ...

    async def close(self) -> None: ...


@dataclass(slots=True, eq=False)
class _Away:
    """What is under way, and what is next."""

    sent: dict[asyncio.Task[bytes], tuple[Batch, int]] = field(default_factory=dict)  # with its lane
    lanes: list[int] = field(default_factory=list)  # that are free
    coming: asyncio.Task[Batch] | None = None
    alone: Batch | None = None  # it waits until nothing else is under way
    ended: bool = False  # nothing more comes

    def wants(self) -> bool:
        """Whether one more batch is to be taken."""
        alone = self.alone is not None or any(batch.alone for batch, _ in self.sent.values())
        return self.coming is None and not self.ended and not alone and bool(self.lanes)

    def taken(self) -> list[Batch]:
        """The batches that may be sent now."""
        batch, out = None, []
        if self.coming is not None and self.coming.done():
            batch, self.coming = _next(self.coming), None
            self.ended = self.ended or batch is None
        if batch is not None and not batch.alone:
            out.append(batch)
        elif batch is not None:
            self.alone = batch
        if self.alone is not None and not self.sent:
            out, self.alone = [self.alone], None
        return out


class ClusterExecutor:
    """Plays the cases of one run on a cluster's workers."""

    def __init__(self, link: Link, shipment: Shipment, cases: Mapping[str, Case], *, ahead: bool, most: int) -> None:
        self.link, self.shipment, self.cases = link, shipment, cases
        slots = sum(link.slots.values())
        self.most = min(slots, most)
        self._most = 2 * self.most if ahead and self.most == slots else self.most
        """Batches under way, each in a lane of what may be asked in a second. One more for each slot keeps workers busy
        between two; where what all may ask of the engine at the same time is bounded there are none, or a worker that joins
        would take them at once."""

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
        """As `Executor.run`. Raises WorkersLost where there is no worker any more."""
        away = _Away(lanes=list(range(self._most)))
        stopped = asyncio.create_task(stop.wait())
        deserted = asyncio.create_task(self._deserted())
        told = False
        try:
            while True:
                if away.wants():
                    away.coming = asyncio.ensure_future(anext(batches))
                if not away.sent and away.coming is None:
                    return
                waited: set[asyncio.Task[Any]] = {*away.sent, deserted, *(() if told else (stopped,))}
                waited |= {away.coming} if away.coming else set()
                done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
                if stopped in done and not told:
                    away.ended, away.alone, told = True, None, True
                    await self.link.stop(self.shipment.token, at_once=False)
                if deserted in done:
                    deserted.result()
                for answer in [task for task in done if task in away.sent]:
                    for news in self._taken(answer, away, stop):
                        yield news
                for batch in away.taken():
                    self._send(batch, away.lanes.pop(), away)
        finally:
            for task in (stopped, deserted, away.coming, *away.sent):
                if task is not None:
                    task.cancel()
            ended = self.link.stop(self.shipment.token, at_once=True)
            await asyncio.gather(ended, deserted, *away.sent, return_exceptions=True)

    async def _deserted(self) -> None:
        """Raises WorkersLost once there has been no worker for a while: one that is started again takes its time."""
        missing = 0.0
        while missing < DESERTED_S:
            await asyncio.sleep(ALIVE_S)
            missing = 0.0 if await self.link.alive() else missing + ALIVE_S
        raise WorkersLost(f"the cluster has had no worker for {missing:.0f} s")

    def _send(self, batch: Batch, lane: int, away: _Away, *, whole: bool = False) -> None:
        cases = [self.cases[name] for name in batch.cases]
        task = task_of(self.shipment, cases, (lane, self._most), whole=whole)
        away.sent[self.link.submit(task)] = (batch, lane)

    def _taken(self, answer: asyncio.Task[bytes], away: _Away, stop: asyncio.Event) -> list[Played | Lost]:
        batch, lane = away.sent.pop(answer)
        away.lanes.append(lane)
        try:
            said, played = unpacked(answer.result())
        except BatchLost as problem:
            return [Lost(problem.worker, batch.cases, problem.why)]
        if "wrong" in said:
            raise WorkersLost(f"the worker {said['worker']} cannot go on: {said['wrong']}")
        if said.get("need"):  # a worker that joined, or was started again
            self._send(batch, away.lanes.pop(), away, whole=True)
            return []
        if stop.is_set() or any(case.given_up is not None for case in played):
            return [*played]
        over = {case.case for case in played}
        left = tuple(name for name in batch.cases if name not in over)
        return [*played, *([Lost(said["worker"], left, "left it unplayed")] if left else [])]


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

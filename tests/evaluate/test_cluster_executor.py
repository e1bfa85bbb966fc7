"""What is sent to a cluster when, and what becomes of a run whose workers are gone; in a time that passes at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from focal_eval.errors import WorkersLost
from focal_eval.evaluate.cluster import ClusterExecutor
from focal_eval.evaluate.cluster.executor import DESERTED_S
from focal_eval.evaluate.cluster.probe import Wanted
from focal_eval.evaluate.cluster.shipping import Shipment
from focal_eval.records import Verdict
from focal_eval.runner.parcel import packed
from focal_eval.runner.plan import Case, Selection, make_plan
from focal_eval.runner.played import Batch, Played
from tests.runner.desk import script_of
from tests.swift import swiftly

HELLO = "turns:\n  - {user: hello}\n"


@dataclass
class Sent:
    """A batch that a worker had."""

    cases: tuple[str, ...]
    lane: tuple[int, int]
    began: float
    ended: float = 0.0


@dataclass
class Desks:
    """Two workers of one thread that take a second for a batch, as a cluster would offer them."""

    there: Callable[[float], bool] = lambda at: True  # by the time
    took: Callable[[float], float] = lambda at: 1.0  # seconds a batch that comes at this time takes
    sent: list[Sent] = field(default_factory=list)
    slots: Mapping[str, int] = field(default_factory=lambda: {"one": 1, "other": 1})

    async def ask(self, source: str, wanted: list[Any]) -> Mapping[str, Any]:
        return {}

    def submit(self, task: bytes, worker: str | None = None) -> asyncio.Task[bytes]:
        return asyncio.create_task(self._play(orjson.loads(task)))

    async def _play(self, task: dict[str, Any]) -> bytes:
        loop = asyncio.get_running_loop()
        number, lanes = task["lane"]
        had = Sent(tuple(case[0] for case in task["cases"]), (number, lanes), loop.time())
        self.sent.append(had)
        await asyncio.sleep(self.took(loop.time()))
        had.ended = loop.time()
        return packed({"worker": "one"}, [Played(name, Verdict.PASSED) for name in had.cases])

    async def alive(self) -> bool:
        return self.there(asyncio.get_running_loop().time())

    async def stop(self, token: str, *, at_once: bool) -> None: ...

    async def close(self) -> None: ...


def _cases(count: int) -> Mapping[str, Case]:
    scripts = [script_of(HELLO, f"s{number}") for number in range(count)]
    plan = make_plan(scripts, repeats=1, variants="rotate", select=Selection())
    return {case.id: case for case in plan.cases}


def _run(desks: Desks, cases: Mapping[str, Case], batches: list[Batch]) -> list[str]:
    """The ids that were played; all batches are handed out in their order."""

    async def coming() -> AsyncIterator[Batch]:
        for batch in batches:
            yield batch

    async def work() -> list[str]:
        shipment = Shipment(b"{}", "digest", "token", frozenset(), Wanted((), (), ()))
        executor = ClusterExecutor(desks, shipment, cases, ahead=False, most=8)
        return [news.case async for news in executor.run(coming(), asyncio.Event()) if isinstance(news, Played)]

    return swiftly(work)


def test_batches_under_way_are_in_lanes_of_their_own() -> None:
    """Whichever worker plays it, a batch asks in a lane that no other one has meanwhile: so the rate holds for all."""
    cases = _cases(9)
    desks = Desks(took=lambda at: 1.0 + at % 3)
    assert sorted(_run(desks, cases, [Batch((name,)) for name in cases])) == sorted(cases)
    assert {sent.lane for sent in desks.sent} == {(0, 2), (1, 2)}
    for one in desks.sent:
        at_once = [other for other in desks.sent if one.began <= other.began < one.ended]
        assert len({other.lane for other in at_once}) == len(at_once)


def test_what_may_kill_its_worker_is_played_with_nothing_else_under_way() -> None:
    """Dask counts a worker's end against all that it had; so no other case is blamed for what this one does."""
    cases = _cases(6)
    first, second, bad, *others = cases
    batches = [Batch((first,)), Batch((second,)), Batch((bad,), alone=True), *(Batch((name,)) for name in others)]
    desks = Desks()
    assert sorted(_run(desks, cases, batches)) == sorted(cases)
    (alone,) = [sent for sent in desks.sent if bad in sent.cases]
    assert all(sent.ended <= alone.began or sent.began >= alone.ended for sent in desks.sent if sent is not alone)


def test_a_run_does_not_wait_for_ever_for_workers_that_are_gone() -> None:
    """Where none is there for a minute the run ends, and what it has is kept."""
    cases = _cases(1)
    with pytest.raises(WorkersLost, match=rf"the cluster has had no worker for {DESERTED_S:.0f} s"):
        _run(Desks(there=lambda at: False, took=lambda at: 1e6), cases, [Batch(tuple(cases))])


def test_a_worker_that_is_started_again_in_time_goes_on() -> None:
    """A nanny, or who runs the cluster, has its time."""
    cases = _cases(1)
    desks = Desks(there=lambda at: not 10 < at < DESERTED_S, took=lambda at: 3 * DESERTED_S)
    assert _run(desks, cases, [Batch(tuple(cases))]) == list(cases)

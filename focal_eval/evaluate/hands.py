"""How many processes play a run, and where they come from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from focal_eval.clock import Clock
from focal_eval.errors import UsageError
from focal_eval.evaluate.preparing import Prepared
from focal_eval.evaluate.request import RunRequest
from focal_eval.evaluate.working import Setup, prepared_worker, setups, share_of, worker_of
from focal_eval.runner.played import Executor, Lost, Played, Worker
from focal_eval.value import value

AUTO = 0  # as many workers as there are cores


@value
class Pool:
    """Processes of this machine that play a run's cases."""

    executor: Executor
    workers: int


def cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def workers_of(request: RunRequest, prepared: Prepared) -> int:
    """How many processes play; 1 for this one alone. Raises UsageError where several cannot."""
    wanted = cores() if request.workers == AUTO else request.workers or 1
    wanted = max(1, min(wanted, len(prepared.plan.cases)))
    recorder = prepared.target.recorder
    if wanted > 1 and recorder is not None and set(recorder.modes.values()) - {"replay"}:
        if request.workers == AUTO:
            return 1
        raise UsageError(f"{recorder.shelf.file} is recorded by one process; leave out --workers, or replay it")
    return wanted


@contextmanager
def pool_of(request: RunRequest, prepared: Prepared, clock: Clock, run: str) -> Iterator[Pool | None]:
    """The processes a request asks for, None where it is this one. To be entered before the first thread is begun."""
    workers = 1 if request.cluster is not None else workers_of(request, prepared)
    if workers == 1:
        yield None
        return
    from focal_eval.runner.nursery import ForkNursery, Nursery, SpawnNursery, can_fork
    from focal_eval.runner.workers import Processes

    told = setups(request, prepared, run, workers)

    def inherited(number: int) -> Worker:
        return worker_of(prepared, told[number], clock)

    nursery: Nursery = ForkNursery(inherited) if can_fork() else SpawnNursery(_Anew(told))
    try:
        shares = tuple(share_of(prepared.fields.concurrency, workers, number) for number in range(workers))
        yield Pool(Processes(nursery, shares), workers)
    finally:
        nursery.close()


@value
class _Anew:
    """Makes a worker that reads everything itself; it can be pickled."""

    setups: tuple[Setup, ...]

    def __call__(self, number: int) -> Worker:
        return prepared_worker(self.setups[number])[0]


def telling(observer: object) -> Callable[[Played | Lost], None]:
    """Tells an observer who played what, where it wants to know."""
    played_by, worker_lost = getattr(observer, "played_by", None), getattr(observer, "worker_lost", None)

    def told(news: Played | Lost) -> None:
        if isinstance(news, Lost):
            if worker_lost is not None:
                worker_lost(news.worker, news.why, len(news.cases))
        elif played_by is not None:
            played_by(news.worker)

    return told

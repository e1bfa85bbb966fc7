"""Many mutants on many cores: worker processes, each with the cases as they were played, and a watchdog over them.

What becomes of a mutant does not hang on who tries it or when, so any number of workers gives the same results in the same
order. A mutant that takes longer than its budget is cut off with its worker; another worker takes over.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess

from focal_eval.clock import Clock
from focal_eval.experiment.agent_mutants import AgentMutant
from focal_eval.experiment.lab import Lab
from focal_eval.experiment.mutants import Fate, Tried
from focal_eval.experiment.mutate import try_mutant
from focal_eval.experiment.reach import Reach
from focal_eval.value import value

LEAST_BUDGET_S = 10.0  # for one mutant, however small the suite
BUDGET = 30.0  # times what it took to play all cases once
BATCH = 8  # mutants a worker is given at once

Progress = Callable[[int, int], None]

elapsed = Clock().elapsed  # for the watchdog alone; the lab's own clock stands still


@value
class Trial:
    """What became of the mutants that were tried, in their order; not all of them where it was interrupted."""

    tried: tuple[Tried, ...]
    interrupted: bool = False
    timeouts: frozenset[str] = field(default_factory=frozenset)  # ids of the mutants that were cut off


class Trials:
    """Tries mutants in worker processes. `opener` opens the lab again where a process cannot inherit it; it can be pickled."""

    def __init__(self, reach: Reach, opener: Callable[[], Lab], workers: int, budget_s: float | None = None) -> None:
        self.reach, self.opener, self.workers = reach, opener, max(1, workers)
        self.budget_s = budget_s if budget_s is not None else max(LEAST_BUDGET_S, BUDGET * reach.took_s)

    def run(self, mutants: Sequence[AgentMutant], progress: Progress | None = None) -> Trial:
        """Every mutant; an interrupt ends it with what is known by then."""
        pool = _Pool(self, mutants, progress or _quietly)
        interrupted = False
        try:
            pool.work()
        except KeyboardInterrupt:
            interrupted = True
        finally:
            pool.close()
        known = tuple(pool.done[number] for number in sorted(pool.done))
        cut = frozenset(one.mutant.id for one in known if one.fate is Fate.TIMEOUT)
        return Trial(known, interrupted, cut)


def _quietly(_: int, __: int) -> None:
    return None


@value
class _Worker:
    """A process and the numbers of the mutants it still has to try, the one at hand first."""

    process: BaseProcess
    pipe: Connection
    numbers: deque[int]
    since: list[float]  # when the one at hand was begun


class _Pool:
    def __init__(self, trials: Trials, mutants: Sequence[AgentMutant], progress: Progress) -> None:
        self.trials, self.mutants, self.progress = trials, mutants, progress
        self.todo = deque(range(len(mutants)))
        self.done: dict[int, Tried] = {}
        self.workers: list[_Worker] = []
        self.context = _context(trials.reach.lab)

    def work(self) -> None:
        """Until every mutant has its fate."""
        gc.collect()
        gc.freeze()  # what is shared with workers is not to be written to by a collector
        try:
            for _ in range(min(self.trials.workers, len(self.mutants))):
                self._hire()
            while len(self.done) < len(self.mutants):
                self._listen()
        finally:
            gc.unfreeze()

    def close(self) -> None:
        for worker in self.workers:
            worker.process.terminate()
        for worker in self.workers:
            worker.process.join()
            worker.pipe.close()

    def _hire(self) -> None:
        here, there = self.context.Pipe()
        inherited = self.trials.reach if self.context.get_start_method() == "fork" else None
        mutants = self.mutants if inherited is not None else list(self.mutants)
        opener = self.trials.opener if inherited is None else None
        process: BaseProcess = self.context.Process(  # type: ignore[attr-defined]  # typeshed lists it on the contexts
            target=_serve, args=(there, inherited, opener, mutants), daemon=True
        )
        process.start()
        there.close()
        worker = _Worker(process, here, deque(), [elapsed()])
        self.workers.append(worker)
        self._give(worker)

    def _give(self, worker: _Worker) -> None:
        """More mutants for a worker that is done with its own."""
        share = max(1, min(BATCH, len(self.todo) // (2 * len(self.workers))))
        numbers = [self.todo.popleft() for _ in range(min(share, len(self.todo)))]
        worker.numbers.extend(numbers)
        worker.since[0] = elapsed()
        if numbers:
            worker.pipe.send(numbers)

    def _listen(self) -> None:
        """What workers report; who is over the budget, or gone, is replaced."""
        busy = [worker for worker in self.workers if worker.numbers]
        left = min(worker.since[0] for worker in busy) + self.trials.budget_s - elapsed()
        ready = wait([worker.pipe for worker in busy], timeout=max(0.0, left))
        for worker in busy:
            if worker.pipe in ready:
                self._report(worker)
            elif elapsed() - worker.since[0] > self.trials.budget_s:
                self._replace(worker, Fate.TIMEOUT, f"it was cut off after {self.trials.budget_s:.0f} s")

    def _report(self, worker: _Worker) -> None:
        try:
            number, tried = worker.pipe.recv()
        except (EOFError, ConnectionError):
            worker.process.join()
            return self._replace(worker, Fate.BROKEN, f"its process ended by itself, with code {worker.process.exitcode}")
        assert number == worker.numbers[0]
        worker.numbers.popleft()
        worker.since[0] = elapsed()
        self._finish(number, tried)
        if not worker.numbers:
            self._give(worker)
        return None

    def _finish(self, number: int, tried: Tried) -> None:
        self.done[number] = tried
        self.progress(len(self.done), len(self.mutants))

    def _replace(self, worker: _Worker, fate: Fate, why: str) -> None:
        worker.process.kill()
        worker.process.join()
        worker.pipe.close()
        self.workers.remove(worker)
        self._finish(worker.numbers[0], Tried(self.mutants[worker.numbers.popleft()].mutant, fate, weak=why))
        self.todo.extendleft(reversed(worker.numbers))
        if len(self.done) < len(self.mutants):
            self._hire()


def _serve(pipe: Connection, reach: Reach | None, opener: Callable[[], Lab] | None, mutants: Sequence[AgentMutant]) -> None:
    """A worker: takes numbers, gives what became of each."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    if reach is None:
        assert opener is not None
        reach = Reach(opener())
    gc.disable()  # mutants are short lives of plain data; the process is one, too
    parent = multiprocessing.parent_process()
    assert parent is not None
    try:
        while pipe in wait([pipe, parent.sentinel]):  # forked workers hold each other's pipes open, also without a parent
            for number in pipe.recv():
                pipe.send((number, try_mutant(reach, mutants[number])))
            gc.collect(1)
    except (EOFError, ConnectionError):  # nobody listens any more
        pass
    os._exit(0)


def _context(lab: Lab) -> BaseContext:
    """Forked processes inherit the cases as they were played; where there is no fork, or it would lose threads, they open anew.

    Local Python is called in threads, and what else it does nobody knows.
    """
    forks = "fork" in multiprocessing.get_all_start_methods() and os.name == "posix"
    alone = lab.deterministic and threading.active_count() == 1
    return multiprocessing.get_context("fork" if forks and alone else "spawn")

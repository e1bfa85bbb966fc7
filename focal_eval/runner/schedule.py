"""Runs a plan: so many conversations at a time, longest first, and says what became of each."""

from __future__ import annotations

import asyncio
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

from focal_eval.compare.stats import Tally
from focal_eval.errors import WorkersLost
from focal_eval.records import TurnRecord, Verdict
from focal_eval.runner.handout import MOST_DEATHS, Handout
from focal_eval.runner.opening import Terms
from focal_eval.runner.plan import Case, Plan
from focal_eval.runner.played import Executor, Lost, Played, Player, broken, spent
from focal_eval.runner.repeats import Order, key_of, order_of
from focal_eval.script.repeats import ONCE, Repeats
from focal_eval.value import value

DRAIN_S = 5.0
"""What conversations that are under way have left once a run is interrupted."""

BAD = frozenset({Verdict.FAILED, Verdict.ERRORED, Verdict.XPASSED})


class Observer(Protocol):
    """Told what happens while a run goes on; with `interrupted(seconds)` also that it was told to end, and in what time."""

    def started(self, cases: int, turns: int) -> None: ...
    def case_done(self, name: str, verdict: str) -> None: ...
    def finished(self) -> None: ...


@value
class Elsewhere:
    """Others who play the cases of a run."""

    executor: Executor
    workers: int  # about how many
    keep: Callable[[tuple[bytes, ...]], None]  # takes the sealed lines of an attempt into the journal
    told: Callable[[Played | Lost], None]  # hears all that comes back


@dataclass(slots=True)
class Totals:
    """What a run adds up to; it grows by one number a turn."""

    counts: Counter[str] = field(default_factory=Counter)
    latencies: array[float] = field(default_factory=lambda: array("d"))  # ms, as measured
    turns: int = 0
    tokens: int | None = None
    cost: float | None = None
    reasons: Counter[str] = field(default_factory=Counter)  # of cases without verdict
    tallies: dict[str, Tally] = field(default_factory=dict)  # of each case, where cases are repeated
    deterministic: bool = False  # the engine answers the same each time
    quarantined: frozenset[str] = frozenset()  # cases that gate nothing, without the numbers of repeats
    set_aside: Counter[str] = field(default_factory=Counter)  # verdicts of those

    @property
    def gating(self) -> Counter[str]:
        """Verdicts of the cases that gate."""
        return self.counts - self.set_aside

    @property
    def gating_tallies(self) -> Mapping[str, Tally]:
        """The tallies of the cases that gate."""
        return {key: tally for key, tally in self.tallies.items() if key not in self.quarantined}

    @property
    def flaky(self) -> int:
        """Cases that passed and failed, and gate."""
        return sum(1 for tally in self.gating_tallies.values() if tally.good and tally.bad)

    def gates(self, key: str) -> bool:
        """Whether a case, named without the number of its repeat, is in no quarantine."""
        return key not in self.quarantined

    def count(self, key: str, repeat: int, verdict: Verdict, repeats: Repeats) -> None:
        """Counts a case that is over."""
        self.counts[verdict.value] += 1
        if not self.gates(key):
            self.set_aside[verdict.value] += 1
        if repeats.at_most > 1:
            self.tallies.setdefault(key, Tally()).add(verdict.value, sure=repeat <= repeats.sure)

    def add(
        self,
        verdict: Verdict,
        reason: str | None,
        turns: Iterable[TurnRecord],
        prices: Mapping[str, float],
        *,
        gates: bool = True,
    ) -> None:
        """Adds what a case's turns took, and why it has no verdict where it has none.

        A case in quarantine adds no time: what it costs is paid all the same.
        """
        if verdict is Verdict.ERRORED and reason:
            self.reasons[reason] += 1
        self._took(*spent(turns, prices), gates=gates)

    def take(self, played: Played, *, gates: bool = True) -> None:
        """The same for a case that was played elsewhere."""
        if played.reason:
            self.reasons[played.reason] += 1
        self._took(played.latencies, played.tokens, played.cost, gates=gates)

    def _took(self, latencies: Sequence[float], tokens: int | None, cost: float | None, *, gates: bool) -> None:
        self.turns += len(latencies)
        if gates:
            self.latencies.extend(latencies)
        if tokens is not None:
            self.tokens = (self.tokens or 0) + tokens
        if cost is not None:
            self.cost = (self.cost or 0.0) + cost


class Schedule:
    """One run of a plan. It begins no further case once it is told to stop or the engine was given up."""

    def __init__(
        self,
        plan: Plan,
        terms: Terms,
        write: Callable[[bytes], None],
        observer: Observer,
        *,
        concurrency: int,
        stop_after: int,
        repeats: Repeats = ONCE,
        done: Mapping[str, Verdict] | None = None,
        elsewhere: Elsewhere | None = None,
        quarantined: frozenset[str] = frozenset(),
        expect: Callable[[Case], None] = lambda _: None,
    ) -> None:
        self.plan, self.terms, self.write, self.observer = plan, terms, write, observer
        self.expect = expect  # is told of a case before its lines are written
        self.concurrency = max(1, concurrency)
        self.stop_after = stop_after  # failures after which no new case is started, 0 for never
        self.repeats = repeats
        self.totals = Totals(deterministic=terms.engine.abilities.deterministic, quarantined=quarantined)
        self.state = "finished"
        self.lost: str | None = None  # why the engine was given up, or who was to play
        self.elsewhere = elsewhere
        self._bad = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._handout: Handout | None = None  # where others play
        self._player = Player(terms)
        self.done = done or {}  # cases that an earlier part of the run has finished, by id
        self._order: Order = order_of(plan.cases, repeats, self.done)

    @property
    def spared(self) -> int:
        """Cases of the plan that were not needed: repeats of a case that was decided before."""
        return self._order.spared

    async def run(self) -> str:
        """Runs every case; the state the run ended in: finished, stopped, given-up, workers-lost or interrupted."""
        coming = [case for case in self.plan.cases if case.id not in self.done] if self.done else self.plan.cases
        self.observer.started(len(coming), sum(case.turns for case in coming))
        if self.elsewhere is not None:
            self._tasks = [asyncio.create_task(self._conduct(self.elsewhere, len(coming)))]
        else:
            self._tasks = [asyncio.create_task(self._work()) for _ in range(min(self.concurrency, len(coming)))]
        try:
            await asyncio.gather(*self._tasks)
        except asyncio.CancelledError:
            self.state = "interrupted"
            await self._drain()
        except BaseException:
            await self._drain()
            raise
        finally:
            self.observer.finished()
        return self.state

    def interrupt(self) -> None:
        """Starts nothing more, gives what is under way DRAIN_S to end, and then cuts it off; `run` returns `interrupted`."""
        self.state = "interrupted"
        self._begin_no_more()
        if (tell := getattr(self.observer, "interrupted", None)) is not None:
            tell(DRAIN_S)
        asyncio.get_running_loop().call_later(DRAIN_S, self._cut_off)

    def _begin_no_more(self) -> None:
        self._order.stop()
        if self._handout is not None:
            self._handout.stop()

    def _cut_off(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _drain(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self) -> None:
        """Plays one case after the other here."""
        while (case := await self._order.next()) is not None:
            await asyncio.sleep(0)  # lets Ctrl-C through where the engine never waits
            if self.state != "finished":
                return
            self.expect(case)
            self._over(case, await self._player.play(case, self.write))

    async def _conduct(self, elsewhere: Elsewhere, cases: int) -> None:
        """Has all cases played by others."""
        stop = asyncio.Event()
        handout = self._handout = Handout(self._order, cases, elsewhere.workers, stop)
        async with aclosing(elsewhere.executor.run(handout, stop)) as results:
            try:
                async for news in results:
                    self._heard(news, elsewhere, handout)
            except WorkersLost as problem:
                if self.state == "finished":
                    self.state, self.lost = "workers-lost", str(problem)

    def _heard(self, news: Played | Lost, elsewhere: Elsewhere, handout: Handout) -> None:
        elsewhere.told(news)
        if isinstance(news, Lost):
            for case in handout.lost(news):
                self.expect(case)
                self._over(case, broken(case, self.terms, _died(news.why), self.write))
        elif (found := handout.done(news.case)) is not None:  # None where a worker that was given up answered after all
            self.expect(found)
            elsewhere.keep(news.lines)
            self._over(found, news)

    def _over(self, case: Case, played: Played) -> None:
        """Takes note of a case that is over, and decides whether others are begun."""
        verdict = played.verdict
        key = key_of(case)
        gates = self.totals.gates(key)
        self.totals.take(played, gates=gates)
        self.totals.count(key, case.repeat, verdict, self.repeats)
        self.observer.case_done(case.name, verdict.value)
        if verdict in BAD and gates:
            self._bad += 1
        if self.state == "finished":
            if played.given_up is not None:  # further cases could only repeat that
                self.state, self.lost = "given-up", played.given_up
            elif self.stop_after and self._bad >= self.stop_after:
                self.state = "stopped"
        self._order.done(case, verdict)
        if self.state != "finished":
            self._begin_no_more()


def _died(why: str) -> str:
    return f"{MOST_DEATHS} workers ended while they had this case; the last one {why}"

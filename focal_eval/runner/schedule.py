"""Runs a plan: so many conversations at a time, longest first, and says what became of each."""

from __future__ import annotations

import asyncio
from array import array
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from focal_eval.compare.stats import Tally
from focal_eval.records import UNKNOWN, Verdict
from focal_eval.runner.attempt import Attempt
from focal_eval.runner.judge import CaseJudge, PreparedScript
from focal_eval.runner.lines import skipped_lines
from focal_eval.runner.opening import Terms
from focal_eval.runner.plan import Case, Plan
from focal_eval.runner.repeats import Order, key_of, order_of
from focal_eval.script.repeats import ONCE, Repeats

BAD = frozenset({Verdict.FAILED, Verdict.ERRORED, Verdict.XPASSED})


class Observer(Protocol):
    """Told what happens while a run goes on."""

    def started(self, cases: int, turns: int) -> None: ...
    def case_done(self, name: str, verdict: str) -> None: ...
    def finished(self) -> None: ...


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

    def gates(self, case: Case) -> bool:
        """Whether the case is in no quarantine."""
        return not self.quarantined or key_of(case) not in self.quarantined

    def count(self, case: Case, verdict: Verdict, repeats: Repeats) -> None:
        """Counts a case that is over."""
        self.counts[verdict.value] += 1
        if not self.gates(case):
            self.set_aside[verdict.value] += 1
        if repeats.at_most > 1:
            tally = self.tallies.setdefault(key_of(case), Tally())
            tally.add(verdict.value, sure=case.repeat <= repeats.sure)

    def add(self, judged: CaseJudge, prices: Mapping[str, float], *, gates: bool = True) -> None:
        """Adds what its turns took, and why it has no verdict where it has none.

        A case in quarantine adds no time: what it costs is paid all the same.
        """
        if judged.verdict is Verdict.ERRORED and judged.reason:
            self.reasons[judged.reason] += 1
        for turn in judged.turns:
            self.turns += turn.elapsed_ms is not None
            if turn.elapsed_ms is not None and gates:
                self.latencies.append(turn.elapsed_ms)
            tokens = turn.reply.tokens if turn.reply is not None else UNKNOWN
            if tokens is UNKNOWN:
                continue
            total = tokens.total if tokens.total is not None else (tokens.prompt or 0) + (tokens.completion or 0)
            self.tokens = (self.tokens or 0) + total
            if prices:
                split = (tokens.prompt or 0) * prices.get("prompt", 0) + (tokens.completion or 0) * prices.get("completion", 0)
                self.cost = (self.cost or 0.0) + (split + total * prices.get("total", 0)) / 1e6


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
        quarantined: frozenset[str] = frozenset(),
    ) -> None:
        self.plan, self.terms, self.write, self.observer = plan, terms, write, observer
        self.concurrency = max(1, concurrency)
        self.stop_after = stop_after  # failures after which no new case is started, 0 for never
        self.repeats = repeats
        self.totals = Totals(deterministic=terms.engine.abilities.deterministic, quarantined=quarantined)
        self.state = "finished"
        self.lost: str | None = None  # why the engine was given up
        self._bad = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._prepared: tuple[str, PreparedScript] | None = None
        self._order: Order = order_of(plan.cases, repeats)

    @property
    def spared(self) -> int:
        """Cases of the plan that were not needed: repeats of a case that was decided before."""
        return self._order.spared

    async def run(self) -> str:
        """Runs every case; the state the run ended in: finished, stopped, given-up or interrupted."""
        self.observer.started(len(self.plan.cases), self.plan.turns)
        count = min(self.concurrency, len(self.plan.cases))
        self._tasks = [asyncio.create_task(self._work()) for _ in range(count)]
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
        """Cuts the run off; `run` returns `interrupted`."""
        self.state = "interrupted"
        for task in self._tasks:
            task.cancel()

    async def _drain(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self) -> None:
        while (case := await self._order.next()) is not None:
            await asyncio.sleep(0)  # lets Ctrl-C through where the engine never waits
            if self.state != "finished":
                return
            verdict = await self._case(case)
            self.totals.count(case, verdict, self.repeats)
            self.observer.case_done(case.name, verdict.value)
            if verdict in BAD and self.totals.gates(case):
                self._bad += 1
                if self.stop_after and self._bad >= self.stop_after and self.state == "finished":
                    self.state = "stopped"
            self._order.done(case, verdict)
            if self.state != "finished":
                self._order.stop()

    async def _case(self, case: Case) -> Verdict:
        if case.script.skip is not None:
            for line in skipped_lines(case, self.terms.channel):
                self.write(line)
            return Verdict.SKIPPED
        attempt = Attempt(case, self._prepare(case), self.terms, self.write)
        verdict = await attempt.play()
        self.totals.add(attempt, self.terms.prices, gates=self.totals.gates(case))
        if attempt.given_up is not None and self.state == "finished":  # further cases could only repeat that
            self.state, self.lost = "given-up", attempt.given_up
        return verdict

    def _prepare(self, case: Case) -> PreparedScript:
        """The script's expectations, kept while cases of the same script follow each other."""
        if self._prepared is None or self._prepared[0] != case.script.id:
            self._prepared = (case.script.id, PreparedScript(case.script))
        return self._prepared[1]

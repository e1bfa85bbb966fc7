"""A run whose cases are played one at a time, when somebody else asks for them: a test runner."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from focal_eval.clock import Clock
from focal_eval.engines.wire_pace import share_pace
from focal_eval.errors import UsageError
from focal_eval.evaluate.outcome import Ended
from focal_eval.evaluate.preparing import Prepared, terms_of
from focal_eval.evaluate.request import RunRequest, RunResult
from focal_eval.evaluate.running import RunUnderWay
from focal_eval.records import Verdict
from focal_eval.runner.journal import Journal
from focal_eval.runner.lines import skipped_lines
from focal_eval.runner.opening import Terms
from focal_eval.runner.plan import Case, Plan
from focal_eval.runner.played import Played, Player, broken
from focal_eval.runner.redact import Redactor
from focal_eval.runner.repeats import key_of
from focal_eval.runner.schedule import Totals
from focal_eval.runner.seal import sealed


class OneByOne:
    """Plays cases on one engine, each when it is asked for, and gives its lines back instead of writing them."""

    def __init__(self, terms: Terms, redact: Redactor, lane: tuple[int, int] = (0, 1)) -> None:
        self.terms, self._redact, self._lane = terms, redact, lane
        self._player = Player(terms)

    async def play(self, case: Case, number: int = 1) -> Played:
        """One case, for the so many-th time; whatever the engine does, it comes to a verdict."""
        share_pace(*self._lane)
        lines: list[bytes] = []
        played = await self._player.play(case, lines.append, number)
        return replace(played, lines=tuple([sealed(self._redact(line)) for line in lines]))

    def skipped(self, case: Case, why: str) -> Played:
        """What is written of a case that was not played, and why."""
        lines = skipped_lines(case.opened(), self.terms.channel, why)
        return Played(case.id, Verdict.SKIPPED, lines=tuple([sealed(self._redact(line)) for line in lines]))

    def cut_off(self, case: Case, why: str) -> Played:
        """What is written of a case that somebody else ended before it was over: it errored."""
        lines: list[bytes] = []
        played = broken(case, self.terms, why, lines.append, "cut-off")
        return replace(played, lines=tuple([sealed(self._redact(line)) for line in lines]))

    async def close(self) -> None:
        """Lets go of the engine, and of the judge where there is one."""
        await self.terms.engine.close()
        await self.terms.let_go()


def one_by_one(prepared: Prepared, request: RunRequest, clock: Clock, talks: str, lane: tuple[int, int] = (0, 1)) -> OneByOne:
    """A player for what was prepared; `talks` names the run to engines that remember users.

    `lane` is which of how many processes this one is, from 0: together they keep to the rate of the engine.

    Raises UsageError where several processes would record one cassette.
    """
    recorder = prepared.target.recorder
    if lane[1] > 1 and recorder is not None and set(recorder.modes.values()) - {"replay"}:
        raise UsageError(f"{recorder.shelf.file} is recorded by one process; play it without -n, or replay it")
    return OneByOne(terms_of(prepared, request, clock, talks), Redactor(prepared.target.secrets), lane)


def narrowed(prepared: Prepared, chosen: Iterable[str]) -> Prepared:
    """The same with these cases alone, by id and in their order; that there were more is still known."""
    known = {case.id: case for case in prepared.plan.cases}
    cases = tuple(known[name] for name in dict.fromkeys(chosen) if name in known)
    plan = Plan(cases, prepared.plan.collected, sum(case.turns for case in cases))
    return replace(prepared, plan=plan)


class Sitting:
    """A run under way whose cases come in from outside; its folder is there from the beginning."""

    def __init__(self, request: RunRequest, prepared: Prepared, clock: Clock) -> None:
        self._run = RunUnderWay(request, prepared, clock)
        self._start = clock.elapsed()
        self._journal: Journal = self._run.begin()
        self._cases = {case.id: case for case in prepared.plan.cases}
        self._played: dict[str, Played] = {}

    @property
    def whole(self) -> bool:
        """Whether every case is over."""
        return len(self._played) == len(self._cases)

    def take(self, played: Played) -> None:
        """Writes down a case that was played; of one that was played again the last time counts."""
        self._journal.copy(played.lines)
        if played.case in self._cases:
            self._played[played.case] = played

    def end(self, state: str) -> RunResult:
        """Judges the run, writes its outcome and its reports. `state` is how it ended where not every case is over."""
        prepared = self._run.prepared
        repeats = prepared.fields.repeats
        totals = Totals(deterministic=prepared.target.engine.abilities.deterministic, quarantined=prepared.quarantine.cases)
        for played in self._played.values():
            key = key_of(self._cases[played.case])
            totals.take(played, gates=totals.gates(key))
            totals.count(key, self._cases[played.case].repeat, played.verdict, repeats)
        lost = next((played.given_up for played in self._played.values() if played.given_up is not None), None)
        ended = Ended("finished" if self.whole else "given-up" if lost else state, len(self._cases), 0, lost)
        try:
            self._journal.flush()
            self._run.asker = terms_of(prepared, self._run.request, self._run.clock, self._run.talks).asker
            judge = asyncio.run(self._run.asked(self._journal, ended.state))
            done = self._run.judged(self._journal, totals, ended, self._start, judge)
        finally:
            self._journal.close()
        recorder = prepared.target.recorder
        return self._run.over(self._journal, done, totals.reasons, None if recorder is None else recorder.told()).told()

"""A case played somewhere, as it travels to the process that keeps the journal; and who may play cases elsewhere.

Whoever runs a plan hands out batches of case ids and gets back, in any order, what became of each: that is all a pool of
processes or a cluster has to offer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from focal_eval.records import UNKNOWN, Fault, TurnRecord, Verdict
from focal_eval.runner.attempt import Attempt
from focal_eval.runner.judge import CaseJudge, PreparedScript, Write
from focal_eval.runner.lines import case_lines, skipped_lines
from focal_eval.runner.opening import Terms
from focal_eval.runner.plan import Case
from focal_eval.runner.redact import Redactor
from focal_eval.runner.seal import sealed
from focal_eval.value import value


@value
class Batch:
    """Cases to be played by one worker."""

    cases: tuple[str, ...]  # ids
    alone: bool = False  # with nothing else under way in that worker: they may be what kills it


@value
class Played:
    """What became of a case: its lines for the journal, and what a run adds up."""

    case: str
    verdict: Verdict
    reason: str | None = None  # why it has no verdict, where it has none
    given_up: str | None = None  # why the engine is not asked any more
    lines: tuple[bytes, ...] = ()  # of one closed attempt: redacted and sealed; none where they were written as they came
    latencies: tuple[float, ...] = ()  # of its turns, ms
    tokens: int | None = None
    cost: float | None = None
    worker: str = ""


@value
class Lost:
    """A worker that is gone, and the cases it had and did not finish."""

    worker: str
    cases: tuple[str, ...]
    why: str  # "it was killed by SIGKILL"


class Executor(Protocol):
    """Plays batches somewhere else."""

    def run(self, batches: AsyncIterator[Batch], stop: asyncio.Event) -> AsyncGenerator[Played | Lost, None]:
        """Each case of each batch once, as Played or in a Lost, in any order, until the batches end.

        It takes a batch only when somebody can soon play it. The batches end when nothing is under way any more, for what is
        Lost may come again; so they are waited for while results are given. Once `stop` is set no further case is begun, and
        it returns when those under way are over. Closing the generator cuts off whatever is left.
        """
        ...


class Player:
    """Plays cases on one engine, and says what became of each; it never raises but StorageError and cancellation."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self._prepared: tuple[str, PreparedScript] | None = None

    async def play(self, case: Case, write: Write, number: int = 1) -> Played:
        """One case, for the so many-th time; its journal lines go to `write` as they are finished."""
        case = case.opened()
        if case.script.skip is not None:
            for line in skipped_lines(case, self.terms.channel):
                write(line)
            return Played(case.id, Verdict.SKIPPED)
        attempt = Attempt(case, self._prepare(case), self.terms, write, number)
        verdict = await attempt.play()
        reason = attempt.reason if verdict is Verdict.ERRORED else None
        latencies, tokens, cost = spent(attempt.turns, self.terms.prices)
        return Played(case.id, verdict, reason, attempt.given_up, (), latencies, tokens, cost)

    def _prepare(self, case: Case) -> PreparedScript:
        """The script's expectations, kept while cases of the same script follow each other."""
        script = case.script
        if self._prepared is None or self._prepared[0] != script.id:
            self._prepared = (script.id, PreparedScript(script))
        return self._prepared[1]


class Worker:
    """Plays what it is given by id, so many at a time, for somebody else's journal."""

    def __init__(self, cases: Mapping[str, Case], terms: Terms, redact: Redactor, concurrency: int) -> None:
        self.cases, self.concurrency = cases, max(1, concurrency)
        self._player, self._redact = Player(terms), redact

    async def play(self, coming: Callable[[], Awaitable[str | None]], tell: Callable[[Played], None]) -> None:
        """Whatever ids come, until None does; each is told as it is over."""

        async def work() -> None:
            while (name := await coming()) is not None:
                await asyncio.sleep(0)  # lets others on where the engine never waits
                tell(await self._one(self.cases[name]))

        tasks = [asyncio.create_task(work()) for _ in range(self.concurrency)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def play_batch(self, ids: Iterable[str]) -> tuple[Played, ...]:
        """These cases, all of them, in the order in which they ended."""
        left, out = iter(ids), list[Played]()

        async def coming() -> str | None:
            return next(left, None)

        await self.play(coming, out.append)
        return tuple(out)

    async def close(self) -> None:
        """Lets go of the engine."""
        await self._player.terms.engine.close()
        await self._player.terms.let_go()

    async def _one(self, case: Case) -> Played:
        lines: list[bytes] = []
        played = await self._player.play(case, lines.append)
        return replace(played, lines=tuple([sealed(self._redact(line)) for line in lines]))


def broken(case: Case, terms: Terms, why: str, write: Write, kind: str = "worker-lost") -> Played:
    """The end of a case that nobody could play: it errored, and says why."""
    case = case.opened()
    judge = CaseJudge(case, PreparedScript(case.script), terms.policy, write)
    judge.fault = Fault(kind, why)
    for line in case_lines(case, terms.channel):
        write(line)
    judge.conclude(UNKNOWN)
    write(judge.attempt_line(b""))
    return Played(case.id, judge.verdict, judge.reason)


def spent(turns: Iterable[TurnRecord], prices: Mapping[str, float]) -> tuple[tuple[float, ...], int | None, float | None]:
    """What turns took: milliseconds of each, tokens and money, None where nobody tells."""
    latencies: list[float] = []
    tokens: int | None = None
    cost: float | None = None
    for turn in turns:
        if turn.elapsed_ms is not None:
            latencies.append(turn.elapsed_ms)
        told = turn.reply.tokens if turn.reply is not None else UNKNOWN
        if told is UNKNOWN:
            continue
        total = told.total if told.total is not None else (told.prompt or 0) + (told.completion or 0)
        tokens = (tokens or 0) + total
        if prices:
            split = (told.prompt or 0) * prices.get("prompt", 0) + (told.completion or 0) * prices.get("completion", 0)
            cost = (cost or 0.0) + (split + total * prices.get("total", 0)) / 1e6
    return tuple(latencies), tokens, cost

"""Plays one case on one engine and judges it turn by turn; whatever the engine does, a verdict comes out."""

from __future__ import annotations

import asyncio
from typing import Any

from focal_eval.engines import Session
from focal_eval.errors import EngineError, EngineGivenUp, StorageError, told
from focal_eval.records import UNKNOWN, Fault, Question, Reply, Verdict
from focal_eval.runner.judge import CaseJudge, PreparedScript, Write
from focal_eval.runner.limits import Watch
from focal_eval.runner.lines import case_lines, kept_messages
from focal_eval.runner.opening import Terms, fault_of, open_session, timed_out
from focal_eval.runner.plan import Case
from focal_eval.runner.simulated import SimulatedUser
from focal_eval.runner.simulating import player_of
from focal_eval.script.model import Turn
from focal_eval.template import TemplateProblem

MAX_RESPONSE = 1_000_000  # characters; a longer reply breaks the engine's contract


class Attempt(CaseJudge):
    """One attempt at one case on an engine."""

    def __init__(self, case: Case, prepared: PreparedScript, terms: Terms, write: Write | None, number: int = 1) -> None:
        super().__init__(case, prepared, terms.policy, write, number)
        self.terms = terms
        self.given_up: str | None = None  # why the engine is not asked any more
        self._watch = Watch()

    async def play(self) -> Verdict:
        """Plays and judges the case; only StorageError and cancellation get out."""
        clock = self.terms.clock
        start = clock.elapsed()
        if self.write is not None:
            for line in case_lines(self.case, self.terms.channel):
                self.write(line)
        limit = self.script.timeout_s or self.terms.case_timeout_s
        deadline = None if limit is None else asyncio.get_running_loop().time() + limit
        messages: Any = UNKNOWN
        lines = b""
        session: Session | None = None
        try:
            user = player_of(self, self.terms.personas) if self.simulate() is not None else None
            session = await open_session(self.case, self.terms, self.values, self.number, self.before)
            coming = iter(self.script.turns)
            while (turn := next(coming, None) or await self._simulated(user)) is not None:
                await self._turn(turn, session, deadline)
            messages, lines = await self._stored(session)
        except (EngineError, TemplateProblem) as problem:
            self.fault = self.fault or self._fault(problem)
        finally:
            self._watch.close()
            if session is not None:
                await _close(session)
        if self.prepared.asks:
            await self._ask(self.last_questions(messages))
        self.conclude(messages)
        self.elapsed_ms = (clock.elapsed() - start) * 1000
        if self.write is not None:
            self.write(self.attempt_line(lines))
        return self.verdict

    async def _simulated(self, user: SimulatedUser | None) -> Turn | None:
        """What a simulated user says next; None where they say no more, or there is none."""
        return None if user is None or self.simulation is None else await self.simulation.next(user)

    async def _turn(self, turn: Turn, session: Session, deadline: float | None) -> None:
        if self.fault is not None:
            return self.skip(turn, None, "not sent: the engine broke before")
        user = None
        try:
            user = self.user_of(turn)
            said = user, self.golden_of(turn)
        except TemplateProblem as problem:
            return self.skip(turn, user, f"not sent: {problem}")
        if why := self.withheld(turn):
            return self.skip(turn, user, why)
        reply, elapsed = await self._send(turn, user, session, deadline)
        if isinstance(reply, Fault):
            return self.broke(turn, said, reply, elapsed)
        if self.prepared.asks:
            await self._ask(self.questions(turn, said, reply))
        return self.answered(turn, said, reply, elapsed if reply.elapsed_ms is None else reply.elapsed_ms, reply.first_token_ms)

    async def _ask(self, questions: list[Question]) -> None:
        """Has a judging model asked, outside the turn's time."""
        if questions and self.terms.asker is not None:
            self.answers.update(await self.terms.asker.answers(questions))

    async def _send(
        self, turn: Turn, user: str | None, session: Session, deadline: float | None
    ) -> tuple[Reply | Fault, float]:
        limit = turn.timeout_s or self.terms.timeout_s
        what = "the turn"
        if deadline is not None:
            left = deadline - asyncio.get_running_loop().time()
            if left < limit:
                limit, what = max(left, 0.0), "the case"
        elapsed = self.terms.clock.elapsed
        start = elapsed()
        found: Reply | Fault
        try:
            found = await self._watch.within(session.send(user), limit)
            if found.response is not UNKNOWN and len(found.response) > MAX_RESPONSE:
                found = Fault("engine-protocol", f"the reply is longer than {MAX_RESPONSE:,} characters")
        except TimeoutError:
            found = fault_of(timed_out(what, limit))
        except EngineError as problem:
            found = self._fault(problem)
        except StorageError:
            raise
        except (Exception, SystemExit) as problem:  # an adapter's bug is the engine's fault, and never stops the run
            found = Fault("engine-crash", f"the engine's adapter crashed: {told(problem)}")
        return found, (elapsed() - start) * 1000

    def _fault(self, problem: Exception) -> Fault:
        if isinstance(problem, EngineGivenUp):
            self.given_up = str(problem)
        return fault_of(problem)

    async def _stored(self, session: Session) -> tuple[Any, bytes]:
        """The stored messages, and their lines in the journal; UNKNOWN and none where the engine keeps none."""
        try:
            return kept_messages(await self._watch.within(session.stored(), self.terms.timeout_s))
        except TimeoutError:
            raise timed_out("reading the stored messages", self.terms.timeout_s) from None
        except (EngineError, StorageError):
            raise
        except (Exception, SystemExit) as problem:
            raise EngineError(f"the engine's adapter crashed while reading stored messages: {told(problem)}") from problem


async def _close(session: Session) -> None:
    try:
        await session.close()
    except (Exception, SystemExit) as problem:
        del problem  # closing must not change a verdict; an adapter that fails here has answered all turns

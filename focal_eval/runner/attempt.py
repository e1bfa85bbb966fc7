"""Plays one case on one engine and judges it turn by turn; whatever the engine does, a verdict comes out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from focal_eval.checks.base import Conversation, Moment
from focal_eval.engines import Session
from focal_eval.errors import EngineError, EngineGivenUp, StorageError, told
from focal_eval.records import UNKNOWN, CheckResult, Fault, Finding, Outcome, Reply, TurnRecord, Verdict
from focal_eval.records.codec import fault_to_json, reply_to_json
from focal_eval.runner.journal import dumps
from focal_eval.runner.limits import within
from focal_eval.runner.lines import case_line, kept_messages
from focal_eval.runner.opening import Terms, fault_of, open_session, timed_out
from focal_eval.runner.plan import Case
from focal_eval.runner.ready import Judging, Ready
from focal_eval.runner.scope import NothingThere, read_source, sources
from focal_eval.script.model import Expectation, Script, Turn
from focal_eval.script.templates import Filler
from focal_eval.source import excerpt
from focal_eval.template import TemplateProblem

MAX_RESPONSE = 1_000_000  # characters; a longer reply breaks the engine's contract


class PreparedScript:
    """A script's expectations made ready once for all its cases."""

    __slots__ = ("closing", "script", "turns", "whens")

    def __init__(self, script: Script) -> None:
        self.script = script
        self.turns = tuple([tuple(map(Ready, turn.expect)) for turn in script.turns])
        self.whens = tuple([None if turn.when is None else tuple(map(Ready, turn.when)) for turn in script.turns])
        self.closing = tuple(map(Ready, script.conversation))


Write = Callable[[bytes], None]


class Attempt:
    """One attempt at one case; `write` gets its journal lines as they are finished, with None nobody keeps any."""

    def __init__(self, case: Case, prepared: PreparedScript, terms: Terms, write: Write | None, number: int = 1) -> None:
        self.case, self.prepared, self.terms, self.number = case, prepared, terms, number
        self.write = write
        self.script: Script = case.script
        self.values: dict[str, Any] = {**self.script.given.variables, **case.row}
        self.filler = Filler(self.values)  # sees what turns save, too
        self.saved: dict[str, Any] = {}
        self.judging = Judging(self.script.texts, terms.unreported, self.values)
        self.turns: list[TurnRecord] = []
        self.before: list[TurnRecord] = []  # replayed before the first turn
        self.bad: list[tuple[int | None, CheckResult]] = []  # what failed or crashed the attempt, with the turn's index
        self.fault: Fault | None = None
        self.given_up: str | None = None  # why the engine is not asked any more
        self.elapsed_ms = 0.0
        self.verdict = Verdict.PASSED
        self.reason: str | None = None
        self._head = b'{"t":"turn","case":"' + case.id.encode() + b'","attempt":%d,"i":' % number

    async def play(self) -> Verdict:
        """Plays and judges the case; only StorageError and cancellation get out."""
        clock = self.terms.clock
        start = clock.elapsed()
        if self.write is not None:
            self.write(case_line(self.case, self.terms.channel))
        limit = self.script.timeout_s or self.terms.case_timeout_s
        deadline = None if limit is None else asyncio.get_running_loop().time() + limit
        messages: Any = UNKNOWN
        lines = b""
        session: Session | None = None
        try:
            session = await open_session(self.case, self.terms, self.values, self.number, self.before)
            for turn in self.script.turns:
                await self._turn(turn, session, deadline)
            messages, lines = await self._stored(session)
        except (EngineError, TemplateProblem) as problem:
            self.fault = self.fault or self._fault(problem)
        finally:
            if session is not None:
                await _close(session)
        self._conversation(messages)
        self.elapsed_ms = (clock.elapsed() - start) * 1000
        self._keep_bad(None)
        self._conclude()
        if self.write is not None:
            self.write(self._attempt_line(lines))
        return self.verdict

    async def _turn(self, turn: Turn, session: Session, deadline: float | None) -> None:
        golden = None if turn.agent is None else turn.agent.text
        user: str | None = None
        if self.fault is not None:
            return self._skip(turn, None, "not sent: the engine broke before")
        try:
            if turn.user:
                user = self.filler.said(turn.user[self.case.pick % len(turn.user)])
            if turn.agent is not None:
                golden = self.filler.said(turn.agent)
        except TemplateProblem as problem:
            return self._skip(turn, user, f"not sent: {problem}")
        if turn.when is not None and (why := self._withheld(turn)):
            return self._skip(turn, user, why)
        reply, elapsed = await self._send(turn, user, session, deadline)
        if isinstance(reply, Fault):
            self.fault = reply
            self.turns.append(TurnRecord(turn.index, user, fault=reply, elapsed_ms=elapsed))
            readies = self.prepared.turns[turn.index]
            self._not_judged(readies, f"the engine broke: {reply.message}")
            return self._write_turn(turn, (user, golden), elapsed)
        if reply.elapsed_ms is not None:
            elapsed = reply.elapsed_ms
        self.turns.append(TurnRecord(turn.index, user, reply, elapsed_ms=elapsed, first_token_ms=reply.first_token_ms))
        terms = self.terms
        readies = self.prepared.turns[turn.index]
        moment = Moment(self.turns, golden, self.saved, terms.prices, terms.root)
        if readies:
            self.judging.judge(readies, moment)
        saved = self._save(turn, reply, readies) if turn.save else None
        return self._write_turn(turn, (user, golden), elapsed, saved)

    def _withheld(self, turn: Turn) -> str | None:
        """Why a turn with `when` is not sent, None where it is."""
        readies = self.prepared.whens[turn.index]
        assert readies is not None
        if not any(record.reply is not None for record in self.turns):
            return "not sent: 'when' looks at earlier turns, and none was answered"
        answered = [record for record in self.turns if record.reply is not None]
        outcome, _, reason = self.judging.holds(readies, Moment(answered, None, self.saved, self.terms.prices))
        if outcome is Outcome.PASSED:
            return None
        if outcome is Outcome.FAILED:
            return "not sent: 'when' does not hold: " + " and ".join(ready.text for ready in readies)
        return f"not sent: 'when' cannot be decided: {reason}"

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
            found = await within(session.send(user), limit)
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

    def _save(self, turn: Turn, reply: Reply, readies: tuple[Ready, ...]) -> dict[str, Any]:
        values = {**self.values, **sources(reply, readies)}
        out: dict[str, Any] = {}
        for saved in turn.save:
            try:
                out[saved.name] = read_source(saved.source, values)
            except NothingThere as problem:
                finding = Finding(f"nothing to save as '{saved.name}': {problem}")
                span = saved.source.span
                lines = excerpt(self.script.texts.get(span.file, ""), span.line)
                text = f"saves {saved.name}"
                self.judging.note(CheckResult("save", text, Outcome.FAILED, span, (finding,), excerpt=lines))
        self.saved.update(out)
        self.values.update(out)
        return out

    def _skip(self, turn: Turn, user: str | None, why: str) -> None:
        self.turns.append(TurnRecord(turn.index, user, skipped=why))
        self._not_judged(self.prepared.turns[turn.index], why)
        shown = user if user is not None or not turn.user else turn.user[self.case.pick % len(turn.user)].text
        golden = None if turn.agent is None else turn.agent.text
        self._write_turn(turn, (shown, golden))

    def _not_judged(self, readies: tuple[Ready, ...], why: str) -> None:
        for ready in readies:
            item: Expectation = ready.item
            self.judging.note(
                CheckResult(item.key, ready.text, Outcome.SKIPPED, item.span, reason=why, soft=item.soft, because=item.because)
            )

    def _write_turn(
        self, turn: Turn, said: tuple[str | None, str | None], elapsed: float | None = None, saved: Any = None
    ) -> None:
        self._keep_bad(turn.index)
        if self.write is None:
            self.judging.tally.results.clear()
            return
        user, golden = said
        line = self._head + b'%d,"user":' % turn.index + dumps(user)
        if golden is not None:
            line += b',"agent":' + dumps(golden)
        if turn.name is not None:
            line += b',"name":' + dumps(turn.name)
        line += b"," + self._observed()
        if elapsed is not None:
            line += b',"elapsed_ms":%.3f' % elapsed
            first = self.turns[-1].first_token_ms
            if first is not None:
                line += b',"first_token_ms":%.3f' % first
        if saved:
            line += b',"saved":' + dumps(saved)
        self.write(line + b',"results":[' + self.judging.tally.take() + b"]}")

    def _observed(self) -> bytes:
        """What came of the last turn, as a member of its line."""
        record = self.turns[-1]
        if record.reply is not None:
            return b'"reply":' + dumps(reply_to_json(record.reply))
        if record.fault is not None:
            return b'"fault":' + dumps(fault_to_json(record.fault))
        return b'"skipped":' + dumps(record.skipped)

    def _keep_bad(self, index: int | None) -> None:
        tally = self.judging.tally
        if tally.bad:
            self.bad.extend((index, result) for result in tally.bad)
            tally.bad.clear()

    async def _stored(self, session: Session) -> tuple[Any, bytes]:
        """The stored messages, and their lines in the journal; UNKNOWN and none where the engine keeps none."""
        try:
            return kept_messages(await within(session.stored(), self.terms.timeout_s))
        except TimeoutError:
            raise timed_out("reading the stored messages", self.terms.timeout_s) from None
        except (EngineError, StorageError):
            raise
        except (Exception, SystemExit) as problem:
            raise EngineError(f"the engine's adapter crashed while reading stored messages: {told(problem)}") from problem

    def _conversation(self, messages: Any) -> None:
        closing = self.prepared.closing
        if not closing:
            return
        if self.fault is not None:
            self._not_judged(closing, f"the engine broke: {self.fault.message}")
            return
        terms = self.terms
        seen = Conversation(
            tuple(self.turns),
            messages,
            self.saved,
            prices=terms.prices,
            root=terms.root,
            tolerated=terms.tolerated,
            masks=terms.masks,
            before=tuple(self.before),
        )
        self.judging.judge(closing, seen)

    def _conclude(self) -> None:
        tally = self.judging.tally
        if self.fault is not None:
            self.verdict, self.reason = Verdict.ERRORED, self.fault.message
        elif tally.errored:
            self.verdict, self.reason = Verdict.ERRORED, tally.crash
        elif tally.failed:
            self.verdict, self.reason = Verdict.FAILED, tally.first
        elif not tally.judged:
            why = "every expectation was skipped" if tally.skipped else "the script expects nothing"
            self.verdict, self.reason = Verdict.SKIPPED, why
        mark = self.script.xfail
        if mark is not None and self.verdict is Verdict.FAILED:
            self.verdict, self.reason = Verdict.XFAILED, mark.reason
        elif mark is not None and self.verdict is Verdict.PASSED:
            self.verdict, self.reason = Verdict.XPASSED, f"expected to fail ({mark.reason}), but it passed"

    def _attempt_line(self, messages: bytes) -> bytes:
        line = b'{"t":"attempt","case":"' + self.case.id.encode() + b'","attempt":%d,"verdict":"' % self.number
        line += self.verdict.value.encode() + b'","elapsed_ms":%.3f' % self.elapsed_ms
        if self.reason is not None:
            line += b',"reason":' + dumps(self.reason)
        if self.fault is not None and not any(turn.fault is not None for turn in self.turns):
            line += b',"fault":' + dumps(fault_to_json(self.fault))
        line += b',"results":[' + self.judging.tally.take() + b"]"
        if messages:
            line += b',"messages":' + messages
        return line + b"}"


async def _close(session: Session) -> None:
    try:
        await session.close()
    except (Exception, SystemExit) as problem:
        del problem  # closing must not change a verdict; an adapter that fails here has answered all turns

"""Judges one conversation turn by turn and writes down what was observed: the same, played now or recorded long ago."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from focal_eval.checks.base import NO_AIDS, Aids, Conversation, Moment
from focal_eval.records import Answer, CheckResult, Fault, Finding, Outcome, Question, Reply, TurnRecord, Verdict
from focal_eval.records.codec import asked_to_json, fault_to_json, reply_to_json
from focal_eval.records.simulated import SIMULATOR
from focal_eval.runner.journal import dumps
from focal_eval.runner.plan import Case
from focal_eval.runner.ready import Judging, Ready
from focal_eval.runner.scope import NothingThere, read_source, sources
from focal_eval.runner.shared import LARGE, set_apart
from focal_eval.runner.simulating import Simulation
from focal_eval.script.model import Expectation, Script, Simulator, Turn
from focal_eval.script.templates import Filler
from focal_eval.source import excerpt
from focal_eval.value import value

CHANGED = "conversation-changed"
"""The kind of fault of a recorded case whose script would have another conversation now."""

CLOSING = b"]}"
PLAIN = b'],"plain":true}'
"""How the results of a line end that says no more than that all was as expected: a list of cases need not read it."""

Write = Callable[[bytes], None]
Said = tuple[str | None, str | None]  # by the user, and the golden reply


class PreparedScript:
    """A script's expectations made ready once for all its cases."""

    __slots__ = ("asks", "closing", "edges", "goal", "script", "states", "turns", "whens")

    def __init__(self, script: Script) -> None:
        self.script = script
        self.turns = tuple([tuple(map(Ready, turn.expect)) for turn in script.turns])
        self.whens = tuple([None if turn.when is None else tuple(map(Ready, turn.when)) for turn in script.turns])
        self.closing = tuple(map(Ready, script.conversation))
        self.states: dict[str, tuple[Ready, ...]] = {}
        self.edges: dict[str, tuple[tuple[Ready, ...] | None, ...]] = {}
        self.goal: tuple[Ready, ...] = ()
        if script.simulator is not None:
            self._simulated(script.simulator)
        expected = (*self.turns, *self.states.values(), self.closing, self.goal)
        self.asks = any(ready.asks for readies in expected for ready in readies)

    def _simulated(self, simulator: Simulator) -> None:
        for state in simulator.states:
            self.states[state.name] = tuple(map(Ready, state.turn.expect))
            self.edges[state.name] = tuple([None if edge.when is None else tuple(map(Ready, edge.when)) for edge in state.then])
        self.goal = tuple(map(Ready, simulator.goal))

    def of(self, turn: Turn | TurnRecord) -> tuple[Ready, ...]:
        """What is expected of the answer to a turn: of the script, or of a simulated user in a state."""
        return self.turns[turn.index] if turn.state is None else self.states.get(turn.state, ())


@value
class Aiding:
    """What the suite says of judging models and of likeness of meaning."""

    fallback: str | None = None  # "lexical" where that may stand in for a sentence encoder
    abstains: str = "skipped"  # what an expectation is on which a judge came to no verdict
    apart: bool = True  # what a judge says fails no case; a gate decides


@value
class Policy:
    """What judging takes from the suite."""

    unreported: str = "refuse"
    prices: Mapping[str, float] = field(default_factory=dict)
    root: Path | None = None  # of local Python checks, None where they are off
    tolerated: frozenset[str] = frozenset()  # names of findings that the suite lives with
    masks: tuple[tuple[str, ...], ...] = ()  # paths of stored messages that the suite does not compare
    aiding: Aiding = Aiding()
    seed: int = 0  # of what simulated users say


class CaseJudge:
    """One case under judgement. `write` gets its journal lines as they are finished, with None nobody keeps any.

    Whoever plays or replays the case tells it each turn, in order, by `answered`, `broke` or `skip`, then the stored messages.
    """

    def __init__(self, case: Case, prepared: PreparedScript, policy: Policy, write: Write | None, number: int = 1) -> None:
        self.case, self.prepared, self.policy, self.number = case, prepared, policy, number
        self.write = write
        self.script: Script = case.script
        self.values: dict[str, Any] = {**self.script.given.variables, **case.row}
        self.filler = Filler(self.values)  # sees what turns save, too
        self.saved: dict[str, Any] = {}
        self.judging = Judging(self.script.texts, policy.unreported, self.values, policy.aiding.apart)
        self.answers: dict[str, Answer] = {}  # of judging models, by question
        self.aids = Aids(self.answers, policy.aiding.fallback, policy.aiding.abstains) if _aided(prepared, policy) else NO_AIDS
        self._asked: list[Question] = []  # for the line that is written next
        self.turns: list[TurnRecord] = []
        self.before: list[TurnRecord] = []  # replayed before the first turn
        self.bad: list[tuple[int | None, CheckResult]] = []  # what failed or crashed the attempt, with the turn's index
        self.fault: Fault | None = None
        self.simulation: Simulation | None = None  # where the user is simulated, once the conversation begins
        self.elapsed_ms = 0.0
        self.verdict = Verdict.PASSED
        self.reason: str | None = None
        self._head = b'{"t":"turn","case":"' + case.id.encode() + b'","attempt":%d,"i":' % number

    def simulate(self) -> Simulation | None:
        """The user's simulation, where the script has one. Raises TemplateProblem where what they know cannot be filled."""
        simulator = self.script.simulator
        if simulator is not None:
            self.values.update(self.filler.data(dict(simulator.knows)))
            self.simulation = Simulation(self)
        return self.simulation

    def user_of(self, turn: Turn) -> str | None:
        """What the user says, its template filled; None where the agent speaks first. Raises TemplateProblem."""
        return self.filler.said(turn.user[self.case.pick % len(turn.user)]) if turn.user else None

    def golden_of(self, turn: Turn) -> str | None:
        """The golden reply, its template filled. Raises TemplateProblem."""
        return None if turn.agent is None else self.filler.said(turn.agent)

    def withheld(self, turn: Turn) -> str | None:
        """Why a turn with `when` is not sent, None where it is."""
        readies = None if turn.when is None else self.prepared.whens[turn.index]
        if readies is None:
            return None
        answered = [record for record in self.turns if record.reply is not None]
        if not answered:
            return "not sent: 'when' looks at earlier turns, and none was answered"
        outcome, _, reason = self.judging.holds(
            readies, Moment(answered, None, self.saved, self.policy.prices, None, self.aids)
        )
        if outcome is Outcome.PASSED:
            return None
        if outcome is Outcome.FAILED:
            return "not sent: 'when' does not hold: " + " and ".join(ready.text for ready in readies)
        return f"not sent: 'when' cannot be decided: {reason}"

    def answered(self, turn: Turn, said: Said, reply: Reply, elapsed: float | None, first: float | None) -> None:
        """Judges a turn that has a reply, takes from it what the script saves, and writes it down.

        Times are kept as the journal holds them, in thousandths of a millisecond, so that a recorded turn is judged alike.
        """
        elapsed = None if elapsed is None else round(elapsed, 3)
        first = None if first is None else round(first, 3)
        self.turns.append(TurnRecord(turn.index, said[0], reply, elapsed_ms=elapsed, first_token_ms=first, state=turn.state))
        policy = self.policy
        readies = self.prepared.of(turn)
        moment = Moment(self.turns, said[1], self.saved, policy.prices, policy.root, self.aids)
        if readies:
            if self.prepared.asks:
                self._asked = self.judging.questions(readies, moment)
            self.judging.judge(readies, moment)
        saved = self._save(turn, reply, readies) if turn.save else None
        self._write_turn(turn, said, saved)

    def questions(self, turn: Turn, said: Said, reply: Reply) -> list[Question]:
        """What is to be asked before the turn is `answered` with that reply."""
        seen = [*self.turns, TurnRecord(turn.index, said[0], reply, state=turn.state)]
        policy = self.policy
        moment = Moment(seen, said[1], self.saved, policy.prices, policy.root, self.aids)
        return self.judging.questions(self.prepared.of(turn), moment)

    def last_questions(self, messages: Any) -> list[Question]:
        """What is to be asked before the conversation is concluded; nothing where it came to a fault."""
        if self.fault is not None:
            return []
        goal = self.prepared.goal if self._withheld_goal() is None else ()
        return self.judging.questions((*self.prepared.closing, *goal), self.conversation(messages))

    def broke(self, turn: Turn, said: Said, fault: Fault, elapsed: float | None) -> None:
        """Notes a turn in which the engine broke; nothing more of the case is judged."""
        self.fault = fault
        elapsed = None if elapsed is None else round(elapsed, 3)
        self.turns.append(TurnRecord(turn.index, said[0], fault=fault, elapsed_ms=elapsed, state=turn.state))
        self._not_judged(self.prepared.of(turn), f"the engine broke: {fault.message}")
        self._write_turn(turn, said)

    def skip(self, turn: Turn, user: str | None, why: str) -> None:
        """Notes a turn that was not sent."""
        self.turns.append(TurnRecord(turn.index, user, skipped=why, state=turn.state))
        self._not_judged(self.prepared.of(turn), why)
        shown = user if user is not None or not turn.user else turn.user[self.case.pick % len(turn.user)].text
        self._write_turn(turn, (shown, None if turn.agent is None else turn.agent.text))

    def conclude(self, messages: Any) -> None:
        """Judges the conversation as a whole; after that the verdict stands."""
        self._judge_whole(messages)
        self._keep_bad(None)
        self._decide()

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

    def _not_judged(self, readies: tuple[Ready, ...], why: str) -> None:
        for ready in readies:
            item: Expectation = ready.item
            self.judging.note(
                CheckResult(item.key, ready.text, Outcome.SKIPPED, item.span, reason=why, soft=item.soft, because=item.because)
            )

    def _write_turn(self, turn: Turn, said: Said, saved: Any = None) -> None:
        self._keep_bad(turn.index)
        if self.write is None:
            self.judging.tally.results.clear()
            return
        user, golden = said
        record = self.turns[-1]
        line = self._head + b'%d,"user":' % turn.index + dumps(user)
        if golden is not None:
            line += b',"agent":' + dumps(golden)
        if turn.name is not None:
            line += b',"name":' + dumps(turn.name)
        if self.simulation is not None and turn.state is not None:
            line += b',"state":' + dumps(turn.state)
            if self.simulation.note:
                line += b',"simulator":' + dumps(self.simulation.note)
        observed, names = self._observed(record)
        line += b"," + observed
        if record.elapsed_ms is not None:
            line += b',"elapsed_ms":%.3f' % record.elapsed_ms
        if record.first_token_ms is not None:
            line += b',"first_token_ms":%.3f' % record.first_token_ms
        if saved:
            line += b',"saved":' + dumps(saved)
        line += self._votes()
        if names:
            line += b',"shared":' + dumps(names)
        end = CLOSING if self.judging.tally.telling or record.fault is not None else PLAIN
        self.write(line + b',"results":[' + self.judging.tally.take() + end)

    def _votes(self) -> bytes:
        """What judging models answered for the results that follow, as a member of their line."""
        asked = {question.digest: question.rubric for question in self._asked if question.digest in self.answers}
        self._asked = []
        if not asked:
            return b""
        return b',"asked":' + dumps([asked_to_json(rubric, self.answers[digest]) for digest, rubric in asked.items()])

    def _observed(self, record: TurnRecord) -> tuple[bytes, Any]:
        """What came of a turn, as a member of its line, and what stands in lines of its own: large results of tools."""
        if record.reply is None:
            return (
                (b'"fault":' + dumps(fault_to_json(record.fault)), ())
                if record.fault is not None
                else (b'"skipped":' + dumps(record.skipped), ())
            )
        data = reply_to_json(record.reply)
        reply = dumps(data)
        tools = data.get("tools") if len(reply) > LARGE else None
        if not tools or self.write is None:
            return b'"reply":' + reply, ()
        paths = [("tools", number, "result") for number, call in enumerate(tools) if call.get("result") is not None]
        names, lines = set_apart(data, paths)
        for line in lines:
            self.write(line)
        return b'"reply":' + dumps(data), [(("reply", *path), digest) for path, digest in names]

    def _keep_bad(self, index: int | None) -> None:
        tally = self.judging.tally
        if tally.bad:
            self.bad.extend((index, result) for result in tally.bad)
            tally.bad.clear()

    def _withheld_goal(self) -> str | None:
        """Why the goal of a simulated user is not judged, None where it is or there is none."""
        return None if self.simulation is None else self.simulation.withheld

    def _judge_whole(self, messages: Any) -> None:
        closing, goal = self.prepared.closing, self.prepared.goal
        if self.fault is not None:
            self._not_judged((*closing, *goal), self._ended())
            return
        if (why := self._withheld_goal()) is None:
            closing = (*closing, *goal)
        else:
            self._not_judged(goal, why)
        if self.simulation is not None and (gave_up := self.simulation.gave_up()) is not None:
            self.judging.note(gave_up)
        if not closing:
            return
        seen = self.conversation(messages)
        if self.prepared.asks:
            self._asked = self.judging.questions(closing, seen)
        self.judging.judge(closing, seen)

    def conversation(self, messages: Any) -> Conversation:
        """The conversation so far, as expectations of the whole of it see it."""
        policy = self.policy
        return Conversation(
            tuple(self.turns),
            messages,
            self.saved,
            prices=policy.prices,
            root=policy.root,
            tolerated=policy.tolerated,
            masks=policy.masks,
            before=tuple(self.before),
            aids=self.aids,
        )

    def _ended(self) -> str:
        """Why the conversation as a whole is not judged, where it came to a fault."""
        assert self.fault is not None
        told = self.fault.message
        return f"not judged: {told}" if self.fault.kind in (CHANGED, SIMULATOR) else f"the engine broke: {told}"

    def _decide(self) -> None:
        tally = self.judging.tally
        if self.fault is not None and not (self.fault.kind == SIMULATOR and tally.failed):
            self.verdict, self.reason = Verdict.ERRORED, self.fault.message
        elif tally.errored:
            self.verdict, self.reason = Verdict.ERRORED, tally.crash
        elif tally.failed:
            self.verdict, self.reason = Verdict.FAILED, tally.first
        elif not tally.judged:
            why = "every expectation was skipped" if tally.skipped else tally.unsaid or "the script expects nothing"
            self.verdict, self.reason = Verdict.SKIPPED, why
        mark = self.script.xfail
        if mark is not None and self.verdict is Verdict.FAILED:
            self.verdict, self.reason = Verdict.XFAILED, mark.reason
        elif mark is not None and self.verdict is Verdict.PASSED:
            self.verdict, self.reason = Verdict.XPASSED, f"expected to fail ({mark.reason}), but it passed"

    def attempt_line(self, messages: bytes) -> bytes:
        """The journal line that ends the attempt; `messages` are the stored ones as JSON, empty where there are none."""
        line = b'{"t":"attempt","case":"' + self.case.id.encode() + b'","attempt":%d,"verdict":"' % self.number
        line += self.verdict.value.encode() + b'","elapsed_ms":%.3f' % self.elapsed_ms
        if self.reason is not None:
            line += b',"reason":' + dumps(self.reason)
        stranded = self.fault is not None and self.fault.kind == SIMULATOR and self.verdict is not Verdict.ERRORED
        if self.fault is not None and not stranded and not any(turn.fault is not None for turn in self.turns):
            line += b',"fault":' + dumps(fault_to_json(self.fault))
        if self.simulation is not None and (self.fault is None or self.fault.kind != CHANGED):
            line += b',"ending":' + dumps(self.simulation.ending())
        line += self._votes()
        plain = self.verdict is Verdict.PASSED and not self.judging.tally.telling
        line += b',"results":[' + self.judging.tally.take() + b"]"
        if self.before:
            line += b',"before":' + dumps([_replayed(record) for record in self.before])
        if messages:
            line += b',"messages":' + messages
        return line + (PLAIN if plain else CLOSING)[1:]


def _aided(prepared: PreparedScript, policy: Policy) -> bool:
    return prepared.asks or policy.aiding.fallback is not None


def _replayed(record: TurnRecord) -> dict[str, Any]:
    """A turn that was sent before the first one, to bring the conversation where the script begins."""
    assert record.reply is not None
    return {"i": record.index, "user": record.user, "reply": reply_to_json(record.reply)}

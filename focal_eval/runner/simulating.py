"""Has a simulated user hold one attempt's conversation, and says how it ended and who is to blame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from focal_eval.checks.base import Aids, Moment
from focal_eval.errors import StorageError, told
from focal_eval.records import UNKNOWN, CheckResult, Fault, Finding, Json, Outcome, TurnRecord
from focal_eval.records.simulated import SIMULATOR, Blame, Ending, Evidence, ending_to_json
from focal_eval.runner.graph_user import GraphUser
from focal_eval.runner.persona_audit import WEAK, evidence_of
from focal_eval.runner.persona_user import PersonaUser
from focal_eval.runner.simulated import (
    BROKE,
    DONE,
    ENGINE_BROKE,
    GIVES_UP,
    UNSAYABLE,
    Deciding,
    Ends,
    Move,
    Says,
    SimulatedUser,
    SoFar,
    stop_rule,
)
from focal_eval.script.model import Script, Turn
from focal_eval.source import excerpt
from focal_eval.text import shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from focal_eval.runner.persona_model import PersonaAsker
    from focal_eval.runner.plan import Case
    from focal_eval.runner.ready import Judgement, Judging, Ready

DATA = "script-data"
"""The kind of fault of a script whose templates cannot be filled."""

GOAL = "goal"
"""The key of the result that a user who gave up leaves behind."""


class Attempted(Protocol):
    """What a simulation sees of the attempt it is part of; `fault` it sets where the user cannot go on."""

    case: Case
    script: Script
    turns: list[TurnRecord]
    values: dict[str, Any]
    saved: dict[str, Any]
    aids: Aids
    fault: Fault | None
    judging: Judging
    policy: Any  # a Policy
    prepared: Any  # a PreparedScript


class Simulation:
    """One simulated user in one attempt. Raises TemplateProblem where what it knows cannot be filled."""

    def __init__(self, judge: Attempted) -> None:
        assert judge.script.simulator is not None
        self._judge, self.simulator = judge, judge.script.simulator
        self.path: list[str] = []
        self.note: Mapping[str, Json] = {}  # on the turn that was given last
        self.end: Ends | None = None

    async def next(self, user: SimulatedUser) -> Turn | None:
        """What the user says next, None where the conversation is over."""
        seen = SoFar(self._judge.turns, self._judge.values)
        move: Move | None = self._over()
        try:
            return self._taken(move or await user.move(seen))
        except StorageError:
            raise
        except Exception as problem:  # a simulator's bug is no verdict on the engine, and never stops the run
            return self._taken(Ends(BROKE, f"the simulated user crashed: {told(problem)}"))

    def decided(self, user: Deciding) -> Turn | None:
        """The same of a user that needs nobody."""
        seen = SoFar(self._judge.turns, self._judge.values)
        return self._taken(self._over() or user.decide(seen))

    def _over(self) -> Ends | None:
        if self.end is not None:
            return self.end
        if self._judge.fault is not None:
            return Ends(ENGINE_BROKE, f"the engine broke: {self._judge.fault.message}")
        return None

    def _taken(self, move: Move) -> Turn | None:
        if isinstance(move, Says):
            move = stop_rule(self.simulator, SoFar(self._judge.turns, self._judge.values)) or move
        if isinstance(move, Says):
            self.note = move.note
            if move.turn.state is not None:
                self.path.append(move.turn.state)
            return move.turn
        self.end = move
        if move.stopped and move.end != ENGINE_BROKE:
            self._judge.fault = Fault(SIMULATOR, move.why, self._where(move))
        return None

    def ending(self) -> dict[str, Json]:
        """How it ended, for the journal, with what the user noted."""
        fault = self._judge.fault
        end = self.end or Ends(ENGINE_BROKE, f"the engine broke: {fault.message}" if fault is not None else "it did not begin")
        state = end.state if end.state is not None or not self.path else self.path[-1]
        audit = self._audit(end)
        blame = self._blame(end, audit)
        out = ending_to_json(Ending(end.end, end.why, state, len(self._judge.turns), tuple(self.path), blame, audit))
        return {**out, "note": dict(end.note)} if end.note else out

    def _audit(self, end: Ends) -> tuple[Evidence, ...]:
        """What speaks against a persona; nothing of a graph, which says what somebody wrote."""
        if self.simulator.persona is None:
            return ()
        judge = self._judge
        persona, given = self.simulator.persona, judge.script.given
        history = [said.text for pair in given.history for said in pair if said is not None]
        facts = {name: judge.values.get(name) for name in self.simulator.knows}
        known = [persona.text.text, persona.wants.text, dict(given.variables), dict(judge.case.row), history]
        return evidence_of(known, facts, judge.turns, end.end, failed=bool(judge.judging.tally.failed))

    def _blame(self, end: Ends, audit: Sequence[Evidence]) -> Blame | None:
        """The engine where it broke or an expectation failed, which the user's giving up is one of; else who stopped it.

        A persona is to blame for what went wrong where its audit found something, and nobody knows where that is not enough.
        """
        fault = self._judge.fault
        if fault is not None and fault.kind not in (SIMULATOR, DATA):
            return "engine"
        failed = bool(self._judge.judging.tally.failed)
        if self.simulator.persona is None or not (failed or end.stopped):
            return "engine" if failed else "simulator" if end.stopped else None
        if end.end in (BROKE, UNSAYABLE) or any(one.kind not in WEAK for one in audit):
            return "simulator"
        return "undecided" if audit or end.stopped else "engine"

    @property
    def withheld(self) -> str | None:
        """Why the goal is not judged, None where it is: only a user who is done says that they have it."""
        if self.end is None:
            return "not judged: the conversation did not begin"
        return None if self.end.end == DONE else f"not judged: the user was never done: {self.end.why}"

    def _where(self, end: Ends) -> str | None:
        """The place in the script and what the agent said there, for whoever repairs the user."""
        span, last = end.span, self._last_reply()
        told = [None if span is None else f"{span.file}:{span.line}:{span.column}", last and f"the agent said: {last}"]
        return "\n".join(filter(None, told)) or None

    def _last_reply(self) -> str | None:
        reply = self._judge.turns[-1].reply if self._judge.turns else None
        return None if reply is None or reply.response is UNKNOWN else shorten(reply.response, 200)

    def gave_up(self) -> CheckResult | None:
        """The result that says that the user gave up; None where they did not."""
        if self.end is None or self.end.end != GIVES_UP:
            return None
        span = self.end.span or self.simulator.span
        lines = excerpt(self._judge.script.texts.get(span.file, ""), span.line)
        finding = Finding(f"the user gave up: {self.end.why}", observed=self._last_reply())
        return CheckResult(GOAL, "the user does not give up", Outcome.FAILED, span, (finding,), excerpt=lines)


def player_of(judge: Attempted, asker: PersonaAsker | None) -> SimulatedUser:
    """The simulated user who holds a script's conversation; a persona asks the model that there is."""
    simulator = judge.script.simulator
    assert simulator is not None
    if simulator.persona is not None:
        return PersonaUser(judge.case, simulator, asker, judge.policy.seed)
    return user_of(judge)


def user_of(judge: Attempted) -> GraphUser:
    """The simulated user of a script that is a graph."""
    simulator = judge.script.simulator
    assert simulator is not None

    def holds(readies: Sequence[Ready], turns: Sequence[TurnRecord]) -> Judgement:
        policy = judge.policy
        moment = Moment(turns, None, judge.saved, policy.prices, policy.root, judge.aids)
        return judge.judging.holds(readies, moment)

    return GraphUser(judge.case, simulator, judge.prepared.edges, holds, judge.policy.seed)

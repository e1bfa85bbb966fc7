"""Judges a recorded conversation again with a script: no engine, no clock, and the same results as a run gave.

What a script says and sends follows from the script and the replies alone, so it can be told whether today's script would have
had the recorded conversation. Where it would not, the case is errored and says which turn differs: no reply is ever judged as
the answer to something else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from focal_eval.compare.align import Said, align_turns
from focal_eval.records import UNKNOWN, Answer, CheckResult, Fault, MessageRecord, TurnRecord, UnknownType, Verdict
from focal_eval.records.codec import asked_from_json, fault_from_json, message_from_json, turn_from_json
from focal_eval.records.simulated import SIMULATOR, Ending, ending_from_json
from focal_eval.runner.judge import CHANGED, CaseJudge, Policy, PreparedScript, Write
from focal_eval.runner.opening import fault_of
from focal_eval.runner.persona_user import RecordedPersona
from focal_eval.runner.plan import Case
from focal_eval.runner.redact import MARK
from focal_eval.runner.simulated import Deciding
from focal_eval.runner.simulating import Simulation, user_of
from focal_eval.script.model import Said as Text
from focal_eval.script.model import Turn
from focal_eval.template import TemplateProblem
from focal_eval.text import shorten
from focal_eval.value import value


@value
class Recorded:
    """One attempt as a journal holds it."""

    turns: tuple[TurnRecord, ...]
    messages: tuple[MessageRecord, ...] | UnknownType = UNKNOWN
    before: tuple[TurnRecord, ...] = ()  # replayed before the first turn
    fault: Fault | None = None  # outside a turn: when the conversation was opened, or its messages were read
    names: tuple[str | None, ...] = ()  # of the turns
    elapsed_ms: float = 0.0
    answers: Mapping[str, Answer] = field(default_factory=dict)  # of judging models, by question
    states: tuple[str | None, ...] = ()  # of the simulated user who said the turns
    ending: Ending | None = None  # of a conversation with a simulated user
    notes: tuple[Mapping[str, Any] | None, ...] = ()  # of the model that played the user, by turn
    last_note: Mapping[str, Any] = field(default_factory=dict)  # with which it ended


def recorded_from_json(turns: Sequence[Mapping[str, Any]], closing: Mapping[str, Any]) -> Recorded:
    """The attempt of a journal's `turn` lines and its `attempt` line. Raises ValueError where they have another shape."""
    stored, fault = closing.get("messages"), closing.get("fault")
    read = tuple(map(turn_from_json, turns))
    if any((turn.reply is None) + (turn.fault is None) + (turn.skipped is None) != 2 for turn in read):
        raise ValueError("a turn has a reply, or a fault, or was skipped")
    return Recorded(
        turns=read,
        messages=UNKNOWN if stored is None else tuple(map(message_from_json, stored)),
        before=tuple(map(turn_from_json, closing.get("before") or ())),
        fault=None if fault is None else fault_from_json(fault),
        names=tuple(turn.get("name") for turn in turns),
        elapsed_ms=closing.get("elapsed_ms") or 0.0,
        answers=_answers([*turns, closing]),
        states=tuple(turn.get("state") for turn in turns),
        ending=None if closing.get("ending") is None else ending_from_json(closing["ending"]),
        notes=tuple(turn.get("simulator") for turn in turns),
        last_note=(closing.get("ending") or {}).get("note") or {},
    )


def _answers(lines: Iterable[Mapping[str, Any]]) -> dict[str, Answer]:
    """The votes that lines hold. Raises ValueError where they have another shape."""
    found = [asked_from_json(asked)[1] for line in lines for asked in line.get("asked") or ()]
    return {answer.question: answer for answer in found}


@value
class Judged:
    """What judging came to; `bad` is what failed or crashed it, with the turn's index, None for the conversation."""

    verdict: Verdict
    reason: str | None
    bad: tuple[tuple[int | None, CheckResult], ...]


class Unfit(Exception):
    """Today's script would have had another conversation; the message says where."""


def concluded(judge: CaseJudge) -> Judged:
    """What a judge came to."""
    return Judged(judge.verdict, judge.reason, tuple(judge.bad))


class Rejudge:
    """Judges recorded attempts at one case."""

    def __init__(self, case: Case, prepared: PreparedScript, policy: Policy) -> None:
        self.case, self.prepared, self.policy = case, prepared, policy

    def judge(self, recorded: Recorded, write: Write | None = None, number: int = 1) -> CaseJudge:
        """The judge after its verdict. `write` gets the lines of the turns; the attempt's line is for the caller to ask for."""
        judge = CaseJudge(self.case, self.prepared, self.policy, write, number)
        judge.before.extend(recorded.before)
        judge.answers.update(recorded.answers)
        judge.elapsed_ms = recorded.elapsed_ms
        if recorded.fault is None or recorded.fault.kind == SIMULATOR or recorded.turns:
            try:
                self._walk(judge, recorded)
            except Unfit as problem:
                judge.fault = Fault(CHANGED, str(problem))
                for turn in self.case.script.turns[len(judge.turns) :]:
                    judge.skip(turn, None, f"not judged: {problem}")
            except TemplateProblem as problem:
                judge.fault = fault_of(problem)
        if recorded.fault is not None and recorded.fault.kind != SIMULATOR:
            judge.fault = judge.fault or recorded.fault
        judge.conclude(recorded.messages)
        return judge

    def judged(self, recorded: Recorded) -> Judged:
        """The verdict and what led to it."""
        return concluded(self.judge(recorded))

    def _walk(self, judge: CaseJudge, recorded: Recorded) -> None:
        """Goes through today's turns and takes the recorded answer to each that would be sent."""
        sent = [record for record in recorded.turns if record.skipped is None]
        taken = 0
        for turn in self._coming(judge, recorded):
            if judge.fault is not None:
                judge.skip(turn, None, "not sent: the engine broke before")
                continue
            user = None
            try:
                user = judge.user_of(turn)
                golden = judge.golden_of(turn)
            except TemplateProblem as problem:
                judge.skip(turn, user, f"not sent: {problem}")
                continue
            if why := judge.withheld(turn):
                judge.skip(turn, user, why)
                continue
            record = sent[taken] if taken < len(sent) else None
            if record is None or not _fits(judge, turn, user, record):
                raise Unfit(self._difference(judge, recorded))
            taken += 1
            if record.fault is not None:
                judge.broke(turn, (record.user, golden), record.fault, record.elapsed_ms)
                continue
            assert record.reply is not None
            judge.answered(turn, (record.user, golden), record.reply, record.elapsed_ms, record.first_token_ms)
        if taken < len(sent):
            raise Unfit(self._difference(judge, recorded))

    def _coming(self, judge: CaseJudge, recorded: Recorded) -> Iterator[Turn]:
        """What the script says today, or a simulated user as the replies come. Raises TemplateProblem, as `simulate` does."""
        yield from self.case.script.turns
        simulation = judge.simulate()
        if simulation is None:
            return
        user: Deciding
        if simulation.simulator.persona is None:
            user = user_of(judge)
        else:
            found = recorded
            user = RecordedPersona(simulation.simulator, found.turns, found.notes, found.ending, found.last_note)
        while (turn := simulation.decided(user)) is not None:
            yield turn

    def _difference(self, judge: CaseJudge, recorded: Recorded) -> str:
        """The first thing that differs, where turns are matched as a comparison of two runs matches them."""
        if judge.simulation is not None:
            return _went_elsewhere(judge, judge.simulation, recorded)
        names = recorded.names or (None,) * len(recorded.turns)
        sent = [(record, name) for record, name in zip(recorded.turns, names, strict=True) if record.skipped is None]
        before = [Said(name, record.user) for record, name in sent]
        today = [turn for turn in self.case.script.turns if not _was_skipped(judge, turn)]
        after = [Said(turn.name, _said(judge, turn)) for turn in today]
        for one, other in align_turns(before, after):
            if one is None and other is not None:
                return f"turn {today[other].index + 1} ({_shown(after[other].text)}) was not sent when this was recorded"
            if one is not None and other is None:
                told = f"turn {sent[one][0].index + 1} of the recording ({_shown(before[one].text)})"
                return f"{told} is not sent by the script as it is now"
            if one is not None and other is not None and before[one].text != after[other].text:
                was, now = _shown(before[one].text), _shown(after[other].text)
                return f"turn {today[other].index + 1} says {now} now, and the recording answers {was}"
        return "the turns stand in another order now"


def _went_elsewhere(judge: CaseJudge, simulation: Simulation, recorded: Recorded) -> str:
    """Where today's simulated user leaves the recorded conversation."""
    place = len(judge.turns)
    sent = [record for record in recorded.turns if record.skipped is None]
    if simulation.end is not None:
        return f"the simulated user ends the conversation before turn {place + 1} now: {simulation.end.why}"
    now = f"the simulated user is in the state '{simulation.path[-1]}' at turn {place + 1} now"
    if place >= len(sent):
        return f"{now}, and the recording ends before"
    return f"{now}, and the recording answers {_shown(sent[place].user)}"


def _was_skipped(judge: CaseJudge, turn: Turn) -> bool:
    return turn.index < len(judge.turns) and judge.turns[turn.index].skipped is not None


def _fits(judge: CaseJudge, turn: Turn, user: str | None, record: TurnRecord) -> bool:
    """Whether the recorded turn said what this turn says, in any of its wordings."""
    if user is None or record.user is None:
        return user is record.user
    if _same(record.user, user):
        return True
    for said in _wordings(judge, turn):
        try:
            if _same(record.user, judge.filler.said(said)):
                return True
        except TemplateProblem:
            continue
    return False


def _wordings(judge: CaseJudge, turn: Turn) -> tuple[Text, ...]:
    """All that a turn may say, or a simulated user in its state."""
    simulator = judge.script.simulator
    if simulator is None or turn.state is None:
        return turn.user
    return next((state.turn.user for state in simulator.states if state.name == turn.state), turn.user)


def _same(recorded: str, said: str) -> bool:
    """Whether a text is the recorded one; where a secret was kept out of the record, anything may stand."""
    if recorded == said or MARK not in recorded:
        return recorded == said
    first, *rest = recorded.split(MARK)
    last = rest.pop()
    if not said.startswith(first) or not said.endswith(last) or len(said) < len(first) + len(last):
        return False
    at = len(first)
    for part in rest:
        found = said.find(part, at, len(said) - len(last))
        if found < 0:
            return False
        at = found + len(part)
    return True


def _said(judge: CaseJudge, turn: Turn) -> str | None:
    """What a turn says; one whose template cannot be filled yet, as it is written."""
    try:
        return judge.user_of(turn)
    except TemplateProblem:
        return turn.user[judge.case.pick % len(turn.user)].text


def _shown(text: str | None) -> str:
    return "nothing" if text is None else f"'{shorten(text, 60)}'"

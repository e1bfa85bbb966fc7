"""Judges a recorded conversation again with a script: no engine, no clock, and the same results as a run gave.

What a script says and sends follows from the script and the replies alone, so it can be told whether today's script would have
had the recorded conversation. Where it would not, the case is errored and says which turn differs: no reply is ever judged as
the answer to something else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from focal_eval.checks.base import Moment
from focal_eval.checks.local_python import Python
from focal_eval.compare.align import Said, align_turns
from focal_eval.records import UNKNOWN, CheckResult, Fault, MessageRecord, Outcome, TurnRecord, UnknownType, Verdict
from focal_eval.records.codec import fault_from_json, message_from_json, turn_from_json
from focal_eval.registry import find
from focal_eval.runner.judge import CHANGED, CaseJudge, Policy, PreparedScript, Write
from focal_eval.runner.plan import Case
from focal_eval.runner.ready import Ready
from focal_eval.runner.redact import MARK
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


def recorded_from_json(turns: Sequence[Mapping[str, Any]], closing: Mapping[str, Any]) -> Recorded:
    """The attempt of a journal's `turn` lines and its `attempt` line. Raises ValueError where they have another shape."""
    stored, fault = closing.get("messages"), closing.get("fault")
    return Recorded(
        turns=tuple(map(turn_from_json, turns)),
        messages=UNKNOWN if stored is None else tuple(map(message_from_json, stored)),
        before=tuple(map(turn_from_json, closing.get("before") or ())),
        fault=None if fault is None else fault_from_json(fault),
        names=tuple(turn.get("name") for turn in turns),
        elapsed_ms=closing.get("elapsed_ms") or 0.0,
    )


@value
class Judged:
    """What judging came to; `bad` is what failed or crashed it, with the turn's index, None for the conversation."""

    verdict: Verdict
    reason: str | None
    bad: tuple[tuple[int | None, CheckResult], ...]


class Unfit(Exception):
    """Today's script would have had another conversation; the message says where."""


class Rejudge:
    """Judges recorded attempts at one case."""

    def __init__(self, case: Case, prepared: PreparedScript, policy: Policy) -> None:
        self.case, self.prepared, self.policy = case, prepared, policy

    def judge(self, recorded: Recorded, write: Write | None = None, number: int = 1) -> CaseJudge:
        """The judge after its verdict. `write` gets the lines of the turns; the attempt's line is for the caller to ask for."""
        judge = CaseJudge(self.case, self.prepared, self.policy, write, number)
        judge.before.extend(recorded.before)
        judge.elapsed_ms = recorded.elapsed_ms
        if recorded.fault is None or recorded.turns:
            try:
                self._walk(judge, recorded)
            except Unfit as problem:
                judge.fault = Fault(CHANGED, str(problem))
                for turn in self.case.script.turns[len(judge.turns) :]:
                    judge.skip(turn, None, f"not judged: {problem}")
        judge.fault = judge.fault or recorded.fault
        judge.conclude(recorded.messages)
        return judge

    def judged(self, recorded: Recorded) -> Judged:
        """The verdict and what led to it."""
        return _judged(self.judge(recorded))

    def _walk(self, judge: CaseJudge, recorded: Recorded) -> None:
        """Goes through today's turns and takes the recorded answer to each that would be sent."""
        sent = [record for record in recorded.turns if record.skipped is None]
        taken = 0
        for turn in self.case.script.turns:
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

    def _difference(self, judge: CaseJudge, recorded: Recorded) -> str:
        """The first thing that differs, where turns are matched as a comparison of two runs matches them."""
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


def _was_skipped(judge: CaseJudge, turn: Turn) -> bool:
    return turn.index < len(judge.turns) and judge.turns[turn.index].skipped is not None


def _fits(judge: CaseJudge, turn: Turn, user: str | None, record: TurnRecord) -> bool:
    """Whether the recorded turn said what this turn says, in any of its wordings."""
    if user is None or record.user is None:
        return user is record.user
    if _same(record.user, user):
        return True
    for said in turn.user:
        try:
            if _same(record.user, judge.filler.said(said)):
                return True
        except TemplateProblem:
            continue
    return False


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


_BAD = frozenset({Outcome.FAILED, Outcome.ERRORED})


class Standing:
    """A recorded conversation as it was judged, of which one turn or the stored messages can be changed and judged again.

    The conversation is taken as it went: what was said later, and what was held back, stays as recorded. Only what can come
    out otherwise is judged again: the changed turn, the conversation as a whole, and later turns where they look back.
    """

    def __init__(self, rejudge: Rejudge, recorded: Recorded, judged: Judged | None = None) -> None:
        """`judged` is what became of it, where that is known of the same script and needs no judging."""
        self._rejudge, self._recorded = rejudge, recorded
        self._script = rejudge.case.script
        self.messages = recorded.messages
        if judged is None:
            judge = rejudge.judge(recorded)
            self.turns, self.judged = tuple(judge.turns), _judged(judge)
        else:
            self.turns, self.judged = recorded.turns, judged
        self._foreign = [any(map(_looks_back, readies)) for readies in rejudge.prepared.turns]
        self._saved: list[dict[str, Any]] = []  # what was saved before each turn, and at the end
        if any(turn.save for turn in self._script.turns):
            judge = self._judge()
            for index, record in enumerate(self.turns):
                self._saved.append(dict(judge.saved))
                self._again(judge, index, record)
            self._saved.append(dict(judge.saved))

    @property
    def values(self) -> Mapping[str, Any]:
        """What templates are filled with at the end of the conversation."""
        case = self._rejudge.case
        return {**case.script.given.variables, **case.row, **(self._saved[-1] if self._saved else {})}

    def altered(self, index: int, turn: TurnRecord, messages: tuple[MessageRecord, ...] | UnknownType | None = None) -> Judged:
        """The judgement with one turn replaced, of what it can change; with other stored messages too where they are given."""
        judge = self._judge()
        self._know(judge, index)
        judge.turns.extend(self.turns[:index])
        self._again(judge, index, turn)
        saves = bool(self._script.turns[index].save)
        for later in range(index + 1, len(self.turns)):
            if saves or self._foreign[later]:
                self._again(judge, later, self.turns[later])
            else:
                judge.turns.append(self.turns[later])
        if not saves:
            self._know(judge, len(self.turns))
        judge.conclude(self.messages if messages is None else messages)
        return _judged(judge)

    def with_messages(self, messages: tuple[MessageRecord, ...]) -> Judged:
        """The judgement of the conversation as a whole, with other stored messages."""
        judge = self._judge()
        judge.turns.extend(self.turns)
        self._know(judge, len(self.turns))
        judge.conclude(messages)
        return _judged(judge)

    def holds(self, readies: Sequence[Ready], index: int | None, altered: TurnRecord | None, messages: Any) -> Outcome:
        """Whether other expectations than the script's hold, of one turn or (None) of the conversation; nothing is recorded."""
        judge = self._judge()
        turns = self.turns if altered is None or index is None else (*self.turns[:index], altered, *self.turns[index + 1 :])
        self._know(judge, len(self.turns) if index is None else index)
        policy = self._rejudge.policy
        if index is not None:
            seen: Any = Moment(turns[: index + 1], None, judge.saved, policy.prices, policy.root)
        else:
            judge.turns.extend(turns)
            seen = judge.conversation(messages)
        return judge.judging.holds(readies, seen)[0]

    def one_fails(
        self, index: int, turn: TurnRecord, messages: Any, readies: Sequence[Ready], closing: Sequence[Ready]
    ) -> bool:
        """Whether one of these expectations of the turn, or of the conversation, fails with that turn in the record's place.

        Looks no further than the first. Where another turn may come out otherwise too, the whole of `altered` is asked.
        """
        if self._script.turns[index].save or any(self._foreign[index + 1 :]):
            bad = self.altered(index, turn, messages).bad
            wanted = {
                (place, ready.item.key, ready.item.span)
                for place, group in ((index, readies), (None, closing))
                for ready in group
            }
            return any((place, result.key, result.span) in wanted for place, result in bad)
        judge = self._judge()
        self._know(judge, index)
        try:
            golden = judge.golden_of(self._script.turns[index])
        except TemplateProblem:
            golden = None
        policy = self._rejudge.policy
        moment = Moment((*self.turns[:index], turn), golden, judge.saved, policy.prices, policy.root)
        if any(judge.judging.holds((ready,), moment)[0] in _BAD for ready in readies):
            return True
        if not closing:
            return False
        self._know(judge, len(self.turns))
        judge.turns.extend((*self.turns[:index], turn, *self.turns[index + 1 :]))
        conversation = judge.conversation(messages)
        return any(judge.judging.holds((ready,), conversation)[0] in _BAD for ready in closing)

    def _know(self, judge: CaseJudge, index: int) -> None:
        """Takes over what was saved before that turn."""
        if self._saved:
            judge.saved.update(self._saved[index])
            judge.values.update(self._saved[index])

    def _judge(self) -> CaseJudge:
        judge = CaseJudge(self._rejudge.case, self._rejudge.prepared, self._rejudge.policy, None)
        judge.before.extend(self._recorded.before)
        return judge

    def _again(self, judge: CaseJudge, index: int, record: TurnRecord) -> None:
        turn = self._script.turns[index]
        if record.reply is None:
            judge.turns.append(record)
            return
        try:
            golden = judge.golden_of(turn)
        except TemplateProblem:
            golden = None
        judge.answered(turn, (record.user, golden), record.reply, record.elapsed_ms, record.first_token_ms)


def _judged(judge: CaseJudge) -> Judged:
    return Judged(judge.verdict, judge.reason, tuple(judge.bad))


def _looks_back(ready: Ready) -> bool:
    """Whether an expectation may look at replies of earlier turns: none of this package's do, but for Python of the suite's."""
    if ready.children:
        return any(_looks_back(child) for group in ready.children for child in group)
    kind = find("checks", ready.item.key)
    return kind is Python or not str(getattr(kind, "__module__", "")).startswith("focal_eval.checks.")

"""A recorded conversation as it was judged, of which one turn or the stored messages can be changed and judged again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from focal_eval.checks.base import Moment
from focal_eval.checks.local_python import Python
from focal_eval.records import MessageRecord, Outcome, TurnRecord, UnknownType
from focal_eval.registry import find
from focal_eval.runner.judge import CaseJudge
from focal_eval.runner.ready import Ready
from focal_eval.runner.rejudge import Judged, Recorded, Rejudge, concluded
from focal_eval.runner.simulated import DONE, Ends
from focal_eval.script.model import Turn
from focal_eval.template import TemplateProblem

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
            self.turns, self.judged = tuple(judge.turns), concluded(judge)
            self._end = None if judge.simulation is None else judge.simulation.end
        else:
            self.turns, self.judged = recorded.turns, judged
            ending = recorded.ending
            self._end = None if ending is None else Ends(ending.end, ending.why, ending.state)
        prepared = rejudge.prepared
        self.expected = tuple([prepared.of(turn) for turn in self.turns])
        done = self._end is not None and self._end.end == DONE
        self.closing = (*prepared.closing, *(prepared.goal if done else ()))
        self._foreign = [any(map(_looks_back, readies)) for readies in self.expected]
        self._kept: dict[tuple[tuple[Ready, ...], int | None], Outcome] = {}
        self._saved: list[dict[str, Any]] = []  # what was saved before each turn, and at the end
        if any(turn.save for turn in self._script.authored):
            judge = self._judge()
            for index, record in enumerate(self.turns):
                self._saved.append(dict(judge.saved))
                self._again(judge, index, record)
            self._saved.append(dict(judge.saved))

    @property
    def texts(self) -> Mapping[str, str]:
        """The files that the script came from."""
        return self._script.texts

    @property
    def values(self) -> Mapping[str, Any]:
        """What templates are filled with at the end of the conversation."""
        case = self._rejudge.case
        return {**case.script.named, **case.row, **(self._saved[-1] if self._saved else {})}

    def altered(self, index: int, turn: TurnRecord, messages: tuple[MessageRecord, ...] | UnknownType | None = None) -> Judged:
        """The judgement with one turn replaced, of what it can change; with other stored messages too where they are given."""
        judge = self._judge()
        self._know(judge, index)
        judge.turns.extend(self.turns[:index])
        self._again(judge, index, turn)
        saves = bool(self._turn(index).save)
        for later in range(index + 1, len(self.turns)):
            if saves or self._foreign[later]:
                self._again(judge, later, self.turns[later])
            else:
                judge.turns.append(self.turns[later])
        if not saves:
            self._know(judge, len(self.turns))
        judge.conclude(self.messages if messages is None else messages)
        return concluded(judge)

    def with_messages(self, messages: tuple[MessageRecord, ...]) -> Judged:
        """The judgement of the conversation as a whole, with other stored messages."""
        judge = self._judge()
        judge.turns.extend(self.turns)
        self._know(judge, len(self.turns))
        judge.conclude(messages)
        return concluded(judge)

    def holds(self, readies: tuple[Ready, ...], index: int | None, altered: TurnRecord | None, messages: Any) -> Outcome:
        """Whether other expectations than the script's hold, of one turn or (None) of the conversation; nothing is recorded.

        What holds of the record as it is, is asked again for every change, and so kept.
        """
        if altered is not None or messages is not self.messages:
            return self._held(readies, index, altered, messages)
        key = readies, index
        if key not in self._kept:
            self._kept[key] = self._held(readies, index, None, messages)
        return self._kept[key]

    def _held(self, readies: Sequence[Ready], index: int | None, altered: TurnRecord | None, messages: Any) -> Outcome:
        judge = self._judge()
        turns = self.turns if altered is None or index is None else (*self.turns[:index], altered, *self.turns[index + 1 :])
        self._know(judge, len(self.turns) if index is None else index)
        policy = self._rejudge.policy
        if index is not None:
            seen: Any = Moment(turns[: index + 1], None, judge.saved, policy.prices, policy.root, judge.aids)
        else:
            judge.turns.extend(turns)
            seen = judge.conversation(messages)
        return judge.judging.holds(readies, seen)[0]

    def one_fails(
        self, index: int, turn: TurnRecord, messages: Any, readies: Sequence[Ready], closing: Sequence[Ready]
    ) -> bool:
        """Whether one of these expectations of the turn, or of the conversation, fails with that turn in the record's place.

        Looks no further than the first. Where later turns may come out otherwise too, all that fails anew counts.
        """
        if self._turn(index).save or any(self._foreign[index + 1 :]):
            before, after = (
                Counter((place, result.key) for place, result in bad)
                for bad in (self.judged.bad, self.altered(index, turn, messages).bad)
            )
            return any(count > before[key] for key, count in after.items())
        judge = self._judge()
        self._know(judge, index)
        try:
            golden = judge.golden_of(self._turn(index))
        except TemplateProblem:
            golden = None
        policy = self._rejudge.policy
        moment = Moment((*self.turns[:index], turn), golden, judge.saved, policy.prices, policy.root, judge.aids)
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
        judge.answers.update(self._recorded.answers)
        if self._end is not None and (simulation := judge.simulate()) is not None:
            simulation.end = self._end
        return judge

    def _turn(self, index: int) -> Turn:
        """What the script says at a turn: its own, or that of the state in which a simulated user was."""
        found = self._script.turn_at(index, self.turns[index].state)
        assert found is not None, "it was judged with this script"
        return found if found.state is None else replace(found, index=index)

    def _again(self, judge: CaseJudge, index: int, record: TurnRecord) -> None:
        turn = self._turn(index)
        if record.reply is None:
            judge.turns.append(record)
            return
        try:
            golden = judge.golden_of(turn)
        except TemplateProblem:
            golden = None
        judge.answered(turn, (record.user, golden), record.reply, record.elapsed_ms, record.first_token_ms)


def _looks_back(ready: Ready) -> bool:
    """Whether an expectation may look at replies of earlier turns: none of this package's do, but for Python of the suite's."""
    if ready.children:
        return any(_looks_back(child) for group in ready.children for child in group)
    if ready.asks:  # a judge is told what was said before
        return True
    kind = find("checks", ready.item.key)
    return kind is Python or not str(getattr(kind, "__module__", "")).startswith("focal_eval.checks.")

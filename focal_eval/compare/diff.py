"""One case, compared: its turns aligned, the differences of each in pipeline order, what became of it and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from focal_eval.compare.align import Said, align, align_turns, text_likeness
from focal_eval.compare.cause import Found, cause_of
from focal_eval.compare.keys import case_key
from focal_eval.compare.lanes import replies, unknown
from focal_eval.compare.mask import Masks
from focal_eval.compare.model import (
    CaseChange,
    Change,
    Difference,
    Lane,
    RecordedCase,
    RecordedTurn,
    TurnPair,
    is_as_flaky,
)
from focal_eval.compare.structure import equal_json, structural
from focal_eval.records import Json
from focal_eval.value import value

GOOD, BAD = frozenset({"passed", "xfailed"}), frozenset({"failed", "xpassed"})
Data = Mapping[str, Json]
Results = Sequence[Data]


def compare_cases(
    before: RecordedCase | None,
    after: RecordedCase | None,
    masks: Masks,
    *,
    tried: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> CaseChange:
    """What became of one case. `tried` are the good and the judged repeats of each side; these two are the ones that decide."""
    known = after or before
    assert known is not None
    told: dict[str, Any] = {
        "name": case_key(known.name, known.script, known.repeat),
        "script": known.script,
        "title": known.title,
        "tags": known.tags,
        "before": None if before is None else before.verdict,
        "after": None if after is None else after.verdict,
        "before_id": "" if before is None else before.id,
        "after_id": "" if after is None else after.id,
        "tried": tried,
    }
    if before is None or after is None or "skipped" in (before.verdict, after.verdict):
        return CaseChange(change=_there(before, after), **told)
    comparing = _Comparing(before, after, masks)
    pairs = tuple(comparing.pairs())
    records, conversation = tuple(comparing.records()), tuple(comparing.conversation())
    differ = bool(records or conversation or any(pair.differences for pair in pairs))
    change = change_of(before.verdict, after.verdict, tried, differ=differ)
    cause = None
    turn = score = None
    if change is not Change.SAME and not (change is Change.FLAKY and is_as_flaky(tried)):
        found = Found(pairs, records, conversation, known.script, frozenset(comparing.settled), change)
        cause, turn, score = cause_of(found, lambda turn: comparing.around(pairs[turn]))
    return CaseChange(
        change=change,
        pairs=pairs,
        records=records,
        conversation=conversation,
        cause=cause,
        turn=turn,
        score=score,
        uncompared=comparing.uncompared,
        **told,
    )


def change_of(before: str, after: str, tried: tuple[int, int, int, int], *, differ: bool) -> Change:
    """What became of a case that both sides judged or tried to."""
    good_before, judged_before, good_after, judged_after = tried
    if 0 < good_before < judged_before or 0 < good_after < judged_after:
        return Change.FLAKY
    if after not in GOOD | BAD:
        return Change.ERRORED
    if before in GOOD and after in BAD:
        return Change.REGRESSED
    if before not in GOOD and after in GOOD:
        return Change.FIXED
    return Change.CHANGED if differ or (before in GOOD | BAD) is not (after in GOOD | BAD) else Change.SAME


def _there(before: RecordedCase | None, after: RecordedCase | None) -> Change:
    """A case that one side alone has; a skipped one counts as not there, for nobody judged it."""
    here = before is not None and before.verdict != "skipped"
    there = after is not None and after.verdict != "skipped"
    if here is there:
        return Change.SAME
    return Change.NEW if there else Change.GONE


@lru_cache(maxsize=1024)
def _equal_pair(before: int, after: int) -> TurnPair:
    return TurnPair(before, after)


@value
class _Sides:
    """The recorded turns of both sides."""

    before: Sequence[RecordedTurn]
    after: Sequence[RecordedTurn]


class _Comparing:
    """Two recordings of one case under comparison."""

    def __init__(self, before: RecordedCase, after: RecordedCase, masks: Masks) -> None:
        self.before, self.after, self.masks = before, after, masks
        self.sides = _Sides(before.turns, after.turns)
        self.settled: set[int] = set()  # positions of pairs after which both conversations stand at the same place
        self.uncompared: Counter[str] = Counter()
        self._assumed = not _judged(before) and before.verdict == "passed"  # a baseline keeps no results: all held
        self._verdicts = self._assumed or (_judged(before) and _judged(after)) or not (_judged(before) or _judged(after))

    def pairs(self) -> Iterator[TurnPair]:
        """The turns in order, each with its differences."""
        here = [self._said(turn) for turn in self.sides.before]
        there = [self._said(turn) for turn in self.sides.after]
        for position, (one, other) in enumerate(align_turns(here, there)):
            if one is None or other is None:
                turns, place = (self.sides.before, one) if other is None else (self.sides.after, other)
                assert place is not None
                yield TurnPair(one, other, (_alone(turns[place], gone=other is None),))
                continue
            reworded = here[one].text != there[other].text
            found = tuple(self._turn(self.sides.before[one], self.sides.after[other], position, reworded=reworded))
            yield TurnPair(one, other, found, reworded) if found or reworded else _equal_pair(one, other)

    def _said(self, turn: RecordedTurn) -> Said:
        return Said(turn.name, None if turn.user is None else self.masks.text(turn.user))

    def _turn(self, before: RecordedTurn, after: RecordedTurn, position: int, *, reworded: bool) -> Iterator[Difference]:
        if reworded:
            yield Difference(Lane.INPUT, "changed", "user", before.user, after.user, ("user",))
        if before.reply is not None and after.reply is not None:
            yield from self._replies(before.reply, after.reply, position)
        else:
            yield from _unanswered(before, after)
        yield from self._results(before.results, after.results)

    def _replies(self, before: Data, after: Data, position: int) -> Iterator[Difference]:
        one, other = self.masks.reply(before), self.masks.reply(after)
        stateful = "scenario" in one and "variables" in one
        if equal_json(one, other):
            if stateful:
                self.settled.add(position)
            return
        self.uncompared.update(lane.value for lane in unknown(one, other))
        found = list(replies(one, other))
        stateful = stateful and "scenario" in other and "variables" in other
        if stateful and not any(item.lane is Lane.VARIABLES or item.path == ("scenario",) for item in found):
            self.settled.add(position)
        yield from found

    def _results(self, before: Results, after: Results) -> Iterator[Difference]:
        if not self._verdicts:
            self.uncompared[Lane.VERDICT.value] += bool(before or after)
            return
        if (before or after) and before != after:
            yield from verdicts(before, after, assumed=self._assumed)

    def conversation(self) -> Iterator[Difference]:
        """Expectations of the whole conversation that hold on one side only."""
        return self._results(self.before.results, self.after.results)

    def records(self) -> Iterator[Difference]:
        """What differs in the stored messages."""
        before, after = self.before.messages, self.after.messages
        if (before is None) is not (after is None):
            self.uncompared[Lane.RECORDS.value] += 1
        if before is not None and after is not None:
            one, other = [[self.masks.message(message) for message in messages] for messages in (before, after)]
            if not equal_json(one, other):
                yield from stored(one, other)

    def around(self, pair: TurnPair) -> tuple[str, ...]:
        """What was at work in a turn: the rules that matched and the step."""
        out: dict[str, None] = {}
        for place, turns in ((pair.before, self.sides.before), (pair.after, self.sides.after)):
            reply = None if place is None else turns[place].reply
            if reply is None:
                continue
            out.update(dict.fromkeys(f"rule:{rule.get('name')}" for rule in reply.get("rules") or ()))
            if scenario := reply.get("scenario"):
                out[f"step:{scenario.get('id')}/{scenario.get('step')}"] = None
        return tuple(out)


def _judged(case: RecordedCase) -> bool:
    return bool(case.results) or any(turn.results for turn in case.turns)


def _alone(turn: RecordedTurn, *, gone: bool) -> Difference:
    said = turn.user
    return Difference(Lane.INPUT, "removed" if gone else "added", "turn", said if gone else None, None if gone else said)


def _unanswered(before: RecordedTurn, after: RecordedTurn) -> Iterator[Difference]:
    """Turns of which one side at least has no reply: it was not sent, or the engine broke."""
    if (before.skipped is None) is not (after.skipped is None):
        kind = "added" if after.skipped is None else "removed"
        yield Difference(Lane.INPUT, kind, "sent", before.skipped, after.skipped, ("skipped",))
    one, other = before.fault, after.fault
    kinds = [None if fault is None else fault.get("kind") for fault in (one, other)]
    if kinds[0] != kinds[1]:
        kind = "added" if one is None else "removed" if other is None else "changed"
        yield Difference(Lane.FAULT, kind, str(kinds[0] if other is None else kinds[1]), one, other, ("fault",))


def verdicts(before: Results, after: Results, *, assumed: bool = False) -> Iterator[Difference]:
    """Expectations that hold on one side only, by their words; a skipped one is unknown.

    One that stands on one side alone is told where it does not hold. Under `assumed` all that is not there has held before.
    """
    here, there = _by_words(before), _by_words(after)
    for words in dict.fromkeys((*here, *there)):
        one, other = here.get(words), there.get(words)
        if assumed and one is None:
            one = "passed"
        if "skipped" in (one, other) or one == other:
            continue
        if one is None or other is None:
            if (one or other) == "passed":
                continue
            kind = "added" if one is None else "removed"
        else:
            kind = "changed"
        yield Difference(Lane.VERDICT, kind, words[1], one, other, ("results", words[0]))


def _by_words(results: Results) -> dict[tuple[str, str, int], str]:
    """Outcomes by key, words, and which of several equal ones it is."""
    seen: Counter[tuple[str, str]] = Counter()
    out = {}
    for result in results:
        words = str(result.get("key")), str(result.get("text"))
        out[(*words, seen[words])] = str(result.get("outcome"))
        seen[words] += 1
    return out


_STORED = (
    "text",
    "type",
    "format",
    "rules",
    "tools",
    "scenario",
    "citations",
    "follow_ups",
    "model",
    "finish_reason",
    "metadata",
)


def stored(before: Sequence[Data], after: Sequence[Data]) -> Iterator[Difference]:
    """Stored messages that went or came, and what differs in those that belong together."""
    here, there = ([Said(str(item.get("role")), item.get("text")) for item in side] for side in (before, after))
    for one, other in align(here, there, _alike):
        if one is None or other is None:
            place, side = (one, before) if other is None else (other, after)
            assert place is not None
            role, text = str(side[place].get("role")), side[place].get("text")
            kind, was, now = ("removed", text, None) if other is None else ("added", None, text)
            yield Difference(Lane.RECORDS, kind, f"{role} message", was, now, ("messages", place))
            continue
        yield from _message(before[one], after[other], other)


def _alike(one: Said, other: Said) -> float:
    """Messages of one role belong together by their place, the more so the more their words are alike."""
    if one.name != other.name:
        return 0.0
    return 1.0 + 3.0 * text_likeness(one.text or "", other.text or "")


def _message(before: Data, after: Data, place: int) -> Iterator[Difference]:
    role = str(after.get("role"))
    for key in _STORED:
        if key not in before or key not in after:
            continue
        one, other = before[key], after[key]
        if key == "rules":
            one, other = ([rule.get("name") for rule in side] for side in (one, other))
        if structural(one, other, Lane.RECORDS, key):
            yield Difference(Lane.RECORDS, "changed", f"{role} message: {key}", one, other, ("messages", place, key))

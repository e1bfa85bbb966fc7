"""What recorded conversations would have done under changed rules: each turn taken by the old agent and by the candidate.

Teacher-forced, the recorded history is kept at every turn: both agents take the turn from the same state, which is the old
agent's, brought to what the record tells. Free-running, each agent goes its own way until they part; from there on the
recorded user would have said something else, so nothing is counted any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from focal_eval.agent import Playable, Played, State, play
from focal_eval.compare.model import Difference, Edit, Lane
from focal_eval.compare.wording import words
from focal_eval.experiment.whatif_answers import Answers
from focal_eval.experiment.whatif_nearness import nearest_first, nearness
from focal_eval.experiment.whatif_state import Shared, recorded, start
from focal_eval.experiment.whatif_tally import Cluster, Example, Tally
from focal_eval.experiment.whatif_turn import COUNTED, OF_RECORDS, beside, differences, equal, told, told_by_record
from focal_eval.records import UNKNOWN, Json
from focal_eval.records.conversation import Conversation, RecordedExchange

MAX_SHOWN = 600  # characters of a reply kept with an example


class Veil(Protocol):
    """Replaces what must not be written; of one conversation the same value by the same one."""

    counts: Counter[str]

    def conversation(self, found: Conversation) -> Conversation: ...

    def text(self, text: str) -> str: ...

    def data(self, value: Json, key: str = "") -> Json: ...


class Bare:
    """Replaces nothing."""

    def __init__(self, conversation: Conversation) -> None:
        self.counts: Counter[str] = Counter()

    def conversation(self, found: Conversation) -> Conversation:
        return found

    def text(self, text: str) -> str:
        return text

    def data(self, value: Json, key: str = "") -> Json:
        return value


@dataclass(frozen=True, slots=True)
class _Taken:
    """One turn as both sides take it; the quick sides are plays, `before` is None where a record stands for it."""

    before: Played | None
    after: Played
    record: Mapping[str, Any] | None
    began: State  # the state the old agent, or the candidate beside a record, began the turn in


@dataclass(slots=True)
class WhatIf:
    """The experiment: the candidate against the old agent, or against what the record tells where `old` is None."""

    new: Playable
    old: Playable | None = None
    free: bool = False
    veil: Callable[[Conversation], Veil] = Bare
    edits: tuple[Edit, ...] = ()  # between the agents; of several rules the nearest one to an edit is the cause
    _shared: Shared = field(init=False)
    _near: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self._shared = Shared(self.old or self.new, self.new)
        self._near = nearness(self.edits, [agent.file for agent in (self.old, self.new) if agent is not None])

    def tally(self, numbered: Iterable[tuple[int, Conversation]]) -> Tally:
        """The tally of conversations with their numbers in the stream."""
        out = Tally()
        for number, conversation in numbered:
            _Pass(self, out, number, conversation).go()
        return out

    def sides(self, conversation: Conversation) -> Iterator[tuple[Played, Played]]:
        """Each turn as the old agent, which there must be, takes it, and as the candidate does."""
        going = _Pass(self, Tally(), 0, conversation)
        for place, turn in enumerate(conversation.turns):
            taken = going.turn(place, turn)
            assert taken.before is not None
            yield taken.before, taken.after

    def in_order(self, found: tuple[Difference, ...]) -> tuple[Difference, ...]:
        """A turn's differences, the one that is its cause first."""
        return nearest_first(found, self._near)

    @property
    def shared(self) -> Shared:
        """What the agents have in common."""
        return self._shared


class _Pass:
    """One conversation, gone through once."""

    def __init__(self, whatif: WhatIf, tally: Tally, number: int, conversation: Conversation) -> None:
        self._whatif, self._tally, self._number, self._conversation = whatif, tally, number, conversation
        self._answers = Answers(conversation)
        self._own = start(whatif.new, conversation)  # of the candidate
        self._state = self._own if whatif.old is None else start(whatif.old, conversation)
        self._made: Veil | None = None

    def go(self) -> None:
        """Counts the conversation."""
        tally, turns = self._tally, self._conversation.turns
        tally.conversations += 1
        tally.turns += len(turns)
        tally.formats[self._conversation.format] += 1
        before = tally.changed
        for place, turn in enumerate(turns):
            if self._differs(place, self.turn(place, turn)) and self._whatif.free:
                tally.off_recording += len(turns) - place - 1
                break
        tally.changed_conversations += tally.changed > before
        tally.answers.update(self._answers.counts)

    def turn(self, place: int, turn: RecordedExchange) -> _Taken:
        """Both sides take the turn, and the states go on."""
        whatif, began, anchors = self._whatif, self._state, self._tally.anchors
        if whatif.old is None:
            after = play(whatif.new, began, turn.user, tools=self._answers.of_turn(place))
            self._state = after.state.copy()
            record = told_by_record(turn)
            known = whatif.new.rules
            anchors["naming unknown rules"] += turn.rules is not UNKNOWN and any(name not in known for name in turn.rules)
            if not whatif.free:
                recorded(whatif.new, self._state, turn, anchors)
            return _Taken(None, after, record, began)
        before = play(whatif.old, began, turn.user, tools=self._answers.of_turn(place))
        own = self._own if whatif.free else whatif.shared.taken_over(began, self._own, anchors)
        counts = self._answers.counts.copy()
        after = play(whatif.new, own, turn.user, tools=self._answers.of_turn(place))
        self._answers.counts = counts  # calls are counted once, as the old agent makes them
        self._state, self._own = before.state.copy(), after.state  # what is compared stays as it was played
        if not whatif.free:
            recorded(whatif.old, self._state, turn, anchors)
        return _Taken(before, after, None, began)

    def _differs(self, place: int, taken: _Taken) -> bool:
        variables = self._whatif.shared.variables
        if taken.before is not None:
            self._tally.compared += 1
            if equal(taken.before, taken.after, variables):
                return False
            one, other = told(taken.before, variables), told(taken.after, variables)
            found = differences(one, other, COUNTED)
        elif taken.record is None:
            self._tally.uncompared += 1
            return False
        else:
            self._tally.compared += 1
            one, other = dict(taken.record), beside(taken.record, told(taken.after, ()))
            found = differences(one, other, OF_RECORDS)
        if not found:
            return False
        found = self._whatif.in_order(found)
        cluster = self._tally.change(self._number, found, _around(one, other), self._shown)
        if cluster is not None and cluster.wants(place, self._number):
            cluster.example(self._example(place, taken, found, (one, other), cluster))
        return True

    def _shown(self, item: Difference) -> Difference:
        """A difference whose values may be kept and printed."""
        if item.lane is Lane.RULES or item.lane is Lane.STEP:
            return item  # of the agents' own making
        veil, key = self._veil(), str(item.path[-1]) if item.path else ""
        return replace(item, before=veil.data(item.before, key), after=veil.data(item.after, key))

    def _veil(self) -> Veil:
        """The conversation's veil, made when something of it is kept; its pseudonyms depend on the whole conversation alone."""
        if self._made is None:
            self._made = self._whatif.veil(self._conversation)
            self._made.conversation(self._conversation)
        return self._made

    def _example(
        self,
        place: int,
        taken: _Taken,
        found: tuple[Difference, ...],
        sides: tuple[dict[str, Any], dict[str, Any]],
        cluster: Cluster,
    ) -> Example:
        whole = self._conversation
        veil = self._veil()
        counted = veil.counts.copy()
        prefix = veil.conversation(replace(whole, turns=whole.turns[: place + 1]))
        first, scores = found[0], None
        if first.lane is Lane.RULES:
            scores = tuple(side.get("score") if isinstance(side, Mapping) else None for side in (first.before, first.after))
        before, after = (veil.data(_shown(side)) for side in sides)
        return Example(
            turn=place,
            sequence=self._number,
            place=whole.place(place),
            conversation=prefix,
            before=before,
            after=after,
            changes=tuple(dict.fromkeys(veil.text(words(item)) for item in found)),
            score=scores,  # type: ignore[arg-type]  # two of them
            state=veil.data(_began(taken.began)),
            redacted=veil.counts - counted,
        )


def _around(*sides: Mapping[str, Any]) -> tuple[str, ...]:
    """The rules that matched and the step, on both sides."""
    out: dict[str, None] = {}
    for side in sides:
        out.update(dict.fromkeys(f"rule:{rule['name']}" for rule in side.get("rules") or ()))
        if place := side.get("scenario"):
            out[f"step:{place['id']}/{place['step']}"] = None
    return tuple(out)


def _shown(side: Mapping[str, Any]) -> dict[str, Json]:
    """A turn as an example keeps it."""
    out: dict[str, Json] = {}
    if "rules" in side:
        out["rules"] = [rule["name"] for rule in side["rules"]]
    if "scenario" in side:
        place = side["scenario"]
        out["scenario"] = None if place is None else place["id"] + (f"/{place['step']}" if place["step"] is not None else "")
    if "tools" in side:
        out["tools"] = [
            {key: call[key] for key in ("name", "arguments", "result", "error") if key in call} for call in side["tools"]
        ]
    if "template" in side:
        out["template"] = side["template"]
    if "response" in side:
        out["response"] = side["response"][:MAX_SHOWN]
    return out


def _began(state: State) -> dict[str, Json]:
    """Where a turn began, as a script's `given` can say it."""
    return {
        "variables": {name: item for name, item in state.variables.items() if item is not None},
        "results": {name: item for name, item in state.results.items() if item is not None},
        "scenario": None if state.scenario is None else f"{state.scenario}/{state.step}",
        "turn": state.turn,
    }

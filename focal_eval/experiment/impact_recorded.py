"""Which recorded cases an edit of the agent can touch, where the engine cannot be played turn by turn.

Two signs. The record holds what was edited: a rule that matched, came near or was dropped, a tool that was called, a step where
the conversation stood. Or both versions of the agent, each taking the recorded turns from the state the record was in, part:
a new rule matches what somebody said, a widened trigger comes near. What an engine does not report is unknown; a case whose
record cannot tell whether it holds what was edited is chosen for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from focal_eval.agent import Playable, Played, State
from focal_eval.compare.model import Edit
from focal_eval.coverage import items_of, trace_case
from focal_eval.coverage.edited import Edited, edited_items
from focal_eval.coverage.model import CaseTrace, Item, Key
from focal_eval.experiment.changes import Change
from focal_eval.experiment.differing import first_difference
from focal_eval.experiment.whatif import WhatIf
from focal_eval.experiment.whatif_turn import equal
from focal_eval.records import TurnRecord
from focal_eval.records.conversation import Conversation
from focal_eval.value import value

_ENFORCING = frozenset({"enforce", "forbid", "extract", "hard", "fallback"})
"""Fields of a rule that decide what its constraint does."""

_LEFT = ("waiting", "suspended", "settled", "corrections", "calls")
"""What a turn leaves behind beside what its record tells; `asked` follows from the reply."""


@value
class Seen:
    """Why an edit can touch a recorded case."""

    why: tuple[str, ...]  # recorded | matched | untold
    edits: tuple[int, ...]  # positions of changes that the record shows
    message: int | None = None  # the first that shows it, from 1
    user: str | None = None
    differs: str | None = None  # in words: "rule refund matched", "rules: + offer-refund"


@value
class _Wanted:
    """What a change is found by in a record; `every` where any conversation shows it."""

    keys: tuple[Key, ...] = ()
    every: bool = False
    told: frozenset[str] = frozenset()  # kinds that have to be reported for its absence to mean something


class RecordedEdits:
    """Two versions of an agent, ready to be held against records. `edits` tells which parts a change reaches."""

    def __init__(self, old: Playable, new: Playable, changes: Sequence[Change], edits: Sequence[Edit]) -> None:
        known = items_of(old.file)
        items = {item.key: item for item in (*items_of(new.file), *known)}
        here = frozenset(item.key for item in known)
        self._wanted = [_wanted(change, list(items.values()), here, edits) for change in changes]
        self._experiment = WhatIf(new, old)
        names, others = old.file.names(), new.file.names()
        rules, tools = names.rules & others.rules, names.tools.keys() & others.tools.keys()
        self._both = (("fires", rules), ("last_fired", rules), ("results", tools), ("errors", tools))

    def of(self, conversation: Conversation, turns: Sequence[TurnRecord], before: int = 0) -> Seen | None:
        """What a case's record shows; None where it shows nothing of the edits.

        `turns` are those of the conversation, of which so many were sent before the script's first one.
        """
        trace = trace_case(conversation.id, conversation.id, turns)
        found = {number: sign for number, wanted in enumerate(self._wanted) if (sign := _sign(wanted, trace)) is not None}
        untold = tuple(
            number for number, wanted in enumerate(self._wanted) if number not in found and _is_untold(wanted, trace)
        )
        parted = self._parted(conversation)
        why = [word for word, there in (("recorded", found), ("matched", parted), ("untold", untold)) if there]
        if not why:
            return None
        signs = [*found.values(), *(() if parted is None else (parted,))]
        place, words = min(signs, key=lambda sign: sign[0], default=(None, None))
        shown = tuple(sorted(found)) or untold
        if place is None:
            return Seen(tuple(why), shown)
        return Seen(tuple(why), shown, max(0, place + 1 - before), turns[place].user, words)

    def _parted(self, conversation: Conversation) -> tuple[int, str] | None:
        """The first turn that the two agents take differently, and the first thing that differs in it."""
        shared = self._experiment.shared.variables
        try:
            for place, (before, after) in enumerate(self._experiment.sides(conversation)):
                seen = equal(before, after, shared) and before.dropped == after.dropped
                if not seen or not self._alike_after(before.state, after.state):
                    return place, first_difference(before, _of_shared(after, before, shared))
        except Exception as problem:  # hostile records, or an agent that breaks on them: it has to be played to be known
            return 0, f"it cannot be taken up again: {type(problem).__name__}"
        return None

    def _alike_after(self, one: State, other: State) -> bool:
        """Whether two turns leave the same behind for later turns, as far as both agents know the names of it."""
        return all(getattr(one, name) == getattr(other, name) for name in _LEFT) and all(
            getattr(one, name).get(key) == getattr(other, name).get(key) for name, keys in self._both for key in keys
        )


def _of_shared(after: Played, before: Played, shared: Iterable[str]) -> Played:
    """The candidate's play with only those variables that count; the others as the old agent has them."""
    state = after.state.copy()
    state.variables = {**before.state.variables, **{name: state.variables.get(name) for name in shared}}
    return replace(after, state=state)


def _wanted(change: Change, items: Sequence[Item], here: frozenset[Key], edits: Sequence[Edit]) -> _Wanted:
    if change.kind == "setting":
        return _Wanted(every=True)
    keys: dict[Key, None] = {}
    for part, touches in _parts(change, edits):
        keys.update(dict.fromkeys(edited_items(items, [Edited(part, "edited", touches)])))
        if part[0] == "transition":  # it was looked at wherever the conversation stood at its step
            keys["step", part[1].partition(" → ")[0]] = None
    told = {kind for kind, name in keys if (kind, name) in here}
    if "rule" in told and change.path and change.path[0] not in _ENFORCING:
        told.discard("constraint")
    return _Wanted(tuple(keys), told=frozenset(told))


def _parts(change: Change, edits: Sequence[Edit]) -> Iterator[tuple[Key, Sequence[str]]]:
    """The parts a change is about, each with the parts that it reaches."""
    if change.change == "moved":
        yield from (((change.kind, now), ()) for was, now in zip(change.before, change.after, strict=True) if was != now)
        return
    reached = (edit.touches for edit in edits if (edit.kind, edit.name) == (change.kind, change.name))
    yield (change.kind, change.name), next(reached, ())


_WORDS: Mapping[str, str] = {
    "rule": "matched",
    "constraint": "was enforced",
    "scenario": "was under way",
    "start": "was started",
    "exit": "was left",
    "relocalise": "was relocalised",
    "step": "was reached",
    "transition": "was taken",
    "tool": "was called",
    "template": "was said",
}


def _sign(wanted: _Wanted, trace: CaseTrace) -> tuple[int, str] | None:
    """The first turn that shows it, with what it shows."""
    if wanted.every:
        return (0, "it holds for every conversation") if trace.turns else None
    signs: list[tuple[int, str]] = []
    for kind, name in wanted.keys:
        if turns := trace.hit(kind, name):
            signs.append((turns[0], f"{kind} {name} {_WORDS[kind]}"))
        elif kind == "rule" and (turns := trace.considered(kind, name)):
            signs.append((turns[0], f"rule {name} was looked at"))
    return min(signs, key=lambda sign: sign[0], default=None)


def _is_untold(wanted: _Wanted, trace: CaseTrace) -> bool:
    return any(not trace.reported(kind) for kind in wanted.told)

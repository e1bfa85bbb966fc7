"""Which cases an edit of the agent can touch, and why each is chosen: those to run, the others are left out for good reason.

A case is chosen where a recorded turn, played alone by the new agent from the state it had, ends in another state or in other
records. The reasoning is that of `reach`: a case that is left out leaves the same records, so it keeps its verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from focal_eval.agent import Agent, Playable
from focal_eval.experiment.changes import Edits
from focal_eval.experiment.differing import first_difference, where_it_stops
from focal_eval.experiment.lab import Replay
from focal_eval.experiment.reach import BEGIN, Difference, Reach
from focal_eval.value import value

ALONE = 200
"""More edits than these are not looked at one by one."""


@value
class Choice:
    """A case that has to be run, and why."""

    case: str
    script: str  # its file
    why: tuple[str, ...]  # touched | new | failed | edited | unplayed
    edits: tuple[int, ...] = ()  # positions among the changes that touch it by themselves
    message: int | None = None  # the first message that is answered otherwise, from 1; 0: it begins otherwise
    user: str | None = None
    differs: str | None = None  # in words: "rules: + offer-refund", "step: returns/ask → returns/confirm"


@value
class Verified:
    """What a full replay on both agents says of a choice."""

    changed: tuple[str, ...]  # cases with another verdict
    missed: tuple[str, ...]  # of those, the ones not chosen

    @property
    def rate(self) -> float:
        """The share of changed cases that the choice missed; 0 where none changed."""
        return len(self.missed) / len(self.changed) if self.changed else 0.0


@value
class Impact:
    """What an edit can touch."""

    edits: Edits
    chosen: tuple[Choice, ...]
    skipped: tuple[str, ...]  # names of cases that keep their verdict
    verified: Verified | None = None


def impact(
    reach: Reach, new: Agent, known: Mapping[str, tuple[str, ...]] | None = None, told: Callable[[int], None] = lambda _: None
) -> Impact:
    """The cases of the lab that the new agent can touch. `known` names further cases to choose, with their reasons.

    What local Python decides may differ each time, so cases of such a lab are chosen where they may be touched at all.
    """
    lab = reach.lab
    edits = Edits(lab.agent, new)
    change = reach.of(new)
    touched = {position: change.first(position) if lab.deterministic else None for position in change.candidates}
    found = {position: first for position, first in touched.items() if first is not None or not lab.deterministic}
    by_edit = _by_edit(reach, edits, sorted(found), told)
    known = known or {}
    chosen, skipped = [], []
    for position, case in enumerate(lab.cases):
        why = (("touched",) if position in found else ()) + tuple(known.get(case.name, ()))
        if lab.cases[position].script.skip is None and reach.cases[position].begun is None and "touched" not in why:
            why = ("unplayed", *why)
        if not why:
            skipped.append(case.name)
            continue
        message, user, differs = _told(reach, change.agent, found.get(position))
        chosen.append(Choice(case.name, case.script.file, why, tuple(by_edit.get(position, ())), message, user, differs))
    return Impact(edits, tuple(chosen), tuple(skipped))


def verified(reach: Reach, found: Impact, new: Agent, told: Callable[[int], None] = lambda _: None) -> Verified:
    """Every case played in full on both agents: which verdicts change, and which of those were not chosen."""
    version = reach.lab.on(new)
    names = {choice.case for choice in found.chosen}
    changed = []
    for position, case in enumerate(reach.lab.cases):
        told(position + 1)
        if _outcome(reach.lab.base(position)) != _outcome(version.play(position)):
            changed.append(case.name)
    return Verified(tuple(changed), tuple(name for name in changed if name not in names))


def _outcome(replay: Replay) -> object:
    return replay.verdict, replay.marks


def _by_edit(reach: Reach, edits: Edits, positions: Sequence[int], told: Callable[[int], None]) -> dict[int, list[int]]:
    """Which edits touch a case by themselves."""
    out: dict[int, list[int]] = {}
    if len(edits.changes) > ALONE:
        return out
    if len(edits.changes) == 1:
        return {position: [0] for position in positions}
    wanted = set(positions)
    for number in range(len(edits.changes)):
        told(number + 1)
        try:
            change = reach.of(edits.agent([number]))
            touched = [position for position in change.candidates if position in wanted and change.first(position) is not None]
        except (KeyError, ValueError, AttributeError):  # edits that do not fit together without the others
            continue
        for position in touched:
            out.setdefault(position, []).append(number)
    return out


def _told(reach: Reach, agent: Playable, first: Difference | None) -> tuple[int | None, str | None, str | None]:
    """Where a case first differs and in what, in words."""
    if first is None:
        return None, None, None
    if first.exchange == BEGIN:
        return 0, None, "it begins otherwise"
    exchange = reach.cases[first.case].exchanges[first.exchange]
    if first.old is None:
        words = "it broke here; it has to be played to see whether it does"
    elif first.new is None:
        words = where_it_stops(agent, exchange, reach.lab.engine.scorer)
    else:
        words = first_difference(first.old, first.new)
    return first.exchange + 1, exchange.message, words

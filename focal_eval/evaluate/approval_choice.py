"""Which of the things that could be approved are, and in whose name: by the command line, or by a decisions file."""

from __future__ import annotations

from dataclasses import field, replace
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol

from focal_eval.compare.baseline_model import said_again, with_turns
from focal_eval.compare.model import RecordedCase, RecordedTurn, TurnPair
from focal_eval.errors import Refused, UsageError
from focal_eval.evaluate.approval_units import Category, Unit
from focal_eval.evaluate.decisions import Decision, Decisions, check_known, read_decisions
from focal_eval.registry import did_you_mean
from focal_eval.value import value


@value
class ApproveRequest:
    """What is to be approved; what is not said is left alone."""

    run: str
    runs: Path = Path("reports")
    suite: Path | None = None  # whose baseline it is; default: the run's
    baseline: Path | None = None  # the folder itself
    only: tuple[Category, ...] | None = None  # default: new ones; wrong ones where a cause or a turn is named
    causes: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()  # ids, with * and ?
    turns: tuple[int, ...] = ()  # of the run's conversation, from 1; below zero: taken out of the baseline's, from -1
    decisions: Path | None = None
    author: str | None = None
    reason: str | None = None
    expires: str | None = None
    failing: bool = False
    dry_run: bool = False


@value
class Seen:
    """What was come across on the way through a run and its baseline."""

    causes: set[str] = field(default_factory=set)  # keys, of what changed
    cases: set[str] = field(default_factory=set)  # that changed, are new or are gone
    same: set[str] = field(default_factory=set)  # that are as approved
    signed: set[tuple[str, str | None]] = field(default_factory=set)  # author and reason of what was approved of this agent


def turn_words(turn: int) -> str:
    """A turn as it is named: `2` of the run's conversation, `before:2` of one that the run no longer has."""
    return str(turn) if turn > 0 else f"before:{-turn}"


@value
class Chosen:
    """A unit that is approved, in whose name and why."""

    author: str
    reason: str | None = None
    expires: str | None = None
    turns: tuple[int, ...] | None = None  # those that were taken, where not all were
    merged: RecordedCase | None = None  # the baseline's case with these turns
    renewed: bool = False  # a reformatted one is approved anew, not only carried over


class Choice(Protocol):
    """Decides unit by unit; a text is the reason for which one is left alone."""

    def about(self, unit: Unit) -> Chosen | str: ...

    def takes(self, category: Category) -> bool:
        """Whether anything of a category can be taken at all."""

    def check_known(self, seen: Seen) -> tuple[str, ...]:
        """What was chosen and is approved already. Raises Refused or UsageError for a choice that nothing fits."""


def choice_of(request: ApproveRequest, run: str) -> Choice:
    """The choice a request makes. Raises UsageError where it contradicts itself, Refused for a broken decisions file."""
    if request.decisions is None:
        return ByOptions(request)
    if request.causes or request.turns:
        raise UsageError("--decisions says what is approved; --cause and --turn are not for it")
    return ByDecisions(request, read_decisions(request.decisions, run))


class ByOptions:
    """What the command line names."""

    def __init__(self, request: ApproveRequest) -> None:
        self.request = request
        named = bool(request.causes or request.turns)
        self.only = request.only or ((Category.WRONG,) if named else (Category.NEW,))
        if named and set(self.only) != {Category.WRONG}:
            raise UsageError("--cause and --turn choose among what is wrong; leave out --only, or say --only wrong")
        if request.turns and not request.scripts:
            raise UsageError("--turn needs --script: turns of different conversations have nothing in common")

    def takes(self, category: Category) -> bool:
        return category in self.only

    def about(self, unit: Unit) -> Chosen | str:
        request = self.request
        assert unit.category is not None
        if request.scripts and not any(fnmatchcase(unit.script, wanted) for wanted in request.scripts):
            return "not selected by --script"
        if unit.category not in self.only:
            return f"not asked for (--only {unit.category})"
        if request.causes and unit.cause not in request.causes:
            return "it has another cause"
        if left := _left(unit, failing=request.failing):
            return left
        chosen = self._signed(unit)
        if not request.turns:
            return chosen
        return _by_turns(unit, chosen, {turn: turn in request.turns for turn in _turns(unit)})

    def _signed(self, unit: Unit) -> Chosen:
        request = self.request
        renewed = unit.category is Category.REFORMATTED and request.reason is not None
        if unit.category is Category.REFORMATTED and not renewed:
            return Chosen("")
        if request.author is None:
            raise UsageError("who approves? say --author NAME, or set FOCAL_EVAL_AUTHOR")
        if request.reason is None and (unit.category is not Category.NEW or unit.trouble):
            what = f"{unit.category} ones" if not unit.trouble else f"{unit.trouble} ones"
            raise UsageError(f"why? what is approved of {what} needs --reason TEXT")
        return Chosen(request.author, request.reason, request.expires, renewed=renewed)

    def check_known(self, seen: Seen) -> tuple[str, ...]:
        known = sorted(seen.causes)
        for wanted in self.request.causes:
            if wanted not in known:
                fix = did_you_mean(wanted, known, list_up_to=6)
                raise UsageError(f"nothing changed for the cause '{wanted}'" + (f"; {fix}" if fix else ""))
        return ()


class ByDecisions:
    """What a decisions file accepts; the nearest word wins: turn, case, cause."""

    def __init__(self, request: ApproveRequest, decisions: Decisions) -> None:
        self.request, self.decisions = request, decisions
        self.already: list[str] = []
        self.only = request.only or (Category.NEW, Category.WRONG, Category.UNUSED)

    def takes(self, category: Category) -> bool:
        return category is Category.REFORMATTED and category in self.only

    def about(self, unit: Unit) -> Chosen | str:
        found = self.decisions
        whole = found.about_case(unit.name) or (found.about_cause(unit.cause) if unit.cause is not None else None)
        turns = found.about_turns(unit.name)
        if whole is None and not turns:
            return "nothing was decided about it"
        if unit.category not in self.only:
            return f"not asked for (--only {unit.category})"
        if self.request.scripts and not any(fnmatchcase(unit.script, wanted) for wanted in self.request.scripts):
            return "not selected by --script"
        default = whole is not None and whole.accept
        accepting = next((item for item in (whole, *turns.values()) if item is not None and item.accept), None)
        if accepting is None:
            reason = next((item.reason for item in (whole, *turns.values()) if item is not None and item.reason), None)
            return "rejected" + (f": {reason}" if reason else "")
        if left := _left(unit, failing=self.request.failing):
            return left
        chosen = self._signed(accepting)
        if not turns:
            return chosen
        known = _turns(unit)
        signed = {(kept.approval.by, kept.approval.why) for kept in unit.before}
        for turn, item in turns.items():
            if turn in known:
                continue
            if not item.accept or self._signature(item) not in signed:
                raise UsageError(f"{item.span}: the turn {turn_words(turn)} of '{unit.name}' did not change")
            self.already.append(f"turn {turn_words(turn)} of case {unit.name}")
        return _by_turns(unit, chosen, {turn: turns[turn].accept if turn in turns else default for turn in known})

    def _signature(self, decision: Decision) -> tuple[str | None, str | None]:
        """In whose name a decision is taken, and why."""
        author = decision.author or self.decisions.author or self.request.author
        return author, decision.reason or self.request.reason

    def _signed(self, decision: Decision) -> Chosen:
        author, reason = self._signature(decision)
        if author is None:
            raise UsageError("who approves? the decisions name nobody; say --author NAME")
        expires = decision.expires or self.request.expires
        if expires is not None:
            _check_form(expires, decision)
        return Chosen(author, reason, expires)

    def check_known(self, seen: Seen) -> tuple[str, ...]:
        unknown = [
            item
            for item in self.decisions.all
            if (item.cause is not None and item.cause not in seen.causes)
            or (item.case is not None and item.case not in seen.cases)
        ]
        done = [
            item
            for item in unknown
            if item.accept and (item.case in seen.same if item.case is not None else self._signature(item) in seen.signed)
        ]
        applied = bool(done or self.already)  # then what was rejected with it may be gone with what was accepted
        strange = [item for item in unknown if item not in done and not (applied and not item.accept)]
        check_known(strange, seen.causes, seen.cases)
        return (*(item.about for item in done), *self.already)


def _check_form(text: str, decision: Decision) -> None:
    try:
        fits = date.fromisoformat(text).isoformat() == text
    except ValueError:
        fits = False
    if not fits:
        raise UsageError(f"{decision.span}: 'expires' is a day such as 2026-11-21, not '{text}'")


def _left(unit: Unit, *, failing: bool) -> str | None:
    """Why a unit is not approved whatever was asked for."""
    if unit.trouble and not failing:
        return f"{unit.trouble} (--failing takes it all the same)"
    return None


def _turns(unit: Unit) -> list[int]:
    """The numbers of the turns that differ, as the run counts them from 1; of one it no longer has, as the baseline does."""
    pairs = () if unit.change is None else unit.change.pairs
    return [
        number for pair in pairs if (number := _number(pair)) and (pair.differences or pair.before is None or pair.reworded)
    ]


def _number(pair: TurnPair) -> int:
    return pair.after + 1 if pair.after is not None else -(pair.before or 0) - 1


def _by_turns(unit: Unit, chosen: Chosen, accepted: dict[int, bool]) -> Chosen | str:
    """The unit with the accepted ones of its turns, and as it was in the others."""
    taken = tuple(turn for turn, accept in accepted.items() if accept)
    if not taken:
        return "none of these turns changed"
    if len(unit.before) != 1 or len(unit.after) != 1 or unit.change is None:
        raise Refused(f"'{unit.name}' was repeated: its turns cannot be approved apart, approve the case")
    merged = _merged(unit, frozenset(taken))
    return Chosen(chosen.author, chosen.reason, chosen.expires, taken, merged)


def _merged(unit: Unit, taken: frozenset[int]) -> RecordedCase:
    assert unit.change is not None
    before, after = unit.before[0].case, unit.after[0]
    turns: list[RecordedTurn] = []
    settled = True
    for pair in unit.change.pairs:
        one = None if pair.before is None else before.turns[pair.before]
        other = None if pair.after is None else after.turns[pair.after]
        same = not (pair.differences or pair.reworded or one is None or other is None)
        if same or _number(pair) in taken:
            chosen = one if same else other
        else:
            chosen, settled = one, False
        if chosen is not None:
            turns.append(chosen)
    if settled and not unit.change.records and not unit.change.conversation:
        return after
    merged = with_turns(before, tuple(turns))
    return _stored_along(merged, before)


def _stored_along(merged: RecordedCase, before: RecordedCase) -> RecordedCase:
    """Where the store only repeated the conversation it repeats the merged one; else it stays as it was approved."""
    if before.messages is None:
        return merged
    fields = tuple(dict.fromkeys(key for message in before.messages for key in message if key not in ("role", "text")))
    if said_again(before.turns, fields) != tuple(dict(message) for message in before.messages):
        return merged
    return replace(merged, messages=said_again(merged.turns, fields))

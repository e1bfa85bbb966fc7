"""What the expectations of a recorded case would miss: it is judged again with one item taken out of the record, or put in.

An item is *asserted* in a turn when an expectation fails, that did not fail before, once the item is taken out of that turn:
a rule that did not match, a call that was not made, an edge that was not taken and what followed from it, a template that was
not said. It is *refuted* in a turn when one fails once the item is put into it. The stored messages are changed alike, so that
nothing fails for the change itself. Names are those of records: `("transition", "returns/order → confirm")`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from focal_eval.checks.local_python import Python
from focal_eval.coverage import Key
from focal_eval.coverage.trace import Place, edge_taken, templates_of
from focal_eval.experiment.trace_mutants import mirrored
from focal_eval.records import UNKNOWN, Reply, RuleMatch, ScenarioState, ToolCall, Transition, TurnRecord
from focal_eval.runner.ready import Ready
from focal_eval.runner.standing import Standing

Found = dict[Key, tuple[int, ...]]
Changes = Mapping[str, Any]

STRANGER = "none of the agent's"
"""A name that no rule and no tool has: an expectation that notices it notices any."""

_NAME = re.compile(r"[\w.-]+")


def asserted_in(standing: Standing) -> Found:
    """The items of a recorded case with the positions of the turns in which an expectation would miss them."""
    out: dict[Key, list[int]] = {}
    noticing = _Noticing(standing)
    before: Place | None = None
    for index, turn in enumerate(standing.turns):
        if turn.reply is None:
            before = None
            continue
        for keys, changes in _without(turn.reply, before):
            if noticing.notices(index, turn, changes):
                for key in keys:
                    out.setdefault(key, []).append(index)
        before = _stands(turn.reply, before)
    return {key: tuple(places) for key, places in out.items()}


def refuted_in(standing: Standing, names: Mapping[str, Collection[str]]) -> Found:
    """The rules and tools, of those named, with the turns in which an expectation notices that they are not there."""
    out: dict[Key, list[int]] = {}
    noticing = _Noticing(standing)
    for index, turn in enumerate(standing.turns):
        if turn.reply is None:
            continue
        for kind, field, make in (("rule", "rules", RuleMatch), ("tool", "tools", _call)):
            present = getattr(turn.reply, field)
            if present is UNKNOWN or not noticing.reads(index, field):
                continue
            absent = [name for name in names.get(kind, ()) if all(one.name != name for one in present)]
            if not noticing.notices(index, turn, {field: (*present, make(STRANGER))}):
                named = noticing.named(index)
                absent = [
                    name for name in absent if name in named and noticing.notices(index, turn, {field: (*present, make(name))})
                ]
            for name in absent:
                out.setdefault((kind, name), []).append(index)
    return {key: tuple(places) for key, places in out.items()}


def _call(name: str) -> ToolCall:
    return ToolCall(name, {})


class _Noticing:
    """Whether an expectation of a case notices a change of one turn; those that fail anyhow, and soft ones, do not count."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._turns = [self._counting(readies, index) for index, readies in enumerate(standing.expected)]
        self._closing = self._counting(standing.closing, None)
        self._named: dict[int | None, frozenset[str]] = {}

    def _counting(self, readies: Sequence[Ready], index: int | None) -> list[Counting]:
        """The expectations whose failure says something, with the fields they look at."""
        return [
            (frozenset(_read([ready])), ready)
            for ready in readies
            if not ready.item.soft and ready.item.key not in _INDIFFERENT and not self._fails_anyhow(ready, index)
        ]

    def _fails_anyhow(self, ready: Ready, index: int | None) -> bool:
        """Whether an expectation fails of the record as it is."""
        standing = self._standing
        if not any(place == index for place, _ in standing.judged.bad):
            return False
        readies, closing = ([ready], []) if index is not None else ([], [ready])
        place = next((at for at, turn in enumerate(standing.turns) if turn.reply is not None), 0) if index is None else index
        return standing.one_fails(place, standing.turns[place], standing.messages, readies, closing)

    def reads(self, index: int, *fields: str) -> bool:
        """Whether anything that is judged looks at one of these fields of the turn."""
        return any(_looks(read, fields) for read, _ in (*self._turns[index], *self._closing))

    def notices(self, index: int, turn: TurnRecord, changes: Changes) -> bool:
        """Whether something fails with the turn changed that did not fail before."""
        readies = [ready for read, ready in self._turns[index] if _looks(read, changes)]
        closing = [ready for read, ready in self._closing if _looks(read, changes)]
        if not readies and not closing:
            return False
        assert turn.reply is not None
        changed = replace(turn.reply, **changes)
        stored = mirrored(self._standing.messages, turn.reply, changed) if closing else UNKNOWN
        return self._standing.one_fails(index, replace(turn, reply=changed), stored, readies, closing)

    def named(self, index: int) -> frozenset[str]:
        """Every word of the expectations that judge the turn: what they say nothing of, they cannot tell apart."""
        return self._words(index, self._turns[index]) | self._words(None, self._closing)

    def _words(self, index: int | None, readies: Sequence[Counting]) -> frozenset[str]:
        if index not in self._named:
            told = " ".join(ready.text for _, one in readies for ready in _deep([one]))
            self._named[index] = frozenset(_NAME.findall(told))
        return self._named[index]


Counting = tuple[frozenset[str], Ready]
"""An expectation that counts, with the fields it looks at."""


def _looks(read: frozenset[str], fields: Iterable[str]) -> bool:
    """Whether an expectation sees a change of these fields. Stored messages hold what replies hold."""
    return any(field in read or (field in _STORED and "messages_stored" in read) for field in fields) or bool(read & _ANYTHING)


_INDIFFERENT = frozenset({"response.language"})
"""Expectations that miss nothing: what is left of a reply is in the language it was in, or too short to tell."""

_STORED = frozenset({"rules", "tools", "scenario", "response", "messages"})
_ANYTHING = frozenset({"anything"})


def _read(readies: Iterable[Ready]) -> Iterator[str]:
    """The fields that expectations look at. One with a template in it is made anew for each case: it may look at any."""
    for ready in _deep(readies):
        if ready.check is not None:
            own = type(ready.check).__module__.startswith("focal_eval.checks.")
            yield from ready.check.needed() if own and not isinstance(ready.check, Python) else _ANYTHING
        elif not ready.children:
            yield from _ANYTHING


def _deep(readies: Iterable[Ready]) -> Iterator[Ready]:
    for ready in readies:
        yield ready
        for group in ready.children:
            yield from _deep(group)


def _without(reply: Reply, before: Place | None) -> Iterator[tuple[Sequence[Key], Changes]]:
    """The items of a turn with what the reply is without them; those that stand and fall together are taken out once."""
    yield from _without_rules(reply)
    if reply.tools is not UNKNOWN:
        for name in dict.fromkeys(call.name for call in reply.tools):
            yield [("tool", name)], {"tools": tuple(call for call in reply.tools if call.name != name)}
    for name in dict.fromkeys(templates_of(reply)):
        yield [("template", name)], _unsaid(reply, name)
    yield from _without_moves(reply, before)


def _without_rules(reply: Reply) -> Iterator[tuple[Sequence[Key], Changes]]:
    rules = () if reply.rules is UNKNOWN else tuple(rule.name for rule in reply.rules)
    constraints = () if reply.enforcement is UNKNOWN else tuple(one.rule for one in reply.enforcement)
    for name in dict.fromkeys(constraints):
        yield [("constraint", name)], {"enforcement": _others(reply.enforcement, "rule", name)}
    for name in dict.fromkeys((*rules, *constraints)):
        changes = {}
        if name in rules:
            changes["rules"] = _others(reply.rules, "name", name)
        if name in constraints:
            changes["enforcement"] = _others(reply.enforcement, "rule", name)
        if reply.candidates is not UNKNOWN:
            changes["candidates"] = _others(reply.candidates, "name", name)
        yield [("rule", name)], changes


def _others(found: Any, field: str, name: str) -> tuple[Any, ...]:
    return tuple(one for one in found if getattr(one, field) != name)


def _unsaid(reply: Reply, name: str) -> Changes:
    """The reply without a template: its name, and its words where the messages stand beside the templates one by one."""
    names = templates_of(replace(reply, template=None)) or templates_of(reply)
    kept = [place for place, other in enumerate(names) if other != name]
    changes: dict[str, Any] = {}
    if reply.template == name:
        changes["template"] = names[kept[0]] if kept else None
    if reply.metadata is not UNKNOWN and "templates" in reply.metadata:
        changes["metadata"] = {**reply.metadata, "templates": [names[place] for place in kept]}
    if reply.response is not UNKNOWN and len(reply.messages) == len(names):
        messages = tuple(reply.messages[place] for place in kept)
        changes |= {"messages": messages, "response": "\n\n".join(messages)}
    return changes


def _without_moves(reply: Reply, before: Place | None) -> Iterator[tuple[Sequence[Key], Changes]]:
    """Edges, and the steps and scenarios they led to: what is not taken leaves the conversation where it stood before it."""
    seen: set[Key] = set()
    at = before
    moves: tuple[Transition, ...] = () if reply.transitions is UNKNOWN else reply.transitions
    for place, move in enumerate(moves):
        taken = edge_taken(move, at)
        if taken is None:
            continue
        keys = [] if move.kind == "continue" else [key for key in taken.keys if key not in seen]
        if keys:
            seen.update(keys)
            yield keys, _stayed(reply, moves[:place], at)
        at = taken.after
    if reply.scenario is not UNKNOWN and reply.scenario is not None:
        stood = reply.scenario
        keys = [("scenario", stood.id)] + ([] if stood.step is None else [("step", str(stood))])
        if left := [key for key in keys if key not in seen]:
            yield left, {"scenario": None}


def _stayed(reply: Reply, moves: tuple[Transition, ...], at: Place | None) -> Changes:
    changes: dict[str, Any] = {"transitions": moves}
    if reply.scenario is not UNKNOWN:
        changes["scenario"] = None if at is None else ScenarioState(*at)
    return changes


def _stands(reply: Reply, before: Place | None) -> Place | None:
    """Where the conversation stands after a turn."""
    if reply.scenario is not UNKNOWN:
        return None if reply.scenario is None else (reply.scenario.id, reply.scenario.step)
    for move in () if reply.transitions is UNKNOWN else reply.transitions:
        taken = edge_taken(move, before)
        before = before if taken is None else taken.after
    return before

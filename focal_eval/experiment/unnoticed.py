"""What a mutant changed in a conversation without anybody noticing, in words, and an expectation that would have noticed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from focal_eval.document.writing import dump
from focal_eval.experiment.lab import Replay
from focal_eval.records import UNKNOWN, Reply
from focal_eval.text import listed, shorten
from focal_eval.value import value

_SENTENCE = re.compile(r"[^.!?\n]*[.!?]+|[^.!?\n]+")
SHOWN = 90  # characters of a value


@value
class Seen:
    """The first thing that differs in a conversation: where, in which lane, and how it reads."""

    turn: int  # from 0
    lane: str
    old: Any
    new: Any
    text: str


def seen_in(base: Replay, replay: Replay) -> Seen | None:
    """The first difference, of what people would look at first; None where there is none."""
    for old, new in zip(base.turns, replay.turns, strict=False):
        if old.reply is None or new.reply is None:
            if (old.skipped, old.fault) != (new.skipped, new.fault):
                return Seen(old.index, "turn", old.skipped, new.skipped, "the turn was not sent in both")
            continue
        for lane, read in _LANES.items():
            before, after = read(old.reply), read(new.reply)
            if before != after:
                return Seen(old.index, lane, before, after, _text(lane, before, after))
    return None


def _text(lane: str, old: Any, new: Any) -> str:
    if isinstance(old, list) and isinstance(new, list) and lane in ("rules", "tools"):
        lost = [name for name in old if name not in new]
        came = [name for name in new if name not in old]
        parts = [f"lost {listed(lost)}"] * bool(lost) + [f"gained {listed(came)}"] * bool(came)
        return f"{lane} " + (" and ".join(parts) or f"came in another order: {listed(old)} → {listed(new)}")
    return f"{lane.replace('_', ' ')} changed: {_shown(old, new)} → {_shown(new, old)}"


def _shown(held: Any, other: Any) -> str:
    """A value cut down to where it differs from the other."""
    one, two = (item if isinstance(item, str) else _plain(item) for item in (held, other))
    same = next((at for at, pair in enumerate(zip(one, two, strict=False)) if pair[0] != pair[1]), min(len(one), len(two)))
    start = max(0, same - SHOWN // 3) if len(one) > SHOWN else 0
    return "'" + ("…" if start else "") + shorten(one[start:], SHOWN) + "'"


def _plain(held: Any) -> str:
    return orjson.dumps(held, option=orjson.OPT_SORT_KEYS, default=str).decode()


def _names(items: Any) -> Any:
    return items if items is UNKNOWN else [item.name for item in items]


def _calls(reply: Reply) -> Any:
    if reply.tools is UNKNOWN:
        return reply.tools
    return [{"name": one.name, "arguments": None if one.arguments is UNKNOWN else dict(one.arguments)} for one in reply.tools]


def _moves(reply: Reply) -> Any:
    if reply.transitions is UNKNOWN:
        return reply.transitions
    return [
        f"{one.kind} {one.scenario or ''} {one.source or ''} → {one.target or ''} ({one.reason})" for one in reply.transitions
    ]


def _stands(reply: Reply) -> Any:
    if reply.scenario is UNKNOWN or reply.scenario is None:
        return reply.scenario
    return f"{reply.scenario.id}/{reply.scenario.step}"


def _dropped(reply: Reply) -> Any:
    if reply.candidates is UNKNOWN:
        return reply.candidates
    found = (
        f"{one.name} {one.score:g}" + (f" {one.suppressed} by {one.by}" if one.suppressed else "") for one in reply.candidates
    )
    return [text + f" ({one.reason})" for text, one in zip(found, reply.candidates, strict=True)]


def _enforced(reply: Reply) -> Any:
    if reply.enforcement is UNKNOWN:
        return reply.enforcement
    return [f"{one.rule} {one.action} {one.violation or ''}".strip() for one in reply.enforcement]


_LANES: Mapping[str, Callable[[Reply], Any]] = {
    "response": lambda reply: reply.response,
    "tools": lambda reply: _names(reply.tools),
    "arguments": _calls,
    "rules": lambda reply: _names(reply.rules),
    "scenario": _stands,
    "outcome": lambda reply: reply.outcome,
    "template": lambda reply: reply.template,
    "enforcement": _enforced,
    "transitions": _moves,
    "variables": lambda reply: reply.variables,
    "metadata": lambda reply: reply.metadata,
    "candidates": _dropped,
    "record": repr,
}
"""What is looked at, in the order in which a difference is told."""


def proposal_for(seen: Seen) -> str | None:
    """An expectation of that turn that holds on the agent and fails on the mutant, as YAML; None where it takes more words."""
    made = _EXPECTED.get(seen.lane, _nothing)(seen.old, seen.new)
    return None if made is None else dump({"expect": made}).strip()


def _nothing(*_: Any) -> None:
    return None


def _response(old: str, new: str) -> dict[str, Any] | None:
    lost = next((one.strip() for one in _SENTENCE.findall(old) if one.strip() and one.strip() not in new), None)
    if lost is not None:
        return {"response": {"contains": lost}}
    came = next((one.strip() for one in _SENTENCE.findall(new) if one.strip() and one.strip() not in old), None)
    return {"response": {"excludes": came}} if came is not None else {"response": {"equals": old}}


_EXPECTED: Mapping[str, Callable[[Any, Any], dict[str, Any] | None]] = {
    "response": _response,
    "tools": lambda old, _: {"tools": {"exactly": old}},
    "rules": lambda old, _: {"rules": {"exactly": old}},
    "scenario": lambda old, _: {"scenario": old},
    "outcome": lambda old, _: {"outcome": old},
    "template": lambda old, _: {"template": old},
}

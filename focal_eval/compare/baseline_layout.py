"""How a turn stands in a baseline's file: short, because most turns say nothing about most things.

What an engine reports and what was none in a turn is left out; the file's `reports` says which fields those are. Variables
stand as what changed since the turn before, those that became null by their names alone. Stored messages that only repeat
the conversation are one line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from focal_eval.compare.baseline_model import REPLY, said_again
from focal_eval.compare.model import RecordedCase, RecordedTurn
from focal_eval.document.writing import Line
from focal_eval.records import Json

NONE: Mapping[str, Any] = {
    "rules": [],
    "scenario": None,
    "tools": [],
    "template": None,
    "enforcement": [],
    "outcome": None,
    "follow_ups": [],
    "citations": [],
    "variables": {},
    "transitions": [],
    "candidates": [],
}
"""What each field is where it is left out of a turn although the engine reports it."""

_MAX_EXPANDED = 2_000_000  # variables that a file may say by their changes


def reports_of(cases: Iterable[RecordedCase]) -> tuple[str, ...]:
    """The fields that any reply of these cases has and that may be left out, in the order of a reply."""
    seen = {key for case in cases for turn in case.turns if turn.reply is not None for key in turn.reply}
    return tuple(key for key in REPLY if key in seen and key in NONE)


def turn_data(turn: RecordedTurn, before: Mapping[str, Json], reports: tuple[str, ...]) -> dict[str, Any]:
    """A turn as the file holds it; `before` are the variables after the turn before."""
    out: dict[str, Any] = {}
    if turn.name is not None:
        out["name"] = turn.name
    if turn.user is not None:
        out["user"] = turn.user
    if turn.skipped is not None:
        out["skipped"] = turn.skipped
    if turn.fault is not None:
        out["fault"] = dict(turn.fault)
    if turn.reply is not None:
        out |= _reply_data(turn.reply, before, reports)
    return out


def _reply_data(reply: Mapping[str, Json], before: Mapping[str, Json], reports: tuple[str, ...]) -> dict[str, Any]:
    out: dict[str, Any] = {"response": None} if "response" not in reply or reply["response"] is None else {}
    for key in REPLY:
        if key not in reply:
            continue
        value = reply[key]
        if key == "variables" and isinstance(value, Mapping):
            changed = {name: item for name, item in value.items() if name not in before or not _same(before[name], item)}
            if full := {name: item for name, item in changed.items() if item is not None}:
                out["variables"] = full
            if empty := [name for name, item in changed.items() if item is None]:
                out["empty"] = Line(empty)
            if forgotten := [name for name in before if name not in value]:
                out["forgotten"] = Line(forgotten)
        elif key not in NONE or value != NONE[key]:
            out[key] = value
    silent = [key for key in reports if key not in reply]
    silent += ["response"] * ("response" not in reply)
    if silent:
        out["unreported"] = Line(silent)
    return out


def _same(one: Json, other: Json) -> bool:
    """Equal as JSON: 1, 1.0 and true are three values."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and one == other


class Expansion:
    """Gives turns back what the file leaves out; bounded, as a few bytes can repeat many variables."""

    def __init__(self, reports: tuple[str, ...]) -> None:
        self.reports = reports
        self.variables: dict[str, Json] = {}
        self._count = 0

    def begin(self) -> None:
        """A conversation begins."""
        self.variables = {}

    def reply(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The reply a turn's entry stands for. Raises ValueError where the file expands beyond all bounds."""
        silent = data.get("unreported") or ()
        given: dict[str, Any] = {key: NONE[key] for key in self.reports if key not in silent}
        given |= {key: value for key, value in data.items() if key in REPLY and key not in silent}
        if "variables" in given:
            changed = {**given["variables"], **dict.fromkeys(data.get("empty") or ())}
            forgotten = set(data.get("forgotten") or ())
            self.variables = {name: item for name, item in self.variables.items() if name not in forgotten} | changed
            self._count += len(self.variables)
            if self._count > _MAX_EXPANDED:
                raise ValueError("the variables of this file expand beyond all bounds")
            given["variables"] = dict(sorted(self.variables.items()))
        return {key: given[key] for key in REPLY if key in given}


def messages_data(case: RecordedCase) -> Any:
    """The stored messages as the file holds them: the names of fields where they only repeat the conversation."""
    stored = case.messages
    if stored is None:
        return None
    fields = tuple(dict.fromkeys(key for message in stored for key in message if key not in ("role", "text")))
    again = said_again(case.turns, fields)
    if len(again) == len(stored) and all(_same(dict(one), dict(other)) for one, other in zip(again, stored, strict=True)):
        return {"as_said": list(fields)}
    return list(stored)

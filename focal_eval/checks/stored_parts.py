"""The parts of a stored message beside those of the reply it keeps: compared where both sides know them, masks left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from focal_eval.checks.said import Kept
from focal_eval.checks.structure import differences
from focal_eval.records import UNKNOWN, MessageRecord, Reply, ScenarioState, ToolCall
from focal_eval.script.masks import COMPARED, Mask, unmasked
from focal_eval.script.wording import show
from focal_eval.text import listed
from focal_eval.value import value

Both = tuple[Any, Any]
MOST_NAMES = 12
SHOWN = 400  # characters of a value


@value
class Changed:
    """A part that is stored otherwise: its name, both sides in words, and what differs."""

    part: str
    said: str
    stored: str
    near: str | None


def changed_parts(reply: Reply, group: Sequence[Kept], masks: Iterable[Mask]) -> Iterator[Changed]:
    """The parts of a reply that are stored otherwise, in the order of `COMPARED`; its text is not among them."""
    masks = tuple(masks)
    messages = [kept.message for kept in group]
    for part in COMPARED:
        both = None if part == "text" else _both(part, reply, messages)
        if both is None:
            continue
        said, stored = (unmasked((part,), side, masks) for side in both)
        if said != stored:
            yield _changed(part, said, stored)


def _changed(part: str, said: Any, stored: Any) -> Changed:
    if part in ("rules", "tools") and list(said) != list(stored):
        before, after = list(said), list(stored)
        return Changed(part, _names(before), _names(after), _set_apart(before, after))
    nested = isinstance(said, (dict, list)) and isinstance(stored, (dict, list))  # else both sides say it all
    near = "; ".join(differences(said, stored)) if nested else None
    return Changed(part, show(said, SHOWN), show(stored, SHOWN), near or None)


def _names(names: list[str]) -> str:
    return listed(names, most=MOST_NAMES)


def _set_apart(before: list[str], after: list[str]) -> str | None:
    """Which names only one side has."""
    lost, added = [name for name in before if name not in after], [name for name in after if name not in before]
    said = [f"not stored: {_names(lost)}"] if lost else []
    said += [f"stored only: {_names(added)}"] if added else []
    return "; ".join(said) or None


def _both(part: str, reply: Reply, messages: Sequence[MessageRecord]) -> Both | None:
    """The part on both sides in a form that can be compared, None where one side does not know it."""
    said, stored = getattr(reply, part), [getattr(message, part) for message in messages]
    if said is UNKNOWN or any(one is UNKNOWN for one in stored):
        return None
    if part == "rules":
        return sorted({rule.name for rule in said}), sorted({rule.name for one in stored for rule in one})
    if part == "tools":
        return _calls(said, [call for one in stored for call in one])
    if part == "citations":
        return _records(said, [item for one in stored for item in one])
    if len(stored) > 1:  # what belongs to one message, and which of the parts it went with is not known
        return None
    if part == "scenario":
        return _places(said, stored[0])
    if part == "tokens":
        return _shared(_known(said), _known(stored[0]))
    if part == "metadata":
        return _shared(said, stored[0])
    if part in ("model", "finish_reason") and None in (said, stored[0]):
        return None
    return _plain(said), _plain(stored[0])


def _plain(item: Any) -> Any:
    return list(item) if isinstance(item, tuple) else item


def _shared(said: Mapping[str, Any], stored: Mapping[str, Any]) -> Both:
    """Both sides cut to the keys that both have."""
    keys = [key for key in said if key in stored]
    return {key: said[key] for key in keys}, {key: stored[key] for key in keys}


def _known(record: Any) -> dict[str, Any]:
    """The fields of a record that are set."""
    return {spec.name: found for spec in fields(record) if (found := getattr(record, spec.name)) is not None}


def _places(said: ScenarioState | None, stored: ScenarioState | None) -> Both:
    if said is None or stored is None:
        return (None if said is None else str(said)), (None if stored is None else str(stored))
    whole = said.step is not None and stored.step is not None
    return (str(said), str(stored)) if whole else (said.id, stored.id)


def _records(said: Sequence[Any], stored: Sequence[Any]) -> Both:
    """Records in order, each cut to the fields that both sides have; those without a counterpart whole."""
    pairs = [_shared(_known(one), _known(other)) for one, other in zip(said, stored, strict=False)]
    rest, more = said[len(pairs) :], stored[len(pairs) :]
    return [*(pair[0] for pair in pairs), *map(_known, rest)], [*(pair[1] for pair in pairs), *map(_known, more)]


_CALL = ("arguments", "result", "error")


def _calls(said: Sequence[ToolCall], stored: Sequence[ToolCall]) -> Both:
    """Calls by their names; of each what both sides know."""
    before, after = _numbered(said), _numbered(stored)
    one, other = {name: _call(call) for name, call in before.items()}, {name: _call(call) for name, call in after.items()}
    for name in one.keys() & other.keys():
        one[name], other[name] = _shared(one[name], other[name])
    return one, other


def _call(call: ToolCall) -> dict[str, Any]:
    told = {name: getattr(call, name) for name in _CALL}
    return {name: item for name, item in told.items() if item is not UNKNOWN and (name != "error" or item is not None)}


def _numbered(calls: Sequence[ToolCall]) -> dict[str, ToolCall]:
    """Calls by name, sorted; the second call of a tool is `name#2`."""
    out: dict[str, ToolCall] = {}
    seen: dict[str, int] = {}
    for call in sorted(calls, key=lambda one: one.name):
        seen[call.name] = number = seen.get(call.name, 0) + 1
        out[call.name if number == 1 else f"{call.name}#{number}"] = call
    return out

"""Which items an edit of the agent concerns: those that were edited, and those that what was edited decides about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from focal_eval.coverage.model import Item, Key
from focal_eval.value import value

_BEHIND = frozenset({"trigger", "slot", "variable", "setting"})
"""Parts of an agent that are no items: an edit of one concerns the items it reaches."""


@value
class Edited:
    """An edit of the agent: the part, what was done to it, and the parts it reaches (`rule:refund`, `step:returns/*`)."""

    part: Key
    change: str  # added | removed | edited | renamed | moved
    touches: Sequence[str] = ()


def edited_items(items: Iterable[Item], edits: Sequence[Edited]) -> Mapping[Key, str]:
    """The items that edits concern, each with why in words. What was removed concerns none: it is not there to be hit."""
    direct = {edit.part: edit.change for edit in edits if edit.change != "removed"}
    behind: dict[str, str] = {}
    for edit in edits:
        if edit.part[0] in _BEHIND:
            for name in edit.touches:
                behind.setdefault(name, f"through {edit.part[0]} {edit.part[1]}, {edit.change}")
    out: dict[Key, str] = {}
    for item in items:
        why = direct.get(item.part) or _reached(item, behind)
        if why is not None:
            out[item.key] = why
    return out


def _reached(item: Item, behind: Mapping[str, str]) -> str | None:
    kind, name = item.part
    for pattern in (f"{kind}:{name}", f"{kind}:*", f"{kind}:{name.partition('/')[0]}/*"):
        if pattern in behind:
            return behind[pattern]
    return None

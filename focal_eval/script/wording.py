"""Values in words: how a value stands in a message, and the mark of a value that is not there."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final


class Absent(Enum):
    """Its only member is `ABSENT`."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent.ABSENT

SHOWN_WIDTH = 100  # characters of a value in a message
_SHOWN_ITEMS = 12
_SHOWN_DEPTH = 4


def show(value: Any, width: int = SHOWN_WIDTH) -> str:
    """A value in one short line, written as YAML's flow style would: `{total: 18.5, note: 'broken'}`."""
    text = _shown(value, _SHOWN_DEPTH)
    if not text.isprintable():
        text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return text if len(text) <= width else text[: width - 1] + "…"


def _shown(value: Any, depth: int) -> str:
    if isinstance(value, str):
        return f"'{value[: SHOWN_WIDTH * 2]}'"
    if value is None or value is True or value is False:
        return "null" if value is None else str(value).lower()
    if value is ABSENT:
        return "nothing"
    if isinstance(value, int) and abs(value) > 10**300:
        return "a number of more than 300 digits"
    if isinstance(value, Mapping):
        if depth == 0:
            return "{…}"
        return "{" + _joined(f"{name}: {_shown(item, depth - 1)}" for name, item in list(value.items())[:_SHOWN_ITEMS]) + "}"
    if isinstance(value, (list, tuple)):
        if depth == 0:
            return "[…]"
        return "[" + _joined(_shown(item, depth - 1) for item in value[:_SHOWN_ITEMS]) + "]"
    return str(value)[: SHOWN_WIDTH * 2]


def _joined(parts: Any) -> str:
    kept = list(parts)
    return ", ".join(kept) + (", …" if len(kept) == _SHOWN_ITEMS else "")


def kind_of(value: Any) -> str:
    """The kind of a value, in the words `type:` understands: text, number, boolean, null, list, mapping."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "mapping"
    return "list" if isinstance(value, (list, tuple)) else type(value).__name__


def typed(value: Any) -> str:
    """The value with its kind, for a message about two kinds: `the text '7'`, `the number 7`, `null`."""
    if value is ABSENT:
        return "nothing"
    kind = kind_of(value)
    return show(value) if kind in ("null", "boolean") else f"the {kind} {show(value)}"


def is_number(value: Any) -> bool:
    """Whether the value is a number; a boolean is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)

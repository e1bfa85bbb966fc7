"""What an operator gives, and how the lines it changes are shown."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any, TypeVar

from focal_eval.agent.authored import authored
from focal_eval.agent.placed import NOWHERE, Placed
from focal_eval.document.writing import dump
from focal_eval.source import Span
from focal_eval.value import value

T = TypeVar("T")

_PLAIN = re.compile(
    r"(?!(?:yes|no|on|off|true|false|null|y|n)\Z)[^\W\d_](?:[\w .*/'-]*[\w*])?"
)  # a text YAML reads without quotes


class _Gone:
    """Stands for a part that is taken out; there is one of it, in every process."""

    def __reduce__(self) -> str:
        return "GONE"


GONE = _Gone()


@value
class Altered:
    """One change of one part: what it holds now, where the change stands, and how it reads."""

    held: Any  # the part's new value, or GONE
    span: Span
    before: str  # the YAML that stood there
    after: str  # the YAML that stands there now; empty where it was taken out
    text: str  # one sentence
    more: tuple[tuple[str, str, Any], ...] = ()  # other parts that change with it: kind, name, value


def line(key: str, held: Any) -> str:
    """A key and what it holds as YAML."""
    data = authored(held)
    name = key.removesuffix("_")
    if isinstance(data, str):
        return f"{name}: {data if _PLAIN.fullmatch(data) else json.dumps(data, ensure_ascii=False)}"
    if isinstance(data, (bool, int, float)):
        return f"{name}: {json.dumps(data)}"
    return dump({name: data}).strip()


def place(held: Any, otherwise: Any = None) -> Span:
    """Where something stands; where it does not know, where the other thing does."""
    for one in (held, otherwise):
        span = getattr(one, "span", NOWHERE)
        if span.file:
            found: Span = span
            return found
    return NOWHERE


def apart(items: tuple[T, ...], position: int) -> tuple[T, ...]:
    """The items without the one at that position."""
    return (*items[:position], *items[position + 1 :])


def put(items: tuple[T, ...], position: int, item: T) -> tuple[T, ...]:
    """The items with another one at that position."""
    return (*items[:position], item, *items[position + 1 :])


def put_field(part: T, name: str, held: Any) -> T:
    """The part with another value in the field of that name."""
    changed: T = replace(part, **{name: held})  # type: ignore[type-var]  # T is one of the agent file's dataclasses
    return changed


def moved(text: str, old: Placed) -> Placed:
    """A text at another text's place."""
    return Placed(text, old.span)

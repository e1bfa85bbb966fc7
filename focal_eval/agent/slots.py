"""Slots made ready to read: which values a message gives, and which of them counts."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, Protocol

from focal_eval.agent.expression import Expression, compile_expression
from focal_eval.agent.figures import amounts, numbers
from focal_eval.agent.model import Slot
from focal_eval.agent.tested import Moment
from focal_eval.agent.trigger import Triggers
from focal_eval.pattern import Pattern, PatternTimeout, compile_pattern
from focal_eval.value import value

DATE_FORMATS = ("%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y")
_DATE_PARTS = {"%Y": r"\d{4}", "%m": r"\d{1,2}", "%d": r"\d{1,2}", "%y": r"\d{2}", "%B": r"[A-Za-z]+", "%b": r"[A-Za-z]{3}"}
_MONTHS = ("january", "february", "march", "april", "may", "june",
           "july", "august", "september", "october", "november", "december")  # fmt: skip
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}", re.ASCII)
MAX_TEXT = 500  # characters of a value
MAX_FOUND = 20  # values looked at in one message

_NORMALISE: Mapping[str, Callable[[str], str]] = {
    "upper": str.upper,
    "lower": str.lower,
    "title": str.title,
    "digits": lambda text: "".join(c for c in text if c.isdigit()),
    "no_spaces": lambda text: "".join(text.split()),
}


@value
class Reading:
    """What a message said of a slot: `invalid` where values were there but none is allowed."""

    outcome: Literal["value", "invalid", "nothing"]
    value: Any = None


def date_pattern(text: str) -> re.Pattern[str]:
    """A date format as a pattern with one group a part. Raises ValueError for a part that is not known."""
    out, rest = "", text
    while rest:
        if rest[0] == "%":
            part, rest = rest[:2], rest[2:]
            if part not in _DATE_PARTS:
                raise ValueError(f"'{part}' is not a part of a date; known are {', '.join(_DATE_PARTS)}")
            if f"(?P<{part[1]}>" in out:
                raise ValueError(f"'{part}' is there twice")
            out += f"(?P<{part[1]}>{_DATE_PARTS[part]})"
        else:
            out, rest = out + re.escape(rest[0]), rest[1:]
    groups = set(re.compile(out).groupindex)
    if not (groups & {"Y", "y"} and groups & {"m", "B", "b"} and "d" in groups):
        raise ValueError("a date needs a day, a month and a year")
    return re.compile(rf"(?<![\w]){out}(?![\w])")


def _as_date(match: re.Match[str]) -> str | None:
    parts = match.groupdict()
    year = int(parts["Y"]) if parts.get("Y") else 2000 + int(parts["y"])
    if parts.get("m"):
        month = int(parts["m"])
    else:
        name = (parts.get("B") or parts.get("b") or "").casefold()
        month = next((i for i, known in enumerate(_MONTHS, 1) if known.startswith(name) and len(name) >= 3), 0)
    try:
        return datetime.date(year, month, int(parts["d"])).isoformat()
    except ValueError:
        return None


class Message(Protocol):
    """As much of a moment as finding values takes."""

    @property
    def text(self) -> str: ...

    @property
    def hits(self) -> dict[int, int]: ...

    def note(self, text: str) -> None: ...


class SlotReader:
    """Reads one slot from messages."""

    __slots__ = ("_atoms", "_check", "_dates", "_patterns", "_rank", "kind", "slot", "whole")

    def __init__(self, slot: Slot, triggers: Triggers) -> None:
        self.slot = slot
        self.kind = slot.kind or ("choice" if slot.values else "text")
        self._patterns: tuple[Pattern, ...] = tuple(compile_pattern(str(text), ignore_case=True) for text in slot.pattern)
        self._check: Expression | None = compile_expression(str(slot.check)) if slot.check is not None else None
        self._dates = tuple(date_pattern(str(text)) for text in (slot.formats or DATE_FORMATS)) if self.kind == "date" else ()
        said = [(str(value), (str(value), *meaning)) for value, meaning in slot.values]
        self._atoms = {atom: value for value, texts in said for atom in triggers.words(texts).atoms}
        self._rank = {atom: rank for rank, atom in enumerate(self._atoms)}  # the order they were written in
        self.whole = self.kind == "text" and not slot.pattern  # the whole message is the value

    def read(self, moment: Moment, present: Any) -> Reading:
        """The value the message gives: the first allowed one, or where one is present the first that differs from it."""
        seen: list[Any] = []
        for found in self.found(moment):
            value = self._normalised(found)
            if value is not None and value not in seen:
                seen.append(value)
            if len(seen) >= MAX_FOUND:
                break
        allowed = [value for value in seen if self._allowed(value, moment)]
        if not allowed:
            return Reading("invalid") if seen else Reading("nothing")
        return Reading("value", next((value for value in allowed if value != present), allowed[0]))

    def found(self, moment: Message) -> Iterator[Any]:
        """Every value the message may hold, allowed or not."""
        if self._patterns:
            yield from self._by_pattern(moment)
        elif self.kind == "choice":
            hits = sorted((place, self._rank[atom], atom) for atom, place in moment.hits.items() if atom in self._atoms)
            yield from (self._atoms[atom] for _, _, atom in hits)
        elif self.kind == "number":
            yield from numbers(moment.text)
        elif self.kind == "amount":
            yield from amounts(moment.text)
        elif self.kind == "email":
            yield from (match.group() for match in _EMAIL.finditer(moment.text))
        elif self.kind == "date":
            matches = sorted((m.start(), i, m) for i, shape in enumerate(self._dates) for m in shape.finditer(moment.text))
            yield from (day for _, _, match in matches if (day := _as_date(match)))
        elif moment.text.strip():
            yield moment.text.strip()

    def _by_pattern(self, moment: Message) -> Iterator[Any]:
        for pattern in self._patterns:
            try:
                for match in pattern.finditer(moment.text):
                    text = chosen_group(match, pattern, str(self.slot.id))
                    if text:
                        yield from self._typed(text)
            except PatternTimeout as problem:
                moment.note(str(problem))

    def _typed(self, text: str) -> Iterator[Any]:
        if self.kind in ("number", "amount"):
            yield from numbers(text)
        elif self.kind == "date":
            found = (day for shape in self._dates if (match := shape.search(text)) and (day := _as_date(match)))
            yield from found
        else:
            yield text

    def _normalised(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        for step in self.slot.normalise:
            value = _NORMALISE[step](value)
        return value[:MAX_TEXT].strip() or None

    def _allowed(self, value: Any, moment: Moment) -> bool:
        size = len(value) if isinstance(value, str) else value
        if self.slot.min is not None and size < self.slot.min:
            return False
        if self.slot.max is not None and size > self.slot.max:
            return False
        return self._check is None or self._check.holds({**moment.names(), "value": value})


def chosen_group(match: Any, pattern: Pattern, name: str) -> str | None:
    """The group named like the slot or `value`, else the first group, else the whole match."""
    for group in (name, "value"):
        if group in pattern.groups:
            return _text(match.group(group))
    return _text(match.group(1) if match.re.groups else match.group())


def _text(group: Any) -> str | None:
    return group if isinstance(group, str) else None

"""What a user can say to an agent, read off its file: the words, phrases and patterns of triggers, and values of slots."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from focal_eval.agent import Playable
from focal_eval.agent.builtin import same
from focal_eval.agent.model import Slot, Trigger
from focal_eval.agent.slots import DATE_FORMATS, SlotReader, chosen_group
from focal_eval.experiment.explore_patterns import texts_of
from focal_eval.experiment.explore_values import Values
from focal_eval.pattern import PatternTimeout, compile_pattern
from focal_eval.text import words

MOST = 24  # texts for one trigger
_EMAILS = ("ann@example.com", "bob@example.com")
_DAYS = (datetime.date(2030, 5, 17), datetime.date(2030, 6, 18))


@dataclass(slots=True)
class _Heard:
    """A message as far as reading a slot looks at it."""

    text: str
    hits: dict[int, int]
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)


class Words:
    """Texts for an agent's triggers and slots, the best first; the same ones for the same seed."""

    def __init__(self, agent: Playable, values: Values, seed: int) -> None:
        self.agent, self.values, self.seed = agent, values, seed
        self._named = {str(name): trigger for name, trigger in agent.file.triggers}
        self._detect = {str(code): trigger for code, trigger in agent.file.languages.detect}
        self._known = _known_values(agent)
        self._slots: dict[str, tuple[str, ...]] = {}

    def for_trigger(self, trigger: Trigger) -> list[str]:
        """Texts that may make a trigger hold; empty where no words have to do with it."""
        return _distinct(self._texts(trigger, frozenset()))[:MOST]

    def for_slot(self, name: str) -> tuple[str, ...]:
        """Texts that give a slot different values: those that tools know, those that decide something, any others."""
        if name not in self._slots:
            reader = self.agent.slots[name]
            wanted = [*self._known.get(name, ()), *self.values.of((name,))]
            plain = list(self._plain(reader))
            embedded = [self._embedded(reader, value, plain) for value in wanted]
            self._slots[name] = tuple(_distinct([*(text for text in embedded if text is not None), *plain]))[:MOST]
        return self._slots[name]

    def for_pattern(self, pattern: str) -> tuple[str, ...]:
        """Texts that a pattern matches."""
        return texts_of(pattern, self.seed)

    def _texts(self, trigger: Trigger, seen: frozenset[str]) -> list[str]:
        """The first of each part that must hold side by side, then the second of each, and so on."""
        groups: list[list[str]] = []
        names = [str(name) for name in trigger.trigger if str(name) in self._named and str(name) not in seen]
        groups.append(_turns(self._texts(self._named[name], seen | {name}) for name in names))
        groups.append([_plain_words(text) for text in trigger.any_words])
        groups.append([" ".join(_plain_words(text) for text in trigger.all_words)])
        groups.append([_plain_words(text) for text in trigger.phrase])
        groups.append(_turns(self.for_pattern(str(text)) for text in trigger.pattern))
        for slots in (trigger.filled, trigger.corrected):
            groups.append(_turns(self.for_slot(str(name)) for name in slots if str(name) in self.agent.slots))
        groups.append(
            _turns(self._texts(self._detect[str(name)], seen) for name in trigger.language if str(name) in self._detect)
        )
        groups.append(_turns(self._texts(inner, seen) for inner in trigger.any_))
        groups += [self._texts(inner, seen) for inner in trigger.all_]
        return beside([[text for text in group if text] for group in groups])

    def _plain(self, reader: SlotReader) -> Iterator[str]:
        """Texts that give the slot some value."""
        slot = reader.slot
        if slot.pattern:
            yield from _turns(self.for_pattern(str(text)) for text in slot.pattern)
        elif reader.kind == "choice":
            yield from (str((*meaning, value)[0]).rstrip("*") for value, meaning in slot.values)
        elif reader.kind in ("number", "amount"):
            yield from (_figure(reader.kind, value) for value in self._numbers(slot))
        elif reader.kind == "email":
            yield from _EMAILS
        elif reader.kind == "date":
            yield from (day.strftime(str(text)) for text in (slot.formats or DATE_FORMATS) for day in _DAYS)
        else:
            yield from ("something", "something else")

    def _numbers(self, slot: Slot) -> list[float | int]:
        bounds = [bound for bound in (slot.min, slot.max) if bound is not None]
        near = [value + step for value in bounds for step in (0, 1, -1)]
        compared = [value for value in self.values.of(("value",)) if isinstance(value, (int, float)) and value is not True]
        return [value for value in (*near, *compared, 2, 3) if value is not False]

    def _embedded(self, reader: SlotReader, value: Any, plain: Sequence[str]) -> str | None:
        """A text that gives the slot this very value; None where none is found."""
        text = _figure(reader.kind, value) if isinstance(value, (int, float)) and value is not True else str(value)
        if value is None or isinstance(value, bool):
            return None
        if reader.kind == "choice":
            said = [(str(known), meaning) for known, meaning in reader.slot.values if str(known) == value]
            return str((*said[0][1], value)[0]).rstrip("*") if said else None
        if self.gives(reader, text, value):
            return text
        for pattern in map(str, reader.slot.pattern):
            compiled = compile_pattern(pattern, ignore_case=True)
            for other in plain:
                try:
                    match = compiled.search(other)
                except PatternTimeout:
                    break
                part = None if match is None else chosen_group(match, compiled, str(reader.slot.id))
                made = other if part is None else other.replace(part, text)
                if part and self.gives(reader, made, value):
                    return made
        return None

    def gives(self, reader: SlotReader, text: str, value: Any) -> bool:
        """Whether the text gives the slot this value."""
        heard = _Heard(text, self.agent.lexicon.find(words(text)))
        found = next(iter(reader.found(heard)), None)
        return found is not None and (same(found, value) or str(found) == str(value))

    def together(self, slots: Sequence[str]) -> list[str]:
        """Texts that give several slots a value at once; values that one answer of a tool is for go together."""
        made = [" ".join(str(value) for value in row) for row in self._rows(slots)]
        return _distinct([*made, *beside([list(self.for_slot(name)) for name in slots])])[:MOST]

    def _rows(self, slots: Sequence[str]) -> Iterator[list[Any]]:
        for tool in self.agent.tools.values():
            by = {str(arg.variable): str(name) for name, arg in tool.args if arg.variable is not None}
            if not all(name in by for name in slots):
                continue
            for answer in tool.answers:
                given = {str(name): value for name, value in answer.when}
                if all(by[name] in given for name in slots):
                    yield [given[by[name]] for name in slots]


def beside(groups: Sequence[Sequence[str]]) -> list[str]:
    """Texts of several groups side by side: the first of each, then the second, a short group going round."""
    held = [group for group in groups if group]
    longest = max(map(len, held), default=0)
    return [" ".join(group[at % len(group)] for group in held) for at in range(longest)]


def _known_values(agent: Playable) -> dict[str, list[Any]]:
    """The values of slots that tools have an answer for."""
    out: dict[str, list[Any]] = {}
    for tool in agent.tools.values():
        by = {str(name): str(arg.variable) for name, arg in tool.args if arg.variable is not None}
        for answer in tool.answers:
            for name, value in answer.when:
                if str(name) in by:
                    out.setdefault(by[str(name)], []).append(value)
        if tool.table is not None and len(tool.table.by) == 1 and str(tool.table.by[0]) in by:
            out.setdefault(by[str(tool.table.by[0])], []).extend(str(key) for key, _ in tool.table.rows)
    return out


def _plain_words(text: str) -> str:
    return " ".join(part.rstrip("*") for part in str(text).split())


def _figure(kind: str, value: float) -> str:
    return f"${value:g}" if kind == "amount" else f"{value:g}"


def _turns(groups: Iterable[Iterable[str]]) -> list[str]:
    """The first of each group, then the second of each, and so on."""
    return [text for row in zip_longest(*groups) for text in row if text]


def _distinct(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))

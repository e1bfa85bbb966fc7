"""Triggers made ready to test: each says whether it holds, how near it came, and what in the message hit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from focal_eval.agent.expression import Expression, compile_expression
from focal_eval.agent.lexicon import Lexicon
from focal_eval.agent.model import Trigger
from focal_eval.pattern import Pattern, PatternTimeout, compile_pattern

LATE = frozenset({"result", "error"})  # names that change while a turn's tools run


class Moment(Protocol):
    """What a trigger may look at."""

    hits: dict[int, int]
    words: list[str]
    text: str
    filled: set[str]
    corrected: set[str]
    called: set[str]
    failed: set[str]
    language: str

    def names(self) -> Mapping[str, Any]: ...

    def note(self, text: str) -> None: ...


class Test(Protocol):
    """A trigger, compiled. `late` ones look at tools' answers, `silent` ones do not read the message."""

    @property
    def late(self) -> bool: ...

    @property
    def silent(self) -> bool: ...

    def holds(self, moment: Moment) -> bool: ...

    def share(self, moment: Moment) -> float:
        """How much of it holds, 0 to 1."""
        ...

    def evidence(self, moment: Moment) -> list[str]:
        """What made it hold, or as much of it as does."""
        ...

    def necessary(self) -> frozenset[int] | None:
        """Words of which at least one must occur, None where it may hold without any."""
        ...

    def mentioned(self) -> frozenset[int]:
        """Every word that speaks for it."""
        ...


@dataclass(frozen=True, slots=True)
class Words:
    """Words and phrases, one or all of them."""

    atoms: tuple[int, ...]
    every: bool
    late: bool = False
    silent: bool = False

    def holds(self, moment: Moment) -> bool:
        hits = moment.hits
        if self.every:
            return all(atom in hits for atom in self.atoms)
        return any(atom in hits for atom in self.atoms)

    def share(self, moment: Moment) -> float:
        count = sum(atom in moment.hits for atom in self.atoms)
        return count / len(self.atoms) if self.every else float(count > 0)

    def evidence(self, moment: Moment) -> list[str]:
        return [f"'{moment.words[moment.hits[atom]]}'" for atom in self.atoms if atom in moment.hits]

    def necessary(self) -> frozenset[int] | None:
        return frozenset(self.atoms)

    def mentioned(self) -> frozenset[int]:
        return frozenset(self.atoms)


@dataclass(frozen=True, slots=True)
class Found:
    """One of several patterns, anywhere in the message."""

    patterns: tuple[Pattern, ...]
    late: bool = False
    silent: bool = False

    def holds(self, moment: Moment) -> bool:
        return bool(self.evidence(moment))

    def share(self, moment: Moment) -> float:
        return float(self.holds(moment))

    def evidence(self, moment: Moment) -> list[str]:
        for pattern in self.patterns:
            try:
                match = pattern.search(moment.text)
            except PatternTimeout as problem:
                moment.note(str(problem))
                continue
            if match is not None:
                return [f"/{pattern.text}/ at '{match.group()}'"]
        return []

    def necessary(self) -> frozenset[int] | None:
        return None

    def mentioned(self) -> frozenset[int]:
        return frozenset()


@dataclass(frozen=True, slots=True)
class Told:
    """Something else is known of the turn: a slot, a tool, the language."""

    what: str  # filled | corrected | called | failed | language
    these: frozenset[str]
    silent: bool = True

    @property
    def late(self) -> bool:
        return self.what in {"called", "failed"}

    def _seen(self, moment: Moment) -> set[str]:
        seen = {moment.language} if self.what == "language" else getattr(moment, self.what)
        return set(self.these & seen)

    def holds(self, moment: Moment) -> bool:
        return bool(self._seen(moment))

    def share(self, moment: Moment) -> float:
        return float(self.holds(moment))

    def evidence(self, moment: Moment) -> list[str]:
        return [f"{self.what} {name}" for name in sorted(self._seen(moment))]

    def necessary(self) -> frozenset[int] | None:
        return None

    def mentioned(self) -> frozenset[int]:
        return frozenset()


@dataclass(frozen=True, slots=True)
class If:
    """An expression is true."""

    expression: Expression
    silent: bool = True

    @property
    def late(self) -> bool:
        return any(name[0] in LATE for name in self.expression.names)

    def holds(self, moment: Moment) -> bool:
        return self.expression.holds(moment.names())

    def share(self, moment: Moment) -> float:
        return float(self.holds(moment))

    def evidence(self, moment: Moment) -> list[str]:
        return [self.expression.text] if self.holds(moment) else []

    def necessary(self) -> frozenset[int] | None:
        return None

    def mentioned(self) -> frozenset[int]:
        return frozenset()


@dataclass(frozen=True, slots=True)
class Not:
    """The inner trigger does not hold."""

    inner: Test

    @property
    def late(self) -> bool:
        return self.inner.late

    @property
    def silent(self) -> bool:
        return self.inner.silent

    def holds(self, moment: Moment) -> bool:
        return not self.inner.holds(moment)

    def share(self, moment: Moment) -> float:
        return float(self.holds(moment))

    def evidence(self, moment: Moment) -> list[str]:
        return []

    def necessary(self) -> frozenset[int] | None:
        return None

    def mentioned(self) -> frozenset[int]:
        return frozenset()


@dataclass(frozen=True, slots=True)
class Several:
    """One, or all, of several triggers."""

    parts: tuple[Test, ...]
    every: bool
    late: bool
    silent: bool

    def holds(self, moment: Moment) -> bool:
        if self.every:
            return all(part.holds(moment) for part in self.parts)
        return any(part.holds(moment) for part in self.parts)

    def share(self, moment: Moment) -> float:
        shares = [part.share(moment) for part in self.parts]
        return sum(shares) / len(shares) if self.every else max(shares)

    def evidence(self, moment: Moment) -> list[str]:
        return [text for part in self.parts for text in part.evidence(moment)]

    def necessary(self) -> frozenset[int] | None:
        needs = [part.necessary() for part in self.parts]
        known = [need for need in needs if need is not None]
        if self.every:
            return min(known, key=len, default=None)
        return frozenset().union(*known) if len(known) == len(needs) else None

    def mentioned(self) -> frozenset[int]:
        return frozenset().union(*(part.mentioned() for part in self.parts))


class Triggers:
    """Compiles triggers into one lexicon; named ones are compiled once."""

    def __init__(self, named: tuple[tuple[str, Trigger], ...]) -> None:
        self.lexicon = Lexicon()
        self._named = dict(named)
        self._done: dict[str, Test] = {}

    def words(self, texts: tuple[str, ...], *, every: bool = False) -> Words:
        """A test for words; texts without any letter or digit are left out."""
        atoms = [self.lexicon.add(text) for text in texts]
        return Words(tuple(dict.fromkeys(atom for atom in atoms if atom is not None)), every)

    def test(self, trigger: Trigger) -> Test:
        """The trigger, ready to test."""
        parts: list[Test] = []
        if trigger.trigger:
            parts.append(several([self._by_name(name) for name in trigger.trigger], every=False))
        for texts, every in ((trigger.any_words, False), (trigger.all_words, True), (trigger.phrase, False)):
            if texts:
                parts.append(self.words(texts, every=every))
        if trigger.pattern:
            parts.append(Found(tuple(compile_pattern(str(text), ignore_case=True) for text in trigger.pattern)))
        told = {
            "filled": trigger.filled,
            "corrected": trigger.corrected,
            "called": trigger.called,
            "failed": trigger.on_tool_error,
            "language": trigger.language,
        }
        parts.extend(Told(what, frozenset(map(str, names))) for what, names in told.items() if names)
        if trigger.any_:
            parts.append(several([self.test(inner) for inner in trigger.any_], every=False))
        parts.extend(self.test(inner) for inner in trigger.all_)
        if trigger.if_ is not None:
            parts.append(If(compile_expression(str(trigger.if_))))
        if trigger.not_ is not None:
            parts.append(Not(self.test(trigger.not_)))
        return several(parts, every=True)

    def _by_name(self, name: str) -> Test:
        if name not in self._done:
            self._done[name] = self.test(self._named[name])
        return self._done[name]


def several(parts: list[Test], *, every: bool) -> Test:
    """All, or one, of the parts; a single part is itself."""
    if len(parts) == 1:
        return parts[0]
    silent = all(part.silent for part in parts)
    return Several(tuple(parts), every, any(part.late for part in parts), silent)


__all__ = ["Found", "If", "Moment", "Not", "Several", "Test", "Told", "Triggers", "Words", "several"]

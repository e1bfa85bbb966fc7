"""Tests of a message and a moment: each says whether it holds, how near it came, and what in the message hit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any, Protocol, TypeVar

from focal_eval.agent.expression import Expression
from focal_eval.pattern import Pattern, PatternTimeout, compile_pattern
from focal_eval.value import value

T = TypeVar("T")

LATE = frozenset({"result", "error"})  # names that change while a turn's tools run


Ties = frozenset[tuple[str, str]]
"""What happened (filled | corrected | called | failed), and to which slot or tool."""


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
    searched: dict[str, str | None]  # pattern → what was found of it, as far as it was looked for

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

    def tied(self) -> Ties | None:
        """What of slots and tools must have happened, one of these at least; None where it may hold without any."""
        ...

    def mentioned(self) -> frozenset[int]:
        """Every word that speaks for it."""
        ...


@value
class Words:
    """Words and phrases, one or all of them."""

    atoms: tuple[int, ...]
    every: bool
    late: bool = False
    silent: bool = False
    _these: frozenset[int] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_these", frozenset(self.atoms))

    def holds(self, moment: Moment) -> bool:
        if self.every:
            return self._these <= moment.hits.keys()
        return not self._these.isdisjoint(moment.hits)

    def share(self, moment: Moment) -> float:
        count = len(self._these & moment.hits.keys())
        return count / len(self.atoms) if self.every else float(count > 0)

    def evidence(self, moment: Moment) -> list[str]:
        return [f"'{moment.words[moment.hits[atom]]}'" for atom in self.atoms if atom in moment.hits]

    def necessary(self) -> frozenset[int] | None:
        return self._these

    def tied(self) -> Ties | None:
        return None

    def mentioned(self) -> frozenset[int]:
        return self._these


@value
class Found:
    """One of several patterns, anywhere in the message."""

    patterns: tuple[Pattern, ...]
    together: Pattern | None = None  # all of them as one, where they can be
    late: bool = False
    silent: bool = False

    def holds(self, moment: Moment) -> bool:
        if self.together is not None:
            return searched(self.together, moment) is not None
        return any(searched(pattern, moment) is not None for pattern in self.patterns)

    def share(self, moment: Moment) -> float:
        return float(self.holds(moment))

    def evidence(self, moment: Moment) -> list[str]:
        found = ((pattern, searched(pattern, moment)) for pattern in self.patterns)
        return [f"/{pattern.text}/ at '{text}'" for pattern, text in found if text is not None][:1]

    def necessary(self) -> frozenset[int] | None:
        return None

    def tied(self) -> Ties | None:
        return None

    def mentioned(self) -> frozenset[int]:
        return frozenset()


_OWN_NUMBERS = re.compile(r"\\[1-9gk]|\(\?[^:=!<]|\(\?<[^=!]")  # back references, names, flags: not to be mixed


def together(patterns: tuple[Pattern, ...]) -> Pattern | None:
    """One pattern that is found where one of these is, or None where they cannot stand side by side."""
    if len(patterns) < 2 or any(_OWN_NUMBERS.search(pattern.text) for pattern in patterns):
        return None
    try:
        return compile_pattern("|".join(f"(?:{pattern.text})" for pattern in patterns), ignore_case=True)
    except ValueError:
        return None


def searched(pattern: Pattern, moment: Moment) -> str | None:
    """What the pattern finds in the message, looked for once a turn; a search that takes too long finds nothing."""
    text = pattern.text
    if text not in moment.searched:
        try:
            match = pattern.search(moment.text)
        except PatternTimeout as problem:
            moment.note(str(problem))
            match = None
        moment.searched[text] = None if match is None else match.group()
    return moment.searched[text]


@value
class Told:
    """Something else is known of the turn: a slot, a tool, the language."""

    what: str  # filled | corrected | called | failed | language
    these: frozenset[str]
    silent: bool = True

    @property
    def late(self) -> bool:
        return self.what in {"called", "failed"}

    def _seen(self, moment: Moment) -> Iterable[str]:
        return (moment.language,) if self.what == "language" else getattr(moment, self.what)

    def holds(self, moment: Moment) -> bool:
        return not self.these.isdisjoint(self._seen(moment))

    def share(self, moment: Moment) -> float:
        return float(self.holds(moment))

    def evidence(self, moment: Moment) -> list[str]:
        return [f"{self.what} {name}" for name in sorted(self.these.intersection(self._seen(moment)))]

    def necessary(self) -> frozenset[int] | None:
        return None

    def tied(self) -> Ties | None:
        return None if self.what == "language" else frozenset((self.what, name) for name in self.these)

    def mentioned(self) -> frozenset[int]:
        return frozenset()


@value
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

    def tied(self) -> Ties | None:
        return None

    def mentioned(self) -> frozenset[int]:
        return frozenset()


@value
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

    def tied(self) -> Ties | None:
        return None

    def mentioned(self) -> frozenset[int]:
        return frozenset()


@value
class Several:
    """One, or all, of several triggers."""

    parts: tuple[Test, ...]
    every: bool
    late: bool
    silent: bool

    def holds(self, moment: Moment) -> bool:
        every = self.every
        for part in self.parts:  # the innermost loop of a turn: without a generator
            if part.holds(moment) is not every:
                return not every
        return every

    def share(self, moment: Moment) -> float:
        shares = [part.share(moment) for part in self.parts]
        return sum(shares) / len(shares) if self.every else max(shares)

    def evidence(self, moment: Moment) -> list[str]:
        return [text for part in self.parts for text in part.evidence(moment)]

    def necessary(self) -> frozenset[int] | None:
        return _needed([part.necessary() for part in self.parts], every=self.every)

    def tied(self) -> Ties | None:
        return _needed([part.tied() for part in self.parts], every=self.every)

    def mentioned(self) -> frozenset[int]:
        return frozenset().union(*(part.mentioned() for part in self.parts))


def _needed(needs: list[frozenset[T] | None], *, every: bool) -> frozenset[T] | None:
    """What several tests need together: of all of them the least that one needs, of one of them what each needs."""
    known = [need for need in needs if need is not None]
    if every:
        return min(known, key=len, default=None)
    return frozenset[T]().union(*known) if len(known) == len(needs) else None


def several(parts: list[Test], *, every: bool) -> Test:
    """All, or one, of the parts; a single part is itself."""
    if len(parts) == 1:
        return parts[0]
    silent = all(part.silent for part in parts)
    parts = sorted(parts, key=_cost)
    return Several(tuple(parts), every, any(part.late for part in parts), silent)


def _cost(part: Test) -> int:
    """What a test costs, roughly: words were found already, patterns and expressions are work."""
    if isinstance(part, Not):
        return _cost(part.inner)
    if isinstance(part, Several):
        return max(map(_cost, part.parts), default=0)
    return 3 if isinstance(part, If) else 2 if isinstance(part, Found) else 0

"""What will be run: scripts × params × variants × repeats, selected and ordered."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from typing import Any

from focal_eval.clock import content_id
from focal_eval.script.model import Script
from focal_eval.script.shelf import opened, turns_of, wordings_of
from focal_eval.text import shorten
from focal_eval.value import value

MAX_CASES = 1_000_000  # of one run
_MAX_NESTED = 100  # parentheses and `not` in -k


@value
class Case:
    """One script with one row of params, one pick of variants and one repeat number."""

    id: str
    name: str
    script: Script
    row: Mapping[str, Any]
    pick: int  # which variant of each turn's `user`, modulo their number
    repeat: int  # from 1

    @property
    def turns(self) -> int:
        """How many messages the user has."""
        return turns_of(self.script)

    def opened(self) -> Case:
        """The case with all of its script in memory."""
        script = opened(self.script)
        return self if script is self.script else replace(self, script=script)


@value
class Selection:
    """Which cases of a plan are run."""

    tags: tuple[str, ...] = ()  # any of these; "!slow" leaves out
    keyword: str | None = None  # words of a case's name, joined by and/or/not
    ids: frozenset[str] | None = None  # only these
    scripts: frozenset[str] | None = None  # only these files, as resolved paths


@value
class Plan:
    """The cases in the order they are started, and how many there were before selection."""

    cases: tuple[Case, ...]
    collected: int
    turns: int = field(default=0)


def make_plan(
    scripts: Iterable[Script], *, repeats: int, variants: str, select: Selection, extra_tags: tuple[str, ...] = ()
) -> Plan:
    """The plan, longest conversations first. Raises ValueError for a broken keyword expression and for too many cases."""
    keep = keyword_filter(select.keyword)
    scripts = list(scripts)
    many = repeats * sum(len(script.rows) * (wordings_of(script) if variants == "all" else 1) for script in scripts)
    if many > MAX_CASES:
        raise ValueError(f"these scripts give {many:,} cases; the limit of a run is {MAX_CASES:,}")
    cases: list[Case] = []
    collected = 0
    for script in scripts:
        tags = {*script.tags, *extra_tags}
        for case in cases_of(script, repeats, variants):
            collected += 1
            if _tagged(tags, select.tags) and keep(case.name) and (select.ids is None or case.id in select.ids):
                cases.append(case)
    cases.sort(key=lambda case: -case.turns)
    return Plan(tuple(cases), collected, sum(case.turns for case in cases))


def cases_of(script: Script, repeats: int, variants: str) -> Iterable[Case]:
    """Every case of one script; a case's id stays when rows are added after it."""
    most = wordings_of(script)
    for number, row in enumerate(script.rows):
        picks = range(most) if variants == "all" else (number,)
        for pick in picks:
            for repeat in range(1, repeats + 1):
                at = pick if variants == "all" else pick + repeat - 1
                varied = variants == "all" and most > 1
                name = script.id + _label(row, at if varied else None) + (f"#{repeat}" if repeats > 1 else "")
                key = json.dumps(row, sort_keys=True, default=str) if row else "{}"
                identity = content_id(script.id, key, str(at) if varied else "", str(repeat))
                yield Case(identity, name, script, row, at, repeat)


def _label(row: Mapping[str, Any], variant: int | None) -> str:
    parts = [f"{name}={shorten(_value(value), 40)}" for name, value in row.items()]
    if variant is not None:
        parts.append(f"variant={variant + 1}")
    return f"[{','.join(parts)}]" if parts else ""


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _tagged(tags: set[str], wanted: tuple[str, ...]) -> bool:
    if any(word[1:] in tags for word in wanted if word.startswith("!")):
        return False
    positive = [word for word in wanted if not word.startswith("!")]
    return not positive or any(word in tags for word in positive)


def keyword_filter(expression: str | None) -> Any:
    """A predicate over case names for `-k`: words (or "quoted text") with `and`, `or`, `not` and parentheses, case folded."""
    if expression is None:
        return lambda _: True
    tokens = _tokens(expression)
    parser = _Keyword(tokens, expression)
    tree = parser.alternatives()
    if parser.at < len(tokens):
        raise ValueError(f"-k {expression!r}: '{tokens[parser.at]}' is not expected here")
    return lambda name: tree(name.casefold())


def _tokens(expression: str) -> list[str]:
    import re

    return re.findall(r'"[^"]*"|\(|\)|[^\s()"]+', expression)


class _Keyword:
    """A recursive descent over `-k`."""

    def __init__(self, tokens: list[str], source: str) -> None:
        self.tokens, self.source, self.at = tokens, source, 0
        self._depth = 0

    def _peek(self) -> str | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def alternatives(self) -> Any:
        parts = [self._all()]
        while self._peek() == "or":
            self.at += 1
            parts.append(self._all())
        return lambda name: any(part(name) for part in parts)

    def _all(self) -> Any:
        parts = [self._one()]
        while self._peek() not in (None, "or", ")"):
            if self._peek() == "and":
                self.at += 1
            parts.append(self._one())
        return lambda name: all(part(name) for part in parts)

    def _one(self) -> Any:
        self._depth += 1
        if self._depth > _MAX_NESTED:
            raise ValueError(f"-k {shorten(self.source, 60)!r}: nested deeper than {_MAX_NESTED}")
        tree = self._word()
        self._depth -= 1
        return tree

    def _word(self) -> Any:
        word = self._peek()
        self.at += 1
        if word is None or word in ("and", "or", ")"):
            raise ValueError(f"-k {self.source!r}: a word is missing")
        if word == "not":
            inner = self._one()
            return lambda name: not inner(name)
        if word == "(":
            tree = self.alternatives()
            if self._peek() != ")":
                raise ValueError(f"-k {self.source!r}: a parenthesis is not closed")
            self.at += 1
            return tree
        text = word.strip('"').casefold()
        return lambda name: text in name

"""The decisions file that a report's page exports: what somebody accepts and rejects, by cause, by case or by turn."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from focal_eval.document import INVALID, Reader, Shape, read_file, record_of
from focal_eval.document.reader import Node
from focal_eval.document.shape import JsonSchema, ListOf, Number, SchemaBuilder, Text
from focal_eval.errors import Problems, Refused
from focal_eval.registry import did_you_mean
from focal_eval.script.load import shown
from focal_eval.source import Span, whole_file
from focal_eval.value import value

_SAID = Text(may_be_empty=False)


@value
class Decision:
    """One decision; it is about a cause, a case, or a turn of a case."""

    accept: bool
    span: Span
    cause: str | None = None
    case: str | None = None
    turn: int | None = None  # of the candidate, from 1; below zero: of the baseline, from -1, where the candidate has none
    reason: str | None = None
    author: str | None = None
    expires: str | None = None

    @property
    def about(self) -> str:
        """What it is about, in words."""
        return f"cause {self.cause}" if self.cause is not None else f"case {self.case}"


@value
class _Entry:
    """One decision of the file."""

    accept: bool
    cause: Annotated[str | None, _SAID] = None
    case: Annotated[str | None, _SAID] = None
    turn: Annotated[int | None, Number(whole=True, minimum=1)] = None
    before_turn: Annotated[int | None, Number(whole=True, minimum=1)] = None
    reason: Annotated[str | None, _SAID] = None
    author: Annotated[str | None, _SAID] = None
    expires: Annotated[str | None, _SAID] = None

    def __post_init__(self) -> None:
        if (self.cause is None) == (self.case is None):
            raise ValueError("a decision is about a 'cause' or about a 'case'")
        if (self.turn is not None or self.before_turn is not None) and self.case is None:
            raise ValueError("a turn is one of a 'case'")
        if self.turn is not None and self.before_turn is not None:
            raise ValueError("a decision is about a 'turn' or about a 'before_turn'")


class _EntryShape(Shape):
    """A decision with its place."""

    expected = "a mapping"

    def read(self, node: Node, reader: Reader) -> Any:
        found = record_of(_Entry).read(node, reader)
        if found is INVALID:
            return INVALID
        place = reader.span(node)
        turn = found.turn if found.before_turn is None else -found.before_turn
        return Decision(found.accept, place, found.cause, found.case, turn, found.reason, found.author, found.expires)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return record_of(_Entry).schema(into)


@value
class _File:
    """A decisions file."""

    kind: Literal["focal-eval decisions"]
    format: Annotated[int, Number(whole=True)]
    run: Annotated[str, _SAID]
    decisions: Annotated[tuple[Decision, ...], ListOf(_EntryShape(), single=False)]
    author: Annotated[str | None, _SAID] = None


@value
class Decisions:
    """What was decided about one run."""

    file: str
    run: str
    author: str | None
    all: tuple[Decision, ...]

    def about_cause(self, key: str) -> Decision | None:
        return next((item for item in self.all if item.cause == key), None)

    def about_case(self, name: str) -> Decision | None:
        return next((item for item in self.all if item.case == name and item.turn is None), None)

    def about_turns(self, name: str) -> dict[int, Decision]:
        return {item.turn: item for item in self.all if item.case == name and item.turn is not None}


def read_decisions(path: Path, run: str) -> Decisions:
    """The decisions about `run`. Raises Refused with every problem of the file, also where it speaks of another run."""
    document = read_file(path, shown(path))  # JSON is YAML: the same bounds and places hold
    problems = document.problems
    found: Any = INVALID
    if document.root is not None:
        found = record_of(_File).read(document.root, Reader(document))
    elif not problems.errors:
        problems.error("empty-file", "the file is empty", whole_file(document.file))
    if found is not INVALID:
        _look(found, run, document.file, problems)
    if problems.errors or found is INVALID:
        raise Refused("nothing was approved", problems)
    return Decisions(document.file, found.run, found.author, found.decisions)


def _look(found: _File, run: str, file: str, problems: Problems) -> None:
    if found.format != 1:
        problems.error(
            "decisions-format", f"this file has format {found.format}; this version reads format 1", whole_file(file)
        )
    if found.run != run:
        fix = f"name the run {found.run}, or decide again"
        problems.error("decisions-run", f"these decisions are about the run {found.run}, not {run}", whole_file(file), help=fix)
    seen: dict[tuple[str | None, str | None, int | None], Decision] = {}
    for item in found.decisions:
        if (item.cause, item.case, item.turn) in seen:
            problems.error("decisions-twice", "the same thing is decided twice", item.span)
        seen[item.cause, item.case, item.turn] = item
        if item.accept and item.reason is None:
            problems.error("decisions-reason", "what is accepted needs a reason", item.span)


def check_known(decisions: Iterable[Decision], causes: Iterable[str], cases: Iterable[str]) -> None:
    """Raises Refused for decisions about causes and cases that are not among what changed."""
    problems = Problems()
    known_causes, known_cases = set(causes), set(cases)
    for item in decisions:
        for kind, name, known in (("cause", item.cause, known_causes), ("case", item.case, known_cases)):
            if name is not None and name not in known:
                fix = did_you_mean(name, known, list_up_to=0)
                problems.error("decisions-unknown", f"there is no {kind} '{name}' in what changed", item.span, help=fix)
    if problems.errors:
        raise Refused("nothing was approved", problems)

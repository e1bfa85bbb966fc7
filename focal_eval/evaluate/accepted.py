"""The file in which a team says why surviving mutants may survive: each entry with its reason."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

from focal_eval.document import INVALID, Reader, Shape, read_file, record_of
from focal_eval.document.reader import Node
from focal_eval.document.shape import JsonSchema, ListOf, SchemaBuilder, Text
from focal_eval.errors import Refused, UsageError
from focal_eval.experiment.mutants import Fate, Tried
from focal_eval.script.load import is_there, nearest_file, shown
from focal_eval.source import Span, whole_file
from focal_eval.value import value

_SAID = Text(may_be_empty=False)


@value
class Accepted:
    """Mutants that may survive: one by its id, or those of operators on parts; `*` stands for anything in a part's name."""

    reason: str
    span: Span
    mutant: str | None = None
    operator: tuple[str, ...] = ()
    part: tuple[str, ...] = ()  # kind:name, as `rule:greet`

    def covers(self, item: Tried) -> bool:
        """Whether the entry is about this mutant."""
        mutant = item.mutant
        if self.mutant is not None:
            return mutant.id == self.mutant
        right = not self.operator or mutant.operator in self.operator
        return right and (not self.part or any(fnmatchcase(mutant.what, part) for part in self.part))


@value
class _Entry:
    """One entry of the file."""

    reason: Annotated[str, _SAID]
    mutant: Annotated[str | None, _SAID] = None
    operator: Annotated[tuple[str, ...], ListOf(_SAID)] = ()
    part: Annotated[tuple[str, ...], ListOf(_SAID)] = ()

    def __post_init__(self) -> None:
        if self.mutant is None and not self.operator and not self.part:
            raise ValueError("an entry names a 'mutant', or an 'operator', a 'part', or both")
        if self.mutant is not None and (self.operator or self.part):
            raise ValueError("a 'mutant' is named by its id alone")


class _EntryShape(Shape):
    expected = "a mapping"

    def read(self, node: Node, reader: Reader) -> Any:
        found = record_of(_Entry).read(node, reader)
        if found is INVALID:
            return INVALID
        return Accepted(found.reason, reader.span(node), found.mutant, found.operator, found.part)

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        return record_of(_Entry).schema(into)


@value
class _File:
    """A file of accepted survivors."""

    accepted: Annotated[tuple[Accepted, ...], ListOf(_EntryShape(), single=False)]


@value
class Explained:
    """Survivors held against the file: the reason of each that has one, and entries that explain none."""

    file: str
    reasons: dict[str, str]  # by the mutant's id
    unused: tuple[Accepted, ...]


def read_accepted(path: Path) -> tuple[Accepted, ...]:
    """The entries of the file. Raises UsageError where it is not there, Refused with every problem of it."""
    if not is_there(path):
        near = nearest_file(path)
        raise UsageError(f"there is no file {shown(path)}" + (f"; {near}" if near else ""))
    document = read_file(path, shown(path))
    problems = document.problems
    found: Any = INVALID
    if document.root is not None:
        found = record_of(_File).read(document.root, Reader(document))
    elif not problems.errors:
        problems.error("empty-file", "the file is empty", whole_file(document.file))
    if problems.errors or found is INVALID:
        raise Refused("no mutant was tried", problems)
    entries: tuple[Accepted, ...] = found.accepted
    return entries


def explain(entries: tuple[Accepted, ...], tried: Iterable[Tried], file: str, *, whole: bool) -> Explained:
    """Each survivor's first reason. Entries are told as unused only where the `whole` agent was tried."""
    reasons: dict[str, str] = {}
    used: set[int] = set()
    for item in tried:
        if item.fate not in (Fate.SURVIVED, Fate.NOT_COVERED):
            continue
        number = next((place for place, entry in enumerate(entries) if entry.covers(item)), None)
        if number is not None:
            used.add(number)
            reasons[item.mutant.id] = entries[number].reason
    unused = tuple(entry for place, entry in enumerate(entries) if place not in used) if whole else ()
    return Explained(file, reasons, unused)

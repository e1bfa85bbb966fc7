"""Files in which a team says why surviving mutants may survive: each entry with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

from focal_eval.agent import Agent
from focal_eval.agent.parts import parts
from focal_eval.agent.placed import Placed
from focal_eval.document import INVALID, Reader, Shape, read_file, record_of
from focal_eval.document.reader import Node
from focal_eval.document.shape import JsonSchema, ListOf, SchemaBuilder, Text
from focal_eval.errors import Problems, Refused, UsageError
from focal_eval.experiment.agent_mutants import OPERATORS
from focal_eval.experiment.mutants import Fate, Tried
from focal_eval.registry import did_you_mean
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
    operator: tuple[Placed, ...] = ()
    part: tuple[Placed, ...] = ()  # kind:name, as `rule:greet`

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
    operator: Annotated[tuple[Placed, ...], ListOf(Placed.__shape__())] = ()
    part: Annotated[tuple[Placed, ...], ListOf(Placed.__shape__())] = ()

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
    """Survivors held against the files: the reason of each that has one, and what in the files explains none."""

    files: tuple[str, ...]
    reasons: dict[str, str]  # by the mutant's id
    counts: tuple[int, ...]  # survivors that each file explains
    stale: tuple[str, ...]  # entries, and names in entries, that fit no survivor: their place, in words


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


def check_names(entries: Iterable[Accepted], agent: Agent) -> None:
    """Looks up what entries name. Raises Refused with every name that is no operator, or no part of the agent."""
    problems, known = Problems(), [part.id for part in parts(agent)]
    for entry in entries:
        for name in entry.operator:
            if name not in OPERATORS:
                fix = did_you_mean(name, OPERATORS)
                problems.error("accepted-operator", f"no operator is named '{name}'", name.span, help=fix)
        for name in entry.part:
            if not any(fnmatchcase(part, name) for part in known):
                whole = next((part for part in known if part.partition(":")[2] == name), str(name))  # its kind was left out
                fix = did_you_mean(whole, known)
                problems.error("accepted-part", f"the agent has no part '{name}'", name.span, help=fix)
    if problems.errors:
        raise Refused("no mutant was tried", problems)


def explain(files: Mapping[str, tuple[Accepted, ...]], tried: Iterable[Tried], *, whole: bool) -> Explained:
    """Each survivor's first reason, by the order of the files and of their entries.

    What explains nothing is told only where the `whole` agent was tried: an entry, or one of the operators and parts it names.
    """
    entries = [(name, entry) for name, held in files.items() for entry in held]
    reasons: dict[str, str] = {}
    used: dict[int, list[Tried]] = {}
    for item in tried:
        if item.fate not in (Fate.SURVIVED, Fate.NOT_COVERED):
            continue
        number = next((place for place, (_, entry) in enumerate(entries) if entry.covers(item)), None)
        if number is not None:
            used.setdefault(number, []).append(item)
            reasons[item.mutant.id] = entries[number][1].reason
    counts = Counter(entries[number][0] for number, items in used.items() for _ in items)
    stale = [text for place, (_, entry) in enumerate(entries) for text in _stale(entry, used.get(place, []))] if whole else []
    return Explained(tuple(files), reasons, tuple(counts[name] for name in files), tuple(stale))


def _stale(entry: Accepted, explained: list[Tried]) -> Iterator[str]:
    """The entry itself where it explains no survivor; else each of its operators and parts that fits none of them."""
    if not explained:
        yield f"{entry.span}: explains no survivor: {entry.reason}"
        return
    mutants = [item.mutant for item in explained]
    lost = [name for name in entry.operator if all(mutant.operator != name for mutant in mutants)]
    lost += [part for part in entry.part if not any(fnmatchcase(mutant.what, part) for mutant in mutants)]
    yield from (f"{entry.span}: '{name}' fits no survivor that the entry explains" for name in lost)

"""What an importer is: a frozen dataclass whose fields are its options, with a pure reading of foreign files.

    @dataclass(frozen=True, slots=True)
    class TauBench:
        "Recorded runs of tau-bench, as scripts and one cassette a trial."
        suffixes: ClassVar[tuple[str, ...]] = (".json",)
        trials: frozenset[int] | None = option(numbers, doc="only these trials: 0,2 or 0-3")

        def read(self, sources: Sequence[Source], problems: Problems) -> Imported: ...

It is registered by its format's name in `focal_eval.registry` or under the entry-point group `focal_eval.importers`.
`read` touches no file and asks no clock: the same bytes give the same scripts. What is wrong with a file goes to `problems`
and refuses the import; what a script cannot hold is counted as a loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Protocol

from focal_eval.errors import Problems, UsageError
from focal_eval.importers.foreign import Source
from focal_eval.importers.losses import Loss
from focal_eval.registry import did_you_mean, find, names


@dataclass(frozen=True, slots=True)
class Imported:
    """What an importer made: texts by their path below the output folder, and what it left behind."""

    scripts: Mapping[str, str]
    suites: Mapping[str, str] = field(default_factory=dict)
    cassettes: Mapping[str, bytes] = field(default_factory=dict)
    losses: tuple[Loss, ...] = ()
    conversations: int = 0
    turns: int = 0
    kept: Mapping[str, int] = field(default_factory=dict)  # what came over as it was, by its name in the plural


class Importer(Protocol):
    """Reads one foreign format; its fields are its options, each made by `option`."""

    suffixes: ClassVar[tuple[str, ...]]  # files of a folder that are read; a file given by name is always read

    def read(self, sources: Sequence[Source], problems: Problems) -> Imported:
        """The scripts in foreign files; with errors in `problems` the result is not used."""
        ...


def option(parse: Callable[[str], Any], *, doc: str, default: Any = None) -> Any:
    """A field that is an option of the import; `parse` reads its text and raises ValueError with a sentence."""
    return field(default=default, metadata={"parse": parse, "doc": doc})


MAX_NUMBERS = 100_000


def numbers(text: str) -> frozenset[int]:
    """The numbers of `0,2`, `0-9` or both."""
    out: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not (first.isascii() and first.isdigit() and (not dash or (last.isascii() and last.isdigit()))) or len(part) > 20:
            raise ValueError(f"'{part.strip()}' is neither a number nor a range such as 0-9")
        low, high = int(first), int(last or first)
        if high < low:
            raise ValueError(f"the range '{part.strip()}' runs backwards")
        if high - low + len(out) >= MAX_NUMBERS:
            raise ValueError(f"'{part.strip()}' names more than {MAX_NUMBERS:,} numbers")
        out.update(range(low, high + 1))
    return frozenset(out)


@dataclass(frozen=True, slots=True)
class Option:
    """An option of an importer, for a command line's help."""

    name: str  # as it is written after `--`
    doc: str


def options_of(format: str) -> tuple[Option, ...]:
    """The options a format takes. Raises UsageError for a format nobody registered."""
    kind = _kind(format)
    return tuple(Option(spec.name.replace("_", "-"), spec.metadata["doc"]) for spec in fields(kind) if "parse" in spec.metadata)


def make_importer(format: str, options: Mapping[str, str] | None = None) -> Importer:
    """The importer of a format with its options read from text. Raises UsageError that names the nearest one."""
    kind = _kind(format)
    known = {spec.name.replace("_", "-"): spec for spec in fields(kind) if "parse" in spec.metadata}
    values: dict[str, Any] = {}
    for name, text in (options or {}).items():
        spec = known.get(name.replace("_", "-"))
        if spec is None:
            fix = did_you_mean(name, known) or f"{format} takes no options"
            raise UsageError(f"{format} has no option '--{name}'; {fix}")
        try:
            values[spec.name] = spec.metadata["parse"](text)
        except ValueError as problem:
            raise UsageError(f"--{name}: {problem}") from None
    made: Importer = kind(**values)
    return made


def _kind(format: str) -> Any:
    kind = find("importers", format)
    if kind is None:
        fix = did_you_mean(format, names("importers"), list_up_to=30)
        raise UsageError(f"no format is named '{format}'" + (f"; {fix}" if fix else ""))
    return kind

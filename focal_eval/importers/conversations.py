"""Recorded conversations of any known format, one after the other: files, folders and run folders become one stream.

What a file holds is told from its first records unless a format is named. What cannot be read is counted, with its place, and
passed over: a recording of weeks is not refused for one torn line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from focal_eval.errors import Problems, Refused, UsageError
from focal_eval.importers.conversations_chat import CHAT
from focal_eval.importers.conversations_draft import Origin, Reader, unwrapped
from focal_eval.importers.conversations_file import PassedOver, Record, records
from focal_eval.importers.conversations_openai import Completions
from focal_eval.importers.conversations_otel import Traces
from focal_eval.importers.conversations_rules import RULES
from focal_eval.importers.run import files_below
from focal_eval.records.conversation import Conversation
from focal_eval.registry import did_you_mean
from focal_eval.source import whole_file

SUFFIXES = (".json", ".jsonl", ".ndjson")
SNIFFED = 20  # records looked at before a file is of no known format
JOURNAL = "journal.jsonl"


@dataclass(frozen=True, slots=True)
class Format:
    """One shape of recordings: `fits` looks at a record without its envelopes."""

    name: str
    doc: str
    reader: type[Reader]
    fits: Callable[[Any], bool]


_Shape = tuple[str, str, type[Reader], Callable[[Any], bool]]
_COMPLETIONS = "chat completions: messages with role and content, a conversation a line or one file"
_SPANS = "OpenTelemetry: spans of GenAI conventions or OpenInference, as OTLP's JSON or one span a line"
_LAST: tuple[_Shape, ...] = (("otel", _SPANS, Traces, Traces.fits), ("openai", _COMPLETIONS, Completions, Completions.fits))

FORMATS: dict[str, Format] = {name: Format(name, doc, reader, fits) for name, doc, reader, fits in (*RULES, *CHAT, *_LAST)}
"""By name, in the order in which a record is tried; the first that fits is taken."""


def format_named(name: str) -> Format:
    """The format. Raises UsageError that names the nearest one."""
    if name not in FORMATS:
        raise UsageError(f"no format of recordings is named '{name}'; {did_you_mean(name, FORMATS, list_up_to=20)}")
    return FORMATS[name]


@dataclass(frozen=True, slots=True)
class Found:
    """A file of recordings; one that was found in a folder may be of no known format."""

    path: Path
    named: bool


def transcripts(paths: Sequence[Path]) -> tuple[Found, ...]:
    """The files to read, of a run folder its journal. Raises Refused with every path that is not there or holds none."""
    problems = Problems()
    found: dict[Path, Found] = {}
    for path in paths:
        if path.is_dir():
            below = (
                [path / JOURNAL]
                if (path / JOURNAL).is_file()
                else [one for one in files_below(path, SUFFIXES) if _is_told(one)]
            )
            if not below:
                problems.error("import-nothing", f"the folder holds no *{' or *'.join(SUFFIXES)}", whole_file(str(path)))
            for one in below:
                found.setdefault(one, Found(one, named=False))
        elif path.is_file():
            found[path] = Found(path, named=True)
        else:
            near = did_you_mean(path.name, (item.name for item in path.parent.iterdir())) if path.parent.is_dir() else None
            problems.error("import-unreadable", "there is no such file or folder", whole_file(str(path)), help=near)
    if problems.errors:
        raise Refused("no recordings were read", problems)
    return tuple(found.values())


def _is_told(path: Path) -> bool:
    """Whether a file of a folder may hold recordings: beside a journal only the journal does."""
    return path.name == JOURNAL or not (path.parent / JOURNAL).is_file()


def conversations(files: Sequence[Found], passed_over: PassedOver, *, format: Format | None = None) -> Iterator[Conversation]:
    """Every conversation of the files, in their order; one is held at a time.

    Raises Refused where a file that was named cannot be read or is of no known format.
    """
    for file in files:
        try:
            yield from _of_file(file, passed_over, format)
        except OSError as problem:
            _unreadable(file, f"the file cannot be read: {problem.strerror or problem}", "import-unreadable", passed_over)


def _of_file(file: Found, passed_over: PassedOver, format: Format | None) -> Iterator[Conversation]:
    stream = records(file.path, passed_over)
    begin: list[Record] = []
    shape = format
    if shape is None:
        begin, shape = _sniffed(stream)
        if shape is None:
            _unreadable(file, _of_no_format(begin), "import-shape", passed_over)
            return
    reader = shape.reader(Origin(shape.name, str(file.path), passed_over))
    for record in chain(begin, stream):
        yield from reader.take(record)
    yield from reader.end()


def _sniffed(stream: Iterator[Record]) -> tuple[list[Record], Format | None]:
    begin: list[Record] = []
    for record in stream:
        begin.append(record)
        data = unwrapped(record.data)
        shape = next((one for one in FORMATS.values() if one.fits(data)), None)
        if shape is not None or len(begin) == SNIFFED:
            return begin, shape
    return begin, None


def _of_no_format(begin: list[Record]) -> str:
    if not begin:
        return "the file holds no JSON record"
    data = begin[0].data
    keys = ", ".join(sorted(map(str, data))[:8]) if isinstance(data, dict) else f"a {type(data).__name__}"
    return f"the file is of no known format; its first record holds {keys[:200]}"


def _unreadable(file: Found, why: str, code: str, passed_over: PassedOver) -> None:
    if not file.named:
        passed_over.add(why if code == "import-unreadable" else "a file is of no known format", str(file.path), 1)
        return
    problems = Problems()
    fix = f"name it with --format: {', '.join(FORMATS)}" if code == "import-shape" else None
    problems.error(code, why, whole_file(str(file.path)), help=fix)
    raise Refused("the recordings cannot be read", problems)

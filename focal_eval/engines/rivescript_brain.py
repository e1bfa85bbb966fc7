"""A brain's files as RiveScript reads them, and the names of what is in them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from focal_eval.clock import content_id
from focal_eval.engines.base import Names
from focal_eval.engines.rivescript_process import Terms, read_brain
from focal_eval.errors import Diagnostic, UsageError
from focal_eval.registry import did_you_mean
from focal_eval.source import Span, whole_file

SUFFIXES = (".rive", ".rs")
MOST_BYTES = 16 * 2**20
MOST_FILES = 2_000
DEFAULT_TOPIC = "random"
_BEGIN = "__begin__"
_WEIGHT = re.compile(r"\s*\{weight=\d+\}\s*")


def rule_name(trigger: Mapping[str, Any]) -> str:
    """What scripts call a trigger: its text, behind its topic unless that is the default one, before its `%` if it has one.

    The name depends on nothing but the trigger itself: neither lines added above it nor another trigger change it.
    """
    text = _WEIGHT.sub("", trigger["trigger"])
    name = text if trigger["topic"] == DEFAULT_TOPIC else f"{trigger['topic']}/{text}"
    return name if trigger["previous"] is None else f"{name} % {trigger['previous']}"


def rule_id(trigger: Mapping[str, Any]) -> str:
    """Where a trigger stands; scripts may say this too."""
    return f"{trigger['file']}:{trigger['line']}"


@dataclass(frozen=True, slots=True)
class BrainFiles:
    """The files of a brain; names are relative to its folder."""

    path: Path
    texts: Mapping[str, str]

    @property
    def name(self) -> str:
        """What scenario names begin with."""
        return self.path.name.partition(".")[0] or self.path.name

    @property
    def shown(self) -> str:
        """The brain's path as messages show it."""
        return os.path.relpath(self.path)

    def span(self, file: str, line: int) -> Span:
        """The place of a line."""
        folder = self.path if self.path.is_dir() else self.path.parent
        shown = os.path.relpath(folder / file)
        lines = self.texts.get(file, "").splitlines()
        if not 1 <= line <= len(lines):
            return whole_file(shown)
        text = lines[line - 1]
        first = len(text) - len(text.lstrip()) + 1
        return Span(shown, line, first, line, max(first + 1, len(text.rstrip()) + 1))


def read_files(path: Path, written: str) -> BrainFiles:
    """The brain's file, or every file of its folder in the order of their names. Raises UsageError."""
    if path.is_dir():
        found = [file for file in sorted(path.rglob("*")) if file.suffix.lower() in SUFFIXES and file.is_file()]
        if not found:
            raise UsageError(f"the brain {written} holds no file named *.rive or *.rs")
        named = {file.relative_to(path).as_posix(): file for file in found}
    elif path.is_file():
        named = {path.name: path}
    else:
        raise UsageError(f"there is no brain {written}{_near(path)}")
    if len(named) > MOST_FILES:
        raise UsageError(f"the brain {written} has more than {MOST_FILES:,} files")
    texts: dict[str, str] = {}
    left = MOST_BYTES
    for name, file in named.items():
        texts[name] = _read(file, name, left)
        left -= len(texts[name])
    return BrainFiles(path, texts)


def _read(file: Path, name: str, most: int) -> str:
    try:
        with file.open("rb") as stream:
            data = stream.read(most + 1)
        if len(data) > most:
            raise UsageError(f"the brain has more than {MOST_BYTES // 2**20} MiB, at {name}")
        return data.decode("utf-8")
    except OSError as problem:
        raise UsageError(f"{name} of the brain cannot be read: {problem.strerror}") from None
    except UnicodeDecodeError as problem:
        raise UsageError(f"{name} of the brain is not UTF-8, at byte {problem.start}") from None


def _near(path: Path) -> str:
    try:
        fix = did_you_mean(path.name, [item.name for item in path.parent.iterdir()], list_up_to=0)
    except OSError:
        return ""
    return f"; {fix}" if fix else ""


@dataclass(frozen=True, slots=True)
class Brain:
    """A brain that the interpreter has read: what is in it, and what is wrong with it."""

    files: BrainFiles
    terms: Terms
    triggers: Sequence[Mapping[str, Any]]
    topics: Sequence[str]
    macros: Sequence[Mapping[str, Any]]
    problems: tuple[Diagnostic, ...]

    @property
    def broken(self) -> bool:
        """Whether it cannot be played."""
        return any(problem.severity == "error" for problem in self.problems)

    def names(self, *, places: bool = True) -> Names:
        """What scripts may say: a rule by its text or by its place, a topic as a step, a macro as a tool."""
        called = (rule_name, rule_id) if places else (rule_name,)
        triggers = [trigger for trigger in self.triggers if trigger["topic"] != _BEGIN]
        files = self.files
        return Names(
            file=files.shown,
            digest=content_id(*(part for name, text in sorted(files.texts.items()) for part in (name, text))),
            id=files.name,
            rules=frozenset(name(trigger) for trigger in triggers for name in called),
            tools={macro["name"]: frozenset({"words"}) for macro in self.macros},
            scenarios={files.name: frozenset(topic for topic in self.topics if topic not in (_BEGIN, DEFAULT_TOPIC))},
            problems=self.problems,
        )


_read_already: dict[Terms, dict[str, Any]] = {}
"""What brains held; checking a suite and running it ask for the same one several times."""


def open_brain(files: BrainFiles, *, utf8: bool, trust: Sequence[str], limit_s: float, memory_mb: int) -> Brain:
    """The brain, read by an interpreter in a process of its own. Raises UsageError where that takes too long."""
    terms = Terms(tuple(sorted(files.texts.items())), utf8, tuple(trust), limit_s, memory_mb)
    if terms not in _read_already:
        while len(_read_already) >= 4:
            del _read_already[next(iter(_read_already))]
        _read_already[terms] = read_brain(terms)
    told = _read_already[terms]
    problems = [_diagnostic(files, one, "brain-syntax") for one in told["problems"]]
    problems += [_diagnostic(files, one, "brain-warning") for one in told["warnings"]]
    problems += list(_twice(files, told["triggers"]))
    return Brain(files, terms, told["triggers"], told["topics"], told["macros"], tuple(problems))


def _diagnostic(files: BrainFiles, one: Mapping[str, Any], code: str) -> Diagnostic:
    severity: Any = "error" if code == "brain-syntax" else "warning"
    return Diagnostic(code, str(one["message"]), files.span(one["file"], one["line"]), severity)


def _twice(files: BrainFiles, triggers: Sequence[Mapping[str, Any]]) -> list[Diagnostic]:
    """Triggers that can never match, because the same one stands before them."""
    seen: dict[str, Mapping[str, Any]] = {}
    out = []
    for trigger in triggers:
        name = rule_name(trigger)
        if name in seen:
            message = f"this trigger never matches: '{name}' stands in {rule_id(seen[name])} already"
            span = files.span(trigger["file"], trigger["line"])
            out.append(Diagnostic("brain-warning", message, span, "warning", "join their replies, or drop one"))
        seen.setdefault(name, trigger)
    return out

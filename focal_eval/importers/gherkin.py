"""Gherkin files as scenarios with their steps: backgrounds come first, outlines are filled in row by row. In English alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from focal_eval.errors import Problems
from focal_eval.source import Span, lines_of

MAX_SCENARIOS = 10_000  # of one file, rows of examples counted
MAX_STEPS = 1_000  # of one scenario
_BLOCK = re.compile(
    r"\s*(Feature|Rule|Background|Scenario Outline|Scenario Template|Scenario|Example|Examples|Scenarios):\s*(.*?)\s*\Z"
)
_STEP = re.compile(r"\s*(Given|When|Then|And|But|\*)\s+(.*?)\s*\Z")
_HOLE = re.compile(r"<([^<>]{1,100})>")
_FENCES = ('"""', "```")


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `kind` is given, when or then, whatever word it was written with."""

    kind: str
    text: str
    place: Span
    body: str | None = None  # a text below it, or a table as it stands


@dataclass(slots=True)
class Scenario:
    """One scenario with the steps of its backgrounds."""

    name: str
    place: Span
    steps: list[Step]
    tags: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Block:
    """What stands under one heading."""

    name: str
    place: Span
    tags: list[str]
    steps: list[Step] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)  # of examples, headers first in each table
    tables: list[int] = field(default_factory=list)  # where in `rows` a table begins


class Feature:
    """Reads a file; `name` is the feature's, `scenarios` hold their steps in order."""

    def __init__(self, text: str, file: str, problems: Problems) -> None:
        self.name = ""
        self.scenarios: list[Scenario] = []
        self._file, self._problems = file, problems
        self._backgrounds: list[_Block | None] = [None, None]  # of the feature and of the rule
        self._open: _Block | None = None
        self._heading = ""
        self._in_rule = False
        self._tags: list[str] = []
        self._kind = "given"
        self._body: list[str] | None = None
        self._fence, self._fence_line = "", 1
        for number, line in enumerate(lines_of(text), 1):
            self._line(line, number)
        self._end()

    def _end(self) -> None:
        if self._body is not None:
            place = self._place(self._fence_line, "")
            self._problems.error("import-shape", "a text that begins here does not end", place)
        self._close()

    def _place(self, number: int, line: str) -> Span:
        begin = len(line) - len(line.lstrip()) + 1
        return Span(self._file, number, begin, number, max(begin + 1, len(line.rstrip()) + 1))

    def _line(self, line: str, number: int) -> None:
        bare = line.strip()
        if self._body is not None:
            self._in_body(line)
        elif bare.startswith(_FENCES):
            self._body, self._fence, self._fence_line = [], bare[:3], number
        elif not bare or bare.startswith("#"):
            return
        elif bare.startswith("@"):
            self._tags += [tag.removeprefix("@") for tag in bare.split() if tag.startswith("@")]
        elif bare.startswith("|"):
            self._row(bare)
        elif (block := _BLOCK.match(line)) is not None:
            self._begin(block[1], block[2], self._place(number, line))
        elif (step := _STEP.match(line)) is not None and self._open is not None:
            self._step(step[1], step[2], self._place(number, line))

    def _in_body(self, line: str) -> None:
        assert self._body is not None
        if line.strip() != self._fence:
            self._body.append(line.strip())
            return
        self._attach("\n".join(self._body))
        self._body = None

    def _attach(self, body: str) -> None:
        if self._open is not None and self._open.steps:
            last = self._open.steps[-1]
            joined = body if last.body is None else f"{last.body}\n{body}"
            self._open.steps[-1] = Step(last.kind, last.text, last.place, joined)

    def _row(self, bare: str) -> None:
        if self._open is not None and self._heading in ("Examples", "Scenarios"):
            self._open.rows.append([cell.strip() for cell in bare.strip("|").split("|")])
        else:
            self._attach(bare)

    def _begin(self, heading: str, name: str, place: Span) -> None:
        if heading in ("Examples", "Scenarios"):
            if self._open is not None:
                self._open.tables.append(len(self._open.rows))
            self._heading = heading
            self._tags = []
            return
        self._close()
        self._heading, self._kind = heading, "given"
        if heading == "Feature":
            self.name = self.name or name
        elif heading == "Rule":
            self._in_rule, self._backgrounds[1] = True, None
        else:
            self._open = _Block(name, place, self._tags)
        self._tags = []

    def _step(self, word: str, text: str, place: Span) -> None:
        assert self._open is not None
        self._kind = word.lower() if word in ("Given", "When", "Then") else self._kind
        if len(self._open.steps) == MAX_STEPS:
            self._problems.error("import-too-large", f"a scenario has more than {MAX_STEPS:,} steps", place)
        if len(self._open.steps) <= MAX_STEPS:
            self._open.steps.append(Step(self._kind, text, place))

    def _close(self) -> None:
        block, self._open = self._open, None
        if block is None:
            return
        if self._is_background:
            self._backgrounds[self._in_rule] = block
            return
        before = [step for background in self._backgrounds if background is not None for step in background.steps]
        for name, values in _rows(block):
            if len(self.scenarios) == MAX_SCENARIOS:
                said = f"the file has more than {MAX_SCENARIOS:,} scenarios"
                self._problems.error("import-too-large", said, block.place)
                return
            steps = [
                Step(step.kind, _filled(step.text, values), step.place, step.body and _filled(step.body, values))
                for step in block.steps
            ]
            self.scenarios.append(Scenario(name, block.place, before + steps, block.tags))

    @property
    def _is_background(self) -> bool:
        return self._heading == "Background"


def _rows(block: _Block) -> Iterator[tuple[str, dict[str, str]]]:
    """The scenario's name and values: once, or once for each row of its examples."""
    if not block.tables:
        yield block.name, {}
        return
    ends = [*block.tables[1:], len(block.rows)]
    number = 0
    for begin, end in zip(block.tables, ends, strict=True):
        for row in block.rows[begin + 1 : end]:
            number += 1
            values = dict(zip(block.rows[begin], row, strict=False))
            name = _filled(block.name, values)
            yield (name if name != block.name else f"{block.name} ({number})"), values


def _filled(text: str, values: dict[str, str]) -> str:
    return _HOLE.sub(lambda hole: values.get(hole[1], hole[0]), text) if values else text

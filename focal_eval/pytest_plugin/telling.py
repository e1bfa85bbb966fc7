"""What pytest shows of a conversation: the frames of its failures, its turns one by one, and properties for JUnit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import pytest

from focal_eval.report.ansi import VERDICTS, Paint
from focal_eval.report.frames import headline, span_of
from focal_eval.report.in_memory import HeldRun, TurnTold, turns_told
from focal_eval.report.model import Failure
from focal_eval.report.terminal import case_lines
from focal_eval.runner.played import Played
from focal_eval.value import value

_COLOURS = re.compile("\x1b\\[[0-9;]*m")
FAILED: Any = pytest.fail.Exception
_MARKS = {"passed": "✓", "failed": "✗", "errored": "!", "skipped": "–", "not judged": "·"}


class Place(NamedTuple):
    """Where a failure stands, as pytest's summary and plug-ins that annotate ask for it."""

    path: str
    lineno: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.lineno}: {self.message}"


def plain(painted: str) -> str:
    """A text without its colours."""
    return _COLOURS.sub("", painted)


class Frame:
    """A failure as pytest prints it: its own text, in colour where the terminal has any, and no traceback."""

    def __init__(self, painted: str, place: Place) -> None:
        self.painted, self.reprcrash = painted, place

    def __str__(self) -> str:
        return plain(self.painted)

    def toterminal(self, tw: Any) -> None:
        """Prints it."""
        tw.line(self.painted if tw.hasmarkup else str(self))


class ConversationFailed(FAILED):  # type: ignore[misc]  # pytest has the class as an attribute of a function
    """An expectation of a script did not hold."""

    __module__ = "builtins"  # pytest's summary then shows the plain name, as of its own outcomes


class EngineBroke(FAILED):  # type: ignore[misc]
    """The engine broke, or a check crashed: there is no verdict."""

    __module__ = "builtins"


@value
class Told:
    """What came of one case, ready to be shown; plain data, so that it can travel between processes."""

    painted: str  # the failures in colour; empty where there are none
    message: str  # of the first one, in a line
    file: str
    line: int
    turns: tuple[TurnTold, ...]
    reason: str  # why it was skipped, where it was


def told_of(played: Played) -> Told:
    """What is shown of a case that was played."""
    run = HeldRun(played.lines)
    (case,) = run.cases
    failures = list(run.failures(case))
    first = next((failure for failure in failures if failure.result is None or not failure.result.get("soft")), None)
    place = None if first is None or first.result is None else span_of(first.result)
    return Told(
        painted="\n".join(case_lines(run, case, Paint(True))),
        message=_message(first) if first is not None else case.message or "",
        file=case.file if place is None else place.file,
        line=case.line if place is None else place.line,
        turns=tuple(turns_told(run, case)),
        reason=case.message or "",
    )


def frame_of(told: Mapping[str, Any]) -> Frame:
    """The frame in what a report carries."""
    return Frame(told["painted"], Place(told["file"], told["line"], told["message"]))


def _message(failure: Failure) -> str:
    if failure.result is None:
        fault = failure.fault or {}
        place = "" if failure.turn is None else f"turn {failure.turn + 1}: "
        return f"{place}error[{fault.get('kind')}]: {' '.join(str(fault.get('message')).split())}"
    place = "the conversation" if failure.turn is None else f"turn {failure.turn + 1}"
    return f"{place}: {headline(failure.result).removeprefix(f'{span_of(failure.result)}: ')}"


def turn_lines(turns: Iterable[TurnTold]) -> Iterator[str]:
    """The conversation turn by turn: verdict, rules and time, and what was said."""
    for turn in turns:
        facts = [turn.verdict]
        if turn.rules is not None:
            facts.append(f"rules {', '.join(turn.rules) or 'none'}")
        if turn.elapsed_ms is not None:
            facts.append(f"{turn.elapsed_ms:.0f} ms")
        yield f"{_MARKS[turn.verdict]} turn {turn.number}: {' · '.join(facts)}"
        if turn.user is not None:
            yield f"    user   {turn.user}"
        yield f"    agent  {turn.said}"


def properties(played: Played, told: Told) -> Iterator[tuple[str, str]]:
    """What JUnit says of a case: its id, its verdict, and of each turn verdict, rules and milliseconds."""
    yield "focal.case", played.case
    yield "focal.verdict", played.verdict.value
    for turn in told.turns:
        begin = f"focal.turn.{turn.number}"
        yield f"{begin}.verdict", turn.verdict
        if turn.rules is not None:
            yield f"{begin}.rules", " ".join(turn.rules)
        if turn.elapsed_ms is not None:
            yield f"{begin}.ms", f"{turn.elapsed_ms:.1f}"


def failed_turns(turns: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """A line for each turn of a report that went wrong, with its colour."""
    for turn in turns:
        for failure in turn["failures"]:
            yield f"  turn {turn['number']}: {failure}", VERDICTS[turn["verdict"]]

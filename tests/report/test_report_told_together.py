"""Cases that met one and the same fault are one thing to say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from focal_eval.report.model import Attempt, Case, ReportModel
from focal_eval.report.wording import cases_named
from focal_eval.runner.entries import Trouble


def case(name: str, verdict: str, message: str) -> Case:
    attempt = Attempt(1, verdict=verdict, trouble=Trouble(message=message))
    return Case(name, name, "talk", "Talk", "talk.yaml", 1, (), {}, 1, None, 1, {}, 0, (attempt,))


def told(cases: Sequence[Case]) -> list[tuple[str, list[str]]]:
    """The names of cases as they are told together."""
    run = ReportModel(Path(), {"state": "finished"}, cases, 0, Path())
    return [(first.name, [one.name for one in alike]) for first, alike in run.told]


def test_cases_that_errored_in_the_same_words_are_told_once() -> None:
    """In the order of the names, the first of them in full."""
    gone = [case(f"gone#{number}", "errored", "connection refused") for number in range(1, 13)]
    late = case("late", "errored", "took longer than 1 s")
    assert told([late, *reversed(gone)]) == [("gone#1", [f"gone#{number}" for number in range(2, 13)]), ("late", [])]


def test_cases_that_failed_in_the_same_words_are_each_told() -> None:
    """A failed expectation has its own place and its own conversation."""
    assert told([case(name, "failed", "'refund' did not match") for name in "ab"]) == [("a", []), ("b", [])]


def test_many_cases_are_named_by_the_first_few() -> None:
    """A line stays a line."""
    cases = [case(f"gone#{number}", "errored", "x") for number in range(1, 1_235)]
    assert cases_named(cases[:2]) == "gone#1, gone#2"
    assert cases_named(cases) == "1,234 more cases (gone#1, gone#2, gone#3, …)"

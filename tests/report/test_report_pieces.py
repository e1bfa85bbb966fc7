"""Reports of many cases are written piece by piece: none of them is ever whole in memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from focal_eval.report import jsonl, junit
from focal_eval.report.model import ReportModel
from focal_eval.runner.entries import Attempt, Case

CASES = 3_000
HEADER = {"format": 2, "id": "r1", "state": "finished", "verdict": "passed", "plan": {"cases": CASES}}


@pytest.fixture
def large(tmp_path: Path) -> ReportModel:
    """A run of many scripts of one case each, all passed; nothing of it has to be read from a journal."""
    cases = []
    for number in range(CASES):
        name = f"desk/hire-{number:06d}"
        attempt = Attempt(1, "10+20+30", "passed", 1.25, 0)
        file = f"scripts/{name}.yaml"
        cases.append(
            Case(f"{number:012x}", name, name, name, file, 1, ("hire",), {}, 1, "api", 1, {}, 0, (attempt,)),
        )
    return ReportModel(tmp_path, HEADER, cases, 0, tmp_path / "journal.jsonl")


@pytest.mark.parametrize("write", [junit.write, jsonl.write])
def test_a_report_of_many_cases_takes_little_memory(large: ReportModel, write: Callable[[ReportModel, Path], Path]) -> None:
    """What is held at a time is a small part of the file."""
    tracemalloc.start()
    path = write(large, large.folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.read_bytes().count(b"desk/hire-") >= CASES
    assert peak < path.stat().st_size / 3


def test_the_sums_of_junit_are_those_of_its_suites(large: ReportModel) -> None:
    """The totals stand before the suites that they count."""
    text = junit.write(large, large.folder).read_text()
    head = text[: text.index("<testsuite ")]
    assert f'tests="{CASES}" failures="0" errors="0" time="{CASES * 1.25 / 1000:.3f}"' in head
    assert text.count("<testcase ") == CASES
    assert text.endswith("</testsuites>")

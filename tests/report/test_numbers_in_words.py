"""A number stands with the right form of what it counts, wherever it is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from focal_eval.report.wording import gate_count
from focal_eval.runner.gates import decide
from focal_eval.runner.schedule import Totals
from focal_eval.script.limit import Limit
from focal_eval.text import counted, of_them

PACKAGE = Path(__file__).resolve().parents[2] / "focal_eval"


@pytest.mark.parametrize(
    ("count", "noun", "said"),
    [(0, "case", "0 cases"), (1, "case", "1 case"), (2, "case", "2 cases"), (2000, "turn", "2,000 turns")],
)
def test_a_count_has_its_noun(count: int, noun: str, said: str) -> None:
    """One is singular, everything else plural, thousands are parted."""
    assert counted(count, noun) == said
    assert of_them(count, noun + "s") == said


def test_an_irregular_plural_is_given() -> None:
    """A plural that is no s more is said by the caller."""
    assert (counted(1, "entry", "entries"), counted(3, "entry", "entries")) == ("1 entry", "3 entries")


def test_a_gate_on_one_case_says_one_case() -> None:
    """The message of a gate and the words beside its figure."""
    totals = Totals()
    totals.counts["passed"] = 1
    gate = decide({"pass_rate": Limit(min=1.0)}, totals)[0]
    assert gate.message == "pass_rate holds: 1 (n = 1 case), asked ≥ 1"
    assert gate_count(gate.as_json()) == " (n = 1 case)"


def test_plurals_are_made_in_one_place() -> None:
    """No file of the package appends an s by itself."""
    by_hand = re.compile(r"""(""|'') if [^{}]{1,40} == 1 else ["']s["']""")
    found = [path.name for path in sorted(PACKAGE.rglob("*.py")) if by_hand.search(path.read_text(encoding="utf-8"))]
    assert found == []

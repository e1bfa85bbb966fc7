"""The gate `coverage` in a suite: one share, shares by kind of item, per cent; mistakes are told with a fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from focal_eval.document import read_text
from focal_eval.script.gates_coverage import CoverageLimit
from focal_eval.script.limit import Limit
from focal_eval.script.suite import read_suite
from tests.script.file_reading import said

SUITE = "scripts: a.yaml\nengine: {kind: cassette, file: a.jsonl}\ngates: {%s}\n"


def gates(written: str) -> dict[str, Limit]:
    document = read_text(SUITE % written, "suite.yaml")
    made = read_suite(document, Path("suite.yaml"))
    assert made is not None, list(map(str, document.problems))
    return dict(made.fields.gates)


@pytest.mark.parametrize("written", ["0.95", "95%", "95 %", "{min: 0.95}", "{min: 95%}", "{rules: 95.0%}"])
def test_one_share_is_of_the_rules(written: str) -> None:
    """However it is written."""
    assert gates(f"coverage: {written}") == {"coverage": CoverageLimit(min=0.95)}


def test_each_kind_of_item_is_a_gate_of_its_own() -> None:
    """In a fixed order, with what counts for all of them; other gates stay as they are."""
    found = gates("pass_rate: {min: 1}, coverage: {tools: 1, steps: 90%, rules: 95%, of: hit}")
    assert list(found.items()) == [
        ("pass_rate", Limit(min=1)),
        ("coverage", CoverageLimit(min=0.95, of="hit")),
        ("coverage_steps", CoverageLimit(min=0.9, of="hit")),
        ("coverage_tools", CoverageLimit(min=1, of="hit")),
    ]
    every = "{constraints: 1, scenarios: 1, transitions: 0, templates: 0.5}"
    assert list(gates(f"coverage: {every}")) == [
        "coverage_constraints",
        "coverage_scenarios",
        "coverage_transitions",
        "coverage_templates",
    ]


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("coverage: 95", "error[out-of-range]: 95 is above 1; write 95%"),
        ("coverage: {min: 120%}", "error[out-of-range]: 120% is above 100%"),
        ("coverage: {step: 90%}", "did you mean 'steps'?"),
        ("coverage: {of: hit}", "coverage needs the share of some kind of item"),
        ("coverage: {min: 1, rules: 1}", "'rules' says the same as 'min'"),
        ("coverage: most", "a share from 0 to 1, or per cent"),
        ("coverage: [1]", "a share"),
        ("coverage_steps: {min: 1}", "no gate is named 'coverage_steps'; did you mean 'coverage'?"),
    ],
)
def test_mistakes_are_told(written: str, problem: str) -> None:
    """At their place, with what is meant."""
    (told,) = said(SUITE % written, "suite")
    assert told.startswith("3:")
    assert problem in told

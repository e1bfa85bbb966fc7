"""Parlant's features: messages are history and turn, exact assertions are expectations, words stay words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from focal_eval.cli import main
from focal_eval.errors import Problems
from focal_eval.importers import import_files, make_importer
from focal_eval.importers.gherkin import Feature
from focal_eval.testing import importer_conformance
from tests.importers.imports import imported, lost, only, script, tried

FEATURE = """
# a comment
@shop
Feature: Bells
    Background:
        Given the alpha engine
        And an agent whose job is to sell bells

    @smoke @slow
    Scenario: A broken bell is refunded
        Given a guideline "refund" to offer a refund when something is broken
        And the tool "find_order" from "shop"
        And a context variable "tier" set to "gold"
        And a context variable "Current Date" set to "May" for "Mia"
        And a customer message, "hello"
        And an agent message, "Hi! Say \\"bell\\"."
        And an agent message, "How can I help?"
        And a tool event with data, {"tool_calls": []}
        And a customer message, "my bell broke {{ soon }}"
        When processing is triggered
        Then a single tool calls event is emitted
        And no tool error has occurred
        And the tool calls event contains 1 tool call(s)
        And the tool calls event contains a call to "local:find_order" with the right order
        And a single message event is emitted
        And the message contains the text "refund"
        And the message doesn't contain the text "store credit"
        And the message contains an apology
        And a status event is emitted, typing in response to event
        And the moon is full

    Scenario: Nobody speaks first
        When processing is triggered
        Then no message events are emitted
"""


def scenario(*steps: str, before: str = "") -> dict[str, Any]:
    """The only script of a feature with these steps."""
    text = f"Feature: F\n{before}\n  Scenario: S\n" + "\n".join(f"    {step}" for step in steps)
    return only(imported("parlant", {"f.feature": text}))


def test_a_scenario_becomes_a_script() -> None:
    """What was said before is history, the last message is the turn; exact assertions are expected, the others are kept."""
    found = imported("parlant", {"bells.feature": FEATURE})
    made = script(found, "scenarios/Bells-A-broken-bell-is-refunded.yaml")
    assert made["given"] == {
        "variables": {"tier": "gold", "current_date": "May"},
        "history": [{"user": "hello", "agent": 'Hi! Say "bell".'}, {"agent": "How can I help?"}],
    }
    assert made["turns"] == [
        {
            "user": 'my bell broke {{ "{{" }} soon }}',
            "expect": {
                "response": {"contains": ["refund"], "excludes": ["store credit"], "judge": "contains an apology"},
                "tools": {"calls": [{"find_order": {"error": "absent"}}], "count": {"find_order": 1}, "order": "any"},
            },
        }
    ]
    assert made["tags"] == ["parlant", "smoke", "slow"]
    assert made["origin"]["line"] == 10
    assert made["origin"]["in_words"] == [
        'the tool calls event contains a call to "local:find_order" with the right order',
        "the moon is full",
    ]
    assert made["origin"]["setup"][2] == 'a guideline "refund" to offer a refund when something is broken'
    assert script(found, "scenarios/Bells-Nobody-speaks-first.yaml")["turns"] == [{"expect": {"response": {"max_chars": 0}}}]
    assert lost(found) == {
        "assertion-in-words": 1, "history-tool": 1, "scoped-variable": 1, "setup": 6, "some-call": 1, "status-event": 1,
        "unknown-step": 1,
    }  # fmt: skip
    assert found.kept == {"assertions": 8, "agent messages": 2, "customer messages": 2, "judged rubrics": 1, "variables": 2}


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        ("no tool calls event is emitted", {"tools": {"none": True}}),
        ("a single tool calls event is emitted", {"not": {"tools": {"none": True}}}),
        ("a single message event is emitted", {"response": {"min_chars": 1}}),
        ("a total of 2 message events are emitted", {"response": {"min_chars": 1}, "messages": {"count": 2}}),
        ('at least one message contains the text "a"', {"response": {"contains": ["a"]}}),
        ("the message contains a joke", {"response": {"min_chars": 1, "judge": "contains a joke"}}),
        ("at least one message asks for the size", {"response": {"min_chars": 1, "judge": "asks for the size"}}),
        ('the tool calls event contains a call with tool_id of "s:do"', {"tools": {"calls": ["do"], "order": "any"}}),
    ],
)
def test_an_exact_assertion_is_an_expectation(then: str, expected: dict[str, Any]) -> None:
    """Each of the steps whose meaning is exact."""
    made = scenario('Given a customer message, "hi"', "When processing is triggered", f"Then {then}")
    assert made["turns"] == [{"user": "hi", "expect": expected}]


def test_several_tools_leave_counts_and_errors_in_words() -> None:
    """Which of them is meant is not said."""
    text = (
        'Feature: F\n  Scenario: S\n    Given the tool "a"\n    And the tool "b"\n    And a customer message, "hi"\n'
        "    When processing is triggered\n    Then the tool calls event contains 2 tool call(s)\n"
        "    And no tool error has occurred\n"
    )
    found = imported("parlant", {"f.feature": text})
    assert only(found)["turns"] == [{"user": "hi"}]
    assert lost(found) == {"call-count": 1, "setup": 2, "tool-error": 1}


def test_a_second_when_is_a_second_turn() -> None:
    """What the customer says after the first expectations is said in the same conversation."""
    made = scenario(
        'Given a customer message, "one"', "When processing is triggered", 'Then the message contains the text "1"',
        'Given a customer message, "two"', "When messages are emitted", 'Then the message contains the text "2"',
    )  # fmt: skip
    assert [(turn["user"], turn["expect"]["response"]["contains"]) for turn in made["turns"]] == [
        ("one", ["1"]),
        ("two", ["2"]),
    ]


def test_outlines_are_filled_in_row_by_row() -> None:
    """A row is a script; names that do not tell them apart are numbered."""
    text = (
        'Feature: F\n  Scenario Outline: S\n    Given a customer message, "<what>"\n    When processing is triggered\n'
        '    Then the message contains the text "<reply>"\n    Examples: few\n      | what | reply |\n      | a | b |\n'
        "    Examples:\n      | what | reply |\n      | c | d |\n"
    )
    found = imported("parlant", {"f.feature": text})
    assert [(name, script(found, name)["turns"][0]["user"]) for name in found.scripts] == [
        ("scenarios/F-S-1.yaml", "a"), ("scenarios/F-S-2.yaml", "c"),
    ]  # fmt: skip


def test_rules_have_their_own_background_and_texts_stay_with_their_step() -> None:
    """Gherkin's rules, texts between quotes and tables below a step."""
    problems = Problems()
    feature = Feature(
        "Feature: F\nBackground:\n Given a\nRule: R\nBackground:\n Given b\n"
        ' """\n Scenario: no\n """\nExample: E\n * c\n | x |\n',
        "f.feature",
        problems,
    )
    (one,) = feature.scenarios
    assert [(step.kind, step.text, step.body) for step in one.steps] == [
        ("given", "a", None), ("given", "b", "Scenario: no"), ("given", "c", "| x |"),
    ]  # fmt: skip
    assert not len(problems)


def test_what_cannot_be_read_is_refused_with_its_place() -> None:
    """A text without an end, a scenario without end, and a feature of something else."""
    open_text = 'Feature: F\n  Scenario: S\n    Given a customer message, "x"\n    """\n'
    assert tried("parlant", {"f.feature": open_text})[1] == [
        "f.feature:4:1: error[import-shape]: a text that begins here does not end"
    ]
    long = "Feature: F\n Scenario: S\n" + ' Given a customer message, "x"\n' * 1_001
    assert "error[import-too-large]: a scenario has more than 1,000 steps" in tried("parlant", {"f.feature": long})[1][0]
    other = "Feature: Login\n Scenario: S\n Given I open the page\n"
    assert tried("parlant", {"f.feature": other})[1][0].startswith("f.feature:1:1: error[import-shape]: the file is no feature")
    found = imported("parlant", {"f.feature": other, "bells.feature": FEATURE}, named=False)
    assert lost(found)["other-file"] == 1


def test_it_keeps_every_promise_of_an_importer(tmp_path: Path) -> None:
    """The conformance kit, and nothing for `check --strict` to find."""
    (tmp_path / "bells.feature").write_text(FEATURE, encoding="utf-8")
    importer_conformance(make_importer("parlant"), [tmp_path])
    report = import_files("parlant", [tmp_path], tmp_path / "imported")
    assert len(report.scripts) == 2
    assert main(["check", str(tmp_path / "imported"), "--strict", "-q"]) == 0

"""Dialogflow CX: test cases expect intents as rules, pages as steps, tracked parameters as variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from focal_eval.cli import main
from focal_eval.importers import import_files, make_importer
from focal_eval.testing import importer_conformance
from tests.importers.imports import as_bytes, imported, lines, lost, only, script, tried


def turn(given: dict[str, Any], made: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"userInput": {"input": {**given, "languageCode": "en"}, **more}, "virtualAgentOutput": made}


def says(text: str) -> dict[str, Any]:
    return {"text": {"text": text}}


def replies(*texts: str) -> list[dict[str, Any]]:
    return [{"text": [text]} for text in texts]


FIELDS = {"size": {"stringValue": "large", "kind": "stringValue"}, "rest": {"listValue": {"values": [{"numberValue": 2}]}}}
CASE: dict[str, Any] = {
    "name": "projects/p/locations/global/agents/a/testCases/t",
    "displayName": "Order / a pizza",
    "tags": ["#smoke", "#not a tag"],
    "notes": "The happy path",
    "creationTime": "2026-03-02T10:00:00Z",
    "lastTestResult": {"testResult": "PASSED"},
    "testConfig": {"flow": "projects/p/flows/f", "trackingParameters": ["size"]},
    "testCaseConversationTurns": [
        turn(
            {"event": {"event": "WELCOME"}},
            {"currentPage": {"name": "START_PAGE", "displayName": "Start Page"}, "textResponses": replies("Hello {{x}}")},
            injectedParameters={"tier": "gold"},
            isWebhookEnabled=True,
        ),
        turn(
            says("a large pizza"),
            {
                "triggeredIntent": {"name": "projects/p/intents/1", "displayName": "order.pizza"},
                "currentPage": {"displayName": "Confirm"},
                "sessionParameters": {"size": "large", "count": 1},
                "textResponses": replies("A large one?", "Right?"),
                "diagnosticInfo": {"x": 1},
                "differences": [{"type": "UTTERANCE", "description": "d"}],
            },
            injectedParameters={"late": 1},
        ),
        turn({"dtmf": {"digits": "12", "finishDigit": "#"}}, {"sessionParameters": {"fields": FIELDS}}),
        turn({"intent": {"intent": "projects/p/intents/bye"}}, {"status": {"code": 3}, "textResponses": replies("Bye")}),
        turn({}, {}),
    ],
}


def test_a_test_case_becomes_a_script() -> None:
    """What CX compares is expected; everything else is counted with the place of its first example."""
    found = imported("cx", {"case.json": CASE})
    made = script(found, "scenarios/Order-a-pizza.yaml")
    assert made["turns"] == [
        {"agent": 'Hello {{ "{{" }}x}}', "expect": {"scenario": {"step": "Start Page"}}},
        {
            "user": "a large pizza",
            "agent": "A large one?\n\nRight?",
            "expect": {"rules": ["order.pizza"], "scenario": {"step": "Confirm"}, "variables": {"size": "large"}},
        },
        {"user": "12", "expect": {"variables": {"size": "large"}}},
        {"user": "bye", "agent": "Bye"},
    ]
    assert (made["tags"], made["description"]) == (["cx", "smoke"], "The happy path")
    assert made["given"] == {"variables": {"tier": "gold"}}
    assert made["origin"] == {
        "format": "cx", "file": "case.json", "line": 1, "test_case": CASE["name"], "flow": "projects/p/flows/f",
    }  # fmt: skip
    assert lost(found) == {
        "diagnostics": 1, "dtmf": 1, "empty-turn": 1, "event": 2, "injected-first": 1, "injected-later": 1, "intent": 1,
        "intent-input": 1, "last-result": 2, "page": 2, "start": 1, "status": 1, "untracked": 2, "webhook": 1,
    }  # fmt: skip
    assert {loss.kind for loss in found.losses if loss.fate == "approximated"} == {
        "dtmf", "event", "injected-first", "intent", "intent-input", "page",
    }  # fmt: skip


def test_test_cases_stand_alone_in_lists_and_a_line_each() -> None:
    """One file of an agent's package, a list, what the API lists, and JSON lines hold the same."""
    shapes: dict[str, Any] = {"a.json": CASE, "b.json": [CASE], "c.json": {"testCases": [CASE]}, "d.jsonl": lines(CASE)}
    turns = [only(imported("cx", {name: content}))["turns"] for name, content in shapes.items()]
    assert turns[0] == turns[1] == turns[2] == turns[3]
    assert list(imported("cx", shapes).scripts) == [
        f"scenarios/Order-a-pizza{number}.yaml" for number in ("", "-2", "-3", "-4")
    ]


def test_what_nobody_wrote_down_is_not_imported() -> None:
    """Spoken input and test cases without turns are counted."""
    spoken = {"displayName": "spoken", "testCaseConversationTurns": [turn({"audio": {"audio": "UklG"}}, {})]}
    empty = {"displayName": "empty", "testCaseConversationTurns": []}
    silent = {"displayName": "silent", "testCaseConversationTurns": [turn({}, {})]}
    found = imported("cx", {"a.json": [spoken, empty, silent]})
    assert found.scripts == {}
    assert lost(found) == {"audio-input": 1, "empty-turn": 1, "event": 1, "no-turns": 2}


def test_other_files_are_refused_by_name_and_counted_in_a_folder() -> None:
    """An agent's package holds intents and pages beside its test cases."""
    assert tried("cx", {"agent.json": {"displayName": "agent"}})[1] == [
        "agent.json:1:1: error[import-shape]: the file holds no test cases: none has displayName and testCaseConversationTurns"
    ]
    assert tried("cx", {"a.json": "["})[1][0].startswith("a.json:1:")
    assert tried("cx", {"a.jsonl": "{}\n"})[1][0].startswith("a.jsonl:1:1: error[import-shape]")
    found = imported("cx", {"case.json": CASE, "agent.json": {"displayName": "agent"}, "x.jsonl": "{"}, named=False)
    assert (len(found.scripts), lost(found)["other-file"]) == (1, 2)


def test_a_misshapen_test_case_is_refused_at_its_place() -> None:
    """The path and the kind of value that was expected."""
    broken = {"displayName": "x", "testCaseConversationTurns": [{"virtualAgentOutput": {"textResponses": 3}}]}
    assert tried("cx", {"a.json": broken})[1] == [
        "a.json:1:93: error[import-shape]: testCaseConversationTurns[0].virtualAgentOutput.textResponses: expected a valid list"
    ]


def test_it_keeps_every_promise_of_an_importer(tmp_path: Path) -> None:
    """The conformance kit, and nothing for `check --strict` to find."""
    (tmp_path / "case.json").write_bytes(as_bytes(CASE))
    importer_conformance(make_importer("cx"), [tmp_path])
    report = import_files("cx", [tmp_path], tmp_path / "imported")
    assert len(report.scripts) == 1
    assert main(["check", str(tmp_path / "imported"), "--strict", "-q"]) == 0


@pytest.mark.parametrize("value", [{"numberValue": 1}, {"stringValue": "1", "other": 2}, {"kind": "large"}])
def test_data_that_only_looks_like_a_struct_stays(value: Any) -> None:
    """A value of one known field is taken out of it; every other mapping means itself."""
    case = {
        "displayName": "x",
        "testConfig": {"trackingParameters": ["p"]},
        "testCaseConversationTurns": [turn(says("a"), {"sessionParameters": {"p": value}})],
    }
    expected = 1 if value == {"numberValue": 1} else value
    assert only(imported("cx", {"a.json": case}))["turns"][0]["expect"] == {"variables": {"p": expected}}

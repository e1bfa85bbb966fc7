"""Evaluation sets of Google's ADK, in the three shapes that its own tests have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from focal_eval.errors import Refused
from focal_eval.importers import import_files
from tests.importers.foreign_files import DATA, came, imported


def said(text: str | None, role: str = "user") -> dict[str, Any]:
    return {"role": role, "parts": [{"text": text, "inline_data": None}]}


def case(*turns: dict[str, Any], **more: Any) -> str:
    return json.dumps({"eval_set_id": "set-1", "eval_cases": [{"eval_id": "case-1", "conversation": list(turns), **more}]})


ROLL = {
    "invocation_id": "inv-1",
    "user_content": said("Roll a die with {{ 6 }} sides"),
    "final_response": said("I rolled a 4.", "model"),
    "intermediate_data": {
        "tool_uses": [{"id": "a", "name": "roll_die", "args": {"sides": 6}}],
        "tool_responses": [{"id": "a", "name": "roll_die", "response": {"result": 4}}],
        "intermediate_responses": [["helper", [{"text": "rolling"}]]],
    },
}


def test_a_case_becomes_a_script_with_golden_replies_and_exact_calls(tmp_path: Path) -> None:
    """ADK compares all calls of a turn in order, and no calls are calls too; ids and the session's state stay."""
    silent = {"user_content": said("Thanks"), "final_response": said(None, "model"), "intermediate_data": {"tool_uses": []}}
    session = {"app_name": "dice", "user_id": "u1", "state": {"lucky": 7}}
    found = came("adk", tmp_path, {"roll.test.json": case(ROLL, silent, session_input=session)})
    script = found.scripts["scenarios/roll.yaml"]
    assert script["origin"] == {
        "format": "adk", "file": "roll.test.json", "line": 1,
        "eval_set": "set-1", "eval_id": "case-1", "invocations": ["inv-1"],
    }  # fmt: skip
    assert script["metadata"] == {"app_name": "dice", "user_id": "u1"}
    assert script["given"] == {"variables": {"lucky": 7}}
    first, second = script["turns"]
    assert first["user"] == 'Roll a die with {{ "{{" }} 6 }} sides'
    assert first["agent"] == "I rolled a 4."
    assert first["expect"] == {"tools": {"exactly": [{"roll_die": {"sides": 6}}]}}
    assert second == {"user": "Thanks", "expect": {"tools": {"none": True}}}
    assert found.losses == {"intermediate-response": 1, "tool-result": 1}
    assert found.report.kept == {"user turns": 2, "golden texts": 1, "tool calls": 1, "variables": 1}


def test_recorded_results_become_stubs_where_asked(tmp_path: Path) -> None:
    """`--stubs yes`: the tool answers what it answered, for those arguments."""
    found = came("adk", tmp_path, {"roll.test.json": case(ROLL)}, stubs="yes")
    assert found.only["tools"] == {"roll_die": [{"when": {"sides": 6}, "returns": {"result": 4}}]}
    assert "tool-result" not in found.losses


def test_the_first_shape_is_one_conversation(tmp_path: Path) -> None:
    """A list of queries."""
    turns = [
        {
            "query": "Turn it off",
            "expected_tool_use": [{"tool_name": "set", "tool_input": {"on": False}}],
            "reference": "Done.",
        },
        {"query": "Thanks"},
    ]
    found = came("adk", tmp_path, {"old.test.json": json.dumps(turns)})
    assert found.only["turns"] == [
        {"user": "Turn it off", "agent": "Done.", "expect": {"tools": {"exactly": [{"set": {"on": False}}]}}},
        {"user": "Thanks"},
    ]


def test_the_second_shape_has_cases_with_data(tmp_path: Path) -> None:
    """Each case has a name and a session."""
    cases = [
        {"name": "one", "data": [{"query": "a"}], "initial_session": {"state": {"x": 1}, "app_name": "", "user_id": ""}},
        {"name": "two", "data": [{"query": "b", "expected_tool_use": []}]},
    ]
    found = came("adk", tmp_path, {"set.evalset.json": json.dumps(cases)})
    assert list(found.scripts) == ["scenarios/set/one.yaml", "scenarios/set/two.yaml"]
    assert found.scripts["scenarios/set/one.yaml"]["given"] == {"variables": {"x": 1}}
    assert found.scripts["scenarios/set/two.yaml"]["turns"] == [{"user": "b", "expect": {"tools": {"none": True}}}]


def test_the_other_spelling_of_keys_and_events_are_read(tmp_path: Path) -> None:
    """ADK writes camel case as well, and calls as events."""
    events = [
        {"author": "a", "content": {"parts": [{"functionCall": {"name": "look", "args": {"camelCase": 1}}}]}},
        {"author": "a", "content": {"parts": [{"functionResponse": {"name": "look", "response": {"ok": True}}}]}},
    ]
    turn = {"userContent": said("hi"), "finalResponse": said("ho"), "intermediateData": {"invocationEvents": events}}
    data = {"evalSetId": "s", "evalCases": [{"evalId": "c", "conversation": [turn], "finalSessionState": {"seen": True}}]}
    found = came("adk", tmp_path, {"camel.json": json.dumps(data)})
    assert found.only["turns"] == [
        {
            "user": "hi",
            "agent": "ho",
            "expect": {"tools": {"exactly": [{"look": {"camelCase": 1}}]}, "variables": {"seen": True}},
        }
    ]
    assert found.fate("final-state") == "approximated"


def test_what_a_script_cannot_hold_is_told(tmp_path: Path) -> None:
    """Thoughts, images, rubrics of calls, simulated users, calls without a name: each is counted and has a place."""
    turn = {
        "user_content": {"parts": [{"text": "look"}, {"inline_data": {"mime_type": "image/png"}}]},
        "final_response": {"parts": [{"text": "hm", "thought": True}, {"text": "A cat."}]},
        "intermediate_data": {"tool_uses": [{"args": {}}, {"name": "see", "args": [1]}]},
        "rubrics": [{"rubric_id": "r", "rubric_content": {"text_property": "looks once"}, "type": "TOOL_USE_QUALITY"}],
    }
    simulated = {"eval_id": "sim", "conversation_scenario": {"starting_prompt": "hi"}}
    data = json.loads(case(turn, {"user_content": said(" ")}))
    data["eval_cases"].append(simulated)
    found = came("adk", tmp_path, {"odd.json": json.dumps(data)})
    assert found.only["turns"] == [{"user": "look", "agent": "A cat.", "expect": {"tools": {"exactly": ["see"]}}}]
    assert found.only["origin"]["criteria"] == [{"turn": 1, "says": "looks once"}]
    assert found.losses == {
        "not-text": 1, "thought": 1, "unnamed-call": 1, "bad-value": 1, "rubric": 1, "simulated-user": 1, "silent-turn": 1,
    }  # fmt: skip


def test_a_folders_other_files_are_passed_over_and_a_named_one_is_refused(tmp_path: Path) -> None:
    """Of a folder they are losses; a file given by name is a mistake of its own."""
    files = {"a.test.json": case(ROLL), "package.json": '{"name": "x"}', "broken.json": "{"}
    found = came("adk", tmp_path, files)
    assert found.losses["other-file"] == found.losses["unreadable-file"] == 1
    with pytest.raises(Refused, match="nothing was imported") as caught:
        import_files("adk", [tmp_path / "given" / "package.json"], tmp_path / "other")
    assert [item.code for item in caught.value.diagnostics] == ["import-shape"]


@pytest.mark.skipif(not DATA.is_dir(), reason="no sample data beside the checkout")
def test_the_evaluation_sets_of_adk_come_over(tmp_path: Path) -> None:
    """Every conversation of the folder, with every user message of the raw files."""
    found = imported("adk", DATA / "adk-evalsets", tmp_path / "out")
    raw = [path.read_text(encoding="utf-8") for path in sorted((DATA / "adk-evalsets").rglob("*.json"))]
    asked = sum(text.count('"query"') + text.count('"user_content"') for text in raw)
    assert sum(len(script["turns"]) for script in found.scripts.values()) == asked == found.report.kept["user turns"]
    assert len(found.scripts) == len(raw)
    assert found.losses == {}

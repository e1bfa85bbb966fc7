"""tau2-bench: tasks wait for somebody who plays their user; results of runs replay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from focal_eval.cli import main
from focal_eval.errors import UsageError
from focal_eval.importers import import_files, make_importer
from focal_eval.testing import importer_conformance
from tests.importers.imports import SHARED, as_bytes, imported, lost, only, passes, script, tried

TASK: dict[str, Any] = {
    "id": "7",
    "description": {"purpose": "Refuses a late return", "relevant_policies": None, "notes": None},
    "user_scenario": {
        "persona": "in a hurry",
        "instructions": {
            "domain": "bikes",
            "reason_for_call": "You want to return a bell.",
            "known_info": "You are Ada.",
            "unknown_info": None,
            "task_instructions": "Be short.",
        },
    },
    "initial_state": {
        "initialization_data": {"agent_data": {"open": True}},
        "initialization_actions": None,
        "message_history": [
            {"role": "assistant", "content": "Hi!"},
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": "How can I help?"},
            {"role": "tool", "id": "1", "content": "x"},
        ],
    },
    "evaluation_criteria": {
        "actions": [
            {"action_id": "a", "name": "find", "arguments": {"id": "B-7", "deep": {"matches": "x"}}, "info": None},
            {"action_id": "b", "name": "refuse", "arguments": {"why": "late"}, "compare_args": ["why", "who"]},
            {"action_id": "c", "name": "close", "arguments": {"note": "any"}, "compare_args": []},
            {"action_id": "d", "name": "toggle", "arguments": {}, "requestor": "user"},
        ],
        "communicate_info": ["1786"],
        "nl_assertions": ["The agent is polite"],
        "env_assertions": [{"env_type": "user", "func_name": "is_on", "arguments": {}}],
        "reward_basis": ["DB", "COMMUNICATE"],
    },
    "issues": [{"id": "i"}],
}


def without(task: dict[str, Any], **criteria: Any) -> dict[str, Any]:
    """The task with other criteria."""
    return {**task, "evaluation_criteria": {**task["evaluation_criteria"], **criteria}}


def test_a_task_waits_for_a_simulated_user() -> None:
    """What the user is told is metadata, what no expectation holds is origin, and the opening is not run as it is."""
    found = imported("tau2", {"tasks.json": [TASK]})
    made = script(found, "tasks/task-7.yaml")
    assert made["title"] == "Task 7: Refuses a late return"
    assert made["tags"] == ["tau2", "bikes", "simulated-user"]
    assert made["metadata"] == {
        "user": {
            "domain": "bikes",
            "reason_for_call": "You want to return a bell.",
            "known_info": "You are Ada.",
            "task_instructions": "Be short.",
            "persona": "in a hurry",
        }
    }
    assert made["skip"] == "its user is to be played: metadata.user says how"
    assert made["turns"] == [{"user": "You want to return a bell."}]
    assert made["given"] == {"history": [{"agent": "Hi!"}, {"user": "hello", "agent": "How can I help?"}]}
    assert made["origin"] == {
        "format": "tau2",
        "file": "tasks.json",
        "line": 1,
        "task": "7",
        "reward_basis": ["DB", "COMMUNICATE"],
        "initial_state": {"initialization_data": {"agent_data": {"open": True}}},
        "env_assertions": [{"env_type": "user", "func_name": "is_on", "arguments": {}}],
        "user_actions": [{"name": "toggle", "arguments": {}}],
    }
    assert lost(found) == {
        "action-of-user": 1, "compare-all": 1, "database": 1, "environment": 1, "history-tool": 1,
        "initial-state": 1, "opening": 1, "task-field": 1,
    }  # fmt: skip


def test_the_answer_key_is_compared_as_the_task_says() -> None:
    """`compare_args` names the arguments that count; one that is not given must be absent; none means the name alone."""
    conversation = only(imported("tau2", {"tasks.json": [TASK]}))["conversation"]
    tools = [item["count"]["tool"] for item in conversation if "count" in item]
    assert tools == [
        {"find": {"id": "B-7", "deep": {"equals": {"matches": "x"}}}},
        {"refuse": {"args": {"why": "late", "who": "absent"}}},
        "close",
    ]
    assert "who: absent" in imported("tau2", {"tasks.json": [TASK]}).scripts["tasks/task-7.yaml"]  # the word, not the text
    assert conversation[-1] == {
        "judge": "The agent is polite", "soft": True, "because": "the task asserts it in words",
    }  # fmt: skip
    assert conversation[-2] == {
        "any_of": [{"count": {"text": form, "times": {"min": 1}}} for form in ("1786", "1,786")],
        "because": "the user must be told",
    }


def test_only_what_the_reward_is_on_fails_a_script() -> None:
    """Calls are soft where the end state counts, facts and what is asserted in words where nobody asks for them."""

    def soft(*basis: str) -> list[bool]:
        made = only(imported("tau2", {"tasks.json": [without(TASK, reward_basis=list(basis))]}))
        return [item.get("soft", False) for item in made["conversation"]]

    assert soft("DB", "COMMUNICATE") == [True, True, True, False, True]
    assert soft("ACTION") == [False, False, False, True, True]
    assert soft("NL_ASSERTION") == [True, True, True, True, False]


def test_the_opening_is_run_where_that_is_asked_for() -> None:
    """`--user opening` leaves no skip behind."""
    assert "skip" not in only(imported("tau2", {"tasks.json": [TASK]}, user="opening"))
    with pytest.raises(UsageError, match="'now' is neither later nor opening"):
        make_importer("tau2", {"user": "now"})


def test_tasks_stand_in_a_list_in_a_set_or_alone() -> None:
    """All three shapes give the same script; a task without a user is counted, and an id comes once."""
    made = [only(imported("tau2", {"t.json": shape})) for shape in ([TASK], {"tasks": [TASK]}, TASK)]
    assert made[0] == made[1] == made[2]
    found = imported("tau2", {"t.json": [TASK, TASK, {"id": 8, "user_scenario": {"instructions": ""}}]})
    assert (list(found.scripts), lost(found)["repeated-task"], lost(found)["no-user"]) == (["tasks/task-7.yaml"], 1, 1)
    plain = {"id": 9, "user_scenario": {"instructions": "You want a lamp."}}
    assert only(imported("tau2", {"t.json": [plain]}))["turns"] == [{"user": "You want a lamp."}]


RESULTS: dict[str, Any] = {
    "timestamp": "2026-03-02",
    "tasks": [without(TASK, actions=TASK["evaluation_criteria"]["actions"][:1])],
    "simulations": [
        {
            "id": "s",
            "task_id": "7",
            "trial": 0,
            "agent_cost": 0.1,
            "termination_reason": "user_stop",
            "reward_info": {"reward": 1.0},
            "messages": [
                {"role": "assistant", "content": "Hi! How can I help you today?"},
                {"role": "user", "content": "My bell is late"},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": "1", "name": "find", "arguments": {"id": "B-7"}, "requestor": "assistant"}],
                    "raw_data": {"thinking": "x"},
                },
                {"id": "1", "role": "tool", "content": "no such bell", "requestor": "assistant", "error": True},
                {"role": "user", "tool_calls": [{"id": "2", "name": "toggle", "arguments": {}, "requestor": "user"}]},
                {"id": "2", "role": "tool", "content": "on", "requestor": "user"},
                {"role": "assistant", "content": "It is lost."},
                {"role": "user", "content": "###STOP###"},
            ],
        },
        {"id": "t", "task_id": "7", "trial": 1, "reward_info": {"reward": 0.0}, "messages": [{"role": "user", "content": "x"}]},
    ],
}


def test_a_simulation_becomes_a_script_that_replays(tmp_path: Path) -> None:
    """The agent greets first, a failed call keeps its error, the user's own tools are counted, the answer key is soft."""
    found = imported("tau2", {"results.json": RESULTS}, stubs="write")
    made = only(found)
    assert [turn.get("user") for turn in made["turns"]] == [None, "My bell is late"]
    assert made["turns"][1]["expect"] == {"tools": {"exactly": [{"find": {"id": "B-7"}}]}}
    assert made["tools"]["find"][0]["fails"] == "no such bell"
    assert made["tags"] == ["tau2", "solved"]
    assert made["origin"] == {
        "format": "tau2", "file": "results.json", "task": "7", "trial": 0, "reward": 1.0, "ended": "user_stop",
    }  # fmt: skip
    assert all(item["soft"] for item in made["conversation"])
    kinds = lost(found)
    assert (kinds["user-call"], kinds["stop-marker"], kinds["raw"], kinds["unanswered"]) == (1, 1, 1, 1)
    (tmp_path / "results.json").write_bytes(as_bytes(RESULTS))
    assert passes("tau2", tmp_path / "results.json", tmp_path) == 1


def test_other_files_are_refused_by_name_and_counted_in_a_folder() -> None:
    """A database beside the tasks is no task."""
    assert tried("tau2", {"db.json": {"users": {}}})[1] == [
        "db.json:1:1: error[import-shape]: the file holds neither tasks (id, user_scenario, evaluation_criteria) nor results "
        "(simulations)"
    ]
    assert tried("tau2", {"a.json": "{"})[1][0].startswith("a.json:1:2: error[import-json]: not JSON")
    found = imported("tau2", {"tasks.json": [TASK], "db.json": {"users": {}}, "torn.json": "{"}, named=False)
    assert (len(found.scripts), lost(found)["other-file"]) == (1, 2)


def test_a_misshapen_task_is_refused_at_its_place() -> None:
    """The place is the value's."""
    task = without(TASK, actions=[{"arguments": {}}])
    assert tried("tau2", {"tasks.json": json.dumps([task], indent=1)})[1][0].endswith(
        "error[import-shape]: [0].evaluation_criteria.actions[0].name: the key is missing"
    )


def test_it_keeps_every_promise_of_an_importer(tmp_path: Path) -> None:
    """The conformance kit on tasks and results together."""
    (tmp_path / "tasks.json").write_bytes(as_bytes([TASK]))
    (tmp_path / "results.json").write_bytes(as_bytes(RESULTS))
    importer_conformance(make_importer("tau2"), [tmp_path])


def test_the_retail_tasks_come_over(tmp_path: Path) -> None:
    """114 tasks with every call of their answer keys; `check --strict` finds nothing, and all of them wait."""
    folder = SHARED / "data" / "tau2-retail"
    if not folder.is_dir():
        pytest.skip("no sample data beside the checkout")
    report = import_files("tau2", [folder], tmp_path / "imported")
    raw = json.loads((folder / "tasks.json").read_bytes())
    calls = sum(len(task["evaluation_criteria"]["actions"]) for task in raw)
    facts = sum(len(task["evaluation_criteria"]["communicate_info"]) for task in raw)
    assert (len(report.scripts), report.kept["expected calls"], report.kept["facts"]) == (114, calls, facts)
    assert report.kept["judged rubrics"] == sum(len(task["evaluation_criteria"]["nl_assertions"] or ()) for task in raw)
    assert main(["check", str(tmp_path / "imported"), "--strict", "-q"]) == 0

"""Turn histories and exported chats become scripts, one cassette and one suite; what they hold besides is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from focal_eval.importers import make_importer
from focal_eval.importers.recorded_script import Names
from focal_eval.testing import importer_conformance
from tests.importers.imports import SHARED, as_bytes, imported, lost, only, passes, script, tried

TURN = {
    "turn_id": "t1",
    "user_message": "my mug broke",
    "agent_response": "Sorry!",
    "matched_rules": ["apologise"],
    "tools_called": ["find_order"],
    "scenario_after": {"id": "returns", "step": "ask"},
    "latency_ms": 12,
    "timestamp": "2026-03-02T10:00:00Z",
}
FOCAL = {"items": [TURN], "total": 2, "limit": 20, "offset": 0, "has_more": False}
MIX: list[dict[str, Any]] = [
    {"id": "m1", "role": "user", "sessionId": "s-1", "userInput": "How many are open?"},
    {
        "id": "m2",
        "role": "assistant",
        "sessionId": "s-1",
        "userInput": "",
        "assistantResponse": "Three.",
        "reasoning": "count them",
        "toolCalls": [{"id": "a", "name": "grep", "input": '{"for": "OPEN"}', "result": "3 matches"}],
    },
]
PIPESHUB: dict[str, Any] = {
    "_id": "c-1",
    "messages": [
        {"messageType": "user_query", "content": "How long?"},
        {"messageType": "bot_response", "content": "Thirty days.", "citations": [{"citationId": "x"}], "feedback": [{"ok": 1}]},
        {"messageType": "system", "content": "renamed"},
    ],
}
GLEAN = {
    "chatResult": {
        "chat": {
            "id": "chat-1",
            "messages": [
                {"author": "USER", "fragments": [{"text": "How long?"}], "messageType": "CONTENT"},
                {"author": "GLEAN_AI", "fragments": [{"text": "looking"}], "messageType": "UPDATE"},
                {"author": "GLEAN_AI", "fragments": [{"text": "30 days."}, {"citation": {"trackingToken": "t"}}]},
            ],
        }
    }
}
SAMPLES: dict[str, Any] = {"focal": FOCAL, "mix": MIX, "pipeshub": PIPESHUB, "glean": GLEAN}


def test_a_turn_history_of_focal_keeps_rules_tools_and_the_step() -> None:
    """What the engine reported is expected again; a call without recorded arguments is expected by its name."""
    found = imported("focal", {"turns.json": {"request": {"path": "/v1/sessions/s-9/turns"}, "response": {"body": FOCAL}}})
    made = script(found, "scenarios/s-9.yaml")
    assert made["turns"] == [
        {
            "user": "my mug broke",
            "agent": "Sorry!",
            "expect": {"rules": {"exactly": ["apologise"]}, "tools": {"exactly": ["find_order"]}, "scenario": "returns/ask"},
        }
    ]
    assert made["origin"] == {"format": "focal", "file": "turns.json", "line": 1, "conversation": "s-9"}
    assert lost(found) == {"known-by-name": 1, "measures": 1, "missing-turn": 1}
    assert found.kept == {"answers": 1, "rules": 1, "tool calls": 1, "user messages": 1}


def test_rows_of_mix_give_calls_with_arguments_and_results() -> None:
    """A call is expected with its arguments, and the cassette holds its result."""
    found = imported("mix", {"rows.json": MIX}, stubs="write")
    assert only(found)["turns"][0]["expect"] == {"tools": {"exactly": [{"grep": {"for": "OPEN"}}]}}
    assert only(found)["tools"] == {"grep": [{"when": {"for": "OPEN"}, "only": True, "returns": "3 matches"}]}
    assert b'"3 matches"' in found.cassettes["cassettes/recorded.jsonl"]
    assert lost(found) == {"reasoning": 1}


def test_what_pipeshub_and_glean_show_beside_a_reply_is_counted() -> None:
    """Citations, feedback and messages that are no words of the conversation are left behind by name."""
    pipeshub = imported("pipeshub", {"c.json": PIPESHUB})
    assert lost(pipeshub) == {"citations": 1, "feedback": 1, "other-message": 1, "tools-unreported": 1}
    glean = imported("glean", {"c.json": GLEAN})
    assert only(glean)["turns"] == [{"user": "How long?", "agent": "30 days."}]
    assert lost(glean) == {"citations": 1, "other-message": 1, "tools-unreported": 1}


def test_messages_in_a_row_are_joined_and_the_last_unanswered_one_is_left() -> None:
    """A message that nothing answered goes before the next one; the conversation ends with the last answer."""
    rows = [{"role": "user", "sessionId": "s", "userInput": text} for text in ("hello", "are you there?")]
    rows += [{"role": "assistant", "sessionId": "s", "userInput": "", "assistantResponse": "yes"}]
    rows += [{"role": "user", "sessionId": "s", "userInput": "bye"}]
    found = imported("mix", {"rows.json": rows})
    assert only(found)["turns"] == [{"user": "hello\n\nare you there?", "agent": "yes", "expect": {"tools": {"none": True}}}]
    assert lost(found) == {"joined-messages": 1, "unanswered-message": 1}
    assert [loss.fate for loss in found.losses] == ["approximated", "dropped"]


def test_the_same_conversation_twice_is_imported_once() -> None:
    """Word for word the same under the same id is one script; other words under it are a second one."""
    found = imported("pipeshub", {"a.json": PIPESHUB, "b.json": PIPESHUB})
    assert list(found.scripts) == ["scenarios/c-1.yaml"]
    assert lost(found)["repeated-conversation"] == 1
    other = {"_id": "c-1", "messages": [{**item, "content": "other"} for item in PIPESHUB["messages"]]}
    assert list(imported("pipeshub", {"a.json": PIPESHUB, "b.json": other}).scripts)[1] == "scenarios/c-1-2.yaml"


def test_a_file_of_another_format_is_refused_by_name_and_counted_in_a_folder() -> None:
    """Who names a file gets the format it looks like; in a folder it is passed over with its place."""
    _, problems = tried("focal", {"rows.json": MIX})
    assert problems == [
        "rows.json:1:1: error[import-shape]: the file is not of the format focal: Focal: turns of a session, as its API gives "
        "them; its records look like those of the format 'mix'"
    ]
    found = imported("focal", {"turns.json": FOCAL, "rows.json": MIX, "broken.json": "{"}, named=False)
    assert len(found.scripts) == 1
    assert lost(found)["other-file"] == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "a.json:1:1: error[import-json]: the file holds no JSON record"),
        ("{", "a.json:1:1: error[import-json]: the file holds no JSON record: the file is not JSON"),
        (
            '[{"sessionId": "s", "userInput": "x", "role": 3}]',
            "a.json:1:1: error[import-nothing]: the file holds no conversation",
        ),
    ],
)
def test_a_file_without_conversations_says_why(content: str, said: str) -> None:
    """The first reason stands in the message."""
    assert tried("mix", {"a.json": content})[1][0].startswith(said)


def test_a_torn_line_is_told_and_the_rest_comes_over() -> None:
    """A recording of weeks is not refused for one line."""
    rows = "\n".join([as_bytes(MIX[0]).decode(), "{torn", as_bytes(MIX[1]).decode()])
    found = imported("mix", {"rows.jsonl": rows})
    assert len(only(found)["turns"]) == 1
    (torn,) = [loss for loss in found.losses if loss.kind == "unreadable"]
    assert (torn.what, torn.count, str(torn.example)) == ("passed over: a line is not JSON", 1, "rows.jsonl:2:1")


def test_personal_data_is_replaced_where_that_is_asked_for() -> None:
    """The same pseudonym in what was said, in the golden reply and in the cassette; pieces are counted."""
    rows = [{**MIX[0], "userInput": "I am mia@shop.org"}, {**MIX[1], "assistantResponse": "Hello mia@shop.org"}]
    found = imported("mix", {"rows.json": rows}, personal="replace")
    assert only(found)["turns"][0]["user"] == "I am person1@example.com"
    assert only(found)["turns"][0]["agent"] == "Hello person1@example.com"
    assert b"mia@shop.org" not in found.cassettes["cassettes/recorded.jsonl"]
    assert lost(found)["replaced"] == 2


def test_metadata_of_a_session_stays_unless_it_is_too_large() -> None:
    """Metadata goes with the script; more than it can bear is counted, and the cassette's key is ours."""
    kept = imported("pipeshub", {"c.json": {**PIPESHUB, "metadata": {"tier": "{{ gold }}", "cassette": "theirs"}}})
    assert only(kept)["metadata"] == {"tier": '{{ "{{" }} gold }}', "cassette": "c-1"}
    assert lost(kept)["cassette-key"] == 1
    deep: Any = "end"
    for _ in range(60):
        deep = {"a": deep}
    for given in ({"a": deep}, {"a": "x" * 30_000}):
        large = imported("pipeshub", {"c.json": {**PIPESHUB, "metadata": given}})
        assert only(large)["metadata"] == {"cassette": "c-1"}
        assert lost(large)["large-metadata"] == 1


def test_names_of_files_differ_whatever_the_ids_are() -> None:
    """Case apart they differ, and none is empty, a device of Windows, or a path."""
    names = Names()
    ids = ["A/../b", "a-b", "A-B", "", "...", "con", "é" * 300, "x" * 300]
    made = [names.of(given, "talk") for given in ids]
    assert made[:6] == ["A-b", "a-b-2", "A-B-3", "talk", "talk-2", "con-"]
    assert len({name.casefold() for name in made}) == len(made)
    assert max(map(len, made)) <= 80


@pytest.mark.parametrize("format", sorted(SAMPLES))
def test_it_keeps_every_promise_of_an_importer(format: str, tmp_path: Path) -> None:
    """The conformance kit, with damaged variants of the file."""
    (tmp_path / "told.json").write_bytes(as_bytes(SAMPLES[format]))
    importer_conformance(make_importer(format, {"stubs": "write"}), [tmp_path])


@pytest.mark.parametrize("format", sorted(SAMPLES))
def test_what_was_imported_checks_and_passes_on_its_recording(format: str, tmp_path: Path) -> None:
    """`check --strict` finds nothing, and the suite's run passes."""
    (tmp_path / "told.json").write_bytes(as_bytes(SAMPLES[format]))
    assert passes(format, tmp_path / "told.json", tmp_path, stubs="write") == 1


@pytest.mark.parametrize(("format", "count"), [("focal", 8), ("mix", 2), ("pipeshub", 4), ("glean", 1)])
def test_whole_folders_of_captured_traffic_come_over(format: str, count: int, tmp_path: Path) -> None:
    """Every conversation in a folder of requests, errors and streams becomes a script that passes."""
    folder = SHARED / "wire" / format
    if not folder.is_dir():
        pytest.skip("no sample data beside the checkout")
    assert passes(format, folder, tmp_path) == count

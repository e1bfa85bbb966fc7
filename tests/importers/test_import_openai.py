"""OpenAI-style chat files: fine-tuning, preferences, logs, and batches whose answers stand in another file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from focal_eval.importers import make_importer
from focal_eval.testing import importer_conformance
from tests.importers.imports import imported, lines, lost, only, passes, script, tried
from tests.importers.told_runs import agent, result, user

TOLD = {
    "messages": [
        {"role": "system", "content": "You sell bicycles."},
        user("Where is B-7?"),
        agent(None, ("1", "find", {"id": "B-7"})),
        result("1", '{"state": "sent"}'),
        agent("It was sent."),
    ],
    "tools": [{"type": "function"}],
}


def batch(id: str, *messages: Any) -> dict[str, Any]:
    return {"custom_id": id, "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m", "messages": messages}}


def answer(id: str, text: str) -> dict[str, Any]:
    body = {"id": "x", "choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}
    return {"id": "b", "custom_id": id, "response": {"status_code": 200, "body": body}, "error": None}


def test_a_line_is_a_conversation() -> None:
    """Calls are expected with their arguments; instructions and definitions are left behind."""
    found = imported("openai", {"tune.jsonl": lines(TOLD, {"messages": [user("hi"), agent("Hello!")]})})
    assert [script(found, name)["turns"] for name in found.scripts] == [
        [
            {
                "user": "Where is B-7?",
                "agent": "It was sent.",
                "expect": {"tools": {"exactly": [{"find": {"id": "B-7"}}]}},
            }
        ],
        [{"user": "hi", "agent": "Hello!", "expect": {"tools": {"none": True}}}],
    ]
    assert script(found, "scenarios/2.yaml")["origin"] == {
        "format": "openai", "file": "tune.jsonl", "line": 2, "conversation": "#2",
    }  # fmt: skip
    assert lost(found) == {"definitions": 1, "system-prompt": 1}


def test_calls_of_the_old_kind_are_calls() -> None:
    """`function_call` and a message of the role `function` are a tool call and its result."""
    messages = [
        user("Where?"),
        {"role": "assistant", "content": None, "function_call": {"name": "find", "arguments": '{"id": 7}'}},
        {"role": "function", "name": "find", "content": "gone"},
        agent("Gone."),
    ]
    found = imported("openai", {"old.jsonl": lines({"messages": messages})}, stubs="write")
    assert only(found)["tools"] == {"find": [{"when": {"id": 7}, "only": True, "returns": "gone"}]}
    assert lost(found) == {}


def test_of_a_preference_the_preferred_answer_is_golden() -> None:
    """The other answer is counted."""
    row = {"input": {"messages": [user("hi")]}, "preferred_output": [agent("Good.")], "non_preferred_output": [agent("Bad.")]}
    found = imported("openai", {"dpo.jsonl": lines(row)})
    assert only(found)["turns"][0]["agent"] == "Good."
    assert lost(found) == {"other-answer": 1}


def test_a_logged_request_ends_with_its_response() -> None:
    """Request and response of one record are one conversation, with its id and metadata."""
    row = {
        "id": "log-1",
        "metadata": {"shop": "north"},
        "request": {"messages": [user("hi")]},
        "response": {"choices": [{"message": agent("Hello!")}], "usage": {"total_tokens": 3}},
    }
    found = imported("openai", {"log.jsonl": lines(row)})
    made = script(found, "scenarios/log-1.yaml")
    assert (made["turns"][0]["agent"], made["metadata"]) == ("Hello!", {"shop": "north", "cassette": "log-1"})


def test_answers_of_a_batch_are_found_in_the_other_file() -> None:
    """Requests and answers meet by their own id, whichever file comes first; what was not answered is counted."""
    asked = lines(batch("r1", user("one")), batch("r2", user("two")))
    told = lines(answer("r1", "First."))
    for files in ({"a.jsonl": asked, "b.jsonl": told}, {"a.jsonl": told, "b.jsonl": asked}):
        found = imported("openai", files, named=False)
        assert script(found, "scenarios/r1.yaml")["turns"][0]["agent"] == "First."
        assert lost(found) == {"unanswered": 1}


def test_parts_that_are_no_text_are_counted() -> None:
    """An image beside the words is left behind."""
    parts = [{"type": "text", "text": "this one"}, {"type": "image_url", "image_url": {"url": "x"}}]
    found = imported("openai", {"a.jsonl": lines({"messages": [{"role": "user", "content": parts}, agent("That.")]})})
    assert only(found)["turns"][0]["user"] == "this one"
    assert lost(found) == {"not-text": 1}


def test_foreign_braces_are_no_templates() -> None:
    """What a user wrote in braces is said as they wrote it."""
    found = imported("openai", {"a.jsonl": lines({"messages": [user("{{ name }}"), agent("{% if %}", ("1", "{{ f }}", {}))]})})
    assert only(found)["turns"][0]["user"] == '{{ "{{" }} name }}'
    assert only(found)["turns"][0]["expect"] == {"tools": {"exactly": ['{{ "{{" }} f }}']}}


@pytest.mark.parametrize("content", ['{"prompt": "a", "completion": "b"}', '{"messages": []}', '{"messages": {"role": 1}}'])
def test_other_records_are_refused(content: str) -> None:
    """The message says what the format is."""
    _, problems = tried("openai", {"a.jsonl": content})
    assert problems[0].startswith("a.jsonl:1:1: error[import-shape]: the file is not of the format openai: chat completions")


def test_it_keeps_every_promise_of_an_importer(tmp_path: Path) -> None:
    """The conformance kit, and a suite that passes."""
    (tmp_path / "tune.jsonl").write_text(lines(TOLD, TOLD, batch("r1", user("one"))), encoding="utf-8")
    (tmp_path / "answers.jsonl").write_text(lines(answer("r1", "First.")), encoding="utf-8")
    importer_conformance(make_importer("openai"), [tmp_path])
    assert passes("openai", tmp_path / "tune.jsonl", tmp_path) == 2

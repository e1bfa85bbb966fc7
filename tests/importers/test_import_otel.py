"""Traces become conversations: grouped by session, told by what is new in each call of a model, tools with their results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from focal_eval.importers import make_importer
from focal_eval.importers.conversations import FORMATS
from focal_eval.testing import importer_conformance
from tests.importers.imports import imported, lines, lost, only, passes, script, tried
from tests.importers.told_traces import GEN_AI, attributes, exported, model, span, text

TALK = [
    {"user": "Where is my bell?", "agent": "It was sent.", "expect": {"tools": {"exactly": [{"find_order": {"id": "B-7"}}]}}},
    {"user": "thanks", "agent": "Bye!", "expect": {"tools": {"none": True}}},
]


def openinference(role: str, prefix: str, index: int, content: str | None = None, **call: str) -> dict[str, Any]:
    """A flattened message."""
    out: dict[str, Any] = {f"{prefix}.{index}.message.role": role}
    if content is not None:
        out[f"{prefix}.{index}.message.content"] = content
    for key, value in call.items():
        out[f"{prefix}.{index}.message.tool_calls.0.tool_call.{key.replace('_', '.')}"] = value
    return out


def one(*spans: Any) -> dict[str, Any]:
    """The only script of a trace."""
    return only(imported("otel", {"t.jsonl": lines(exported(*spans))}))


def test_traces_of_a_session_are_one_conversation() -> None:
    """GenAI's conventions: two traces with one conversation id; the history in each call tells nothing twice."""
    found = imported("otel", {"t.jsonl": lines(*GEN_AI)}, stubs="write")
    made = script(found, "scenarios/talk-1.yaml")
    assert made["turns"] == TALK
    assert made["tools"] == {"find_order": [{"when": {"id": "B-7"}, "only": True, "returns": {"state": "sent"}}]}
    assert made["origin"] == {"format": "otel", "file": "t.jsonl", "line": 1, "conversation": "talk-1"}
    assert lost(found) == {"measures": 1, "other-span": 1}


def test_without_tool_spans_the_calls_of_the_model_count() -> None:
    """A request in a model's output is a call, and its result stands in the next input."""
    spans = [item for record in GEN_AI for item in record["resourceSpans"][0]["scopeSpans"][0]["spans"]]
    rest = [item for item in spans if not item["name"].startswith("execute_tool")]
    found = imported("otel", {"t.json": exported(*rest)}, stubs="write")
    assert only(found)["turns"] == TALK
    assert only(found)["tools"]["find_order"][0]["returns"] == {"state": "sent"}


def test_spans_come_in_any_order_and_any_shape() -> None:
    """Reversed lines, snake case, a list, and the console exporter's form give the same conversation."""
    assert only(imported("otel", {"t.jsonl": lines(*reversed(GEN_AI))}))["turns"] == TALK
    console = [
        {
            "name": item["name"],
            "context": {"trace_id": item["traceId"], "span_id": item["spanId"]},
            "parent_id": item.get("parentSpanId"),
            "start_time": f"2026-03-02T10:00:{int(item['startTimeUnixNano']) // 10**9:02d}.5Z",
            "status": {"status_code": "UNSET"},
            "attributes": {one["key"]: one["value"].get("stringValue", 12) for one in item["attributes"]},
            "events": [],
        }
        for record in GEN_AI
        for item in record["resourceSpans"][0]["scopeSpans"][0]["spans"]
    ]
    assert only(imported("otel", {"t.jsonl": lines(*console)}))["turns"] == TALK
    assert only(imported("otel", {"t.json": console}))["turns"] == TALK
    snake = json.loads(json.dumps(GEN_AI[0]).replace("resourceSpans", "resource_spans").replace("scopeSpans", "scope_spans"))
    assert only(imported("otel", {"t.json": snake}))["turns"] == TALK[:1]


def test_openinference_is_read_flat() -> None:
    """Numbered attributes, a tool that failed, and the agent's own output over the words on the way."""
    found = imported(
        "otel",
        {
            "t.json": exported(
                span("c", 1, "agent", {"openinference.span.kind": "AGENT", "session.id": "s-9", "output.value": "I am here."}),
                span(
                    "c", 2, "llm",
                    {"openinference.span.kind": "LLM",
                     **openinference("system", "llm.input_messages", 0, "You sell."),
                     **openinference("user", "llm.input_messages", 1, "hi"),
                     **openinference("model", "llm.output_messages", 0, None,
                                     function_name="look", function_arguments='{"a": 1}')},
                    1,
                ),
                span("c", 3, "look", {"openinference.span.kind": "TOOL", "tool.name": "look", "input.value": '{"a": 1}'}, 1,
                     status={"code": 2, "message": "boom"}),
                span(
                    "c", 4, "llm",
                    {"openinference.span.kind": "LLM",
                     **openinference("user", "llm.input_messages", 0, "hi"),
                     **openinference("assistant", "llm.output_messages", 0, "route: greeting")},
                    1,
                ),
            )
        },
        stubs="write",
    )  # fmt: skip
    made = script(found, "scenarios/s-9.yaml")
    assert made["turns"] == [{"user": "hi", "agent": "I am here.", "expect": {"tools": {"exactly": [{"look": {"a": 1}}]}}}]
    assert made["tools"]["look"][0]["fails"] == "boom"
    assert lost(found) == {"inner-text": 1, "system-prompt": 1}


def test_older_spellings_are_read() -> None:
    """Numbered prompts, events for each message, and events with a whole prompt."""
    prompts = {"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "hi"}
    prompts |= {"gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.content": "Hello!"}
    choice = json.dumps({"role": "assistant", "content": "Hello!"})
    each = [
        {"name": "gen_ai.user.message", "attributes": attributes({"content": "hi"})},
        {"name": "gen_ai.choice", "attributes": attributes({"index": 0, "message": choice})},
    ]
    whole = [
        {"name": "gen_ai.content.prompt", "attributes": attributes({"gen_ai.prompt": '[{"role": "user", "content": "hi"}]'})},
        {"name": "gen_ai.content.completion", "attributes": attributes({"gen_ai.completion": f"[{choice}]"})},
    ]
    chat = {"gen_ai.operation.name": "chat"}
    for given in (span("a", 1, "x", prompts), span("a", 1, "x", chat, events=each), span("a", 1, "x", chat, events=whole)):
        assert one(given)["turns"] == [{"user": "hi", "agent": "Hello!", "expect": {"tools": {"none": True}}}]


def test_an_agent_that_tells_no_messages_is_heard_by_its_input_and_output() -> None:
    """The outermost agent's words, as text or as messages, where its models tell none."""
    for given, made in (("hi", "Hello!"), ('{"messages": [{"role": "user", "content": "hi"}]}', '{"output": "Hello!"}')):
        root = span("a", 1, "agent", {"openinference.span.kind": "CHAIN", "input.value": given, "output.value": made})
        assert one(root)["turns"] == [{"user": "hi", "agent": "Hello!", "expect": {"tools": {"none": True}}}]


def test_the_same_words_in_another_trace_are_said_again() -> None:
    """Where the history is not sent along, a new trace with the same message is a new turn; in the same trace it is not."""
    yes = model([text("user", "yes")], [text("assistant", "Done.")])
    session = {"gen_ai.conversation.id": "s"}
    twice = one(span("a", 1, "chat", {**yes, **session}), span("b", 2, "chat", {**yes, **session}))
    assert [turn["user"] for turn in twice["turns"]] == ["yes", "yes"]
    once = one(span("a", 1, "chat", yes), span("a", 2, "chat", yes))
    assert [turn["user"] for turn in once["turns"]] == ["yes"]


def test_parts_that_are_no_words_are_counted() -> None:
    """Reasoning and images are left behind."""
    parts = {"role": "user", "parts": [{"type": "text", "content": "this"}, {"type": "blob", "content": "x"}]}
    answer = {"role": "assistant", "parts": [{"type": "reasoning", "content": "hm"}, {"type": "text", "content": "That."}]}
    found = imported("otel", {"t.jsonl": lines(exported(span("a", 1, "chat", model([parts], [answer]))))})
    assert only(found)["turns"][0] == {"user": "this", "agent": "That.", "expect": {"tools": {"none": True}}}
    assert lost(found) == {"not-text": 2}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"resourceSpans": []}, "the file holds no conversation: a record holds no spans"),
        (exported(span("a", 1, "GET", {"http.method": "GET"})), "a trace in which no model is asked and no agent is called"),
        ({"spans": []}, "the file is not of the format otel"),
    ],
)
def test_a_file_without_a_conversation_says_why(content: Any, said: str) -> None:
    """The reason stands in the message."""
    assert said in tried("otel", {"t.json": content})[1][0]


def test_recorded_traces_are_a_format_of_recordings() -> None:
    """What reads recordings of any format tells traces from the others."""
    assert [name for name, one in FORMATS.items() if one.fits(GEN_AI[0])] == ["otel"]


def test_it_keeps_every_promise_of_an_importer(tmp_path: Path) -> None:
    """The conformance kit, and a suite that passes."""
    (tmp_path / "t.jsonl").write_text(lines(*GEN_AI), encoding="utf-8")
    importer_conformance(make_importer("otel"), [tmp_path])
    assert passes("otel", tmp_path, tmp_path / "out") == 1

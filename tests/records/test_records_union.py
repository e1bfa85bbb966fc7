"""The records are the union of what Focal, Glean, Mix and PipesHub report: each of their fields has a place of its own."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import orjson
import pytest

from focal_eval.engines import SessionStart
from focal_eval.records import (
    Candidate,
    Citation,
    Enforcement,
    MessageRecord,
    Reply,
    RuleMatch,
    ScenarioState,
    Tokens,
    ToolCall,
    Transition,
    TurnRecord,
)
from focal_eval.records.codec import message_from_json, message_to_json, reply_from_json, reply_to_json

JOURNAL = Path(__file__).resolve().parents[2] / "docs" / "reference" / "journal.md"

# (the system's field, our place, a value there)
Row = tuple[str, str, Any]

FOCAL: list[Row] = [
    ("ChatResponse.response", "reply response", "It is on its way."),
    ("ChatResponse.session_id", "reply session_id", "s-1"),
    ("ChatResponse.turn_id", "reply turn_id", "t-1"),
    ("ChatResponse.scenario.id", "reply scenario.id", "returns"),
    ("ChatResponse.scenario.step", "reply scenario.step", "confirm"),
    ("ChatResponse.matched_rules", "reply rules.0.id", "8a1e"),
    ("ChatResponse.tools_called", "reply tools.0.name", "lookup_order"),
    ("ChatResponse.tokens_used", "reply tokens.total", 90),
    ("ChatResponse.latency_ms", "reply latency_ms", 412.5),
    ("Turn.turn_id", "message turn_id", "t-1"),
    ("Turn.user_message and agent_response", "message text", "Where is it?"),
    ("Turn.matched_rules", "message rules.0.id", "8a1e"),
    ("Turn.tools_called", "message tools.0.name", "lookup_order"),
    ("Turn.scenario_after.id", "message scenario.id", "returns"),
    ("Turn.scenario_after.step", "message scenario.step", "confirm"),
    ("Turn.latency_ms", "message latency_ms", 400.0),
    ("Turn.tokens_used", "message tokens.total", 90),
    ("Turn.timestamp", "message created_at", "2026-11-21T08:00:00Z"),
]
GLEAN: list[Row] = [
    ("messages[].fragments[].text", "reply messages.0", "Hello"),
    ("messages[].author", "message role", "assistant"),
    ("messages[].messageType", "reply type", "CONTENT"),
    ("messages[].messageType UPDATE", "reply progress.0", "Searching"),
    ("messages[].messageId", "reply turn_id", "m-1"),
    ("messages[].ts", "reply created_at", "1763712000"),
    ("messages[].citations[].sourceDocument.id", "reply citations.0.id", "d-1"),
    ("messages[].citations[].sourceDocument.title", "reply citations.0.source", "Handbook"),
    ("messages[].citations[].sourceDocument.url", "reply citations.0.url", "https://example.com"),
    ("messages[].citations[].referenceRanges[].snippets[].text", "reply citations.0.text", "within 30 days"),
    ("messages[].fragments[].action.metadata.name", "reply tools.0.name", "search"),
    ("messages[].fragments[].action.metadata.type", "reply tools.0.type", "RETRIEVAL"),
    ("messages[].fragments[].action.parameters", "reply tools.0.arguments", {"q": "returns"}),
    ("messages[].fragments[].serverToolRequest.requestId", "reply tools.0.id", "r-1"),
    ("chat_id", "reply session_id", "c-1"),
    ("follow_up_prompts", "reply follow_ups.0", "And exchanges?"),
    ("backend_time_millis", "reply latency_ms", 1100.0),
    ("chat_session_tracking_token", "reply tracking_token", "tok"),
]
MIX: list[Row] = [
    ("assistant_response", "message text", "Done."),
    ("id", "message id", "m-1"),
    ("reasoning", "message reasoning", "The order was found."),
    ("reasoning_duration", "message reasoning_ms", 850.0),
    ("role", "message role", "assistant"),
    ("session_id", "message session_id", "s-1"),
    ("tool_calls[].id", "message tools.0.id", "call-1"),
    ("tool_calls[].name", "message tools.0.name", "Bash"),
    ("tool_calls[].type", "message tools.0.type", "function"),
    ("tool_calls[].finished", "message tools.0.status", "completed"),
    ("tool_calls[].input", "message tools.0.arguments", {"command": "ls"}),
    ("tool_calls[].result", "message tools.0.result", "a.txt"),
    ("tool_calls[].isError", "message tools.0.error", "no such file"),
    ("parentToolCallId", "message tools.0.parent", "call-0"),
    ("model", "message model", "small-1"),
    ("cost", "message cost", 0.0125),
    ("inputTokens", "message tokens.prompt", 120),
    ("outputTokens", "message tokens.completion", 30),
    ("cacheReadTokens", "message tokens.cached", 64),
    ("cacheCreationTokens", "message tokens.cache_written", 8),
    ("finishReason", "message finish_reason", "stop"),
    ("createdAt", "message created_at", "2026-11-21T08:00:00Z"),
    ("updatedAt", "message updated_at", "2026-11-21T08:00:01Z"),
    ("complete.reasoning", "reply reasoning", "The order was found."),
    ("complete.reasoningDuration", "reply reasoning_ms", 850.0),
    ("complete.messageId", "reply turn_id", "m-1"),
]
PIPESHUB: list[Row] = [
    ("id", "message id", "65f0"),
    ("message_type", "message type", "bot_response"),
    ("content", "message text", "Within **30 days**."),
    ("content_format", "message format", "MARKDOWN"),
    ("citations[].citationId", "message citations.0.id", "c-1"),
    ("citations[].relevanceScore", "message citations.0.score", 0.87),
    ("citations[].excerpt", "message citations.0.text", "30 days"),
    ("citations[].context", "message citations.0.context", "returns policy, page 2"),
    ("confidence", "message confidence", "Very High"),
    ("follow_up_questions[].question", "message follow_ups.0", "What about shoes?"),
    ("feedback", "message feedback", [{"isHelpful": True, "ratings": {"accuracy": 5}}]),
    ("metadata", "message metadata", {"modelVersion": "1", "aiTransactionId": "x", "reason": "y"}),
    ("metadata.processingTimeMs", "message latency_ms", 2300.5),
    ("modelInfo", "message model", "small-1"),
    ("parts[].status", "message tools.0.status", "blocked"),
    ("parts[].resultPreview", "message tools.0.result", {"rows": 2}),
    ("reasoning[].content", "message reasoning", "The policy says so."),
    ("created_at", "message created_at", "2026-11-21T08:00:00Z"),
    ("updated_at", "message updated_at", "2026-11-21T08:00:01Z"),
    ("the reply's format", "reply format", "MARKDOWN"),
    ("the reply's type", "reply type", "bot_response"),
    ("the reply's confidence", "reply confidence", "High"),
]
CHAT_COMPLETIONS: list[Row] = [
    ("model", "reply model", "small-1"),
    ("choices[].finish_reason", "reply finish_reason", "tool_calls"),
    ("usage.prompt_tokens_details.cached_tokens", "reply tokens.cached", 64),
    ("usage.completion_tokens_details.reasoning_tokens", "reply tokens.reasoning", 12),
    ("tool calls of one message", "reply tools.0.group", 0),
]
SYSTEMS = {"focal": FOCAL, "glean": GLEAN, "mix": MIX, "pipeshub": PIPESHUB, "openai": CHAT_COMPLETIONS}


def document(path: str, value: Any) -> dict[str, Any]:
    """The JSON of a record in which only this place is set, and what its parts cannot be without."""
    out: Any = value
    for part in reversed(path.split(".")):
        out = [out] if part == "0" else {part: out}
    for named in ("rules", "tools"):
        if isinstance(out.get(named), list):
            out[named][0].setdefault("name", "x")
    if isinstance(out.get("scenario"), dict):
        out["scenario"].setdefault("id", "x")
    made: dict[str, Any] = out
    return made


def reached(record: Any, path: str) -> Any:
    """What stands at a place of a record."""
    for part in path.split("."):
        record = record[int(part)] if part == "0" else getattr(record, part)
    return record


@pytest.mark.parametrize(
    ("theirs", "place", "value"), [pytest.param(*row, id=f"{name}: {row[0]}") for name, rows in SYSTEMS.items() for row in rows]
)
def test_each_field_has_a_place(theirs: str, place: str, value: Any) -> None:
    """A value of the system's field comes back from the journal at our place of it, and is written as it was read."""
    kind, path = place.split(" ")
    data = document(path, value)
    if kind == "reply":
        reply = reply_from_json(data)
        assert (reached(reply, path), orjson.loads(orjson.dumps(reply_to_json(reply)))) == (value, data), theirs
        return
    data = {"role": "assistant", "text": None} | data
    message = message_from_json(data)
    assert (reached(message, path), orjson.loads(orjson.dumps(message_to_json(message)))) == (value, data), theirs


def test_a_request_has_a_place_too() -> None:
    """What Focal is asked with: the user's words in the turn, the rest in how the session starts."""
    assert {"user"} <= {spec.name for spec in fields(TurnRecord)}
    assert {"case", "channel", "metadata"} <= {spec.name for spec in fields(SessionStart)}


@pytest.mark.parametrize(
    "kind",
    [Reply, MessageRecord, RuleMatch, Candidate, ToolCall, ScenarioState, Transition, Enforcement, Citation, Tokens],
    ids=lambda kind: kind.__name__,
)
def test_the_journals_page_names_every_field(kind: type) -> None:
    """Who reads a journal with another tool finds each key described."""
    text = JOURNAL.read_text(encoding="utf-8")
    assert [spec.name for spec in fields(kind) if f"`{spec.name}`" not in text and f'"{spec.name}"' not in text] == []

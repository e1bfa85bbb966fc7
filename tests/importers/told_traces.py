"""Small invented traces in OTLP's JSON: a bicycle shop's agent, instrumented in the ways that are in use."""

from __future__ import annotations

import json
from typing import Any

Span = dict[str, Any]


def typed(value: Any) -> dict[str, Any]:
    """OTLP's AnyValue."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, list):
        return {"arrayValue": {"values": [typed(item) for item in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": [{"key": key, "value": typed(item)} for key, item in value.items()]}}
    return {"stringValue": value}


def attributes(given: dict[str, Any]) -> list[dict[str, Any]]:
    """OTLP's list of attributes."""
    return [{"key": key, "value": typed(value)} for key, value in given.items()]


def span(trace: str, number: int, name: str, given: dict[str, Any], parent: int | None = None, **more: Any) -> Span:
    """A span that began at second `number`."""
    out: Span = {
        "traceId": trace * 32,
        "spanId": f"{trace}{number:015d}",
        "name": name,
        "startTimeUnixNano": str(number * 10**9),
        "attributes": attributes(given),
        **more,
    }
    if parent is not None:
        out["parentSpanId"] = f"{trace}{parent:015d}"
    return out


def exported(*spans: Span, **resource: Any) -> dict[str, Any]:
    """What an exporter writes at a time."""
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": attributes(resource)},
                "scopeSpans": [{"scope": {"name": "shop"}, "spans": list(spans)}],
            }
        ]
    }


def text(role: str, words: str) -> dict[str, Any]:
    """A message with one part."""
    return {"role": role, "parts": [{"type": "text", "content": words}]}


def asked(id: str, name: str, given: Any) -> dict[str, Any]:
    """A message that calls a tool."""
    return {"role": "assistant", "parts": [{"type": "tool_call", "id": id, "name": name, "arguments": given}]}


def told(id: str, answer: Any) -> dict[str, Any]:
    """A tool's answer as a message."""
    return {"role": "tool", "parts": [{"type": "tool_call_response", "id": id, "response": answer}]}


def model(given: list[Any], made: list[Any], **more: Any) -> dict[str, Any]:
    """Attributes of a model's span by GenAI's conventions, messages as JSON text."""
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": json.dumps(given),
        "gen_ai.output.messages": json.dumps(made),
        **more,
    }


WHERE = [text("user", "Where is my bell?")]
CALLED = [*WHERE, asked("c1", "find_order", {"id": "B-7"}), told("c1", {"state": "sent"})]
SENT = [*CALLED, text("assistant", "It was sent.")]

GEN_AI: list[dict[str, Any]] = [
    exported(
        span("a", 1, "invoke_agent shop", {"gen_ai.operation.name": "invoke_agent", "gen_ai.conversation.id": "talk-1"}),
        span("a", 2, "chat", model(WHERE, [asked("c1", "find_order", {"id": "B-7"})]), 1),
        span(
            "a",
            3,
            "execute_tool find_order",
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": "find_order",
                "gen_ai.tool.call.id": "c1",
                "gen_ai.tool.call.arguments": '{"id": "B-7"}',
                "gen_ai.tool.call.result": '{"state": "sent"}',
            },
            1,
        ),
        span("a", 4, "SELECT", {"db.system": "sqlite"}, 3),
        span("a", 5, "chat", model(CALLED, [text("assistant", "It was sent.")], **{"gen_ai.usage.input_tokens": 12}), 1),
    ),
    exported(
        span("b", 11, "invoke_agent shop", {"gen_ai.operation.name": "invoke_agent", "gen_ai.conversation.id": "talk-1"}),
        span("b", 12, "chat", model([*SENT, text("user", "thanks")], [text("assistant", "Bye!")]), 11),
    ),
]
"""Two exchanges of one session, each a trace of its own, as a line of a collector's file each."""

"""`traces.jsonl`: a run as OpenTelemetry traces, by OTLP's JSON encoding, a request a line.

A conversation is a trace: a span for it, below it one for each turn (`invoke_agent`), below that one for each tool call
(`execute_tool`), named and described by the semantic conventions for generative AI. Each expectation that was judged is an
event `gen_ai.evaluation.result` of its turn. A journal tells how long a turn took and not when it began: conversations begin
where the run does, and turns follow each other without a pause.

OTLP/JSON: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding; files of it:
https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/; conventions:
https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-agent-spans/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from focal_eval import __version__
from focal_eval.clock import content_id
from focal_eval.records import Json
from focal_eval.report.base import ReportOptions, save_parts, target
from focal_eval.report.model import Attempt, Case, ReportModel

NAME = "traces.jsonl"
TOGETHER = 50  # conversations in one request
MAX_TEXT = 16_000  # characters of what was said
MAX_VALUE = 8 * MAX_TEXT  # of an attribute, which may hold it as JSON
_INTERNAL, _CLIENT = 1, 3  # kinds of a span
_OK, _ERROR = 1, 2  # statuses
_LABELS = {"passed": "pass", "failed": "fail", "errored": "error"}


def write(run: ReportModel, out: Path, _options: ReportOptions | None = None) -> Path:
    """Writes `traces.jsonl`."""
    return save_parts(target(out, NAME), (request + b"\n" for request in requests(run)))


def requests(run: ReportModel) -> Iterator[bytes]:
    """The bodies of requests to `/v1/traces`, each with some conversations."""
    resource = {"attributes": _attributes(_resource(run))}
    scope = {"name": "focal-eval", "version": __version__}
    cases = iter(run.cases)
    while some := list(islice(cases, TOGETHER)):
        spans = [span for case in some for attempt in case.attempts for span in _spans(run, case, attempt)]
        if spans:
            yield orjson.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": scope, "spans": spans}]}]})


def _resource(run: ReportModel) -> Mapping[str, Json]:
    engine = run.header.get("engine") or {}
    agent, suite = engine.get("agent") or {}, run.header.get("suite") or {}
    return {
        "service.name": agent.get("id") or engine.get("name") or engine.get("kind") or "agent",
        "focal_eval.run": run.header.get("id"),
        "focal_eval.suite": suite.get("file"),
        "focal_eval.engine": engine.get("kind"),
        "focal_eval.agent.digest": agent.get("digest"),
    }


def _spans(run: ReportModel, case: Case, attempt: Attempt) -> Iterator[dict[str, Any]]:
    """The spans of one attempt: the conversation's, then those of its turns and tools."""
    trace = content_id(str(run.header.get("id")), case.id, str(attempt.number), length=32)
    begin = _nanoseconds(run.header.get("started_at"))
    turns = [run.document(place) for place in attempt.turns]
    closing = run.document(attempt.end) if attempt.end is not None else {}
    length = max(attempt.elapsed_ms, sum(turn.get("elapsed_ms") or 0.0 for turn in turns))
    root = content_id(trace, "conversation", length=16)
    session = next((found for turn in turns if (found := (turn.get("reply") or {}).get("session_id"))), None) or trace
    about: dict[str, Json] = {
        "gen_ai.conversation.id": session,
        "session.id": session,
        "focal_eval.case": case.name,
        "focal_eval.script": case.script,
        "focal_eval.verdict": attempt.verdict or "not_run",
        "focal_eval.attempt": attempt.number,
        "code.file.path": case.file,
        "code.line.number": case.line,
    }
    bad = attempt.verdict in ("failed", "errored", "xpassed")
    end = begin + _of_ms(length)
    whole = _span(trace, root, None, f"conversation {case.script}", _INTERNAL, begin, end, about)
    whole["events"] = list(_evaluations(closing, end))
    yield _with_status(whole, attempt.message or attempt.reason if bad else None)
    at = begin
    for turn in turns:
        last = at + _of_ms(turn.get("elapsed_ms") or 0.0)
        yield from _of_turn(run, turn, (trace, root), (at, last), session)
        at = last


def _of_turn(
    run: ReportModel, turn: Mapping[str, Any], above: tuple[str, str], time: tuple[int, int], session: str
) -> Iterator[dict[str, Any]]:
    trace, root = above
    agent = (run.header.get("engine") or {}).get("agent") or {}
    reply, fault = turn.get("reply") or {}, turn.get("fault")
    mine = content_id(root, "turn", str(turn["i"]), length=16)
    tokens, scenario = reply.get("tokens") or {}, reply.get("scenario") or {}
    about: dict[str, Json] = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": agent.get("id"),
        "gen_ai.conversation.id": session,
        "gen_ai.input.messages": _message("user", turn.get("user")),
        "gen_ai.output.messages": _message("assistant", reply.get("response")),
        "gen_ai.response.model": reply.get("model"),
        "gen_ai.usage.input_tokens": tokens.get("prompt"),
        "gen_ai.usage.output_tokens": tokens.get("completion"),
        "focal_eval.turn": turn["i"] + 1,
        "focal_eval.rules": [match["name"] for match in reply.get("rules") or ()],
        "focal_eval.scenario": "/".join(part for part in (scenario.get("id"), scenario.get("step")) if part) or None,
        "focal_eval.template": reply.get("template"),
        "error.type": None if fault is None else fault.get("kind"),
    }
    name = f"invoke_agent {agent.get('id') or 'agent'}"
    span = _span(trace, mine, root, name, _CLIENT, *time, about)
    span["events"] = list(_evaluations(turn, time[1]))
    yield _with_status(span, None if fault is None else str(fault.get("message")))
    for number, call in enumerate(reply.get("tools") or ()):
        yield _of_tool(call, (trace, mine, content_id(mine, "tool", str(number), length=16)), time)


def _of_tool(call: Mapping[str, Any], ids: tuple[str, str, str], time: tuple[int, int]) -> dict[str, Any]:
    trace, above, mine = ids
    took = call.get("duration_ms")
    end = time[1] if took is None else min(time[1], time[0] + _of_ms(took))
    about: dict[str, Json] = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": call.get("name"),
        "gen_ai.tool.call.arguments": _told(call.get("arguments")),
        "gen_ai.tool.call.result": _told(call.get("result")),
    }
    error = call.get("error")
    span = _span(trace, mine, above, f"execute_tool {call.get('name')}", _INTERNAL, time[0], end, about)
    return _with_status(span, None if error is None else str(error))


def _evaluations(line: Mapping[str, Any], at: int) -> Iterator[dict[str, Any]]:
    """An event for each expectation that was judged."""
    for result in line.get("results") or ():
        findings = result.get("findings") or ()
        about: dict[str, Json] = {
            "gen_ai.evaluation.name": result.get("key"),
            "gen_ai.evaluation.score.label": _LABELS.get(result["outcome"], result["outcome"]),
            "gen_ai.evaluation.explanation": findings[0].get("message") if findings else result.get("reason"),
            "focal_eval.expectation": result.get("text"),
            "focal_eval.soft": True if result.get("soft") else None,
        }
        yield {"timeUnixNano": str(at), "name": "gen_ai.evaluation.result", "attributes": _attributes(about)}


def _span(
    trace: str, mine: str, above: str | None, name: str, kind: int, begin: int, end: int, about: Mapping[str, Json]
) -> dict[str, Any]:
    return {
        "traceId": trace,
        "spanId": mine,
        **({} if above is None else {"parentSpanId": above}),
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(begin),
        "endTimeUnixNano": str(end),
        "attributes": _attributes(about),
    }


def _with_status(span: dict[str, Any], error: str | None) -> dict[str, Any]:
    span["status"] = {"code": _OK} if error is None else {"code": _ERROR, "message": error[:MAX_TEXT]}
    return span


def _attributes(values: Mapping[str, Json]) -> list[dict[str, Any]]:
    """The attributes that have a value, as OTLP spells them."""
    return [{"key": key, "value": _value(value)} for key, value in values.items() if value is not None and value != []]


def _value(value: Json) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    return {"stringValue": str(value)[:MAX_VALUE]}


def _message(role: str, text: str | None) -> str | None:
    """What was said, as the conventions have messages: JSON, in parts."""
    if text is None:
        return None
    return orjson.dumps([{"role": role, "parts": [{"type": "text", "content": text[:MAX_TEXT]}]}]).decode()


def _told(value: Json) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def _of_ms(time: float) -> int:
    return round(time * 1_000_000)


def _nanoseconds(text: Json) -> int:
    """A moment of the header; the beginning of time where it has none."""
    try:
        return round(datetime.fromisoformat(str(text)).timestamp()) * 1_000_000_000
    except ValueError:
        return 0

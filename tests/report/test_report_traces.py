"""`traces.jsonl`: a run as OpenTelemetry traces, read by OpenTelemetry's own protocol."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from focal_eval.report import ReportModel, read_run
from focal_eval.report.traces import TOGETHER, requests, write
from tests.report.sample_cases import rules_case
from tests.report.sample_odd_cases import hostile_case
from tests.report.sample_run import write_run


def spans_of(data: bytes) -> list[Span]:
    """The spans of a request, read by the protocol's own definition, in which a misspelt or foreign key is an error.

    OTLP spells ids in hex where protobuf's JSON has base64; nothing else is changed.
    """
    document = json.loads(data)
    for resource in document["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for key in ("traceId", "spanId", "parentSpanId"):
                    if key in span:
                        span[key] = base64.b64encode(bytes.fromhex(span[key])).decode()
    message = json_format.ParseDict(document, ExportTraceServiceRequest())
    return [span for resource in message.resource_spans for scope in resource.scope_spans for span in scope.spans]


def all_spans(run: ReportModel) -> list[Span]:
    return [span for request in requests(run) for span in spans_of(request)]


def about(span: Span | Span.Event) -> dict[str, Any]:
    """The attributes of a span or event."""
    return {item.key: getattr(item.value, str(item.value.WhichOneof("value"))) for item in span.attributes}


def test_the_protocol_reads_every_run(rich: ReportModel, partial: ReportModel) -> None:
    """A run with every verdict, and one that was killed: ids of the right length, each once, parents that are there."""
    for run in (rich, partial):
        spans = all_spans(run)
        assert spans
        ids = {(span.trace_id, span.span_id) for span in spans}
        assert len(ids) == len(spans)
        for span in spans:
            assert (len(span.trace_id), len(span.span_id)) == (16, 8)
            assert span.end_time_unix_nano >= span.start_time_unix_nano > 0
            assert not span.parent_span_id or (span.trace_id, span.parent_span_id) in ids


def test_a_conversation_is_a_trace(tmp_path: Path) -> None:
    """A span for it, below it its turns, below those their tools, by the conventions for generative AI."""
    run = read_run(write_run(tmp_path / "run", [rules_case()]))
    spans = all_spans(run)
    assert len({span.trace_id for span in spans}) == 1
    (root,) = [span for span in spans if not span.parent_span_id]
    turns = [span for span in spans if span.parent_span_id == root.span_id]
    assert root.name == "conversation returns/late-parcel"
    assert about(root)["focal_eval.verdict"] == "failed"
    assert root.status.code == Status.STATUS_CODE_ERROR
    first = about(turns[0])
    assert first["gen_ai.operation.name"] == "invoke_agent"
    assert first["gen_ai.conversation.id"] == about(root)["gen_ai.conversation.id"]
    (said,) = json.loads(first["gen_ai.input.messages"])
    assert said["role"] == "user"
    assert said["parts"][0]["content"].startswith("My parcel is ten days late")
    starts = [span.start_time_unix_nano for span in turns]
    assert starts == sorted(starts)


def test_each_judged_expectation_is_an_evaluation(tmp_path: Path) -> None:
    """An event of its turn, with its label and, where it does not hold, why."""
    run = read_run(write_run(tmp_path / "run", [rules_case()]))
    events = [event for span in all_spans(run) for event in span.events]
    assert {event.name for event in events} == {"gen_ai.evaluation.result"}
    told = [about(event) for event in events]
    bad = next(one for one in told if one["gen_ai.evaluation.score.label"] == "fail")
    assert bad["gen_ai.evaluation.name"] == "rules"
    assert bad["gen_ai.evaluation.explanation"] == "rule 'offer-refund' did not match"


def test_tool_calls_are_spans_of_their_turn(rich: ReportModel) -> None:
    """With name, arguments and result."""
    spans = all_spans(rich)
    tools = [span for span in spans if span.name.startswith("execute_tool ")]
    assert tools
    turns = {span.span_id for span in spans if about(span).get("gen_ai.operation.name") == "invoke_agent"}
    for span in tools:
        assert span.parent_span_id in turns
        assert about(span)["gen_ai.tool.name"] == span.name.removeprefix("execute_tool ")
    assert any("gen_ai.tool.call.arguments" in about(span) for span in tools)


def test_an_engine_that_broke_is_an_error_of_its_turn(rich: ReportModel) -> None:
    """With the kind of the fault."""
    broke = [span for span in all_spans(rich) if str(about(span).get("error.type", "")).startswith("engine-")]
    assert broke
    assert all(span.status.code == Status.STATUS_CODE_ERROR and span.status.message for span in broke)


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    """Whatever was said, each line is a request."""
    run = read_run(write_run(tmp_path / "run", [hostile_case()]))
    for line in write(run, tmp_path / "out.jsonl").read_bytes().splitlines():
        assert spans_of(line)


def test_the_same_run_gives_the_same_bytes(rich_folder: Path, tmp_path: Path) -> None:
    """Ids come from content, times from the run."""
    one, other = write(read_run(rich_folder), tmp_path / "one.jsonl"), write(read_run(rich_folder), tmp_path / "two.jsonl")
    assert one.read_bytes() == other.read_bytes()


def test_requests_are_bounded(tmp_path: Path) -> None:
    """So many conversations in each, however many there are."""
    cases = [replace(rules_case(), script=f"returns/late-{number}") for number in range(2 * TOGETHER + 1)]
    run = read_run(write_run(tmp_path / "run", cases))
    assert [len({span.trace_id for span in spans_of(request)}) for request in requests(run)] == [TOGETHER, TOGETHER, 1]

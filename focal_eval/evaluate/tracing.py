"""Sends a run's traces to an OpenTelemetry collector, or to whatever else takes OTLP over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

import orjson

from focal_eval.clock import Clock
from focal_eval.engines.wire import Wire
from focal_eval.errors import EngineError, UsageError
from focal_eval.report.model import ReportModel
from focal_eval.report.traces import requests
from focal_eval.value import value

PATH = "/v1/traces"
HEADERS = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
"""Variables of the environment with headers to send, such as `api-key=…,x-team=shop`, as OpenTelemetry has them."""


@value
class Sent:
    """What a collector took."""

    spans: int
    refused: int  # spans that it would not have
    why: str | None = None  # in its own words


def send_traces(run: ReportModel, url: str, environment: Mapping[str, str], clock: Clock) -> Sent:
    """Sends every span of a run to `url`/v1/traces.

    Raises UsageError for what is no URL or no header, EngineError where nobody takes them; what was sent before stays sent.
    """
    return asyncio.run(_send(run, url.removesuffix("/").removesuffix(PATH), headers_of(environment), clock))


async def _send(run: ReportModel, url: str, headers: Mapping[str, str], clock: Clock) -> Sent:
    wire = Wire(url, headers=headers, clock=clock)
    spans = refused = 0
    why = None
    try:
        for request in requests(run):
            body = orjson.loads(request)
            answer = (await wire.request("POST", PATH, body=body, safe=True)).json() or {}
            spans += sum(len(scope["spans"]) for resource in body["resourceSpans"] for scope in resource["scopeSpans"])
            partly = answer.get("partialSuccess") or {} if isinstance(answer, dict) else {}
            refused += int(partly.get("rejectedSpans") or 0)
            why = why or partly.get("errorMessage")
    except EngineError as problem:
        problem.args = (f"the traces were not taken: {problem}",)
        raise
    finally:
        await wire.close()
    return Sent(spans, refused, None if why is None else str(why)[:300])


def headers_of(environment: Mapping[str, str]) -> Mapping[str, str]:
    """The headers that the environment asks for; those of traces go before those of all signals."""
    out: dict[str, str] = {}
    for name in reversed(HEADERS):
        out.update(_pairs(name, environment.get(name, "")))
    return out


def _pairs(variable: str, text: str) -> Iterator[tuple[str, str]]:
    for part in text.split(","):
        if not part.strip():
            continue
        name, equals, said = part.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"{variable} holds a header without '='; it is NAME=VALUE,NAME=VALUE")
        yield name.strip(), unquote(said.strip())

"""Traces are sent to a collector over a real socket, and what it says is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from focal_eval.cli.main import main
from focal_eval.clock import Clock
from focal_eval.errors import EngineError, UsageError
from focal_eval.evaluate import RunRequest, run
from focal_eval.evaluate.tracing import headers_of, send_traces
from focal_eval.report.progress import Silence

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Collector:
    """What a server for traces got, and what it answers."""

    status: int = 200
    answer: dict[str, Any] = field(default_factory=dict)
    url: str = ""
    got: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)


@contextmanager
def collecting(**given: Any) -> Iterator[Collector]:
    """A server on a free port of the loopback."""
    collector = Collector(**given)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            collector.got.append((self.path, {name.lower(): text for name, text in self.headers.items()}, body))
            data = json.dumps(collector.answer).encode()
            self.send_response(collector.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    collector.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of some cases of the example suite."""
    out = tmp_path_factory.mktemp("traces") / "run"
    run(RunRequest((ROOT / "evals" / "retail.yaml",), out=out, keyword="refunds", reports=()), Silence())
    return out


def test_every_span_is_sent(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """To /v1/traces, as JSON; the number is said."""
    with collecting() as collector:
        assert main(["report", str(folder), "--report", "none", "-q", "--otlp", collector.url]) == 0
    ((path, headers, body),) = collector.got
    assert (path, headers["content-type"]) == ("/v1/traces", "application/json")
    spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert len([span for span in spans if "parentSpanId" not in span]) == 12
    assert f"sent {len(spans)} spans to {collector.url}" in capsys.readouterr().err


def test_headers_come_from_the_environment(folder: Path) -> None:
    """As OpenTelemetry has them, percent-decoded; those of traces go first."""
    environment = {
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=secret%201,x-team=shop",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "x-team=traces",
    }
    with collecting() as collector:
        send_traces(read(folder), collector.url + "/v1/traces", environment, Clock())
    (_, headers, _) = collector.got[0]
    assert (headers["api-key"], headers["x-team"]) == ("secret 1", "traces")
    with pytest.raises(UsageError, match="OTEL_EXPORTER_OTLP_HEADERS holds a header without '='"):
        headers_of({"OTEL_EXPORTER_OTLP_HEADERS": "secret"})


def test_what_a_collector_refuses_is_said(folder: Path) -> None:
    """Its own words, with the number."""
    with collecting(answer={"partialSuccess": {"rejectedSpans": "3", "errorMessage": "too old"}}) as collector:
        sent = send_traces(read(folder), collector.url, {}, Clock())
    assert (sent.refused, sent.why) == (3, "too old")


@pytest.mark.parametrize(("status", "words"), [(401, "the traces were not taken"), (400, "the traces were not taken")])
def test_a_collector_that_takes_nothing_ends_with_a_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], status: int, words: str
) -> None:
    """Exit code 3, one sentence, and the run is as it was."""
    before = (folder / "journal.jsonl").read_bytes()
    with collecting(status=status, answer={"message": "no"}) as collector:
        assert main(["report", str(folder), "--report", "none", "-q", "--otlp", collector.url]) == 3
    told = capsys.readouterr().err
    assert words in told
    assert "Traceback" not in told
    assert (folder / "journal.jsonl").read_bytes() == before


def test_nobody_there(folder: Path) -> None:
    """A port that nobody listens on."""
    with collecting() as collector:
        url = collector.url
    with pytest.raises(EngineError, match="the traces were not taken"):
        send_traces(read(folder), url, {}, Clock())


def test_what_is_no_url_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is sent."""
    assert main(["report", str(folder), "--report", "none", "-q", "--otlp", "collector:4318"]) == 2
    assert "collector:4318" in capsys.readouterr().err


def read(folder: Path) -> Any:
    from focal_eval.report import read_run

    return read_run(folder)

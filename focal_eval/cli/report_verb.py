"""`focal-eval report`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from focal_eval.cli.arguments import whole

if TYPE_CHECKING:
    from focal_eval.report.model import ReportModel


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("run", metavar="RUN", help="a run folder, a unique prefix of its id, latest or previous")
    parser.add_argument(
        "--runs", type=Path, default=Path("reports"), metavar="DIR", help="where run folders lie (default reports)"
    )
    parser.add_argument("--report", metavar="NAMES", default="html,junit,markdown", help="what to write; none prints only")
    parser.add_argument(
        "--out", type=Path, metavar="PATH", help="folder, or file for a single report (default: the run folder)"
    )
    parser.add_argument(
        "--max-failures", type=whole(), default=20, metavar="N", help="failing cases shown in full (default 20)"
    )
    parser.add_argument("--group-by", choices=("folder", "script", "tag"), default="folder", help="rows of the summary table")
    parser.add_argument("--store", metavar="URL", help="show each case's last runs from this store in the HTML report")
    parser.add_argument(
        "--otlp", metavar="URL", help="send the run as traces to this collector; headers from OTEL_EXPORTER_OTLP_HEADERS"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="only the paths that were written")


def call(arguments: argparse.Namespace) -> int:
    """Renders and returns 0: what a run's verdict was does not matter here."""
    from focal_eval.cli.diagnostics import print_json
    from focal_eval.errors import ExitCode, StorageError, UsageError
    from focal_eval.evaluate import read_folder, render
    from focal_eval.report.base import ReportOptions
    from focal_eval.report.jsonl import as_json
    from focal_eval.report.terminal import print_run

    model = read_folder(arguments.run, arguments.runs)
    wanted = [word.strip() for word in arguments.report.split(",") if word.strip() and word.strip() != "none"]
    out = arguments.out
    if out is not None and not out.is_dir():
        file = bool(out.suffix) or out.exists()
        if file and len(wanted) > 1:
            raise UsageError(f"{out} is one file, but {len(wanted)} reports are asked for; give a folder")
        if not file:
            try:
                out.mkdir(parents=True)
            except OSError as problem:
                raise StorageError(f"cannot make the folder {out}: {problem.strerror or problem}") from None
    options = ReportOptions(max_failures=arguments.max_failures, group_by=arguments.group_by)
    if "html" in wanted and any(str(gate.get("name")).startswith("coverage") for gate in model.gates):
        from focal_eval.evaluate.coverage_gate import with_coverage

        options = with_coverage(model, options)
    if arguments.store is not None:
        from dataclasses import replace

        from focal_eval.evaluate.keeping import strips_of
        from focal_eval.store import address_of

        options = replace(options, history=strips_of(model, address_of(arguments.store)))
    written = render(model, wanted, out, options)
    if arguments.json:
        print_json(as_json(model))
    elif arguments.quiet:
        for path in written.values():
            print(path)
    else:
        print_run(model, sys.stdout, options, report=written.get("html") or next(iter(written.values()), None))
    if arguments.otlp is not None:
        _send(model, arguments.otlp)
    return ExitCode.OK


def _send(model: ReportModel, url: str) -> None:
    """Sends the traces, and says on stderr what became of them."""
    import os

    from focal_eval.clock import Clock
    from focal_eval.evaluate.tracing import send_traces
    from focal_eval.text import counted

    sent = send_traces(model, url, os.environ, Clock())
    lost = f"; {sent.refused:,} were refused: {sent.why}" if sent.refused else ""
    print(f"sent {counted(sent.spans, 'span')} to {url}{lost}", file=sys.stderr)

"""`focal-eval runs`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from focal_eval.cli.arguments import whole


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("run", nargs="?", metavar="RUN", help="list this run's cases: a folder, an id's prefix, latest")
    parser.add_argument(
        "--runs", type=Path, default=Path("reports"), metavar="DIR", help="where run folders lie (default reports)"
    )
    parser.add_argument("--verdict", metavar="NAMES", help="cases with these verdicts only, such as failed,errored")
    parser.add_argument("--limit", type=whole(), metavar="N", help="so many lines (default: 20 runs, every case)")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="ids alone, one a line")


def call(arguments: argparse.Namespace) -> int:
    """Lists, and returns 0: what a run's verdict was does not matter here."""
    from focal_eval.errors import ExitCode, UsageError

    if arguments.run is not None:
        _cases(arguments)
    elif arguments.verdict is not None:
        raise UsageError("--verdict is for the cases of one run; name the run")
    else:
        _runs(arguments)
    return ExitCode.OK


def _runs(arguments: argparse.Namespace) -> None:
    from focal_eval.cli.diagnostics import print_json
    from focal_eval.evaluate.listing import list_runs
    from focal_eval.report.ansi import Paint, emit, wants_colour
    from focal_eval.report.runs_text import run_lines

    found, there = list_runs(arguments.runs, arguments.limit or (0 if arguments.json or arguments.quiet else 20))
    if arguments.json:
        print_json({"format": 1, "runs": [run.as_json() for run in found], "total": there})
        return
    if arguments.quiet:
        for run in found:
            emit(sys.stdout, run.folder.name)
        return
    for line in run_lines([(run.folder.name, run) for run in found], Paint(wants_colour(sys.stdout))):
        emit(sys.stdout, line)
    if not found:
        emit(sys.stdout, f"no run lies below {arguments.runs}")
    elif there > len(found):
        emit(sys.stdout, f"and {there - len(found):,} older; --limit {there} shows them")


def _cases(arguments: argparse.Namespace) -> None:
    from focal_eval.evaluate.listing import chosen, list_cases
    from focal_eval.report.ansi import Paint, emit, emit_lines, wants_colour
    from focal_eval.report.runs_text import batched, case_rows, cases_listed, total_line
    from focal_eval.value import collector_off

    with collector_off():
        run = list_cases(arguments.run, arguments.runs)
        words = tuple(word.strip() for word in (arguments.verdict or "").split(",") if word.strip())
        cases = chosen(run.cases, words)
        shown = cases[: arguments.limit] if arguments.limit else cases
        if arguments.json:
            from focal_eval.cli.diagnostics import print_long_json

            named = {key: run.header.get(key) for key in ("id", "started_at", "state", "verdict")}
            told = {"format": 1, **named, "counts": dict(run.counts), "total": len(cases)}
            print_long_json(told, "cases", map(cases_listed, batched(shown)))
            return
        if arguments.quiet:
            sys.stdout.write("".join(f"{case.id}\n" for case in shown))
            return
        for lines in case_rows(shown, Paint(wants_colour(sys.stdout))):
            emit_lines(sys.stdout, lines)
        emit(sys.stdout, total_line(run.header, len(run.cases), len(shown)))

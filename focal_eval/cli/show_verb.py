"""`focal-eval show`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("run", metavar="RUN", help="a run folder, a unique prefix of its id, latest or previous")
    parser.add_argument("case", metavar="CASE", help="a case's id or name, or words that only its name holds")
    parser.add_argument(
        "--runs", type=Path, default=Path("reports"), metavar="DIR", help="where run folders lie (default reports)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, all attempts with all that was kept")


def call(arguments: argparse.Namespace) -> int:
    """Shows one conversation, and returns 0: what its verdict was does not matter here."""
    from focal_eval.cli.diagnostics import print_json
    from focal_eval.errors import ExitCode
    from focal_eval.evaluate.listing import find_case, list_folder
    from focal_eval.report.ansi import Paint, emit, wants_colour
    from focal_eval.report.case_text import case_document, conversation_lines

    run = list_folder(arguments.run, arguments.runs)
    case = find_case(run, arguments.case)
    if arguments.json:
        print_json({"format": 1, "run": run.header.get("id"), **case_document(run, case)})
        return ExitCode.OK
    for line in conversation_lines(run, case, Paint(wants_colour(sys.stdout))):
        emit(sys.stdout, line)
    return ExitCode.OK

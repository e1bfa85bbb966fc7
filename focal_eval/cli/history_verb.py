"""`focal-eval history`."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from focal_eval.cli.arguments import whole

MOST_RUNS = 100_000


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("what", metavar="WHAT", help="a case's name, rule:NAME, or suite")
    parser.add_argument("--store", metavar="URL", help="a file or a postgresql:// URL (default: see docs/reference/store.md)")
    parser.add_argument("--suite", default="", metavar="NAME", help="the suite that is meant, where several were stored")
    parser.add_argument("--engine", default="", metavar="NAME", help="the engine that is meant, where several were stored")
    parser.add_argument("--last", type=whole(MOST_RUNS), default=50, metavar="N", help="how many runs back (default 50)")
    parser.add_argument("--before", default="", metavar="RUN", help="only runs up to this one")
    parser.add_argument("--max-shown", type=whole(), default=10, metavar="N", help="lines of each list (default 10)")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def call(arguments: argparse.Namespace) -> int:
    """Asks and prints; 0 whatever the history is."""
    from focal_eval.cli.diagnostics import print_json
    from focal_eval.errors import ExitCode
    from focal_eval.evaluate.stores import ask, chosen
    from focal_eval.report import history_json, history_text
    from focal_eval.report.ansi import Paint, emit, wants_colour
    from focal_eval.store.answers import CaseHistory, RuleHistory
    from focal_eval.store.model import Scope

    scope = Scope(arguments.suite, arguments.engine, arguments.last, arguments.max_shown, arguments.before)
    found = ask(chosen(arguments.store, os.environ), arguments.what, scope)
    paint = Paint(wants_colour(sys.stdout, os.environ))
    document: dict[str, Any]
    if isinstance(found, CaseHistory):
        document, lines = history_json.case_json(found), history_text.case_lines(found, paint, most=scope.most)
    elif isinstance(found, RuleHistory):
        document, lines = history_json.rule_json(found), history_text.rule_lines(found, paint)
    else:
        document, lines = history_json.suite_json(found), history_text.suite_lines(found, paint)
    if arguments.json:
        print_json(document)
        return ExitCode.OK
    for line in lines:
        emit(sys.stdout, line)
    return ExitCode.OK

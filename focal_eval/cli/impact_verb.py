"""`focal-eval impact`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    from focal_eval.cli.arguments import whole

    parser.add_argument("old", metavar="OLD", type=Path, help="the agent file as it was")
    parser.add_argument("new", metavar="NEW", type=Path, help="the agent file as it is now")
    parser.add_argument(
        "--suite",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="a suite (default: those in evals/ that play them)",
    )
    parser.add_argument("--engine", metavar="NAME", help="one of the suite's `engines:`, instead of its engine")
    parser.add_argument("--run", metavar="RUN", help="also what is new, failed or was edited since that run; latest or none")
    parser.add_argument(
        "--runs", type=Path, default=Path("reports"), metavar="DIR", help="where run folders lie (default reports)"
    )
    parser.add_argument("--verify", action="store_true", help="play everything on both agents and tell what the choice missed")
    parser.add_argument("--tag", metavar="TAG", action="append", default=[], help="only scripts with this tag; !TAG leaves out")
    parser.add_argument("-k", dest="keyword", metavar="EXPR", help="only cases whose name fits")
    parser.add_argument("--max-shown", type=whole(), default=20, metavar="N", help="cases and edits named (default 20)")
    parser.add_argument("--no-python", action="store_true", help="refuse local Python of the suite")
    out = parser.add_mutually_exclusive_group()
    out.add_argument("--list", action="store_true", help="only the script files to run, one a line")
    out.add_argument("--json", action="store_true", help="one JSON document on stdout")
    out.add_argument("-q", "--quiet", action="store_true", help="only the last line")


def call(arguments: argparse.Namespace) -> int:
    """Chooses, prints; 1 where --verify found a case that was not chosen."""
    from focal_eval.cli.diagnostics import print_json
    from focal_eval.document.cache_folder import cache_folder
    from focal_eval.errors import ExitCode
    from focal_eval.evaluate.impacting import WHY, ImpactRequest, find
    from focal_eval.report.counting import counting
    from focal_eval.report.impact_text import print_impact

    request = ImpactRequest(
        arguments.old,
        arguments.new,
        tuple(arguments.suite),
        engine=arguments.engine,
        run=arguments.run,
        runs=arguments.runs,
        verify=arguments.verify,
        tags=tuple(arguments.tag),
        keyword=arguments.keyword,
        allow_python=not arguments.no_python,
        cache=cache_folder(os.environ),
    )
    with counting("step", sys.stderr, quiet=arguments.quiet) as told:
        found = find(request, told)
    if arguments.list:
        print(*found.scripts(), sep="\n" if found.scripts() else "", end="\n" if found.scripts() else "")
    elif arguments.json:
        print_json(found.as_json())
    else:
        print_impact(found.as_json(), WHY, sys.stdout, most=arguments.max_shown, quiet=arguments.quiet)
    return int(ExitCode.FAILED if found.missed else ExitCode.OK)

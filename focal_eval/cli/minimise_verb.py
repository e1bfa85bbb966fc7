"""`focal-eval minimise`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("run", metavar="RUN", help="a run folder, a unique prefix of its id, latest or previous")
    parser.add_argument("case", metavar="CASE", help="the name, or the id, of a case that failed in it")
    parser.add_argument("--out", metavar="FILE", type=Path, help="where the script goes (default: below the run folder)")
    parser.add_argument("--agent-out", metavar="FILE", type=Path, help="cut the agent down, too, and write what is left")
    parser.add_argument("--good", metavar="AGENT", type=Path, help="an agent file that the smaller script has to pass on")
    parser.add_argument("--suite", metavar="FILE", type=Path, help="the suite of the scripts, where the run does not say it")
    parser.add_argument("--engine", metavar="NAME", help="an embedded engine of the suite, where the run used another one")
    parser.add_argument(
        "--runs", type=Path, default=Path("reports"), metavar="DIR", help="where run folders lie (default reports)"
    )
    parser.add_argument("--no-python", action="store_true", help="refuse local Python of the suite")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="only where the script was written")


def call(arguments: argparse.Namespace) -> int:
    """Cuts the case down, writes the script, prints it with the text of an issue."""
    from focal_eval.cli.diagnostics import print_json
    from focal_eval.document.cache_folder import cache_folder
    from focal_eval.errors import ExitCode
    from focal_eval.evaluate.minimising import MinimiseRequest, find
    from focal_eval.report.counting import counting
    from focal_eval.report.minimise_text import print_minimal

    request = MinimiseRequest(
        arguments.run,
        arguments.case,
        runs=arguments.runs,
        out=arguments.out,
        agent_out=arguments.agent_out,
        good=arguments.good,
        suite=arguments.suite,
        engine=arguments.engine,
        allow_python=not arguments.no_python,
        cache=cache_folder(os.environ),
    )
    with counting("try", sys.stderr, quiet=arguments.quiet) as told:
        found = find(request, told)
    data = found.as_json()
    if arguments.json:
        print_json(data)
    else:
        print_minimal(data, sys.stdout, own=found.own, quiet=arguments.quiet)
    return int(ExitCode.OK)

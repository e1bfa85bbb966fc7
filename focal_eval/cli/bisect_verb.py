"""`focal-eval bisect`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from focal_eval.evaluate.bisecting import BisectRequest


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("old", metavar="OLD", nargs="?", type=Path, help="the agent file that the script passes on")
    parser.add_argument("new", metavar="NEW", nargs="?", type=Path, help="the agent file that it fails on")
    parser.add_argument(
        "--script", metavar="S", type=Path, action="append", required=True, help="a script, or a folder of them (repeatable)"
    )
    parser.add_argument("--git", metavar="OLD..NEW", help="two commits instead of two files: the first bad one between them")
    parser.add_argument("--agent", metavar="FILE", type=Path, help="with --git: the agent file, where it is not the suite's")
    parser.add_argument("--suite", metavar="FILE", type=Path, help="the suite of the scripts, where several have them")
    parser.add_argument("-k", dest="keyword", metavar="EXPR", help="only cases whose name fits")
    parser.add_argument("--no-python", action="store_true", help="refuse local Python of the suite")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="only the last line")


def call(arguments: argparse.Namespace) -> int:
    """Finds the edits, prints them; 0 where every broken case is explained, 3 where one is not."""
    from focal_eval.cli.diagnostics import print_json
    from focal_eval.errors import ExitCode
    from focal_eval.evaluate.bisecting import find
    from focal_eval.report.bisect_text import print_bisection
    from focal_eval.report.counting import counting

    with counting("probe", sys.stderr, quiet=arguments.quiet) as told:
        found = find(_request(arguments), told)
    data = found.as_json()
    if arguments.json:
        print_json(data)
    else:
        print_bisection(data, sys.stdout, quiet=arguments.quiet)
    return int(ExitCode.OK if found.explained else ExitCode.NO_VERDICT)


def _request(arguments: argparse.Namespace) -> BisectRequest:
    from focal_eval.document.cache_folder import cache_folder
    from focal_eval.errors import UsageError
    from focal_eval.evaluate.bisecting import BisectRequest

    files = [file for file in (arguments.old, arguments.new) if file is not None]
    if (arguments.git is None) != (len(files) == 2) or (arguments.git is not None and files):
        raise UsageError("name two agent files, OLD and NEW, or two commits with --git OLD..NEW")
    if arguments.agent is not None and arguments.git is None:
        raise UsageError("--agent says whose history --git means; without --git name both files")
    return BisectRequest(
        tuple(arguments.script),
        arguments.old,
        arguments.new,
        git=arguments.git,
        agent=arguments.agent,
        suite=arguments.suite,
        keyword=arguments.keyword,
        allow_python=not arguments.no_python,
        cache=cache_folder(os.environ),
    )

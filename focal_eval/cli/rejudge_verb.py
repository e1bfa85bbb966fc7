"""`focal-eval rejudge`."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from focal_eval.cli.arguments import add_shown, reports_of

if TYPE_CHECKING:
    from focal_eval.evaluate.rejudging import Rejudged

MOST_TOLD = 20  # cases with another verdict that are named


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("run", metavar="RUN", help="a run folder, a unique prefix of its id, latest or previous")
    parser.add_argument(
        "--runs", type=Path, default=Path("reports"), metavar="DIR", help="where run folders lie (default reports)"
    )
    parser.add_argument("--suite", type=Path, metavar="FILE", help="the scripts of this suite, instead of the run's own")
    compared = "compare the new run with this one: a run, a baseline's folder, or the word baseline"
    parser.add_argument("--baseline", metavar="REF", help=compared)
    parser.add_argument("--strict-flaky", action="store_true", help="exit code 4 where gates pass but cases were flaky")
    parser.add_argument("--no-python", action="store_true", help="judge nothing by local Python")
    parser.add_argument("--no-cache", action="store_true", help="read every script anew (see FOCAL_EVAL_CACHE)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the new run folder (default: below --runs)")
    add_shown(parser)


def call(arguments: argparse.Namespace) -> int:
    """Judges, prints, and returns the exit code of the gates."""
    from focal_eval.cli.output import printing
    from focal_eval.cli.run_verb import show
    from focal_eval.clock import Clock
    from focal_eval.document.cache_folder import cache_folder
    from focal_eval.evaluate.rejudging import RejudgeRequest, rejudge
    from focal_eval.report.progress import progress

    clock = Clock()
    request = RejudgeRequest(
        run=arguments.run,
        runs=arguments.runs,
        suite=arguments.suite,
        out=arguments.out,
        reports=reports_of(arguments),
        allow_python=not arguments.no_python,
        strict_flaky=arguments.strict_flaky,
        baseline=arguments.baseline,
        cache=None if arguments.no_cache else cache_folder(os.environ),
    )
    observer = progress(sys.stderr, quiet=arguments.quiet, clock=clock)
    with contextlib.redirect_stdout(sys.stderr):  # what the user's own checks print is no part of the result
        done = rejudge(request, observer, clock)
    with printing(sys.stdout):
        show(arguments, done.result, {"rejudged": done.as_json()})
        if not arguments.json and not arguments.quiet:
            _tell(done)
    return int(done.result.exit_code)


def _tell(done: Rejudged) -> None:
    """What is different from the verdicts that the run gave."""
    from focal_eval.report.characters import visible
    from focal_eval.text import counted

    for one in done.turned[:MOST_TOLD]:
        print(visible(f"{one.name}: {one.before} → {one.after}"))
    if len(done.turned) > MOST_TOLD:
        print(f"… and {len(done.turned) - MOST_TOLD} more")
    for note in done.notes():
        print(visible(note))
    changed = counted(len(done.turned), "case") if done.turned else "no case"
    print(f"judged again from {done.source}: {changed} with another verdict")

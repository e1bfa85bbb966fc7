"""`focal-eval mutate`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focal_eval.cli.arguments import per_cent, whole

if TYPE_CHECKING:
    from focal_eval.evaluate.trace_mutating import TraceMutations


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("run", metavar="RUN", help="a run folder, a unique prefix of its id, latest or previous")
    parser.add_argument(
        "--runs", type=Path, default=Path("reports"), metavar="DIR", help="where run folders lie (default reports)"
    )
    parser.add_argument("--suite", type=Path, metavar="FILE", help="the scripts of this suite, instead of the run's own")
    parser.add_argument("--max", type=whole(), metavar="N", help="try so many mutants, drawn from all (default 20,000)")
    parser.add_argument("--seed", type=whole(), default=0, metavar="N", help="which are drawn where there are more (default 0)")
    parser.add_argument("--fail-under", type=per_cent, metavar="P", help="exit code 1 where fewer than P per cent are noticed")
    parser.add_argument("--max-shown", type=whole(), default=20, metavar="N", help="scripts and places shown (default 20)")
    parser.add_argument("--all", action="store_true", help="tell of mutants that were noticed, too (with --json)")
    parser.add_argument("--no-python", action="store_true", help="judge nothing by local Python")
    parser.add_argument("--no-cache", action="store_true", help="read every script anew (see FOCAL_EVAL_CACHE)")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="only the score")


def call(arguments: argparse.Namespace) -> int:
    """Alters, judges, prints; 1 where the score is under the limit."""
    from focal_eval.cli.diagnostics import print_json

    done = _traces(arguments)
    told = document(done, everything=arguments.all)
    if arguments.json:
        print_json(told)
    else:
        show(told, most=arguments.max_shown, quiet=arguments.quiet)
    return int(done.exit_code)


def _traces(arguments: argparse.Namespace) -> TraceMutations:
    """The records of a run, altered; no engine."""
    from focal_eval.evaluate.trace_mutating import MOST, TraceRequest, mutate_traces
    from focal_eval.script.cache import cache_folder

    return mutate_traces(
        TraceRequest(
            run=arguments.run,
            runs=arguments.runs,
            suite=arguments.suite,
            most=arguments.max or MOST,
            seed=arguments.seed,
            fail_under=arguments.fail_under,
            allow_python=not arguments.no_python,
            cache=None if arguments.no_cache else cache_folder(os.environ),
        )
    )


def document(done: TraceMutations, *, everything: bool = False) -> dict[str, Any]:
    """What became of the mutants as one JSON document."""
    from focal_eval.evaluate.mutation_json import mutation_json
    from focal_eval.experiment.trace_mutants import OPERATORS, STORED

    operators = {**{name: one.text for name, one in OPERATORS.items()}, **STORED}
    return {
        "tier": "trace",
        "run": done.model.header.get("id"),
        "made": done.made,
        "seed": done.seed,
        "notes": list(done.notes()),
        **mutation_json(done.tried, scripts=done.scripts, operators=operators, everything=everything),
        "fail_under": done.fail_under,
        "exit_code": int(done.exit_code),
    }


def show(told: dict[str, Any], *, most: int, quiet: bool) -> None:
    """Prints a document of mutants; `quiet` leaves only the score."""
    from focal_eval.report.ansi import Paint, emit, wants_colour
    from focal_eval.report.mutation_text import mutation_lines, score_line

    paint = Paint(wants_colour(sys.stdout))
    for line in [score_line(told, paint)] if quiet else mutation_lines(told, paint, most=most):
        emit(sys.stdout, line)

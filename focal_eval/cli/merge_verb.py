"""`focal-eval merge`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from focal_eval.cli.arguments import add_shown, reports_of


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument(
        "run", nargs="+", metavar="RUN", help="the shards of one run, each a folder or a unique prefix of its id"
    )
    parser.add_argument(
        "--runs", type=Path, default=Path("reports"), metavar="DIR", help="where run folders lie (default reports)"
    )
    parser.add_argument("--baseline", metavar="REF", help="compare with this one, instead of what the shards were told")
    parser.add_argument("--strict-flaky", action="store_true", help="exit code 4 where gates pass but cases were flaky")
    parser.add_argument(
        "--anyway", action="store_true", help="merge although a version, a suite, an agent, an engine or a script differs"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="the merged run's folder (default: below --runs)")
    parser.add_argument("--write-durations", type=Path, metavar="FILE", help="keep what each case took, for --durations")
    add_shown(parser)


def call(arguments: argparse.Namespace) -> int:
    """Merges, prints, and returns the exit code that one run of all cases would have given."""
    from focal_eval.cli.output import printing
    from focal_eval.cli.run_verb import keep_durations, show
    from focal_eval.evaluate.merging import MergeRequest, merge
    from focal_eval.report.characters import visible

    request = MergeRequest(
        refs=tuple(arguments.run),
        runs=arguments.runs,
        out=arguments.out,
        baseline=arguments.baseline,
        reports=reports_of(arguments),
        strict_flaky=arguments.strict_flaky,
        anyway=arguments.anyway,
    )
    done = merge(request)
    with printing(sys.stderr):
        for note in done.notes:
            print(visible(note), file=sys.stderr)
    with printing(sys.stdout):
        show(arguments, done.result)
    if arguments.write_durations is not None:
        keep_durations(arguments, done.result)
    return int(done.result.exit_code)

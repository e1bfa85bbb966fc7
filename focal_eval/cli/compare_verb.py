"""`focal-eval compare`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focal_eval.cli.arguments import whole

if TYPE_CHECKING:
    from focal_eval.evaluate.comparing import Compared


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument(
        "before",
        metavar="BEFORE",
        help="a run folder, a unique prefix of its id, latest or previous; or a baseline's folder; or the word baseline",
    )
    parser.add_argument(
        "after", metavar="AFTER", nargs="+", help="the run that is compared with it; several are repeats of one another"
    )
    parser.add_argument(
        "--runs", type=Path, default=Path("reports"), metavar="DIR", help="where run folders lie (default reports)"
    )
    parser.add_argument(
        "--max-shown", type=whole(), default=20, metavar="N", help="causes, and regressed cases, shown in full (default 20)"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the regression report, one offline page, to this file")
    parser.add_argument(
        "--judge",
        type=Path,
        metavar="SUITE",
        help="have this suite's judge say, in both orders, which of the replies that changed is better",
    )
    parser.add_argument(
        "--judge-most", type=whole(), default=200, metavar="N", help="replies that the judge is asked about (default 200)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="only the last line")


def call(arguments: argparse.Namespace) -> int:
    """Compares, prints, and returns the exit code of the gates."""
    from focal_eval.cli.diagnostics import print_json
    from focal_eval.evaluate.comparing import CompareRequest, compare

    request = CompareRequest(arguments.before, arguments.after[0], arguments.runs, tuple(arguments.after[1:]))
    compared = compare(request)
    preference = None
    if arguments.judge is not None:
        from focal_eval.evaluate.preferring import prefer

        preference = prefer(request, arguments.judge, most=arguments.judge_most)
    if arguments.html is not None:
        from focal_eval.evaluate.comparison_page import write_page

        write_page(compared, arguments.html, None if preference is None else preference.as_json())
    if compared.hint is not None:
        from focal_eval.report.characters import visible

        forwards = f"; {_swapped(arguments)} compares forwards" if len(arguments.after) == 1 else ""
        print(f"hint: {visible(compared.hint)}{forwards}", file=sys.stderr)
    if arguments.json:
        told = {} if preference is None else {"preference": preference.as_json()}
        print_json({**document(compared), **told})
    else:
        if preference is not None and not arguments.quiet:
            from focal_eval.report.preference_text import print_preference

            print_preference(preference.as_json(), sys.stdout)
        show(compared, most=arguments.max_shown, quiet=arguments.quiet, own=compared.own_gates)
        if arguments.html is not None and not arguments.quiet:
            print(f"report: {arguments.html}")
    return int(compared.exit_code)


def _swapped(arguments: argparse.Namespace) -> str:
    """The command with its sides the other way round."""
    import shlex

    where = () if arguments.runs == Path("reports") else ("--runs", str(arguments.runs))
    return f"'{shlex.join(('focal-eval', 'compare', arguments.after[0], arguments.before, *where))}'"


def show(compared: Compared, *, most: int = 20, quiet: bool = False, own: Sequence[Mapping[str, Any]] = ()) -> None:
    """Prints a comparison on stdout; `quiet` leaves only its last line, `own` are the candidate's own gates to tell."""
    from focal_eval.report.comparison_text import print_comparison
    from focal_eval.report.statistics import comparison_lines

    print_comparison(
        compared.comparison,
        compared.after,
        sys.stdout,
        gates=[gate.as_json() for gate in compared.gates],
        figures=[*comparison_lines(compared.statistics), *(compared.staleness.lines() if compared.staleness else ())],
        own_gates=own,
        agents=compared.agents,
        most=most,
        quiet=quiet,
    )


def document(compared: Compared) -> dict[str, Any]:
    """A comparison as one JSON document; its keys are described in docs/reference/compare.md."""
    from focal_eval.report.comparison_json import comparison_json

    return {
        **comparison_json(compared.comparison),
        "edits_unknown": compared.agents,
        "gates": [gate.as_json() for gate in compared.gates],
        "own_gates": [dict(gate) for gate in compared.own_gates],
        "hint": compared.hint,
        "statistics": compared.statistics.as_json(),
        "stale": None if compared.staleness is None else compared.staleness.as_json(),
        "exit_code": int(compared.exit_code),
    }

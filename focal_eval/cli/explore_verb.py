"""`focal-eval explore`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    from focal_eval.cli.arguments import whole

    parser.add_argument("agent", metavar="AGENT", type=Path, help="an agent file")
    parser.add_argument("--suite", metavar="FILE", type=Path, help="its scripts count as covering, and its settings hold")
    parser.add_argument(
        "--against", metavar="FILE", type=Path, action="append", default=[], help="a further suite whose scripts count"
    )
    parser.add_argument("--out", metavar="DIR", type=Path, help="where the scripts go; without it nothing is written")
    parser.add_argument("--kind", type=_kinds, metavar="KINDS", help="what is looked for: rule,step,... or all")
    parser.add_argument("--seed", type=_seed, default=0, metavar="N", help="other texts for patterns (default 0)")
    parser.add_argument("--turns", type=whole(100), default=8, metavar="N", help="turns of one conversation (default 8)")
    parser.add_argument(
        "--max-plays", type=whole(10_000_000), default=30_000, metavar="N", help="turns played in all (default 30,000)"
    )
    parser.add_argument(
        "--max-states", type=whole(1_000_000), default=4_000, metavar="N", help="states told apart (default 4,000)"
    )
    parser.add_argument("--max-shown", type=whole(), default=20, metavar="N", help="lines of each list (default 20)")
    parser.add_argument("--no-python", action="store_true", help="refuse local Python of the suites")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="only the last line")


def _kinds(text: str) -> tuple[str, ...]:
    from focal_eval.coverage.model import KINDS
    from focal_eval.registry import did_you_mean

    wanted = [word.strip().removesuffix("s") for word in text.split(",") if word.strip()]
    if wanted == ["all"]:
        return KINDS
    for word in wanted:
        if word not in KINDS:
            fix = did_you_mean(word, KINDS)
            raise argparse.ArgumentTypeError(f"no kind of item is named '{word}'" + (f"; {fix}" if fix else ""))
    return tuple(wanted)


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"{text} is not a whole number below a thousand million")
    return int(text)


def call(arguments: argparse.Namespace) -> int:
    """Explores, writes, prints."""
    from focal_eval.cli.diagnostics import print_json
    from focal_eval.document.cache_folder import cache_folder
    from focal_eval.errors import ExitCode
    from focal_eval.evaluate.exploring import DEFAULT_KINDS, ExploreRequest, find
    from focal_eval.experiment.explore import Bounds
    from focal_eval.report.counting import counting
    from focal_eval.report.explore_text import print_explored

    request = ExploreRequest(
        arguments.agent,
        suite=arguments.suite,
        against=tuple(arguments.against),
        out=arguments.out,
        kinds=arguments.kind or DEFAULT_KINDS,
        seed=arguments.seed,
        bounds=Bounds(arguments.turns, arguments.max_plays, arguments.max_states),
        allow_python=not arguments.no_python,
        cache=cache_folder(os.environ),
    )
    with counting("turn", sys.stderr, quiet=arguments.quiet) as told:
        found = find(request, told).as_json()
    if arguments.json:
        print_json(found)
    else:
        print_explored(found, sys.stdout, most=arguments.max_shown, quiet=arguments.quiet)
    return int(ExitCode.OK)

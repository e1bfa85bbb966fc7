"""Values of options, read with a sentence for what they are not."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from focal_eval.runner.shard import Shard

MOST = 10_000  # repeats of a case, and conversations at the same time; a suite has the same bounds
MOST_WORKERS = 512  # processes on one machine
_LONGEST_S = 86_400


def add_shown(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """The options of every verb that makes a run: which reports it writes, and what it prints."""
    parser.add_argument("--report", metavar="NAMES", default=None, help="html,junit,markdown,jsonl,json,github or none")
    parser.add_argument(
        "--max-failures", type=whole(), default=20, metavar="N", help="failing cases shown in full (default 20)"
    )
    parser.add_argument("--group-by", choices=("folder", "script", "tag"), default="folder", help="rows of the summary table")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout instead of the summary")
    parser.add_argument("-q", "--quiet", action="store_true", help="only the verdict")


def reports_of(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The names that `--report` gives, those of a run where it is not given."""
    from focal_eval.evaluate.request import DEFAULT_REPORTS

    if arguments.report is None:
        return DEFAULT_REPORTS
    named = tuple(word.strip() for word in arguments.report.split(",") if word.strip())
    return () if named == ("none",) else named


def whole(most: int | None = None) -> Callable[[str], int]:
    """Reads a whole number above zero, at most `most`."""

    def read(text: str) -> int:
        value = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
        if value < 1:
            raise argparse.ArgumentTypeError(f"{text} is not a whole number above zero")
        if most is not None and value > most:
            raise argparse.ArgumentTypeError(f"{text} is more than {most:,}")
        return value

    return read


def shard(text: str) -> Shard:
    """Reads which shard of how many."""
    from focal_eval.runner.shard import shard_from

    try:
        return shard_from(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def seconds(text: str) -> float:
    """Reads a time limit."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= _LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds between 0 and {_LONGEST_S}")
    return value


def workers(text: str) -> int:
    """Reads a number of worker processes; 0 for `auto`, as many as there are cores."""
    return 0 if text == "auto" else whole(MOST_WORKERS)(text)


def per_cent(text: str) -> float:
    """Reads per cent as a share; exact, so that 95 of 100 is never below 95 %."""
    from fractions import Fraction

    try:
        value = Fraction(text) / 100
    except (ValueError, ZeroDivisionError):
        value = Fraction(-1)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of per cent, 0 to 100")
    return float(value)


def only_suite() -> Path:
    """The one suite in `evals/`. Raises UsageError where there is none or a choice."""
    from focal_eval.errors import UsageError

    suites = sorted(Path("evals").glob("*.yaml"))
    if len(suites) == 1:
        return suites[0]
    known = ": " + ", ".join(map(str, suites)) if suites else ""
    raise UsageError(f"name the suite whose engine is meant; evals/ holds {len(suites) or 'none'}{known}")

"""Values of options, read with a sentence for what they are not."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from focal_eval.runner.shard import Shard

MOST = 10_000  # repeats of a case, and conversations at the same time; a suite has the same bounds
MOST_WORKERS = 512  # processes on one machine
_LONGEST_S = 86_400


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

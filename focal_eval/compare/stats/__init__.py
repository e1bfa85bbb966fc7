"""Says what repeats and comparisons are worth: rates with intervals, exact tests, classes of flakiness. No figure without n."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from focal_eval.compare.stats.between import Statistics, statistics_of
    from focal_eval.compare.stats.divergence import first_divergence
    from focal_eval.compare.stats.flake import Flake, Tally, flake_class, needs_more
    from focal_eval.compare.stats.measuring import Measured, measured
    from focal_eval.compare.stats.summary import RunStatistics, run_statistics

_WHERE = {
    "Flake": "flake",
    "Measured": "measuring",
    "RunStatistics": "summary",
    "Statistics": "between",
    "Tally": "flake",
    "first_divergence": "divergence",
    "flake_class": "flake",
    "measured": "measuring",
    "needs_more": "flake",
    "run_statistics": "summary",
    "statistics_of": "between",
}

__all__ = [
    "Flake",
    "Measured",
    "RunStatistics",
    "Statistics",
    "Tally",
    "first_divergence",
    "flake_class",
    "measured",
    "needs_more",
    "run_statistics",
    "statistics_of",
]


def __getattr__(name: str) -> Any:
    """Imports what is asked for and no more: a run without repeats counts, and compares nothing."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)

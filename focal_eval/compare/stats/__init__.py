"""Says what repeats and comparisons are worth: rates with intervals, exact tests, classes of flakiness. No figure without n."""

from focal_eval.compare.stats.between import Statistics, statistics_of
from focal_eval.compare.stats.divergence import first_divergence
from focal_eval.compare.stats.flake import Flake, Tally, flake_class, needs_more
from focal_eval.compare.stats.measured import Measured, measured
from focal_eval.compare.stats.summary import RunStatistics, run_statistics

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

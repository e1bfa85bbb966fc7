"""What the figures on a comparison's first screen are called."""

from __future__ import annotations

import pytest

from focal_eval.report.comparison_words import tiles


def figure(name: str, before: float, after: float, low: float, high: float) -> dict[str, object]:
    """A document of statistics with one difference."""
    interval = {"low": low, "high": high}
    row = {"quantile": 0.5, "before": before, "after": after, "interval": interval, "turns": [9, 9]}
    return {name: [row]}


@pytest.mark.parametrize(
    ("statistics", "tone"),
    [
        (figure("latency_ms", 100.0, 140.0, 30.0, 50.0), "worse"),
        (figure("latency_ms", 140.0, 100.0, -50.0, -30.0), "better"),
        (figure("latency_ms", 100.0, 140.0, -2.0, 80.0), ""),  # chance
        (figure("latency_ms", 0.041, 0.052, 0.009, 0.013), ""),  # microseconds of this machine
        (figure("tokens", 1.0, 1.5, 0.4, 0.6), "worse"),
    ],
)
def test_a_difference_is_worse_where_it_is_sure_and_can_be_noticed(statistics: dict[str, object], tone: str) -> None:
    """Its interval excludes zero, and somebody waits a millisecond more at least; tokens have no such floor."""
    (tile,) = tiles(statistics)
    assert tile["tone"] == tone

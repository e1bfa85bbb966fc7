"""What a run as a whole comes to."""

from __future__ import annotations

from array import array
from collections import Counter

import pytest

from focal_eval.errors import ExitCode
from focal_eval.runner.gates import FIGURES, conclude, decide, quantile
from focal_eval.runner.schedule import Totals
from focal_eval.script.gates import COMPARED, GATES, Limit


def totals(**counts: int) -> Totals:
    return Totals(counts=Counter(counts))


@pytest.mark.parametrize(
    ("counts", "limits", "state", "verdict", "code"),
    [
        ({"passed": 3}, {}, "finished", "passed", ExitCode.OK),
        ({"passed": 3, "xfailed": 1, "skipped": 1}, {}, "finished", "passed", ExitCode.OK),
        ({"passed": 3, "failed": 1}, {}, "finished", "failed", ExitCode.FAILED),
        ({"passed": 3, "xpassed": 1}, {}, "finished", "failed", ExitCode.FAILED),
        ({"passed": 3, "errored": 1}, {}, "finished", "no-verdict", ExitCode.NO_VERDICT),
        ({"passed": 3, "errored": 1, "failed": 1}, {}, "finished", "failed", ExitCode.FAILED),
        ({"skipped": 3}, {}, "finished", "no-verdict", ExitCode.NO_VERDICT),
        ({"passed": 9, "failed": 1}, {"pass_rate": Limit(min=0.9)}, "finished", "passed", ExitCode.OK),
        ({"passed": 8, "failed": 2}, {"pass_rate": Limit(min=0.9)}, "finished", "failed", ExitCode.FAILED),
        ({"passed": 8, "failed": 2}, {"failed": Limit(max=1)}, "finished", "failed", ExitCode.FAILED),
        ({"passed": 8, "errored": 1}, {"errored": Limit(max=1)}, "finished", "passed", ExitCode.OK),
        ({"passed": 8, "errored": 2}, {"errored": Limit(max=1)}, "finished", "no-verdict", ExitCode.NO_VERDICT),
        ({"passed": 8}, {"total_tokens": Limit(max=10)}, "finished", "no-verdict", ExitCode.NO_VERDICT),
        ({"passed": 8}, {}, "interrupted", "interrupted", ExitCode.INTERRUPTED),
        ({"passed": 8, "failed": 1}, {}, "stopped", "failed", ExitCode.FAILED),
    ],
)
def test_each_end_of_a_run_has_one_exit_code(
    counts: dict[str, int], limits: dict[str, Limit], state: str, verdict: str, code: ExitCode
) -> None:
    """The exit code means one thing, and a gate that measured nothing has not passed."""
    whole = totals(**counts)
    assert conclude(whole.counts, decide(limits, whole), state) == (verdict, code)


def test_quantiles_are_nearest_rank() -> None:
    """The 95th percentile of 1..100 is 95, the median 50."""
    values = array("d", map(float, range(100, 0, -1)))
    assert [quantile(values, share) for share in (0.0, 0.5, 0.95, 0.951, 1.0)] == [1.0, 50.0, 95.0, 96.0, 100.0]
    assert quantile(array("d"), 0.5) is None


def test_every_gate_of_the_language_has_a_figure() -> None:
    """What a suite may name can be measured, in a run or in its comparison with another."""
    assert FIGURES.keys() | COMPARED == GATES.keys()


def test_a_gate_says_what_was_asked_and_seen() -> None:
    """The message stands alone."""
    (gate,) = decide({"pass_rate": Limit(min=0.9)}, totals(passed=8, failed=2))
    assert gate.message == "pass_rate fails: 0.8 (n = 10 cases), asked ≥ 0.9"

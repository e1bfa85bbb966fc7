"""What a run as a whole comes to."""

from __future__ import annotations

from array import array
from collections import Counter

import pytest

from focal_eval.compare.stats import Measured, Tally, statistics_of
from focal_eval.errors import ExitCode
from focal_eval.runner.gates import (
    FIGURES,
    Compared,
    Reading,
    conclude,
    decide,
    decide_compared,
    decide_coverage,
    limits_of,
    quantile,
)
from focal_eval.runner.schedule import Totals
from focal_eval.script.gates import COMPARED, GATES, RECORDED, RegressionsLimit, TriesLimit
from focal_eval.script.gates_coverage import CoverageLimit
from focal_eval.script.limit import Limit


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
    """What a suite may name can be measured, in a run, in its comparison with another, or from its records."""
    assert FIGURES.keys() | COMPARED | RECORDED == GATES.keys()


def test_the_gate_on_coverage_is_judged_from_records() -> None:
    """Totals alone do not judge it; a share does, and one of nothing has not passed. Its limit survives the header."""
    limit = CoverageLimit(min=0.95)
    (gate,) = decide({"coverage": limit}, totals(passed=1))
    assert gate.passed is None
    held = decide_coverage(limit, Reading(0.96, 77, "rules", "74 asserted"))
    assert (held.passed, held.message) == (True, "coverage holds: 0.96 (n = 77 rules; 74 asserted), asked ≥ 0.95 asserted")
    assert decide_coverage(limit, Reading(0.94, 77, "rules")).passed is False
    nothing = decide_coverage(limit, Reading(None, 0, "rules", "no case could be judged again"))
    assert (nothing.passed, nothing.observed) == (False, None)
    assert limits_of([decide_coverage(CoverageLimit(min=1.0, of="hit"), Reading(1.0, 1)).as_json()]) == {
        "coverage": CoverageLimit(min=1.0, of="hit")
    }


def test_a_gate_says_what_was_asked_and_seen() -> None:
    """The message stands alone."""
    (gate,) = decide({"pass_rate": Limit(min=0.9)}, totals(passed=8, failed=2))
    assert gate.message == "pass_rate fails: 0.8 (n = 10 cases), asked ≥ 0.9"


def repeated(*outcomes: str, deterministic: bool = False) -> Totals:
    """Totals of cases by their repeats: `+` passed, `-` failed, `!` errored."""
    words = {"+": "passed", "-": "failed", "!": "errored"}
    out = Totals(deterministic=deterministic)
    for number, row in enumerate(outcomes):
        tally = out.tallies.setdefault(f"c{number}", Tally())
        for outcome in row:
            tally.add(words[outcome])
            out.counts[words[outcome]] += 1
    return out


def told(name: str, limit: Limit, whole: Totals) -> str:
    (gate,) = decide({name: limit}, whole)
    return gate.message


def test_each_case_weighs_the_same_however_often_it_was_repeated() -> None:
    """One case failed its only judged repeat, the other passed all five: half, not five of six."""
    message = told("pass_rate", Limit(min=0.5), repeated("+++++", "-!!!!", "!!!!!"))
    assert message == "pass_rate holds: 0.5 (n = 2 cases), asked ≥ 0.5"


def test_flaky_cases_are_counted_where_something_was_repeated() -> None:
    """A case that passed and failed is flaky; one whose repeats broke is not; with single repeats nobody can know."""
    assert told("flaky", Limit(max=0), repeated("+-+", "+++", "+!+")) == "flaky fails: 1 (n = 3 cases), asked ≤ 0"
    assert told("flaky", Limit(max=0), totals(passed=3)) == (
        "flaky could not be measured: no case was judged more than once (asked: ≤ 0)"
    )
    alone = Totals(counts=Counter(passed=3), deterministic=True)
    assert told("flaky", Limit(max=0), alone) == "flaky holds: 0 (n = 3 cases), asked ≤ 0"


def test_pass_hat_k_leaves_out_cases_with_fewer_repeats() -> None:
    """Of four repeats with three good ones half of the six pairs are good; a case with one judged repeat has no pair."""
    limit = TriesLimit(min=0.75, k=2)
    assert told("pass_hat_k", limit, repeated("+++-", "++++", "+!!!")) == (
        "pass_hat_k holds: 0.75 (n = 2 cases), asked ≥ 0.75 for k = 2"
    )
    assert "could not be measured: no case has 2 judged repeats" in told("pass_hat_k", limit, totals(passed=3))


def test_a_gate_on_a_comparison_is_not_judged_by_a_run_alone() -> None:
    """It has neither passed nor failed; where it is the only gate there is no verdict."""
    whole = totals(passed=3)
    limits: dict[str, Limit] = {"regressions": RegressionsLimit(alpha=0.05, min_effect=0.1)}
    (gate,) = decide(limits, whole)
    assert (gate.passed, gate.observed) == (None, None)
    assert gate.message == ("regressions not judged: nothing was compared (asked: ≤ 0 at α = 0.05 from an effect of 0.1)")
    assert conclude(whole.counts, [gate], "finished") == ("no-verdict", ExitCode.NO_VERDICT)
    both = decide({"pass_rate": Limit(min=1.0), **limits}, whole)
    assert conclude(whole.counts, both, "finished") == ("passed", ExitCode.OK)


def compared(before: str, after: str, alpha: float = 0.05, **more: int) -> Compared:
    """A comparison of as many cases as there are words, each with the repeats that its word says."""

    def side(text: str) -> list[Measured]:
        words = {"+": "passed", "-": "failed"}
        return [
            Measured(f"c{number}", words[outcome], repeat)
            for number, row in enumerate(text.split())
            for repeat, outcome in enumerate(row, 1)
        ]

    statistics = statistics_of(side(before), side(after), alpha=alpha)
    return Compared(statistics.paired.cases, sum(test.effect < 0 for test in statistics.tests), statistics, **more)


@pytest.mark.parametrize(
    ("limit", "passed", "message"),
    [
        (RegressionsLimit(), False, "regressions fails: 1 (n = 2 cases), asked ≤ 0"),
        (RegressionsLimit(max=1), True, "regressions holds: 1 (n = 2 cases), asked ≤ 1"),
        (
            RegressionsLimit(alpha=0.05),
            True,
            "regressions holds: 0 (n = 2 cases; 1 worse, 0 better, p = 1), asked ≤ 0 at α = 0.05",
        ),
    ],
)
def test_one_case_that_fell_counts_unless_it_may_be_chance(limit: RegressionsLimit, passed: bool, message: str) -> None:
    """Without `alpha` every fall counts; with it a single repeat on each side proves nothing."""
    (gate,) = decide_compared({"regressions": limit, "pass_rate": Limit(min=1.0)}, compared("+ +", "- +"))
    assert (gate.passed, gate.message) == (passed, message)


def test_repeats_can_prove_a_single_regression() -> None:
    """Four good ones before and none after is no chance; three are too few."""
    limit = {"regressions": RegressionsLimit(alpha=0.05, min_effect=0.1)}
    assert [decide_compared(limit, compared("+" * n, "-" * n))[0].passed for n in (3, 4)] == [True, False]


def test_nothing_regressed_where_no_gate_says_otherwise() -> None:
    """A comparison has a gate of its own; without a case on both sides it cannot be measured."""
    (gate,) = decide_compared({}, compared("+", "-"))
    assert (gate.name, gate.passed) == ("regressions", False)
    (gate,) = decide_compared({}, compared("", ""))
    assert (gate.passed, gate.observed) == (False, None)
    assert "no case has a verdict on both sides" in gate.message


def test_gates_on_baselines_need_one() -> None:
    """How stale a baseline is can be measured against a baseline alone."""
    limits = {"stale": Limit(max=0), "expired": Limit(max=1)}
    gates = decide_compared(limits, compared("+", "+", stale=2, expired=1))
    assert [gate.passed for gate in gates] == [False, True]
    assert [gate.observed for gate in decide_compared(limits, compared("+", "+"))] == [None, None]


def test_limits_come_back_from_the_header() -> None:
    """A comparison reads the thresholds of a recorded run, and they are the suite's."""
    limits = {
        "pass_rate": Limit(min=0.9),
        "pass_hat_k": TriesLimit(min=0.5, k=3),
        "regressions": RegressionsLimit(max=2, alpha=0.01, min_effect=0.2),
    }
    header = [gate.as_json() for gate in decide(limits, repeated("+++", "+-+"))]
    assert limits_of([*header, {"name": "from-a-later-version", "limit": {}}]) == limits


def test_flaky_cases_change_the_exit_code_of_a_run_that_passed_alone() -> None:
    """4 where every gate passed, cases were flaky and it was asked for; a failed gate stays 1."""
    good, bad = decide({"errored": Limit(max=0)}, totals(passed=3)), decide({}, totals(passed=3, failed=1))
    counts = Counter(passed=3)
    assert conclude(counts, good, "finished", flaky=2, strict_flaky=True) == ("passed", ExitCode.FLAKY)
    assert conclude(counts, good, "finished", flaky=0, strict_flaky=True) == ("passed", ExitCode.OK)
    assert conclude(counts, good, "finished", flaky=2) == ("passed", ExitCode.OK)
    assert conclude(counts, bad, "finished", flaky=2, strict_flaky=True) == ("failed", ExitCode.FAILED)

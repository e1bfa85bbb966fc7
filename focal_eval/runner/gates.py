"""Decides whether a run as a whole is good enough, and the one exit code that says so."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

from focal_eval.compare.stats.summary import mean, pass_hat
from focal_eval.errors import ExitCode
from focal_eval.runner.schedule import Totals
from focal_eval.script.gates import COMPARED, GATES, JUDGED, RECORDED, RegressionsLimit, TriesLimit
from focal_eval.script.gates_coverage import COVERED, CoverageLimit
from focal_eval.script.limit import Limit
from focal_eval.text import of_them
from focal_eval.value import value

if TYPE_CHECKING:
    from focal_eval.compare.stats import Statistics

DEFAULT = {"pass_rate": Limit(min=1.0)}
"""What must hold where a suite names no gates: every judged case passes."""

COMPARE_DEFAULT = {"regressions": RegressionsLimit()}
"""What must hold of a comparison where a suite names no gate on it: nothing regressed."""


@value
class Reading:
    """A figure with the number of things it was taken from; None where there was nothing, and `note` says why."""

    value: float | None
    n: int = 0
    of: str = "cases"
    note: str = ""


@value
class GateResult:
    """One gate, decided. `observed` is None where there was nothing to measure, and then it has not passed.

    `passed` is None where the gate is on a comparison and none was made: it has neither passed nor failed.
    """

    name: str
    limit: Limit
    observed: float | None
    passed: bool | None
    message: str
    n: int = 0
    of: str = "cases"

    def as_json(self) -> dict[str, object]:
        keys = ("min", "max", "k", "alpha", "min_effect", "of")
        limit = {key: found for key in keys if (found := getattr(self.limit, key, None)) is not None}
        return {
            "name": self.name,
            "limit": limit,
            "observed": self.observed,
            "n": self.n,
            "of": self.of,
            "passed": self.passed,
            "message": self.message,
        }


@value
class Compared:
    """What gates on a comparison measure."""

    cases: int  # on both sides, with a verdict
    regressed: int
    statistics: Statistics  # with the `alpha` of the gate on regressions, where it has one
    stale: int | None = None  # None where the other side is no baseline
    expired: int | None = None


def judged(counts: Mapping[str, int]) -> int:
    """Cases with a verdict on the engine: neither skipped nor errored."""
    return sum(counts.get(name, 0) for name in ("passed", "failed", "xfailed", "xpassed"))


def _pass_rate(totals: Totals, _: Limit) -> Reading:
    """Each case weighs the same, however often it was repeated."""
    if totals.gating_tallies:
        rates = [tally.sure_good / tally.sure for tally in totals.gating_tallies.values() if tally.sure]
        return Reading(mean(rates), len(rates))
    count = judged(totals.gating)
    return Reading(None if not count else (totals.gating["passed"] + totals.gating["xfailed"]) / count, count)


def _pass_hat_k(totals: Totals, limit: Limit) -> Reading:
    assert isinstance(limit, TriesLimit)
    k = limit.k or 1
    rate, count = pass_hat(totals.gating_tallies.values(), k)
    return Reading(rate, count, note="" if count else f"no case has {k} judged repeats")


def _flaky(totals: Totals, _: Limit) -> Reading:
    repeated = [tally for tally in totals.gating_tallies.values() if tally.judged > 1]
    if not repeated and totals.deterministic:
        return Reading(0.0, judged(totals.gating))
    if not repeated:
        return Reading(None, note="no case was judged more than once")
    return Reading(float(totals.flaky), len(repeated))


def quantile(values: array[float], share: float) -> float | None:
    """The nearest-rank quantile, None of nothing."""
    if not values:
        return None
    return sorted(values)[max(0, ceil(len(values) * share - 1e-9) - 1)]


def _time(share: float) -> Callable[[Totals, Limit], Reading]:
    return lambda totals, _: Reading(quantile(totals.latencies, share), len(totals.latencies), "turns")


def _cases(*verdicts: str) -> Callable[[Totals, Limit], Reading]:
    return lambda totals, _: Reading(float(sum(totals.gating[name] for name in verdicts)), totals.gating.total())


FIGURES: dict[str, Callable[[Totals, Limit], Reading]] = {
    "pass_rate": _pass_rate,
    "pass_hat_k": _pass_hat_k,
    "failed": _cases("failed", "xpassed"),
    "errored": _cases("errored"),
    "skipped": _cases("skipped"),
    "flaky": _flaky,
    "p50_latency_ms": _time(0.5),
    "p95_latency_ms": _time(0.95),
    "total_tokens": lambda totals, _: Reading(None if totals.tokens is None else float(totals.tokens), totals.turns, "turns"),
    "total_cost": lambda totals, _: Reading(totals.cost, totals.turns, "turns"),
}
assert FIGURES.keys() | COMPARED | RECORDED == GATES.keys()


def decide(limits: Mapping[str, Limit], totals: Totals) -> list[GateResult]:
    """Every gate, in the suite's order; those on a comparison, and on what was recorded, are not judged by totals alone."""
    return [
        _later(name, limit) if name in COMPARED | RECORDED else _decide(name, limit, FIGURES[name](totals, limit))
        for name, limit in (limits or DEFAULT).items()
    ]


def _later(name: str, limit: Limit) -> GateResult:
    """A gate that totals alone do not decide, as it stands until its own figures are there."""
    return not_judged(name, limit, "no judge was asked") if name in JUDGED else not_judged(name, limit)


def decide_compared(limits: Mapping[str, Limit], compared: Compared) -> list[GateResult]:
    """The gates on a comparison; that nothing regressed, where there is none."""
    chosen = {name: limit for name, limit in limits.items() if name in COMPARED} or COMPARE_DEFAULT
    return [_decide(name, limit, _compared(name, limit, compared)) for name, limit in chosen.items()]


def decide_coverage(limit: CoverageLimit, reading: Reading, name: str = "coverage") -> GateResult:
    """A gate on coverage, from the share that was read off the records."""
    return _decide(name, limit, reading)


def decide_judged(limit: Limit, results: Mapping[str, int]) -> GateResult:
    """The gate on what a judge said; one that could not be asked decides nothing, for or against."""
    count, passed, broken = sum(results.values()), results["passed"], results["errored"]
    told = ", ".join(f"{results[name]} {name}" for name in ("abstained", "errored") if results[name])
    if not count:
        return not_judged("judged", limit, "no judge was asked")
    low, high = (
        _decide("judged", limit, Reading(number / count, count, "expectations", told)) for number in (passed, passed + broken)
    )
    if low.passed is not high.passed:
        return _decide(
            "judged", limit, Reading(None, note=f"the judge could not be asked ({told} of {count})", of="expectations")
        )
    return low if low.passed else high


def decide_agreement(limit: Limit, audit: Mapping[str, Any] | None) -> GateResult:
    """The gate on the audit of a judge: the mean of what it knew of known-good and of known-bad answers."""
    if audit is None:
        return _decide("judge_agreement", limit, Reading(None, note="the judge was not audited"))
    shares = [audit[side]["agreed"] / audit[side]["planted"] for side in ("good", "bad") if audit[side]["planted"]]
    if len(shares) < 2:
        lacking = "known-good" if not audit["good"]["planted"] else "known-bad"
        return _decide("judge_agreement", limit, Reading(None, note=f"no {lacking} answer was planted"))
    return _decide("judge_agreement", limit, Reading(mean(shares), audit["planted"], "planted answers"))


def decide_blamed(limit: Limit, simulator: Mapping[str, Any] | None) -> GateResult:
    """The gate on simulated users: the share of their conversations that went wrong by the simulator's doing."""
    if simulator is None:
        return not_judged("simulator_blamed", limit, "no user was simulated")
    undecided = simulator["blame"]["undecided"]
    note = f"{undecided} undecided" if undecided else ""
    blamed, count = simulator["blame"]["simulator"], simulator["conversations"]
    return _decide("simulator_blamed", limit, Reading(blamed / count, count, "conversations", note))


def coverage_limits(limits: Mapping[str, Limit]) -> dict[str, CoverageLimit]:
    """The gates on coverage among a suite's."""
    return {name: limit for name, limit in limits.items() if isinstance(limit, CoverageLimit)}


def limits_of(gates: Sequence[Mapping[str, Any]]) -> dict[str, Limit]:
    """The thresholds of gates as a run's header holds them."""
    kinds = {"regressions": RegressionsLimit, "pass_hat_k": TriesLimit, **dict.fromkeys(COVERED, CoverageLimit)}
    return {str(gate["name"]): kinds.get(str(gate["name"]), Limit)(**gate["limit"]) for gate in gates if gate["name"] in GATES}


def results_of(gates: Sequence[Mapping[str, Any]]) -> list[GateResult]:
    """The gates as a run's header holds them, as they were decided."""
    limits = limits_of(gates)
    return [
        GateResult(name, limits[name], gate["observed"], gate["passed"], gate["message"], gate["n"], gate["of"])
        for gate in gates
        if (name := str(gate["name"])) in limits
    ]


def _compared(name: str, limit: Limit, compared: Compared) -> Reading:
    if name != "regressions":
        found = compared.stale if name == "stale" else compared.expired
        return Reading(None if found is None else float(found), compared.cases, note="" if found is not None else "no baseline")
    if not compared.cases:
        return Reading(None, note="no case has a verdict on both sides")
    assert isinstance(limit, RegressionsLimit)
    if limit.alpha is None:
        return Reading(float(compared.regressed), compared.cases)
    statistics = compared.statistics
    assert statistics.alpha == limit.alpha, "the statistics belong to another level"
    paired = statistics.paired
    note = f"{paired.worse} worse, {paired.better} better, p = {paired.p:.2g}"
    return Reading(float(len(statistics.worsened(limit.min_effect))), paired.cases, note=note)


def not_judged(name: str, limit: Limit, why: str = "nothing was compared") -> GateResult:
    """A gate that neither passed nor failed."""
    return GateResult(name, limit, None, None, f"{name} not judged: {why} (asked: {asked(limit)})")


def asked(limit: Limit) -> str:
    """A threshold in words."""
    words = " and ".join(f"{sign} {end:g}" for sign, end in (("≥", limit.min), ("≤", limit.max)) if end is not None)
    if isinstance(limit, TriesLimit):
        words += f" for k = {limit.k}"
    if isinstance(limit, CoverageLimit):
        words += f" {limit.of}"
    if isinstance(limit, RegressionsLimit) and limit.alpha is not None:
        words += f" at α = {limit.alpha:g}" + (f" from an effect of {limit.min_effect:g}" if limit.min_effect else "")
    return words


def _decide(name: str, limit: Limit, read: Reading) -> GateResult:
    if read.value is None:
        why = f": {read.note}" if read.note else ""
        return GateResult(name, limit, None, False, f"{name} could not be measured{why} (asked: {asked(limit)})", 0, read.of)
    low = limit.min is not None and read.value < limit.min
    high = limit.max is not None and read.value > limit.max
    word = "fails" if low or high else "holds"
    of = f"n = {of_them(read.n, read.of)}" + (f"; {read.note}" if read.note else "")
    message = f"{name} {word}: {read.value:.4g} ({of}), asked {asked(limit)}"
    return GateResult(name, limit, round(read.value, 6), not (low or high), message, read.n, read.of)


def conclude(
    counts: Mapping[str, int], gates: Sequence[GateResult], state: str, *, flaky: int = 0, strict_flaky: bool = False
) -> tuple[str, ExitCode]:
    """The run's verdict and exit code.

    A gate that measured and failed is `failed` (1). Otherwise cases that errored leave no verdict (3), unless a gate
    on `errored` allows them; so does a run in which nothing was judged, and one whose engine was given up.
    A gate on a comparison that was not made says nothing; where there is no other, there is no verdict.
    """
    if state == "interrupted":
        return "interrupted", ExitCode.INTERRUPTED
    if state in ("workers-lost", "incomplete"):  # the rest is still to be played, or to be merged
        return "no-verdict", ExitCode.NO_VERDICT
    if any(gate.passed is False and gate.observed is not None and gate.name != "errored" for gate in gates):
        return "failed", ExitCode.FAILED
    if state == "given-up":
        return "no-verdict", ExitCode.NO_VERDICT
    tolerated = any(gate.name == "errored" and gate.passed for gate in gates)
    if (counts.get("errored", 0) and not tolerated) or not judged(counts):
        return "no-verdict", ExitCode.NO_VERDICT
    if any(gate.passed is False for gate in gates) or all(gate.passed is None for gate in gates):
        return "no-verdict", ExitCode.NO_VERDICT
    return "passed", ExitCode.FLAKY if strict_flaky and flaky else ExitCode.OK

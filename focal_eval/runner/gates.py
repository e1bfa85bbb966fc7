"""Decides whether a run as a whole is good enough, and the one exit code that says so."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping

from focal_eval.errors import ExitCode
from focal_eval.runner.schedule import Totals
from focal_eval.script.suite import GATES, Limit
from focal_eval.value import value

DEFAULT = {"pass_rate": Limit(min=1.0)}
"""What must hold where a suite names no gates: every judged case passes."""


@value
class GateResult:
    """One gate, decided; `observed` is None where there was nothing to measure, and then it has not passed."""

    name: str
    limit: Limit
    observed: float | None
    passed: bool
    message: str

    def as_json(self) -> dict[str, object]:
        limit = {end: value for end, value in (("min", self.limit.min), ("max", self.limit.max)) if value is not None}
        return {
            "name": self.name,
            "limit": limit,
            "observed": self.observed,
            "passed": self.passed,
            "message": self.message,
        }


def judged(counts: Mapping[str, int]) -> int:
    """Cases with a verdict on the engine: neither skipped nor errored."""
    return sum(counts.get(name, 0) for name in ("passed", "failed", "xfailed", "xpassed"))


def _pass_rate(totals: Totals) -> float | None:
    count = judged(totals.counts)
    return None if not count else (totals.counts["passed"] + totals.counts["xfailed"]) / count


def _quantile(values: array[float], share: float) -> float | None:
    """The nearest-rank quantile."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * share // 1).__int__() - 1))]


FIGURES: dict[str, Callable[[Totals], float | None]] = {
    "pass_rate": _pass_rate,
    "failed": lambda totals: float(totals.counts["failed"] + totals.counts["xpassed"]),
    "errored": lambda totals: float(totals.counts["errored"]),
    "skipped": lambda totals: float(totals.counts["skipped"]),
    "p50_latency_ms": lambda totals: _quantile(totals.latencies, 0.5),
    "p95_latency_ms": lambda totals: _quantile(totals.latencies, 0.95),
    "total_tokens": lambda totals: None if totals.tokens is None else float(totals.tokens),
    "total_cost": lambda totals: totals.cost,
}
assert FIGURES.keys() == GATES.keys()


def decide(limits: Mapping[str, Limit], totals: Totals) -> list[GateResult]:
    """Every gate, in the suite's order."""
    return [_decide(name, limit, FIGURES[name](totals)) for name, limit in (limits or DEFAULT).items()]


def _decide(name: str, limit: Limit, observed: float | None) -> GateResult:
    words = " and ".join(f"{sign} {value:g}" for sign, value in (("≥", limit.min), ("≤", limit.max)) if value is not None)
    if observed is None:
        return GateResult(name, limit, None, False, f"{name} could not be measured (asked: {words})")
    low = limit.min is not None and observed < limit.min
    high = limit.max is not None and observed > limit.max
    word = "fails" if low or high else "holds"
    return GateResult(name, limit, round(observed, 6), not (low or high), f"{name} {word}: {observed:.4g}, asked {words}")


def conclude(totals: Totals, gates: list[GateResult], limits: Mapping[str, Limit], state: str) -> tuple[str, ExitCode]:
    """The run's verdict and exit code.

    A gate that measured and failed is `failed` (1). Otherwise cases that errored leave no verdict (3), unless a gate
    on `errored` allows them; so does a run in which nothing was judged, and one whose engine was given up.
    """
    if state == "interrupted":
        return "interrupted", ExitCode.INTERRUPTED
    if any(not gate.passed and gate.observed is not None and gate.name != "errored" for gate in gates):
        return "failed", ExitCode.FAILED
    if state == "given-up":
        return "no-verdict", ExitCode.NO_VERDICT
    tolerated = "errored" in limits and all(gate.passed for gate in gates if gate.name == "errored")
    if (totals.counts["errored"] and not tolerated) or not judged(totals.counts):
        return "no-verdict", ExitCode.NO_VERDICT
    if any(not gate.passed for gate in gates):
        return "no-verdict", ExitCode.NO_VERDICT
    return "passed", ExitCode.OK

"""What can be said of a run's gates from one of its shards: what is lost already, and nothing more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from focal_eval.compare.stats.summary import mean
from focal_eval.errors import ExitCode
from focal_eval.runner.gates import DEFAULT, FIGURES, GateResult, asked, judged, not_judged
from focal_eval.runner.schedule import Totals
from focal_eval.runner.shard import Shard
from focal_eval.script.limit import Limit
from focal_eval.value import value

_GROWING = frozenset({"failed", "errored", "skipped", "flaky", "total_tokens", "total_cost"})
"""Figures that the other shards can only add to."""


@value
class Part:
    """A shard, and how many cases of the whole run it cannot speak for; repeats count once where cases are repeated."""

    shard: Shard
    elsewhere: int


def decide_part(limits: Mapping[str, Limit], totals: Totals, part: Part) -> list[GateResult]:
    """Every gate, in the suite's order: failed where no other shard can save it, else not judged."""
    why = f"this is shard {part.shard.index} of {part.shard.of}"
    return [_lost(name, limit, totals, part) or not_judged(name, limit, why) for name, limit in (limits or DEFAULT).items()]


def _lost(name: str, limit: Limit, totals: Totals, part: Part) -> GateResult | None:
    """The gate as failed, where whatever the other shards bring cannot change that."""
    if name == "pass_rate" and limit.min is not None:
        best, count = _best_rate(totals, part)
        if best is not None and best < limit.min:
            said = f"pass_rate fails: {best:.4g} at most, were every case of the other shards to pass, asked {asked(limit)}"
            return GateResult(name, limit, round(best, 6), passed=False, message=said, n=count)
    if name in _GROWING and limit.max is not None:
        read = FIGURES[name](totals, limit)
        if read.value is not None and read.value > limit.max:
            said = f"{name} fails: {read.value:.4g} in this shard alone, asked {asked(limit)}"
            return GateResult(name, limit, round(read.value, 6), passed=False, message=said, n=read.n, of=read.of)
    return None


def _best_rate(totals: Totals, part: Part) -> tuple[float | None, int]:
    """The pass rate of the whole run, were all passed that is not judged yet."""
    if totals.gating_tallies:
        rates = [tally.sure_good / tally.sure for tally in totals.gating_tallies.values() if tally.sure]
        return mean([*rates, *[1.0] * part.elsewhere]), len(rates) + part.elsewhere
    count, good = judged(totals.gating), totals.gating["passed"] + totals.gating["xfailed"]
    whole = count + part.elsewhere
    return (None, 0) if not whole else ((good + part.elsewhere) / whole, whole)


def conclude_part(counts: Mapping[str, int], gates: Sequence[GateResult], state: str) -> tuple[str, ExitCode]:
    """A shard's verdict and exit code.

    `failed` (1) where the whole run cannot pass any more, `no-verdict` (3) where cases errored and no gate on `errored` may
    allow them, or the engine was given up; else `passed` (0), a shard without a case too.
    """
    if state == "interrupted":
        return "interrupted", ExitCode.INTERRUPTED
    if state == "workers-lost":  # the rest is still to be played
        return "no-verdict", ExitCode.NO_VERDICT
    if any(gate.passed is False and gate.name != "errored" for gate in gates):
        return "failed", ExitCode.FAILED
    tolerated = any(gate.name == "errored" and gate.passed is None for gate in gates)
    if state == "given-up" or (counts.get("errored", 0) and not tolerated):
        return "no-verdict", ExitCode.NO_VERDICT
    return "passed", ExitCode.OK

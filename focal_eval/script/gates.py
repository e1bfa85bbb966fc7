"""`gates`: what must hold of the whole run, or of its comparison with a baseline."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any

from focal_eval.document import INVALID, Reader, Shape, record_of
from focal_eval.document.reader import MappingNode, Node
from focal_eval.document.shape import JsonSchema, Number, SchemaBuilder
from focal_eval.registry import did_you_mean
from focal_eval.script.gates_coverage import COVERED, CoverageShape
from focal_eval.script.limit import Limit
from focal_eval.script.repeats import COUNT
from focal_eval.value import value as a_value

GATES: dict[str, str] = {
    "pass_rate": "Share of judged cases that passed, 0 to 1; of a repeated case, the share of its repeats.",
    "pass_hat_k": "The chance that all of `k` tries at a case pass, averaged over the cases: pass^k.",
    "failed": "Cases that failed.",
    "errored": "Cases without a verdict because the engine broke or a check crashed.",
    "skipped": "Cases that were not judged.",
    "flaky": "Cases whose repeats both passed and failed.",
    "p50_latency_ms": "Median time of a turn, as measured.",
    "p95_latency_ms": "95th percentile of the time of a turn, as measured.",
    "total_tokens": "Tokens of the whole run, where the engine reports them.",
    "total_cost": "Cost of the whole run by the suite's `prices`.",
    "coverage": "Share of the agent's rules that an expectation would miss; with `of: hit` of those that matched.",
    **{
        name: f"Share of the agent's {name.removeprefix('coverage_')} that an expectation would miss, or that are hit."
        for name in list(COVERED)[1:]
    },
    "judged": "Share of expectations judged by a model that passed; one on which it abstained did not.",
    "judge_agreement": "Share of planted answers that the judge knew; the good ones and the bad ones weigh the same.",
    "simulator_blamed": "Share of simulated conversations that went wrong by the simulator's doing.",
    "regressions": "Cases that were good in the baseline and are bad now; with `alpha` only where it is no chance.",
    "stale": "Cases of the baseline whose script or agent changed since they were approved.",
    "expired": "Cases of the baseline whose approval has expired.",
}
"""Gate names with what they measure; `runner.gates` has the figure for each."""

COMPARED = frozenset({"regressions", "stale", "expired"})
"""Gates on a comparison: a run alone cannot judge them."""

JUDGED = frozenset({"judged", "judge_agreement"})
"""Gates on what a judging model said, and on the model itself."""

SIMULATED = frozenset({"simulator_blamed"})
"""Gates on simulated users."""

RECORDED = frozenset(COVERED) | JUDGED | SIMULATED
"""Gates on what was recorded: they are judged once the journal is whole."""

_SHARE = Number(minimum=0, maximum=1)


@a_value
class TriesLimit(Limit):
    """A threshold on several tries at each case."""

    k: Annotated[int | None, COUNT] = field(default=None, metadata={"doc": "How many tries have to pass, all of them."})

    def __post_init__(self) -> None:
        Limit.__post_init__(self)
        if self.k is None:
            raise ValueError("this gate needs 'k', the number of tries")


@a_value
class RegressionsLimit(Limit):
    """How many cases may have got worse, and what counts as worse."""

    max: float | None = 0.0
    alpha: Annotated[float | None, Number(minimum=0.0001, maximum=0.5)] = field(
        default=None, metadata={"doc": "How likely a false alarm may be; without it every case that got worse counts."}
    )
    min_effect: Annotated[float, _SHARE] = field(
        default=0.0, metadata={"doc": "The smallest drop of a case's pass rate that counts, 0 to 1; needs `alpha`."}
    )

    def __post_init__(self) -> None:
        Limit.__post_init__(self)
        if self.min_effect and self.alpha is None:
            raise ValueError("'min_effect' needs 'alpha'")


def _shape(name: str) -> Shape:
    """The shape of one gate's threshold."""
    if name == "regressions":
        return record_of(RegressionsLimit, leave_out=frozenset({"min"}))
    if name == "coverage":
        return CoverageShape()
    return record_of({"pass_hat_k": TriesLimit}.get(name, Limit))


WRITTEN = tuple(name for name in GATES if not name.startswith("coverage_"))
"""The names that a suite writes; `coverage` stands for those of every kind of item."""


class GatesShape(Shape):
    """`gates`: thresholds by name."""

    expected = "a mapping of gates"

    def read(self, node: Node, reader: Reader) -> Any:
        if not isinstance(node, MappingNode):
            return self.wrong(node, reader)
        out: dict[str, Any] = {}
        for name, key, value in reader.pairs(node):
            if name not in WRITTEN:
                fix = did_you_mean(name, WRITTEN)
                out[name] = reader.error("unknown-gate", f"no gate is named '{name}'", key, help=fix)
            elif name == "coverage":
                found = _shape(name).read(value, reader)
                out.update({name: INVALID} if found is INVALID else found)
            else:
                out[name] = _shape(name).read(value, reader)
        return INVALID if INVALID in out.values() else out

    def schema(self, into: SchemaBuilder) -> JsonSchema:
        properties = {name: {**_shape(name).schema(into), "description": doc} for name, doc in GATES.items() if name in WRITTEN}
        return {"type": "object", "properties": properties, "additionalProperties": False}

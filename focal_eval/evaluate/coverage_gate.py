"""The gate `coverage` of a run: judged from its journal, once that is whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from focal_eval.errors import ExitCode
from focal_eval.evaluate.covering import CoverRequest, cover_models, reading
from focal_eval.report.model import ReportModel
from focal_eval.runner.gates import GateResult, conclude, decide_coverage, not_judged, results_of
from focal_eval.script.gates import CoverageLimit


def judged_coverage(
    outcome: Mapping[str, Any], limit: CoverageLimit, model: ReportModel, *, strict_flaky: bool = False
) -> tuple[dict[str, Any], ExitCode]:
    """A run's outcome with its gate on coverage judged, and the verdict and exit code of all gates together."""
    gate = _gate(limit, model)
    gates = [gate if one.name == gate.name else one for one in results_of(outcome["gates"])]
    flaky = len((outcome["statistics"] or {}).get("flaky", ()))
    verdict, code = conclude(outcome["counts"], gates, outcome["state"], flaky=flaky, strict_flaky=strict_flaky)
    return {**outcome, "gates": [one.as_json() for one in gates], "verdict": verdict, "exit_code": int(code)}, code


def _gate(limit: CoverageLimit, model: ReportModel) -> GateResult:
    why = why_partial(model)
    if why is not None:
        return not_judged("coverage", limit, why)
    covered = cover_models([model], CoverRequest((), of=limit.of, judge=limit.of == "asserted"))
    return decide_coverage(limit, reading(covered, limit.of))


def why_partial(model: ReportModel) -> str | None:
    """Why a run does not tell what its suite covers, in words; None where every case was played."""
    header = model.header
    options, suite = header.get("options") or {}, header.get("suite") or {}
    paths = (options.get("again") or {}).get("paths") or []
    chosen = any(options.get(key) for key in ("tags", "keyword", "failed_of"))
    if chosen or (suite.get("file") is not None and paths != [suite["file"]]):
        return "only some of the suite's cases were played"
    return "the run did not reach its end" if model.partial or model.counts["not_run"] else None

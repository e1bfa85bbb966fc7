"""The gate `coverage` of a run: judged from its journal, once that is whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from focal_eval.errors import ExitCode
from focal_eval.evaluate.coverage_files import view_of
from focal_eval.evaluate.covering import Covered, CoverRequest, cover_models, reading
from focal_eval.report.base import ReportOptions
from focal_eval.report.model import ReportModel
from focal_eval.runner.gates import GateResult, conclude, decide_coverage, not_judged, results_of
from focal_eval.script.gates import CoverageLimit


def judged_coverage(
    outcome: Mapping[str, Any], limit: CoverageLimit, model: ReportModel, *, strict_flaky: bool = False
) -> tuple[dict[str, Any], ExitCode]:
    """A run's outcome with its gate on coverage judged, and the verdict and exit code of all gates together."""
    judged, code, _ = gated_coverage(outcome, limit, model, strict_flaky=strict_flaky)
    return judged, code


def gated_coverage(
    outcome: Mapping[str, Any], limit: CoverageLimit, model: ReportModel, *, strict_flaky: bool = False
) -> tuple[dict[str, Any], ExitCode, Covered | None]:
    """The same, with the coverage itself; None where the gate was not judged."""
    covered = _covered(model, limit)
    gate = covered if isinstance(covered, GateResult) else decide_coverage(limit, reading(covered, limit.of))
    gates = [gate if one.name == gate.name else one for one in results_of(outcome["gates"])]
    flaky = len((outcome["statistics"] or {}).get("flaky", ()))
    verdict, code = conclude(outcome["counts"], gates, outcome["state"], flaky=flaky, strict_flaky=strict_flaky)
    judged = {**outcome, "gates": [one.as_json() for one in gates], "verdict": verdict, "exit_code": int(code)}
    return judged, code, None if isinstance(covered, GateResult) else covered


def _covered(model: ReportModel, limit: CoverageLimit) -> Covered | GateResult:
    why = why_partial(model)
    if why is not None:
        return not_judged("coverage", limit, why)
    return cover_models([model], CoverRequest((), of=limit.of, judge=limit.of == "asserted"))


def with_coverage(model: ReportModel, options: ReportOptions) -> ReportOptions:
    """What a report of this run is to show: its coverage too, where its suite has a gate on it that was judged."""
    gate = next((gate for gate in model.gates if gate.get("name") == "coverage"), None)
    if gate is None or gate.get("passed") is None:
        return options
    of = (gate.get("limit") or {}).get("of")
    covered = cover_models([model], CoverRequest((), of="hit" if of == "hit" else "asserted", judge=of != "hit"))
    return replace(options, coverage=view_of(covered))


def why_partial(model: ReportModel) -> str | None:
    """Why a run does not tell what its suite covers, in words; None where every case was played."""
    header = model.header
    options, suite = header.get("options") or {}, header.get("suite") or {}
    paths = (options.get("again") or {}).get("paths") or []
    chosen = any(options.get(key) for key in ("tags", "keyword", "failed_of"))
    if chosen or (suite.get("file") is not None and paths != [suite["file"]]):
        return "only some of the suite's cases were played"
    return "the run did not reach its end" if model.partial or model.counts["not_run"] else None

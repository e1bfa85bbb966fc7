"""The gates on coverage of a run: judged from its journal, once that is whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from focal_eval.errors import ExitCode
from focal_eval.evaluate.coverage_files import view_of
from focal_eval.evaluate.covering import Covered, CoverRequest, cover_models, reading
from focal_eval.report.base import ReportOptions
from focal_eval.report.model import ReportModel
from focal_eval.runner.gates import conclude, decide_coverage, not_judged, results_of
from focal_eval.script.gates_coverage import COVERED, CoverageLimit


def judged_coverage(
    outcome: Mapping[str, Any], limits: Mapping[str, CoverageLimit], model: ReportModel, *, strict_flaky: bool = False
) -> tuple[dict[str, Any], ExitCode]:
    """A run's outcome with its gates on coverage judged, and the verdict and exit code of all gates together."""
    judged, code, _ = gated_coverage(outcome, limits, model, strict_flaky=strict_flaky)
    return judged, code


def gated_coverage(
    outcome: Mapping[str, Any], limits: Mapping[str, CoverageLimit], model: ReportModel, *, strict_flaky: bool = False
) -> tuple[dict[str, Any], ExitCode, Covered | None]:
    """The same, with the coverage itself; None where the gates were not judged."""
    why = why_partial(model)
    covered = None if why is not None else _covered(model, [limit.of for limit in limits.values()])
    decided = {
        name: not_judged(name, limit, why or "")
        if covered is None
        else decide_coverage(limit, reading(covered, limit.of, [COVERED[name]]), name)
        for name, limit in limits.items()
    }
    gates = [decided.get(gate.name, gate) for gate in results_of(outcome["gates"])]
    flaky = len((outcome["statistics"] or {}).get("flaky", ()))
    verdict, code = conclude(outcome["counts"], gates, outcome["state"], flaky=flaky, strict_flaky=strict_flaky)
    judged = {**outcome, "gates": [gate.as_json() for gate in gates], "verdict": verdict, "exit_code": int(code)}
    return judged, code, covered


def _covered(model: ReportModel, of: Sequence[str]) -> Covered:
    """The coverage, with what expectations would miss where one of the gates is on that."""
    judge = "asserted" in of
    return cover_models([model], CoverRequest((), of="asserted" if judge else "hit", judge=judge))


def with_coverage(model: ReportModel, options: ReportOptions) -> ReportOptions:
    """What a report of this run is to show: its coverage too, where its suite has a gate on it that was judged."""
    judged = [gate for gate in model.gates if gate.get("name") in COVERED and gate.get("passed") is not None]
    if not judged:
        return options
    covered = _covered(model, [str((gate.get("limit") or {}).get("of")) for gate in judged])
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

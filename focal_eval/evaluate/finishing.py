"""What follows once every case of a run is in its journal: gates that need all of it, the comparison, the reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focal_eval.errors import ExitCode
from focal_eval.evaluate.folders import render
from focal_eval.report.base import ReportOptions
from focal_eval.report.journal import model_of
from focal_eval.report.model import ReportModel
from focal_eval.runner.journal import Journal
from focal_eval.script.gates_coverage import CoverageLimit
from focal_eval.script.limit import Limit
from focal_eval.value import value

if TYPE_CHECKING:
    from focal_eval.evaluate.comparing import Compared, Reference


@value
class Finished:
    """A run's last word."""

    code: ExitCode
    options: ReportOptions = field(default_factory=ReportOptions)
    compared: Compared | None = None


def finish(
    journal: Journal,
    concluded: tuple[dict[str, Any], ExitCode],
    *,
    coverage: Mapping[str, CoverageLimit],
    reference: Reference | None,
    strict_flaky: bool,
    judge: Mapping[str, Any] | None = None,
    limits: Mapping[str, Limit] | None = None,
) -> Finished:
    """Judges what is read off the whole journal, the gates on coverage, on a judge and on a comparison, and writes the outcome.

    `judge` is what a judging model said in the run; its gates are judged where `limits` are given, the suite's.

    It is written once all gates are judged: a run that is killed here is not over, and has no verdict.
    """
    (outcome, code), options, compared = concluded, ReportOptions(), None
    journal.flush()
    if judge is not None and limits is not None:
        from focal_eval.evaluate.judged import gated_judge

        outcome, code = gated_judge(outcome, judge, limits, strict_flaky=strict_flaky)
    elif judge is not None:
        outcome = {**outcome, "judge": dict(judge)}
    if any("simulated" in case.marks for case in journal.reading.cases.values()) or "simulator_blamed" in (limits or {}):
        from focal_eval.evaluate.simulated_run import gated_simulations

        model = model_of(journal.folder, journal.reading, outcome)
        outcome, code = gated_simulations(outcome, model, limits, strict_flaky=strict_flaky)
    if coverage:
        from focal_eval.evaluate.coverage_files import view_of
        from focal_eval.evaluate.coverage_gate import gated_coverage

        model = model_of(journal.folder, journal.reading, outcome)
        outcome, code, covered = gated_coverage(outcome, coverage, model, strict_flaky=strict_flaky)
        options = ReportOptions(coverage=None if covered is None else view_of(covered))
    if reference is not None:
        from focal_eval.evaluate.comparing import compare_to, judged_with

        compared = compare_to(reference, model_of(journal.folder, journal.reading, outcome))
        outcome, code = judged_with(outcome, compared, strict_flaky=strict_flaky)
        options = replace(options, comparison=compared.comparison)
    journal.end(outcome)
    return Finished(code, options, compared)


def rendered(model: ReportModel, reports: Sequence[str], finished: Finished) -> Mapping[str, Path]:
    """Writes the reports, that of the comparison too; each name with the file it became."""
    written = render(model, reports, options=finished.options)
    if finished.compared is None or "html" not in written:
        return written
    from focal_eval.evaluate.comparison_page import write_page

    return {**written, "comparison": write_page(finished.compared, model.folder)}

"""What a page shows of a case beside this run: its last runs in the store, and whether it is in quarantine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from focal_eval.compare.keys import case_key
from focal_eval.report.model import Case, ReportModel
from focal_eval.report.wording import moment_words, quarantine_words

if TYPE_CHECKING:
    from focal_eval.store.answers import Strips


def add_beside(index: dict[str, Any], run: ReportModel, cases: Sequence[Case], strips: Strips | None) -> None:
    """Adds to a page's index what is known of its cases, in their order: `strip`, a letter a run, and `held`, a sentence."""
    if strips is not None and len(strips.runs) > 1:
        index["history"] = [moment_words(started) for _, started in strips.runs]
        _column(index, "strip", [strips.cases.get(case_key(case.name, case.script, case.repeat), "") for case in cases])
    if run.quarantined:
        held = [run.quarantine_of(case) for case in cases]
        _column(index, "held", [None if entry is None else quarantine_words(entry) for entry in held])


def _column(index: dict[str, Any], name: str, values: Sequence[Any]) -> None:
    if not index["cases"]:
        return
    index["columns"].append(name)
    for row, value in zip(index["cases"], values, strict=True):
        row.append(value)

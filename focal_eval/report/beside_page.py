"""What a page shows of a case beside this run: its last runs in the store, and whether it is in quarantine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from focal_eval.compare.keys import case_key
from focal_eval.report.model import Case, ReportModel
from focal_eval.report.wording import moment_words, quarantine_words

if TYPE_CHECKING:
    from focal_eval.store.answers import Strips


class Beside:
    """What a page's rows have more: `strip`, a letter a run, and `held`, a sentence; each only where there is any."""

    def __init__(self, run: ReportModel, strips: Strips | None) -> None:
        self._run = run
        self._strips = strips if strips is not None and len(strips.runs) > 1 else None

    @property
    def heads(self) -> dict[str, Any]:
        """What the index says once: when the runs of a strip began."""
        return {} if self._strips is None else {"history": [moment_words(started) for _, started in self._strips.runs]}

    def of(self, case: Case) -> dict[str, Any]:
        """The columns of one case."""
        row: dict[str, Any] = {}
        if self._strips is not None:
            row["strip"] = self._strips.cases.get(case_key(case.name, case.script, case.repeat), "")
        if self._run.quarantined:
            entry = self._run.quarantine_of(case)
            row["held"] = None if entry is None else quarantine_words(entry)
        return row

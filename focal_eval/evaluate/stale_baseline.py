"""Whether a baseline is out of date for a run: its scripts, its agent, and the day it was made on."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from focal_eval.compare.baseline import read_files
from focal_eval.compare.staleness import Staleness, stale
from focal_eval.evaluate.recorded_cases import script_digest
from focal_eval.report.model import ReportModel


def staleness_of(folder: Path, model: ReportModel) -> Staleness:
    """What is out of date in a baseline, of the scripts that a run played. Raises Refused where a file of it is broken."""
    scripts: dict[str, str] = {}
    for case in model.cases:
        if case.script not in scripts:
            scripts[case.script] = script_digest(model, case)
    agent = ((model.header.get("engine") or {}).get("agent") or {}).get("digest")
    return stale(read_files(folder), scripts, agent, _day_of(model))


def _day_of(model: ReportModel) -> date:
    """The day of a run: a comparison says the same whenever it is made."""
    try:
        return date.fromisoformat(str(model.header.get("started_at"))[:10])
    except ValueError:
        return date.min

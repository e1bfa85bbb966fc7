"""The regression report of a comparison: both sides are read again, one conversation at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from focal_eval.compare import baseline
from focal_eval.compare.keys import case_key
from focal_eval.compare.model import CaseChange, RecordedCase
from focal_eval.evaluate.comparing import Compared
from focal_eval.evaluate.recorded_cases import recorded
from focal_eval.records import Json
from focal_eval.report.comparison import ComparisonView, write
from focal_eval.report.model import Case, ReportModel

Reading = Callable[[CaseChange], Sequence[RecordedCase]]


def write_page(compared: Compared, out: Path, preference: Mapping[str, Json] | None = None) -> Path:
    """Writes the page into a folder, or as the file `out`, and returns its path. Raises StorageError.

    `preference` is what a judge made of the replies that changed, as `Preference.as_json` has it.
    """
    before, after = compared.before, compared.after
    hint = () if compared.hint is None else (f"{compared.hint[0].upper()}{compared.hint[1:]}.",)
    view = ComparisonView(
        compared.comparison,
        of_baseline(Path(compared.comparison.before.name)) if before is None else of_run(before, before=True),
        of_run(after),
        [gate.as_json() for gate in compared.gates],
        compared.statistics.as_json(),
        None if before is None else before.header,
        after.header,
        told=(*hint, *(() if compared.staleness is None else compared.staleness.lines())),
        agents=compared.agents,
        own_gates=compared.own_gates,
        preference=preference,
    )
    return write(view, out)


def of_run(model: ReportModel, *, before: bool = False) -> Reading:
    """Reads a case's repeats from a run's journal; `before` says that it is the first of both sides."""
    cases: dict[str, list[Case]] = {}
    for case in model.cases:
        cases.setdefault(case_key(case.name, case.script, case.repeat), []).append(case)

    def read(change: CaseChange) -> Sequence[RecordedCase]:
        repeats = sorted(cases.get((change.before_name if before else "") or change.name, ()), key=lambda case: case.repeat)
        return [recorded(model, case) for case in repeats if case.verdict != "not_run"]

    return read


def of_baseline(folder: Path) -> Reading:
    """Reads a case's repeats from a baseline, which is one set of files and is read once."""
    cases: dict[str, list[RecordedCase]] = {}
    for case in baseline.read(folder):
        cases.setdefault(case_key(case.name, case.script, case.repeat), []).append(case)
    return lambda change: cases.get(change.before_name or change.name, [])

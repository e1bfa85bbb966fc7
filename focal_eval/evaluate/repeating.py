"""What the repeats of a run came to, and a warning where they can say nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from focal_eval.errors import Diagnostic
from focal_eval.evaluate.target import Target
from focal_eval.records import Json
from focal_eval.report.journal import read_run
from focal_eval.report.model import Case
from focal_eval.script.repeats import Repeats
from focal_eval.script.shelf import wordings_of
from focal_eval.script.suite import SuiteFields
from focal_eval.source import whole_file

if TYPE_CHECKING:
    from focal_eval.compare.stats import Tally

MOST_TOLD = 50  # flaky cases of which is said where their repeats part ways


def repeated_in_vain(target: Target, fields: SuiteFields) -> Iterator[Diagnostic]:
    """A warning where an engine that answers the same each time is asked the same again."""
    if fields.repeats.at_most == 1 or not target.engine.abilities.deterministic:
        return
    if fields.variants == "rotate" and any(wordings_of(script) > 1 for script in target.scripts.planned):
        return  # each repeat says other words
    place = whole_file(target.suite.file if target.suite else target.entry.span.file)
    text = f"each case is run {fields.repeats.at_most} times, and the engine '{target.entry.kind}' answers the same each time"
    yield Diagnostic("repeats-in-vain", text, place, "warning", "leave out 'repeats'")


def statistics_json(tallies: Mapping[str, Tally], rule: Repeats, folder: Path) -> dict[str, Json] | None:
    """`statistics` of run.json, with the place where flaky cases' repeats first part ways; None where nothing was repeated.

    What the repeats said is read back from the journal, which has to be written that far.
    """
    if not tallies:
        return None
    from focal_eval.compare.stats import first_divergence, run_statistics
    from focal_eval.evaluate.recorded_cases import recorded

    out = run_statistics(tallies, rule).as_json()
    told = out["flaky"][:MOST_TOLD]
    if not told:
        return out
    run = read_run(folder)
    repeats = _repeats(run.cases, {entry["case"] for entry in told})
    for entry in told:
        first = first_divergence([recorded(run, case) for case in repeats[entry["case"]]])
        entry["first"] = None if first is None else first.as_json()
    return out


def _repeats(cases: Iterable[Case], wanted: set[str]) -> dict[str, list[Case]]:
    """The repeats of some cases, in their order."""
    from focal_eval.compare.keys import case_key

    out: dict[str, list[Case]] = {key: [] for key in wanted}
    for case in sorted(cases, key=lambda case: case.repeat):
        if (key := case_key(case.name, case.script, case.repeat)) in wanted:
            out[key].append(case)
    return out

"""Which scripts of its suites an edit of an agent can touch: what to run, why, and what may be left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from focal_eval.errors import UsageError
from focal_eval.evaluate.impact_recorded import LookedBack, Records, chosen_by
from focal_eval.evaluate.impact_suites import is_of, run_of, suites_named, suites_of
from focal_eval.evaluate.laboratory import open_lab
from focal_eval.evaluate.preparing import NothingChosen, plan_of
from focal_eval.evaluate.request import RunRequest
from focal_eval.evaluate.target import collected, entry_of
from focal_eval.evaluate.versions import Version, read_version, ready
from focal_eval.experiment.changes import Edits
from focal_eval.experiment.impact import Choice, Impact, impact, verified
from focal_eval.experiment.lab import Lab
from focal_eval.experiment.reach import Reach
from focal_eval.script.load import shown
from focal_eval.script.suite import Suite
from focal_eval.script.suite_engines import Engine
from focal_eval.value import value

Told = Callable[[int], None]
WHY = {
    "touched": "the edit can be seen in it",
    "recorded": "what was recorded of it holds what was edited",
    "matched": "the two agents part on what was recorded of it",
    "untold": "its engine does not report what was edited",
    "unplayed": "it cannot begin on the old agent",
    "unrecorded": "its engine can only be looked back at, and it was not recorded",
    "new": "the run does not have it",
    "failed": "it did not pass in the run",
    "edited": "its script was edited since the run",
}
"""Every reason to choose a case, in words."""


@value
class ImpactRequest:
    """Two versions of an agent file and the suites whose scripts may be touched."""

    old: Path
    new: Path
    suites: tuple[Path, ...] = ()  # else those in evals/ whose agent one of them is, or the only one there
    engine: str | None = None  # a name under the suites' `engines:`
    run: str | None = None  # one that tells what failed, what is new and what was edited; None: each suite's latest, if any
    runs: Path = Path("reports")
    verify: bool = False
    tags: tuple[str, ...] = ()
    keyword: str | None = None
    allow_python: bool = True
    cache: Path | None = None


@value
class OfSuite:
    """What was chosen of one suite, and beside which run."""

    suite: str
    impact: Impact
    run: str | None
    notes: tuple[str, ...] = ()  # what limits what is told

    @property
    def scripts(self) -> list[str]:
        """The files to run, each once."""
        return sorted({choice.script for choice in self.impact.chosen})

    def as_json(self) -> dict[str, Any]:
        chosen = len(self.impact.chosen)
        return {
            "suite": self.suite,
            "run": self.run,
            "chosen": chosen,
            "cases": chosen + len(self.impact.skipped),
            "scripts": self.scripts,
            "notes": list(self.notes),
        }


@value
class Impacted:
    """What was chosen, suite by suite."""

    old: str
    new: str
    edits: Edits
    suites: tuple[OfSuite, ...]

    @property
    def missed(self) -> bool:
        """Whether a full replay found a case that was not chosen."""
        return any(found.impact.verified is not None and found.impact.verified.missed for found in self.suites)

    def scripts(self) -> list[str]:
        """The files to run, each once."""
        return sorted({script for found in self.suites for script in found.scripts})

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; its keys are described in docs/reference/impact.md."""
        return {
            "old": self.old,
            "new": self.new,
            "edits": [change.as_json() for change in self.edits.changes],
            "suites": [found.as_json() for found in self.suites],
            "chosen": [_choice(found.suite, choice) for found in self.suites for choice in found.impact.chosen],
            "scripts": self.scripts(),
            "skipped": [name for found in self.suites for name in found.impact.skipped],
            "verified": self._verified(),
        }

    def _verified(self) -> dict[str, Any] | None:
        played = [found.impact.verified for found in self.suites if found.impact.verified is not None]
        if not played:
            return None
        changed = [name for one in played for name in one.changed]
        missed = [name for one in played for name in one.missed]
        return {"changed": changed, "missed": missed, "rate": len(missed) / len(changed) if changed else 0.0}


def find(request: ImpactRequest, told: Told = lambda _: None) -> Impacted:
    """The cases to run. Raises UsageError or Refused where a file is not there or has errors."""
    suites = suites_named(request.suites) if request.suites else suites_of(request.old, request.new)
    finding = _Finding(request, read_version(request.old), read_version(request.new), told)
    found: list[OfSuite] = []
    nothing: NothingChosen | None = None
    for suite in suites:
        try:
            found.append(finding.of(suite, alone=len(suites) == 1))
        except NothingChosen as problem:
            nothing = nothing or problem
    if nothing is not None and not found:
        raise nothing
    return Impacted(shown(request.old), shown(request.new), finding.edits, tuple(found))


class _Finding:
    """Looks for the cases of one suite after another."""

    def __init__(self, request: ImpactRequest, old: Version, new: Version, told: Told) -> None:
        self.request, self.old, self.new, self.told = request, old, new, told
        self.edits = Edits(old.agent, new.agent)

    def of(self, suite: Suite, *, alone: bool) -> OfSuite:
        """What is chosen of a suite. Raises NothingChosen where none of its cases fits --tag or -k."""
        request = self.request
        run = RunRequest(
            (suite.path,),
            engine=request.engine,
            tags=request.tags,
            keyword=request.keyword,
            allow_python=request.allow_python,
            cache=request.cache,
        )
        entry, _ = entry_of(run, suite)
        model = run_of(suite, request.run, request.runs, request.engine)
        back = None if model is None or not (alone or is_of(model, suite)) else LookedBack(model)
        if _can_be_played(entry):
            return self._played(suite, run, back)
        if request.verify:
            raise UsageError(
                f"--verify plays every case on both agents, which the engine '{entry.kind}' of {suite.file} cannot"
            )
        return self._recorded(suite, run, back, entry.kind)

    def _played(self, suite: Suite, run: RunRequest, back: LookedBack | None) -> OfSuite:
        opened = open_lab(run)
        old, new = ready(opened, self.old), ready(opened, self.new)
        reach = Reach(Lab(opened.lab.cases, replace(opened.lab.terms, engine=opened.lab.on(old).terms.engine)))
        found = impact(reach, new.file, {} if back is None else back.known(opened.lab.cases), self.told)
        notes: tuple[str, ...] = ()
        if back is not None and not back.played_here:
            found, notes = self._with_records(found, back, reach), back.notes(self.old)
        if self.request.verify:
            found = replace(found, verified=verified(reach, found, new.file, self.told))
        return OfSuite(suite.file, found, None if back is None else back.id, notes)

    def _with_records(self, found: Impact, back: LookedBack, reach: Reach) -> Impact:
        """The choice with the cases whose record, made by an engine that was not played, shows an edit."""
        records = Records(back, self.old, self.new, self.edits.changes)
        held = {choice.case: choice for choice in found.chosen}
        for case in reach.lab.cases:
            seen, choice = records.of(case.name), held.get(case.name)
            if seen is not None and choice is not None and choice.edits:
                held[case.name] = replace(choice, why=(*choice.why, *seen.why))
            elif (made := chosen_by(case, seen, () if choice is None else choice.why)) is not None:
                held[case.name] = made
        chosen = [held[case.name] for case in reach.lab.cases if case.name in held]
        return replace(found, chosen=tuple(chosen), skipped=tuple(name for name in found.skipped if name not in held))

    def _recorded(self, suite: Suite, run: RunRequest, back: LookedBack | None, kind: str) -> OfSuite:
        scripts = collected(run)
        cases = sorted(plan_of(scripts, scripts.fields, replace(run, repeats=1)).cases, key=lambda case: case.name)
        records = None if back is None else Records(back, self.old, self.new, self.edits.changes)
        known = {} if back is None else back.known(cases)
        chosen: list[Choice] = []
        skipped: list[str] = []
        for number, case in enumerate(cases):
            self.told(number + 1)
            why = known.get(case.name, ())
            if case.script.skip is None and (back is None or not (back.of(case.name) or back.whole)):
                why = ("unrecorded", *why)
            choice = chosen_by(case, None if records is None else records.of(case.name), why)
            if choice is None:
                skipped.append(case.name)
            else:
                chosen.append(choice)
        found = Impact(self.edits, tuple(chosen), tuple(skipped))
        if back is None:
            words = f"there is no run of {suite.file} to look back at, and its engine '{kind}' cannot be played here"
            return OfSuite(suite.file, found, None, (words,))
        return OfSuite(suite.file, found, back.id, back.notes(self.old))


def _can_be_played(entry: Engine) -> bool:
    """Whether the engine plays an agent file in this process, and words it itself."""
    if entry.kind != "embedded":
        return False
    return entry.config is None or entry.config.generator.kind == "template"


def _choice(suite: str, choice: Choice) -> dict[str, Any]:
    return {
        "suite": suite,
        "case": choice.case,
        "script": choice.script,
        "why": list(choice.why),
        "edits": list(choice.edits),
        "message": choice.message,
        "user": choice.user,
        "differs": choice.differs,
    }

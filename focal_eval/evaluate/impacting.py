"""Which scripts of a suite an edit of its agent can touch: what to run, why, and what may be left out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from focal_eval.clock import fixed_clock
from focal_eval.document import Document, read_file
from focal_eval.engines import Setting
from focal_eval.errors import UsageError
from focal_eval.evaluate.coverage_gate import why_partial
from focal_eval.evaluate.folders import read_folder
from focal_eval.evaluate.laboratory import Opened, open_lab
from focal_eval.evaluate.request import RunRequest
from focal_eval.evaluate.versions import version_in
from focal_eval.experiment.impact import Choice, Impact, impact, verified
from focal_eval.experiment.lab import Lab
from focal_eval.experiment.reach import Reach
from focal_eval.report.model import Case, ReportModel
from focal_eval.script.load import shown
from focal_eval.script.suite import Suite, looks_like_suite, read_suite
from focal_eval.text import listed
from focal_eval.value import value

Told = Callable[[int], None]
LATEST, NONE = "latest", "none"
_WELL = frozenset({"passed", "xfailed", "skipped"})
WHY = {
    "touched": "the edit can be seen in it",
    "unplayed": "it cannot begin on the old agent",
    "new": "the run does not have it",
    "failed": "it did not pass in the run",
    "edited": "its script was edited since the run",
}
"""Every reason to choose a case, in words."""


@value
class ImpactRequest:
    """Two versions of an agent file and the suite whose scripts may be touched."""

    old: Path
    new: Path
    suite: Path | None = None  # else the one in evals/ whose agent one of them is, or the only one there
    run: str | None = None  # one that tells what failed, what is new and what was edited; None: the suite's latest, if any
    runs: Path = Path("reports")
    verify: bool = False
    tags: tuple[str, ...] = ()
    keyword: str | None = None
    allow_python: bool = True
    cache: Path | None = None


@value
class Impacted:
    """What was chosen, and beside which run."""

    impact: Impact
    old: str
    new: str
    run: str | None

    @property
    def missed(self) -> bool:
        """Whether a full replay found a case that was not chosen."""
        return self.impact.verified is not None and bool(self.impact.verified.missed)

    def scripts(self) -> list[str]:
        """The files to run, each once."""
        return sorted({choice.script for choice in self.impact.chosen})

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; its keys are described in docs/reference/impact.md."""
        found = self.impact
        return {
            "old": self.old,
            "new": self.new,
            "run": self.run,
            "edits": [change.as_json() for change in found.edits.changes],
            "chosen": [_choice(choice) for choice in found.chosen],
            "scripts": self.scripts(),
            "skipped": list(found.skipped),
            "verified": None
            if found.verified is None
            else {"changed": list(found.verified.changed), "missed": list(found.verified.missed), "rate": found.verified.rate},
        }


def find(request: ImpactRequest, told: Told = lambda _: None) -> Impacted:
    """The cases to run. Raises UsageError or Refused where a file is not there or has errors."""
    suite = request.suite or _suite_of(request.old, request.new)
    opened = open_lab(
        RunRequest(
            (suite,),
            tags=request.tags,
            keyword=request.keyword,
            allow_python=request.allow_python,
            cache=request.cache,
        )
    )
    old, new = version_in(opened, request.old), version_in(opened, request.new)
    model = _run(request, suite)
    known = {} if model is None else _known(model, opened)
    reach = Reach(Lab(opened.lab.cases, replace(opened.lab.terms, engine=opened.lab.on(old).terms.engine)))
    found = impact(reach, new.file, known, told)
    if request.verify:
        found = replace(found, verified=verified(reach, found, new.file, told))
    run = None if model is None else str(model.header.get("id") or model.folder.name)
    return Impacted(found, shown(request.old), shown(request.new), run)


def _suite_of(*agents: Path) -> Path:
    """The suite in evals/ that one of the agents belongs to, or the only one. Raises UsageError where there is a choice."""
    folder = Path("evals")
    wanted = {path.resolve() for path in agents}
    suites = {path: read_suite(document, path) for path in sorted(folder.glob("*.yaml")) if (document := _suite_at(path))}
    own = [path for path, suite in suites.items() if suite is not None and _agent_of(suite) in wanted]
    if len(own) == 1 or len(suites) == 1:
        return (own or list(suites))[0]
    known = listed([str(path) for path in own or suites]) or "none"
    raise UsageError(f"name the suite with --suite FILE; in {folder}/ there is {known}")


def _suite_at(path: Path) -> Document | None:
    document = read_file(path, shown(path))
    return document if looks_like_suite(document.root) else None


def _agent_of(suite: Suite) -> Path | None:
    path = suite.fields.engine.config.agent_file(Setting(suite.folder, fixed_clock(), False))
    return None if path is None else Path(path).resolve()


def _run(request: ImpactRequest, suite: Path) -> ReportModel | None:
    """The run to look back at; the latest one only where it is of this suite."""
    if request.run == NONE:
        return None
    if request.run is not None:
        return read_folder(request.run, request.runs)
    try:
        model = read_folder(LATEST, request.runs)
    except UsageError:
        return None
    recorded = (model.header.get("suite") or {}).get("file")
    same = recorded is not None and Path(str(recorded)).resolve() == suite.resolve()
    return model if same else None


def _known(model: ReportModel, opened: Opened) -> dict[str, tuple[str, ...]]:
    """Cases to choose whatever the edit is."""
    recorded: dict[str, Case] = {}
    for case in model.cases:  # of several repeats the worst counts
        name = re.sub(r"#\d+$", "", case.name)
        if name not in recorded or case.verdict not in _WELL:
            recorded[name] = case
    whole = why_partial(model) is None  # else a case that it lacks need not be new
    out: dict[str, tuple[str, ...]] = {}
    for planned in opened.lab.cases:
        then = recorded.get(planned.name)
        if then is None:
            if whole:
                out[planned.name] = ("new",)
            continue
        why = () if then.verdict in _WELL else ("failed",)
        digest = model.document(then.place).get("digest")
        if digest and digest != planned.script.digest:
            why = (*why, "edited")
        if why:
            out[planned.name] = why
    return out


def _choice(choice: Choice) -> dict[str, Any]:
    return {
        "case": choice.case,
        "script": choice.script,
        "why": list(choice.why),
        "edits": list(choice.edits),
        "message": choice.message,
        "user": choice.user,
        "differs": choice.differs,
    }

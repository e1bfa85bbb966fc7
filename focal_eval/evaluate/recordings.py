"""A recorded run beside today's scripts: its cases ready to be judged again. No engine is connected or asked."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from focal_eval.errors import StorageError, UsageError
from focal_eval.evaluate.golden import with_golden
from focal_eval.evaluate.judge_setup import aiding_of
from focal_eval.evaluate.request import RunRequest
from focal_eval.evaluate.target import Collected, collected, with_overrides
from focal_eval.report.model import Case as ReportCase
from focal_eval.report.model import ReportModel
from focal_eval.runner.judge import Policy, PreparedScript
from focal_eval.runner.plan import Case, Selection, make_plan
from focal_eval.runner.rejudge import Recorded, Rejudge, recorded_from_json
from focal_eval.script.suite import SuiteFields
from focal_eval.value import value

_PATHS = {"--suite": "suite", "--agent": "agent"}
_WORDS = {"--engine": "engine"}


@value
class Recording:
    """A run and the cases of today's scripts, which are found by their ids."""

    model: ReportModel
    collected: Collected
    fields: SuiteFields
    policy: Policy
    cases: Mapping[str, Case]

    def today(self, case: ReportCase) -> Case | None:
        """The same case of today's scripts, None where they have it no more."""
        return self.cases.get(case.id)

    def read(self, case: ReportCase) -> Recorded:
        """The attempt that decided a case, read from the journal now. Raises StorageError where it is damaged."""
        last = case.last
        if last.end is None:
            raise StorageError(f"the journal of {self.model.folder} has no end of {case.name}")
        try:
            return recorded_from_json([self.model.document(place) for place in last.turns], self.model.document(last.end))
        except (ValueError, TypeError, AttributeError) as problem:  # Misfit is a ValueError; the others of no list at all
            raise StorageError(f"the journal of {self.model.folder} is damaged: {problem}") from None


class Rejudging:
    """Makes what judges the cases of a recording; a script's expectations are made ready once."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self._prepared: dict[str, PreparedScript] = {}

    def of(self, case: Case) -> Rejudge:
        """What judges recorded attempts at a case."""
        script = case.script
        found = self._prepared.get(script.id)
        if found is None:
            found = self._prepared[script.id] = PreparedScript(script)
        return Rejudge(case, found, self.recording.policy)


def open_recording(
    model: ReportModel, *, suite: Path | None = None, allow_python: bool = True, cache: Path | None = None
) -> Recording:
    """The run beside the scripts it was made with, as they stand today, or beside those of another suite.

    Raises UsageError where the scripts are not there any more, Refused where they cannot be read.
    """
    request = request_of(model, suite=suite, allow_python=allow_python, cache=cache)
    found = collected(request)
    fields = with_overrides(found.fields, request)
    scripts = tuple(with_golden(script, fields.golden) for script in found.scripts)
    options = _options(model)
    repeats, variants = int(options.get("repeats") or 1), str(options.get("variants") or fields.variants)
    try:
        plan = make_plan(scripts, repeats=repeats, variants=variants, select=Selection())
    except ValueError as problem:
        raise UsageError(str(problem)) from None
    policy = Policy(
        unreported=fields.unreported,
        prices=fields.prices,
        root=found.root if request.allow_python else None,
        tolerated=frozenset(fields.tolerate),
        masks=fields.mask,
        aiding=aiding_of(fields),
        seed=fields.seed,
    )
    return Recording(model, found, fields, policy, {case.id: case for case in plan.cases})


def _options(model: ReportModel) -> Mapping[str, Any]:
    found = model.header.get("options")
    return found if isinstance(found, dict) else {}


def request_of(model: ReportModel, *, suite: Path | None, allow_python: bool, cache: Path | None) -> RunRequest:
    """What a run was asked for, as far as its scripts go. Raises UsageError where its header does not say it."""
    if suite is not None:
        return RunRequest(paths=(suite,), allow_python=allow_python, cache=cache)
    again = _options(model).get("again") or {}
    paths, words = again.get("paths") or [], list(again.get("options") or [])
    if not paths and "--suite" not in words:
        raise UsageError(f"the run {model.header.get('id')} does not say which scripts it was made with; name the suite")
    chosen: dict[str, Any] = {}
    for word, given in pairwise(words):
        if word in _PATHS:
            chosen[_PATHS[word]] = Path(given)
        elif word in _WORDS:
            chosen[_WORDS[word]] = given
    python = allow_python and "--no-python" not in words
    return RunRequest(paths=tuple(map(Path, paths)), allow_python=python, cache=cache, **chosen)

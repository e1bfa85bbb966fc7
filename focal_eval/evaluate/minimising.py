"""The smallest conversation that still fails as a case of a run did, written as a script with a text for an issue."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from focal_eval.agent import Agent, Playable
from focal_eval.agent.authored import authored
from focal_eval.compare.baseline import default_folder
from focal_eval.compare.baseline_model import AGENT as AGENT_APPROVED
from focal_eval.document.writing import dump
from focal_eval.errors import Refused, StorageError, UsageError
from focal_eval.evaluate.folders import read_folder
from focal_eval.evaluate.laboratory import Opened, open_lab
from focal_eval.evaluate.recordings import request_of
from focal_eval.evaluate.request import RunRequest
from focal_eval.evaluate.versions import version_in
from focal_eval.experiment.lab import Lab, Replay, Version
from focal_eval.experiment.minimise import Minimal, Size, minimise, needed_of
from focal_eval.experiment.scripted import read_back, scripted, written
from focal_eval.registry import did_you_mean
from focal_eval.report.issue_text import Issue, issue_text
from focal_eval.report.model import Case, ReportModel
from focal_eval.runner.journal import AGENT
from focal_eval.runner.plan import Case as PlannedCase
from focal_eval.runner.plan import cases_of
from focal_eval.runner.simulating import GOAL
from focal_eval.script.load import shown
from focal_eval.script.model import Script
from focal_eval.value import value

Told = Callable[[int], None]
FOLDER = "minimised"
"""Where scripts go unless a file is named: a folder in the run's."""


@value
class MinimiseRequest:
    """A case of a run, by its name or id."""

    run: str
    case: str
    runs: Path = Path("reports")
    out: Path | None = None  # the script's file, else one in the run folder
    agent_out: Path | None = None  # the agent without any part that can go
    good: Path | None = None  # an agent that the script must pass on; else the baseline's, where the case passes on it
    suite: Path | None = None  # of the run's scripts, where the run does not say it
    engine: str | None = None
    allow_python: bool = True
    cache: Path | None = None


@value
class Minimised:
    """What was found and where it was written."""

    minimal: Minimal
    case: str
    run: str
    agent: str  # as it is shown
    own: bool  # the agent is the one kept in the run folder, for the file was edited since
    script: Path
    agent_file: Path | None
    rules: tuple[str, ...]  # that the failure takes
    passes_on: str | None  # the agent that the smaller script passes on
    issue: str

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; its keys are described in docs/reference/minimise.md."""
        found = self.minimal
        return {
            "run": self.run,
            "case": self.case,
            "agent": self.agent,
            "fails": {"expectation": found.signature.text, "because": found.because},
            "before": _size(found.before),
            "after": _size(found.after),
            "probes": found.probes,
            "complete": found.complete,
            "rules": list(self.rules),
            "script": str(self.script),
            "passes_on": self.passes_on,
            "agent_file": None if self.agent_file is None else str(self.agent_file),
            "text": found.text,
            "issue": self.issue,
        }


@value
class _Made:
    """What is put into words and written."""

    model: ReportModel
    lab: Lab
    agent: Agent
    shown: str
    own: bool
    case: PlannedCase
    minimal: Minimal
    passes_on: str | None


def find(request: MinimiseRequest, told: Told = lambda _: None) -> Minimised:
    """The case cut down and written.

    Raises UsageError where it does not fail any more, StorageError where nothing can be written.
    """
    model = read_folder(request.run, request.runs)
    recorded = _recorded(model, request.case)
    if request.out is not None and request.out.exists():
        raise UsageError(f"{request.out} is there already; name a file that is not")
    opened = open_lab(_request(model, request, recorded))
    case = _today(opened, model, recorded)
    playable, agent, own = _agent(model, opened)
    version = opened.lab.on(playable)
    data = _with_origin(case, model, _simulated(version, case))
    good = _good(request, opened, replace(case, script=_script(written(data), case), row={}, pick=0))
    minimal = minimise(version, case, data, told, good=None if good is None else good[0])
    if minimal is None:
        raise UsageError(f"{case.name} passes on {agent}: it is repaired, or it does not fail every time")
    passes = None if good is None else good[1]
    return _written(request, _Made(model, opened.lab, playable.file, agent, own, case, minimal, passes))


def _today(opened: Opened, model: ReportModel, recorded: Case) -> PlannedCase:
    """The recorded case as today's scripts have it, in the wording that its repeat had. Raises UsageError."""
    variants = str((model.header.get("options") or {}).get("variants") or opened.prepared.fields.variants)
    repeats = max(2, recorded.repeat)  # named with its repeat's number; ids do not depend on how many there are
    scripts = {case.script.id: case.script for case in opened.lab.cases}
    every = (case for script in scripts.values() for case in cases_of(script, repeats, variants))
    found = next((case for case in every if case.id == recorded.id), None)
    if found is None:
        raise UsageError(f"{recorded.name} is no case of today's scripts; {recorded.file} was edited since the run")
    return replace(found, name=recorded.name)


def _good(request: MinimiseRequest, opened: Opened, case: PlannedCase) -> tuple[Version, str] | None:
    """An agent that what is left has to pass on: the one that is named, else the one the baseline was approved of.

    Raises UsageError where the one that is named fails as well.
    """
    suite = opened.prepared.target.suite
    path = request.good or default_folder(None if suite is None else suite.file) / AGENT_APPROVED
    if request.good is None and not path.is_file():
        return None
    try:
        version = opened.lab.on(version_in(opened, path))
    except Refused:
        if request.good is not None:
            raise
        return None
    if version.play_case(case).good:
        return version, shown(path)
    if request.good is not None:
        raise UsageError(f"{case.name} fails on {shown(path)}, too; --good names an agent that it passes on")
    return None


def _recorded(model: ReportModel, name: str) -> Case:
    found = next((case for case in model.cases if name in (case.name, case.id)), None)
    if found is None:
        fix = did_you_mean(name, [case.name for case in model.attention] or [case.name for case in model.cases], list_up_to=4)
        raise UsageError(f"the run has no case '{name}'" + (f"; {fix}" if fix else ""))
    if found.verdict == "xpassed":
        raise UsageError(
            f"{found.name} passed in this run, though it is marked as failing; take its 'xfail' out of {found.file}"
        )
    if found.verdict not in ("failed", "errored"):
        raise UsageError(f"{found.name} {found.verdict} in this run; only a case that failed can be cut down")
    return found


def _request(model: ReportModel, request: MinimiseRequest, case: Case) -> RunRequest:
    """The run's own request, cut down to the case; of a suite's scripts only that of the case is read."""
    wanted = request_of(model, suite=request.suite, allow_python=request.allow_python, cache=request.cache)
    keyword = None if '"' in case.script else f'"{case.script}"'
    suite, script = request.suite or (model.header.get("suite") or {}).get("file"), Path(case.file)
    if suite is not None and Path(suite).is_file() and script.is_file():
        wanted = replace(wanted, paths=(script,), suite=Path(suite))
    return replace(wanted, engine=request.engine or wanted.engine, keyword=keyword, tags=(), repeats=None)


def _agent(model: ReportModel, opened: Opened) -> tuple[Playable, str, bool]:
    """The agent of the run: today's file, or where that was edited since the copy in the run folder."""
    lab, today = opened.lab, opened.prepared.target.agent
    then = (model.header.get("engine") or {}).get("agent") or {}
    name = "the agent" if today is None else today.file
    copy = model.folder / AGENT
    if today is None or then.get("digest") in (None, today.digest) or not copy.is_file():
        return lab.engine.agent, name, False
    return version_in(opened, copy), shown(copy), True


def _simulated(version: Version, case: PlannedCase) -> Replay | None:
    """The conversation that a simulated user has on that agent, None for a script.

    Raises UsageError where none of its expectations failed.
    """
    if case.script.simulator is None:
        return None
    replay = version.play_case(case)
    if replay.good or all(mark.key == GOAL for mark in replay.marks):
        ended = "passes" if replay.good else f"has a simulated user who did not come to an end: {replay.reason}"
        raise UsageError(f"{case.name} {ended}; only expectations that fail can be minimised")
    return replay


def _with_origin(case: PlannedCase, model: ReportModel, replay: Replay | None) -> dict[str, Any]:
    data = scripted(case, replay)
    return {**data, "origin": {"script": case.script.file, "case": case.name, "run": str(model.header.get("id") or "")}}


def _small(minimal: Minimal, case: PlannedCase) -> PlannedCase:
    return replace(case, script=_script(minimal.text, case), row={}, pick=0)


def _script(text: str, case: PlannedCase) -> Script:
    script = read_back(text, case.script)
    assert script is not None, "what was read is written so that it can be read again"
    return script


def _written(request: MinimiseRequest, made: _Made) -> Minimised:
    """Writes what was asked for and puts it into words."""
    minimal, case, model = made.minimal, made.case, made.model
    whole = request.agent_out is not None
    needed = needed_of(made.lab, made.agent, _small(minimal, case), minimal.signature, whole=whole)
    out = request.out or model.folder / FOLDER / f"{_file_name(case.name)}.yaml"
    _write(out, minimal.text)
    if request.agent_out is not None:
        _write(request.agent_out, dump(authored(needed)))
    rules = [(str(rule.id), rule.id.span.line) for rule in needed.rules]
    agent = made.shown if request.agent_out is None else shown(request.agent_out)
    issue = Issue(
        title=case.script.title,
        case=case.name,
        agent=made.shown,
        expectation=minimal.signature.text,
        because=minimal.because,
        turns=minimal.replay.turns,
        rules=rules,
        text=minimal.text,
        command=shlex.join(("focal-eval", "run", shown(out), "--agent", agent)),
        passes_on=made.passes_on,
    )
    run = str(model.header.get("id") or model.folder.name)
    names = tuple(name for name, _ in rules)
    return Minimised(
        minimal, case.name, run, made.shown, made.own, out, request.agent_out, names, made.passes_on, issue_text(issue)
    )


def _file_name(case: str) -> str:
    return re.sub(r"[^\w.-]+", "-", case).strip("-.")[:120] or "case"


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise StorageError(f"{file} cannot be written: {problem.strerror}") from None


def _size(size: Size) -> dict[str, int]:
    return {"turns": size.turns, "words": size.words, "expectations": size.expectations, "stubs": size.stubs}

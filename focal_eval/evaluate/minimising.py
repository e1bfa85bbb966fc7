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
from focal_eval.document.writing import dump
from focal_eval.errors import StorageError, UsageError
from focal_eval.evaluate.folders import read_folder
from focal_eval.evaluate.laboratory import Opened, open_lab
from focal_eval.evaluate.recordings import request_of
from focal_eval.evaluate.request import RunRequest
from focal_eval.evaluate.versions import version_in
from focal_eval.experiment.lab import Lab
from focal_eval.experiment.minimise import Minimal, Size, minimise, needed_of
from focal_eval.experiment.scripted import read_back, scripted
from focal_eval.registry import did_you_mean
from focal_eval.report.issue_text import Issue, issue_text
from focal_eval.report.model import Case, ReportModel
from focal_eval.runner.journal import AGENT
from focal_eval.runner.plan import Case as PlannedCase
from focal_eval.script.load import shown
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
    good: Path | None = None  # an agent file that the script must pass on
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


def find(request: MinimiseRequest, told: Told = lambda _: None) -> Minimised:
    """The case cut down and written.

    Raises UsageError where it does not fail any more, StorageError where nothing can be written.
    """
    model = read_folder(request.run, request.runs)
    recorded = _recorded(model, request.case)
    if request.out is not None and request.out.exists():
        raise UsageError(f"{request.out} is there already; name a file that is not")
    opened = open_lab(_request(model, request, recorded))
    case = next((one for one in opened.lab.cases if one.name == recorded.name.partition("#")[0]), None)
    if case is None:
        raise UsageError(f"{recorded.name} is no case of today's scripts; {recorded.file} was edited since the run")
    playable, agent, own = _agent(model, opened)
    version = opened.lab.on(playable)
    good = None if request.good is None else opened.lab.on(version_in(opened, request.good))
    minimal = minimise(version, case, _origin(case, model), told, good=good)
    if minimal is None:
        raise UsageError(f"{case.name} passes on {agent}: it is repaired, or it does not fail every time")
    if good is not None and not good.play_case(_small(minimal, case)).good:
        raise UsageError(f"{case.name} fails on {shown(request.good or Path())}, too; --good names an agent that it passes on")
    return _written(request, _Made(model, opened.lab, playable.file, agent, own, case, minimal))


def _recorded(model: ReportModel, name: str) -> Case:
    found = next((case for case in model.cases if name in (case.name, case.id)), None)
    if found is None:
        fix = did_you_mean(name, [case.name for case in model.attention] or [case.name for case in model.cases], list_up_to=4)
        raise UsageError(f"the run has no case '{name}'" + (f"; {fix}" if fix else ""))
    if found.verdict not in ("failed", "errored"):
        raise UsageError(f"{found.name} {found.verdict} in this run; only a case that failed can be cut down")
    return found


def _request(model: ReportModel, request: MinimiseRequest, case: Case) -> RunRequest:
    """The run's own request, cut down to the case."""
    wanted = request_of(model, suite=request.suite, allow_python=request.allow_python, cache=request.cache)
    keyword = f'"{case.name.partition("#")[0]}"'
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


def _origin(case: PlannedCase, model: ReportModel) -> dict[str, Any]:
    data = scripted(case)
    return {**data, "origin": {"script": case.script.file, "case": case.name, "run": str(model.header.get("id") or "")}}


def _small(minimal: Minimal, case: PlannedCase) -> PlannedCase:
    script = read_back(minimal.text, case.script)
    assert script is not None, "it was read when it was tried"
    return replace(case, script=script, row={}, pick=0)


def _written(request: MinimiseRequest, made: _Made) -> Minimised:
    """Writes what was asked for and puts it into words."""
    minimal, case, model = made.minimal, made.case, made.model
    needed = needed_of(made.lab, made.agent, _small(minimal, case), minimal.signature, whole=request.agent_out is not None)
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
    )
    run = str(model.header.get("id") or model.folder.name)
    names = tuple(name for name, _ in rules)
    return Minimised(minimal, case.name, run, made.shown, made.own, out, request.agent_out, names, issue_text(issue))


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

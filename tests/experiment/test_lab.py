"""The lab: a suite's cases played in memory give the verdicts and failures of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from focal_eval.agent.parts import without
from focal_eval.clock import fixed_clock
from focal_eval.errors import UsageError
from focal_eval.evaluate import RunRequest, run
from focal_eval.evaluate.laboratory import open_lab
from focal_eval.experiment.lab import Lab
from focal_eval.report.model import ReportModel
from focal_eval.report.progress import Silence

ROOT = Path(__file__).resolve().parents[2]
SUITE = ROOT / "evals" / "retail.yaml"

FLAWED = """\
agent: shop
rules:
  - {id: greet, match: {any_words: [hello]}, template: hi}
  - {id: slow, match: {any_words: [wait]}, tools: wait, template: hi}
tools:
  - {id: wait, python: "tools.py:wait"}
templates:
  - {id: hi, text: Hello there.}
"""
"""An agent with a tool in Python, which a run waits for."""


@pytest.fixture(scope="module")
def lab() -> Lab:
    return open_lab(RunRequest((SUITE,))).lab


def verdicts(model: ReportModel) -> dict[str, str]:
    return {case.name: case.verdict for case in model.cases}


def test_the_lab_gives_the_verdicts_and_failures_of_a_run(lab: Lab, tmp_path: Path) -> None:
    """With a rule taken out, case by case, the lab says what a run of that agent file says, word for word."""
    agent = tmp_path / "agent.yaml"
    text = (ROOT / "evals" / "agents" / "retail.yaml").read_text(encoding="utf-8")
    start = text.index("  - id: refund-limit\n")
    agent.write_text(text[:start] + text[text.index("  - id: ", start + 5) :], encoding="utf-8")
    request = RunRequest((SUITE,), agent=agent, out=tmp_path / "run", reports=())
    model = run(request, Silence(), fixed_clock()).model
    version = lab.on(without(lab.agent, "rule", "refund-limit"))
    replays = [version.play(position) for position in range(len(lab.cases))]
    assert {lab.cases[one.case].name: one.verdict.value for one in replays} == verdicts(model)
    told = {
        case.name: [(failure.turn, failure.result["text"]) for failure in model.failures(case) if failure.result]
        for case in model.cases
        if case.verdict == "failed"
    }
    assert len(told) > 1
    assert {lab.cases[one.case].name: [(mark.turn, mark.text) for mark in one.marks] for one in replays if not one.good} == told


def test_the_base_is_played_once(lab: Lab) -> None:
    """The agent's own replay of a case is kept."""
    assert lab.base(0) is lab.base(0)
    assert all(lab.base(position).good for position in range(len(lab.cases)))


def write(folder: Path, **files: str) -> Path:
    """Writes the files into the folder and gives the suite among them."""
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text, encoding="utf-8")
    return folder / "suite.yaml"


def test_python_tools_are_waited_for(tmp_path: Path) -> None:
    """An agent whose tools are coroutines of local Python is played, too."""
    suite = write(
        tmp_path,
        agent_yaml=FLAWED,
        tools_py="import asyncio\n\nasync def wait():\n    await asyncio.sleep(0)\n    return 1\n",
        s_yaml="title: W\ntimeout_s: 5\nturns:\n  - user: wait\n    expect: {tools: [wait], response: {contains: Hello}}\n",
        suite_yaml="scripts: s.yaml\nengine: {kind: embedded, agent: agent.yaml}\n",
    )
    lab = open_lab(RunRequest((suite,))).lab
    assert lab.base(0).verdict.value == "passed", lab.base(0).reason


def test_an_engine_that_cannot_be_played_again_is_refused(tmp_path: Path) -> None:
    """A lab needs an agent file played in this process, and says so."""
    suite = write(
        tmp_path,
        s_yaml="title: T\nturns:\n  - user: x\n    expect: {response: x}\n",
        suite_yaml="scripts: s.yaml\nengine: {kind: callable, target: 'json:dumps'}\n",
    )
    with pytest.raises(UsageError, match="needs the engine 'embedded', not 'callable'"):
        open_lab(RunRequest((suite,)))

"""Versions of an agent in a lab: Python behind their tools is theirs, and is refused where it cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from focal_eval.errors import Refused, UsageError
from focal_eval.evaluate.laboratory import Opened, open_lab
from focal_eval.evaluate.request import RunRequest
from focal_eval.evaluate.versions import read_version, version_in
from focal_eval.records import Verdict

AGENT = """\
agent: bank
rules:
  - {id: rate, match: {any_words: [rate]}, tools: quote, template: rate}
tools:
  - {id: quote, python: "tools.py:low"}
templates:
  - {id: rate, text: "The rate is {{ result.quote.rate }}."}
  - {id: pardon, text: Pardon?, mode: FALLBACK}
"""
TOOLS = """\
def low():
    return {"rate": 3}

def high():
    return {"rate": 7}
"""


@pytest.fixture
def bank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A suite whose agent asks local Python."""
    evals = tmp_path / "evals"
    (evals / "scripts").mkdir(parents=True)
    (evals / "agent.yaml").write_text(AGENT, encoding="utf-8")
    (evals / "tools.py").write_text(TOOLS, encoding="utf-8")
    (evals / "bank.yaml").write_text(
        "title: Bank\nscripts: [scripts/*.yaml]\nengine: {kind: embedded, agent: agent.yaml}\n", encoding="utf-8"
    )
    script = "title: Rate\nturns: [{user: which rate?, expect: {response: {contains: 'is 3'}}}]\n"
    (evals / "scripts" / "rate.yaml").write_text(script, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return evals


def opened(*, allow_python: bool = True) -> Opened:
    return open_lab(RunRequest((Path("evals/bank.yaml"),), allow_python=allow_python))


def other(bank: Path, name: str) -> Path:
    """Another version, whose tool is another function."""
    path = bank / "new.yaml"
    path.write_text(AGENT.replace("tools.py:low", name), encoding="utf-8")
    return path


def test_another_version_calls_its_own_function(bank: Path) -> None:
    """The old one's stays where the old one is played; a lab with Python in it is not deterministic."""
    found = opened()
    assert not found.lab.deterministic
    new = found.lab.on(version_in(found, other(bank, "tools.py:high")))
    replay = new.play(0)
    assert replay.verdict is Verdict.FAILED
    assert replay.turns[0].reply is not None
    assert replay.turns[0].reply.response == "The rate is 7."
    assert found.lab.base(0).verdict is Verdict.PASSED
    assert found.lab.on(version_in(found, bank / "agent.yaml")).play(0).verdict is Verdict.PASSED


def test_a_function_that_is_not_there_is_told_at_its_place(bank: Path) -> None:
    """The version is refused with the place in its own file, the nearest name beside it."""
    with pytest.raises(Refused, match=r"tools\.py|tools of agent") as refused:
        version_in(opened(), other(bank, "tools.py:hihg"))
    (problem,) = refused.value.diagnostics
    assert (problem.code, str(problem.span).partition(":")[0]) == ("bad-python", "evals/new.yaml")


def test_python_that_is_switched_off_is_refused(bank: Path) -> None:
    """A version that needs it cannot be played where the first one did not need any."""
    (bank / "agent.yaml").write_text(AGENT.replace('python: "tools.py:low"', "returns: {rate: 3}"), encoding="utf-8")
    with pytest.raises(Refused, match=r"tools\.py|tools of agent") as refused:
        version_in(opened(allow_python=False), other(bank, "tools.py:high"))
    assert [problem.code for problem in refused.value.diagnostics] == ["python-refused"]


def test_a_version_is_read_without_its_python(bank: Path) -> None:
    """What only reads an agent needs no function; a file that is not there, or no agent, is told."""
    version = read_version(other(bank, "nowhere.py:none"))
    assert [str(tool.python) for tool in version.playable.tools.values()] == ["nowhere.py:none"]
    with pytest.raises(UsageError, match=r"there is no agent file evals/agnet\.yaml; did you mean"):
        read_version(bank / "agnet.yaml")
    with pytest.raises(Refused, match="cannot be played"):
        read_version(bank / "bank.yaml")

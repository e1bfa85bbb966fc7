"""What a run leaves for those who look at it later: how to run it again, and why a case broke."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import orjson
import pytest

from focal_eval.evaluate import RunRequest, run
from focal_eval.report import ReportModel
from focal_eval.report.html import MOST_PATHS, _index
from focal_eval.report.progress import Silence
from tests.cli.shop import SUITE, build


def ran(**asked: Any) -> ReportModel:
    """A run of this request in the working folder."""
    request = RunRequest(**{"out": Path("out"), "reports": (), **asked})
    return run(request, Silence()).model


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: a suite with a second engine."""
    suite = build(tmp_path)
    suite.write_text(SUITE + "engines:\n  other: {kind: embedded, agent: agent.yaml}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"paths": (Path("suite.yaml"),)}, "suite.yaml"),
        ({"paths": (Path("suite.yaml"),), "engine": "other"}, "suite.yaml --engine other"),
        (
            {"paths": (Path("scenarios"),), "suite": Path("suite.yaml"), "timeout_s": 2.5, "repeats": 2},
            "scenarios --suite suite.yaml --repeats 2 --timeout 2.5",
        ),
        (
            {"paths": (Path("scenarios/greeting.yaml"),), "agent": Path("agent.yaml"), "allow_python": False},
            "scenarios/greeting.yaml --agent agent.yaml --no-python",
        ),
    ],
)
@pytest.mark.usefixtures("shop")
def test_a_run_names_what_runs_its_cases_again(asked: dict[str, Any], line: str) -> None:
    """The header keeps the words of a command line that runs the same cases on the same engine; the command works."""
    from focal_eval.cli.main import main

    model = ran(**asked)
    again = model.header["options"]["again"]
    words = shlex.split(line)
    assert [*again["paths"], *again["options"]] == words
    case = model.cases[-1]
    assert main(["run", *words, "-k", case.name, "--out", "again", "--report", "none", "-q"]) == 0
    assert orjson.loads("".join(_index(model, [])))["again"] == again


@pytest.mark.usefixtures("shop")
def test_many_paths_are_not_named_again() -> None:
    """Where a shell gave many scripts, the page names the one script of the case instead."""
    model = ran(paths=(Path("scenarios/greeting.yaml"),) * (MOST_PATHS + 1), suite=Path("suite.yaml"))
    assert orjson.loads("".join(_index(model, [])))["again"] == {"paths": [], "options": ["--suite", "suite.yaml"]}


def test_a_crashed_check_is_the_reason_though_another_failed_before(shop: Path) -> None:
    """The attempt's reason, and so the list's message, is the crash and not the first failed expectation."""
    (shop / "checks.py").write_text("def mood(seen):\n    return {}['mood']\n")
    (shop / "scenarios" / "greeting.yaml").write_text(
        "turns:\n  - user: hello\n    expect:\n      rules: [goodbye]\n      python: checks.py:mood\n"
    )
    (case,) = ran(paths=(Path("suite.yaml"),), keyword="greeting").cases
    assert case.verdict == "errored"
    assert "KeyError" in (case.message or "")
    assert case.last.reason == case.message

"""`focal-eval run` and an environment variable that is not set."""

from __future__ import annotations

from pathlib import Path

import pytest

from focal_eval.cli import main

SUITE = """\
scripts: [talk.yaml]
engine: {kind: embedded, agent: shop.yaml}
engines:
  model: {kind: openai, url: "http://127.0.0.1:9/v1", model: m, max_rounds: "${NO_ROUNDS}", faults: {retry: "${NO_RETRY}"}}
  file: {kind: embedded, agent: "${NO_AGENT}"}
"""
AGENT = "agent: shop\ntemplates: {sorry: {text: hello, mode: FALLBACK}}\n"


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    for name in ("NO_ROUNDS", "NO_RETRY", "NO_AGENT"):
        monkeypatch.delenv(name, raising=False)
    for file, text in (
        ("suite.yaml", SUITE),
        ("talk.yaml", "turns: [{user: hello, expect: {response: hello}}]\n"),
        ("shop.yaml", AGENT),
    ):
        Path(file).write_text(text, encoding="utf-8")
    return "suite.yaml"


def test_it_is_told_when_its_engine_is_chosen(suite: str, capsys: pytest.CaptureFixture[str]) -> None:
    """At its place and by its name, where a number or a word is expected too; nothing else is said of the engine."""
    assert main(["run", suite, "--report", "none", "--engine", "model"]) == 2
    told = [line for line in capsys.readouterr().err.splitlines() if "error[" in line]
    assert [line.partition("; ")[0] for line in told] == [
        "suite.yaml:4:77: error[unset-variable]: the environment variable NO_ROUNDS is not set",
        "suite.yaml:4:109: error[unset-variable]: the environment variable NO_RETRY is not set",
    ]


def test_a_file_it_names_is_not_looked_for(suite: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One mistake is one error."""
    assert main(["run", suite, "--report", "none", "--engine", "file"]) == 2
    assert [line.partition(" the ")[0] for line in capsys.readouterr().err.splitlines() if "error[" in line] == [
        "suite.yaml:5:33: error[unset-variable]:"
    ]


def test_other_engines_do_not_need_it(suite: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The suite can be checked, and run on the engine that is not concerned."""
    assert main(["check", suite]) == 0
    assert main(["run", suite, "--report", "none"]) == 0, capsys.readouterr()

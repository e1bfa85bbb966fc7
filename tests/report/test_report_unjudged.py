"""What was not judged in a case that passed: every report says so, and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from focal_eval.cli import main
from focal_eval.report.journal import list_run, read_run

WHY = "this engine does not report matched rules"
RECORDED = [
    {"user": "one", "reply": {"response": "you said one", "rules": [{"name": "greet"}]}},
    {"user": "two", "reply": {"response": "you said two"}},
]
TALK = """
turns:
  - {user: one, expect: {rules: [greet]}}
  - {user: two, expect: {rules: [greet], response: {contains: two}}}
"""
SUITE = "scripts: [talk.yaml]\nrepeats: 2\nengine: {kind: cassette, file: talks.jsonl}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of two conversations whose second turn was recorded without its rules."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    lines = ({"t": "cassette", "format": 1}, {"t": "conversation", "key": "talk", "turns": RECORDED})
    Path("talks.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    Path("talk.yaml").write_text(TALK)
    Path("suite.yaml").write_text(SUITE)
    assert main(["run", "suite.yaml", "--out", "out", "--report", "html,junit,markdown,json", "--no-cache"]) == 0
    return tmp_path / "out"


def test_every_report_tells_what_was_skipped(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The cases passed, and nobody is left to believe that their second rule lists were looked at."""
    said = f"2 expectations not judged: {WHY} (2)"
    assert main(["report", "out", "--report", "none"]) == 0
    assert said in capsys.readouterr().out
    assert said in (folder / "summary.md").read_text()
    assert said in (folder / "report.html").read_text()
    assert (folder / "junit.xml").read_text().count(f"not judged: {WHY}") == 2
    document = json.loads((folder / "run-results.json").read_text())
    assert document["unjudged"] == {WHY: 2}
    assert [case["unjudged"] for case in document["cases"]] == [{WHY: 1}] * 2


def test_a_conversation_shows_them_at_their_turn(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was expected of that turn, and why it was not judged."""
    capsys.readouterr()
    assert main(["show", "out", "talk#1"]) == 0
    _, turn = capsys.readouterr().out.split("turn 2")
    assert f"not judged  rules include greet: {WHY}" in turn


def test_the_index_knows_them_too(folder: Path) -> None:
    """A list that does not read the journal counts the same."""
    assert list_run(folder).unjudged == read_run(folder).unjudged == {WHY: 2}

"""`focal-eval check --engine NAME`: the scripts of a suite on another engine than its own, without asking it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from focal_eval.cli import main

SUITE = """\
scripts: [talk.yaml]
engine: {kind: embedded, agent: shop.yaml}
engines:
  live: {kind: focal, url: "http://127.0.0.1:9", tenant: 7f9c24e8-3b12-4fef-91e0-56a2d5a1b3c4}
  other: {kind: focal, url: "http://127.0.0.1:9", served: true, agent: desk, agent_file: other.yaml}
  secret: {kind: focal, url: "${NO_SUCH_URL}", tenant: 7f9c24e8-3b12-4fef-91e0-56a2d5a1b3c4}
"""
TALK = """\
given: {variables: {tier: gold}}
turns:
  - user: hello
    expect: {rules: [greet], template: hi}
"""
AGENT = """\
agent: shop
rules: [{id: RULE, match: {any_words: [hello]}, template: hi}]
variables: {tier: basic}
templates: {hi: hello, sorry: {text: what?, mode: FALLBACK}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_SUCH_URL", raising=False)
    files = {"suite.yaml": SUITE, "talk.yaml": TALK, "shop.yaml": AGENT.replace("RULE", "greet")}
    for name, text in (files | {"other.yaml": AGENT.replace("RULE", "greeting")}).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def check(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[str]]:
    """The exit code, and the first line of each problem without what it helps with."""
    code = main(["check", "suite.yaml", "--format", "concise", *words])
    said = capsys.readouterr()
    return code, re.findall(r"^\S+: (?:error|warning)\[[\w-]+\]: [^;\n]+", said.out + said.err, re.MULTILINE)


def test_the_suites_own_engine_is_looked_at_unless_another_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What only another engine cannot do is no problem of the suite."""
    assert check(capsys) == (0, [])


def test_what_another_engine_cannot_be_asked_is_told_offline(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As `run --engine NAME` would refuse it; nothing is sent."""
    code, found = check(capsys, "--engine", "live")
    assert code == 2
    assert [line.split(": ", 1)[1].split("]")[0] for line in found] == ["error[cannot-seed", "error[unreported-field"]


def test_names_are_those_of_the_engines_own_agent_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A remote engine's `agent_file` is what its scripts are held to, not the file of the suite's own engine."""
    code, found = check(capsys, "--engine", "other")
    assert (code, found) == (2, ["talk.yaml:4:22: error[unknown-rule]: other.yaml has no rule 'greet'"])


def test_a_missing_agent_file_is_pointed_at(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At `agent_file`; `agent` is what the live engine calls it."""
    (folder / "other.yaml").unlink()
    code, found = check(capsys, "--engine", "other")
    column = SUITE.split("\n")[4].index("other.yaml") + 1
    assert (code, found) == (2, [f"suite.yaml:5:{column}: error[missing-agent]: there is no agent file other.yaml"])


def test_an_engine_whose_url_is_not_known_here_is_warned_of(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts are checked as far as that goes, and it is said that the rest is not."""
    code, found = check(capsys, "--engine", "secret")
    assert code == 0
    (told,) = found
    assert "warning[unset-variable]: the environment variable NO_SUCH_URL is not set, so what" in told


def test_a_name_that_no_suite_has_is_a_usage_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the nearest one that there is."""
    assert main(["check", "suite.yaml", "--engine", "othr"]) == 2
    assert "no suite among these has an engine 'othr'; did you mean 'other'?" in capsys.readouterr().err
    assert main(["check", "talk.yaml", "--engine", "live"]) == 2
    assert "none names any under 'engines:'" in capsys.readouterr().err

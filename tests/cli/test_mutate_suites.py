"""`focal-eval mutate` of several suites at once, and of what was edited since a commit."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from focal_eval.cli.main import main
from tests.experiment.kiosk import AGENT, SCRIPTS, write_kiosk

HEAD = "engine: {kind: embedded, agent: agent.yaml}\n"


def two_suites(folder: Path, more: str = "") -> tuple[str, str]:
    """The kiosk's scripts in two suites: one has the greeting, the other one all the rest."""
    write_kiosk(folder)
    (folder / "one.yaml").write_text(f"scripts: [scripts/greeting.yaml]\n{HEAD}", encoding="utf-8")
    (folder / "rest.yaml").write_text(f"scripts: [scripts/refund.yaml, scripts/buying.yaml]\n{HEAD}{more}", encoding="utf-8")
    return str(folder / "one.yaml"), str(folder / "rest.yaml")


def mutate(*words: str) -> int:
    return main(["mutate", *words, "--workers", "2"])


def fates(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found = json.loads(capsys.readouterr().out)
    return {one["id"]: (one["fate"], one.get("covered")) for one in found["mutants"]} | {"cases": found["cases"]}


def test_suites_of_one_agent_notice_what_one_with_all_their_scripts_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The cases of both are played; a script that two suites contain is played once; the order is no matter."""
    one, rest = two_suites(tmp_path)
    whole = str(tmp_path / "suite.yaml")
    assert mutate(whole, "--json", "--all") == 0
    wanted = fates(capsys)
    assert wanted["cases"] == len(SCRIPTS)
    for words in ((one, rest), (rest, one), (whole, one)):
        assert mutate(*words, "--json", "--all") == 0
        assert fates(capsys) == wanted


def test_a_choice_may_leave_nothing_of_one_suite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The other one is played alone; a choice that leaves nothing of any is refused."""
    one, rest = two_suites(tmp_path)
    assert mutate(one, rest, "-k", "buying", "--json") == 0
    assert fates(capsys)["cases"] == 1
    assert mutate(one, rest, "-k", "nowhere") == 2
    assert "fits --tag, -k" in capsys.readouterr().err


def test_suites_that_differ_are_not_played_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another agent, or another way of judging: refused, with what it is that differs."""
    one, rest = two_suites(tmp_path, "channel: phone\n")
    assert mutate(one, rest) == 2
    assert f"{one} and {rest} cannot be played together: their 'channel' differs" in capsys.readouterr().err
    (tmp_path / "rest.yaml").write_text(
        f"scripts: [scripts/refund.yaml]\n{HEAD.replace('agent.yaml', 'other.yaml')}", encoding="utf-8"
    )
    (tmp_path / "other.yaml").write_text(AGENT.replace("amount: 20", "amount: 21"), encoding="utf-8")
    assert mutate(one, rest) == 2
    assert "cannot be played together: their agents differ" in capsys.readouterr().err


def test_two_scripts_of_one_id_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A survivor could not be told by the name of its case."""
    one, _ = two_suites(tmp_path)
    write_kiosk(tmp_path / "below")
    (tmp_path / "below" / "agent.yaml").write_text(AGENT, encoding="utf-8")
    assert mutate(one, str(tmp_path / "below" / "suite.yaml"), "--no-python") == 2
    assert "two scripts have the id 'greeting'" in capsys.readouterr().err


@pytest.mark.parametrize("more", [("scripts/greeting.yaml",), ("--suite", "suite.yaml")])
def test_several_suites_are_named_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    """Scripts beside them, or --suite, would leave open what belongs to which."""
    two_suites(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert mutate("one.yaml", "rest.yaml", *more) == 2
    assert "name nothing besides them" in capsys.readouterr().err


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)  # the user's git


def test_only_what_was_edited_since_a_commit_is_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Against a commit, a tag or a branch; edits that are not committed count; a name git does not know is refused."""
    suite = str(write_kiosk(tmp_path))
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "begin")
    git(tmp_path, "tag", "first")
    second = AGENT.replace("Please ask our staff.", "Ask somebody.")
    (tmp_path / "agent.yaml").write_text(second, encoding="utf-8")
    git(tmp_path, "commit", "-qam", "word it anew")
    (tmp_path / "agent.yaml").write_text(second.replace("Here are your tickets.", "Your tickets."), encoding="utf-8")

    def changed(since: str) -> set[str]:
        assert mutate(suite, "--since", since, "--json", "--all") == 0
        return {one["what"] for one in json.loads(capsys.readouterr().out)["mutants"]}

    assert changed("first") == {"template:ask-staff", "template:bought"}
    assert changed("HEAD") == {"template:bought"}
    git(tmp_path, "commit", "-qam", "word it shorter")
    assert changed("HEAD") == set()
    assert changed("HEAD~1") == {"template:bought"}
    assert mutate(suite, "--since", "firts") == 2
    assert "there is no file 'firts', and git knows no commit 'firts' here" in capsys.readouterr().err
    assert mutate(suite, "--since", "--output=x") == 2
    git(tmp_path, "mv", "agent.yaml", "renamed.yaml")
    (tmp_path / "suite.yaml").write_text("scripts: [scripts/*.yaml]\nengine: {kind: embedded, agent: renamed.yaml}\n")
    capsys.readouterr()
    assert mutate(suite, "--since", "HEAD") == 2
    assert "has no file" in capsys.readouterr().err

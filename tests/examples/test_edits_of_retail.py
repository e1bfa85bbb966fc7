"""Three edits of the example agent, from the edit to the pull request: compared with the baseline, told, approved, read."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from focal_eval.cli import main

ROOT = Path(__file__).resolve().parents[2]
SUBJECTS = ("digressions", "greeting", "languages", "returns")
EDITS = (
    ("match: {pattern: ['do i get it', ", "match: {pattern: ['do i get it', 'how long', "),
    (
        "'electronics' and result.lookup_order.delivered_days > 14\"",
        "'electronics' and result.lookup_order.delivered_days > 21\"",
    ),
    ("    priority: -20\n    template: anything-else", "    priority: -20\n    template: welcome-back"),
)
"""A word more in a rule, which does no harm; three weeks instead of two, which two scripts forbid; other words."""

MEANT = "template:anything-else>welcome-back"
READABLE = ("response:", "template:", "text:", "approved:", "by:", "date:", "why:", "script:", "agent:", "a")


def git(*words: str) -> str:
    """What git says; the repository's own settings alone count."""
    command = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "core.autocrlf=false", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout  # fixed commands


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the example suite and its baseline, and a run after the three edits."""
    folder = tmp_path_factory.mktemp("edited")
    for name in ("evals", "scenarios"):
        shutil.copytree(ROOT / name, folder / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        git("init", "-q")
        git("add", "evals", "scenarios")
        git("commit", "-q", "-m", "All is well")
        agent = Path("evals/agents/retail.yaml")
        text = agent.read_text(encoding="utf-8")
        for old, new in EDITS:
            assert text.count(old) == 1
            text = text.replace(old, new)
        agent.write_text(text, encoding="utf-8")
        paths = [f"scenarios/retail/{name}" for name in SUBJECTS]
        assert main(["run", *paths, "--suite", "evals/retail.yaml", "--out", "reports/after", "--report", "none", "-q"]) == 1
    return folder


def test_three_edits_are_three_causes_of_which_one_fails(
    edited: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Against the baseline each cause has the edit that made it, as the baseline keeps its agent; one alone regressed."""
    monkeypatch.chdir(edited)
    capsys.readouterr()
    assert main(["compare", "baseline", "reports/after", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [(cause["key"], cause["counts"].get("regressed", 0)) for cause in told["causes"]] == [
        ("rules:-return-window-electronics", 4),
        (MEANT, 0),
        ("rules:+supervisor-decides", 0),
    ]
    edits = [[told["edits"][at]["name"] for at in cause["edits"]] for cause in told["causes"]]
    assert edits == [["return-window-electronics"], ["acknowledge"], ["supervisor-decides"]]
    assert len(told["edits"]) == 3
    assert told["edits_unknown"] is None
    assert told["before"]["agent"] == {"file": "evals/baselines/retail/agent.yml"}
    assert [(gate["name"], gate["observed"], gate["passed"]) for gate in told["gates"]] == [("regressions", 4.0, False)]


def test_one_cause_is_approved_and_its_diff_can_be_read(
    edited: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The diff of a pull request has the words that were meant and who meant them, in the files of that cause alone."""
    monkeypatch.chdir(edited)
    main(["compare", "baseline", "reports/after", "--json"])
    cause = next(one for one in json.loads(capsys.readouterr().out)["causes"] if one["key"] == MEANT)
    words = ["--cause", MEANT, "--author", "Ada", "--reason", "welcome them back"]
    assert main(["approve", "reports/after", *words]) == 0
    changed = git("diff", "--name-only", "--", "evals/baselines").split()
    scripts = {name.partition("[")[0] for name in cause["cases"]}
    assert sorted(changed) == sorted(f"evals/baselines/retail/{script}.yaml" for script in scripts)
    lines = git("diff", "-U0", "--", "evals/baselines").splitlines()
    gone = [line[1:].strip() for line in lines if line.startswith("-") and not line.startswith("---")]
    came = [line[1:].strip() for line in lines if line.startswith("+") and not line.startswith("+++")]
    assert [line for line in (*gone, *came) if not line.removeprefix("- ").startswith(READABLE)] == []
    assert (gone.count("template: anything-else"), came.count("template: welcome-back")) == (len(cause["cases"]),) * 2
    assert (came.count("by: Ada"), came.count("why: welcome them back")) == (len(changed),) * 2
    assert len(came) <= 8 * len(cause["cases"])
    assert main(["compare", "baseline", "reports/after", "-q"]) == 1
    assert "2 causes" in capsys.readouterr().out

"""`bisect`: the smallest sets of edits that break a script, edits that break it only together, and the first bad commit."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from focal_eval.cli import main

AGENT = """\
agent: shop
rules:
  - {id: greet, match: {any_words: [hello, hi]}, priority: 5, template: hello}
  - {id: refund, match: {any_words: [refund, money back]}, priority: 1, template: refund, excludes: [gift]}
  - {id: gift, match: {any_words: [gift, card]}, template: gift}
templates:
  - {id: hello, text: Welcome to the shop.}
  - {id: refund, text: I make a refund of 18.50.}
  - {id: gift, text: Here is a gift card.}
  - {id: pardon, text: Pardon?, mode: FALLBACK}
"""
REFUND = """\
title: A refund is made
turns:
  - user: I want a refund, no gift card
    expect: {rules: [refund], response: {contains: "18.50"}}
"""
HELLO = """\
title: Hello
turns:
  - user: hi
    expect: {response: {contains: Welcome}}
"""
SUITE = "title: Shop\nscripts: [scripts/*.yaml]\nengine: {kind: embedded, agent: agent.yaml}\n"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A suite of two scripts in `evals/`, which is where it is looked for."""
    evals = tmp_path / "evals"
    (evals / "scripts").mkdir(parents=True)
    (evals / "agent.yaml").write_text(AGENT, encoding="utf-8")
    (evals / "shop.yaml").write_text(SUITE, encoding="utf-8")
    (evals / "scripts" / "refund.yaml").write_text(REFUND, encoding="utf-8")
    (evals / "scripts" / "hello.yaml").write_text(HELLO, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return evals


def edited(shop: Path, *swaps: tuple[str, str]) -> str:
    """Another agent file with these texts swapped."""
    text = AGENT
    for old, new in swaps:
        assert old in text, old
        text = text.replace(old, new)
    (shop / "new.yaml").write_text(text, encoding="utf-8")
    return "evals/new.yaml"


def found(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    capsys.readouterr()
    assert main(["bisect", *words, "--json"]) == 0
    data: dict[str, object] = json.loads(capsys.readouterr().out)
    return data


def told(data: dict[str, object]) -> list[list[str]]:
    """The edits of each reason in short."""
    reasons = data["reasons"]
    assert isinstance(reasons, list)
    return [[f"{edit['kind']} {edit['name']} {edit['field'] or edit['change']}" for edit in one["edits"]] for one in reasons]


def test_one_edit_among_many_is_found(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of six edits the one that takes the figure out of the reply is named, with its line and what stood there."""
    new = edited(
        shop,
        ("Welcome to the shop.", "Welcome to our shop."),
        ("refund of 18.50", "refund"),
        ("Here is a gift card.", "A gift card is on its way."),
        ("Pardon?", "Say that again"),
        ("[hello, hi]", "[hello, hi, hey]"),
        ("[gift, card]", "[gift, card, voucher]"),
    )
    data = found(capsys, "evals/agent.yaml", new, "--script", "evals/scripts")
    assert data["edits"] == 6
    assert told(data) == [["template refund text"]]
    assert data["repaired"]
    assert data["broken"] == ["refund"]
    assert data["good"] == ["hello"]
    assert main(["bisect", "evals/agent.yaml", new, "--script", "evals/scripts"]) == 0
    out = capsys.readouterr().out
    assert "evals/new.yaml:8: template refund edited" in out
    assert "text: I make a refund" in out
    assert out.endswith("Without this edit 1 case passes again.\n")


def test_edits_that_break_only_together_are_one_reason(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A word more for one rule is harmless, and so is what it excludes: together they drop the refund."""
    new = edited(
        shop,
        ("template: gift}", "template: gift, priority: -9, tags: x}"),
        ("priority: 5, template: hello", "priority: 5, template: hello, excludes: [refund]"),
        ("[hello, hi]", "[hello, hi, want]"),
        ("Pardon?", "Say that again"),
    )
    data = found(capsys, "evals/agent.yaml", new, "--script", "evals/scripts/refund.yaml")
    assert told(data) == [["rule greet match.any_words", "rule greet excludes"]]
    assert data["repaired"]
    assert data["edits"] == 5


def test_two_edits_that_break_it_each_are_two_reasons(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where either of two edits is enough, both are told, since taking one back would not help."""
    new = edited(shop, ("refund of 18.50", "refund"), ("[refund, money back]", "[repayment]"))
    data = found(capsys, "evals/agent.yaml", new, "--script", "evals/scripts/refund.yaml")
    assert sorted(map(tuple, told(data))) == [("rule refund match.any_words",), ("template refund text",)]
    assert data["repaired"]


def test_edits_that_do_not_fit_alone_are_passed_over(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A rule that says a template which came with it needs both edits to break the script."""
    new = edited(
        shop,
        ("template: refund, excludes", "template: sorry, excludes"),
        ("  - {id: pardon,", "  - {id: sorry, text: We cannot do that.}\n  - {id: pardon,"),
    )
    data = found(capsys, "evals/agent.yaml", new, "--script", "evals/scripts/refund.yaml")
    assert told(data) == [["rule refund template", "template sorry added"]]
    assert data["unsure"]


@pytest.mark.parametrize(
    ("swaps", "words"),
    [
        ((("Pardon?", "What?"),), "every case passes on the new agent as well: hello and refund"),
        ((), "both versions of the agent say the same"),
    ],
)
def test_nothing_to_find_is_said(
    shop: Path, capsys: pytest.CaptureFixture[str], swaps: tuple[tuple[str, str], ...], words: str
) -> None:
    """Where nothing broke the command refuses, and says why."""
    assert main(["bisect", "evals/agent.yaml", edited(shop, *swaps), "--script", "evals/scripts"]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["evals/agent.yaml", "--script", "evals/scripts"], "name two agent files, OLD and NEW"),
        (["evals/agent.yaml", "evals/new.yaml", "--git", "a..b", "--script", "evals/scripts"], "name two agent files"),
        (["evals/agent.yaml", "evals/agnt.yaml", "--script", "evals/scripts"], "there is no agent file evals/agnt.yaml"),
        (["--git", "HEAD", "--script", "evals/scripts"], "is not of the form OLD..NEW"),
        (["--git", "--all..HEAD", "--script", "evals/scripts"], "git"),
        (["--git", "HEAD~1..HEAD", "--script", "evals/scripts"], "git repository"),
    ],
)
def test_a_wrong_command_is_refused(shop: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    """What cannot be meant is said in one sentence, exit code 2."""
    edited(shop, ("Pardon?", "What?"))
    try:
        code = main(["bisect", *words])
    except SystemExit as problem:
        code = int(str(problem.code))
    assert code == 2
    assert said in capsys.readouterr().err


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)  # the user's git


def test_the_first_bad_commit_is_found_in_git(shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of five commits the one that broke the script is named; one whose agent cannot be read is passed over."""
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "begin")
    steps = [
        ("greet in another way", ("Welcome to the shop.", "Welcome to our shop.")),
        ("break the file", ("agent: shop", "agent: [shop")),
        ("mend the file", ("agent: [shop", "agent: shop")),
        ("drop the figure", ("refund of 18.50", "refund")),
        ("greet more", ("[hello, hi]", "[hello, hi, hey]")),
    ]
    text = AGENT
    for subject, (old, new) in steps:
        text = text.replace(old, new)
        (shop / "agent.yaml").write_text(text, encoding="utf-8")
        git(tmp_path, "commit", "-qam", subject)
    data = found(capsys, "--git", "HEAD~5..HEAD", "--script", "evals/scripts")
    commit = data["commit"]
    assert isinstance(commit, dict)
    assert (commit["subject"], commit["author"]) == ("drop the figure", "Ada")
    assert told(data) == [["template refund text"]]
    assert data["commits"] == 5
    assert main(["bisect", "--git", "HEAD~5..HEAD", "--script", "evals/scripts"]) == 0
    out = capsys.readouterr().out
    assert "first bad commit" in out
    assert "drop the figure" in out

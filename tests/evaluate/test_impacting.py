"""`impact`: the suite is found, each reason to choose a case is told, what is printed can be run, mistakes are refused."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from focal_eval.cli import main
from focal_eval.evaluate.impacting import WHY, Impacted, ImpactRequest, find
from focal_eval.experiment.impact import Verified
from focal_eval.report.impact_text import print_impact
from tests.evaluate.impact_shop import AGENT, SCRIPTS, SUITE, chosen, edited, shop_in, write_script


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A suite of three scripts in `evals/`."""
    monkeypatch.chdir(tmp_path)
    return shop_in(tmp_path)


@pytest.mark.parametrize(
    ("swap", "case", "differs"),
    [
        (("You get 18.50.", "You get it."), "refund", "response"),
        (("[refund]", "[repayment]"), "refund", "tools: - pay"),
        (("value: 20", "value: 25"), "refund", "tools: pay amount 20 → 25"),
        (("[weather]", "[weather, hi]"), "hello", "rules: + chat"),
        (("tools: pay, ", ""), "refund", "tools: - pay"),
        (("any_words: [weather]}, ", "any_words: [weather]}, tools: pay, "), "chat", "tools: + pay(amount: 20)"),
        (("returns: {ok: true}", "returns: {ok: false}"), "refund", "tools: pay returns {'ok': True} → {'ok': False}"),
    ],
)
def test_a_touched_case_is_told_with_what_differs(
    shop: Path, capsys: pytest.CaptureFixture[str], swap: tuple[str, str], case: str, differs: str
) -> None:
    """The suite in evals/ is found by its agent; the edit names its case, message and the first thing that differs."""
    edited(shop, swap)
    found = chosen(capsys)
    assert list(found) == [case]
    assert (found[case]["why"], found[case]["message"], found[case]["edits"]) == (["touched"], 1, [0])
    assert found[case]["differs"] == differs
    assert found[case]["user"] == SCRIPTS[case][0]


def test_what_a_constraint_does_is_told(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a hard rule whose bound was moved it is told what it did and what it does."""
    hard = (
        "{id: limit, match: {any_words: [refund]}, hard: true, extract: {sum: '(?P<sum>[0-9.]+)'}, "
        "enforce: sum <= %s, fallback: pardon}"
    )
    agent = AGENT.replace("tools:\n", f"  - {hard % 50}\ntools:\n")
    (shop / "agent.yaml").write_text(agent, encoding="utf-8")
    (shop / "new.yaml").write_text(agent.replace("sum <= 50", "sum <= 18.5"), encoding="utf-8")
    assert chosen(capsys) == {}
    (shop / "new.yaml").write_text(agent.replace("sum <= 50", "sum <= 10"), encoding="utf-8")
    assert chosen(capsys)["refund"]["differs"] == "enforcement: limit passed → fallback"


def test_a_run_adds_what_is_new_failed_or_edited(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the latest run of the suite each such case is chosen, although the edit touches none of them."""
    write_script(shop, "chat", "nice weather", "sunny")
    assert main(["run", "evals/shop.yaml", "-q", "--report", "none"]) == 1
    write_script(shop, "hello", "hi there", "Welcome")
    write_script(shop, "bye", "bye", "Pardon")
    edited(shop, ("template: hello}", "template: hello, tags: x}"))
    found = chosen(capsys)
    assert {name: choice["why"] for name, choice in found.items()} == {"bye": ["new"], "chat": ["failed"], "hello": ["edited"]}
    assert chosen(capsys, "--run", "none") == {}
    assert main(["impact", "evals/agent.yaml", "evals/new.yaml"]) == 0
    out = capsys.readouterr().out
    for reason in ("new", "failed", "edited"):
        assert f"1 case: {WHY[reason]}" in out
    assert "3 of 4 cases in 3 scripts to run, beside run " in out


def test_the_latest_run_counts_only_where_it_is_of_the_suite(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run of another suite says nothing of this one, and a run of some scripts makes the others no news."""
    (shop / "other.yaml").write_text(SUITE.replace("agent.yaml", "new.yaml"), encoding="utf-8")
    edited(shop, ("template: hello}", "template: hello, tags: x}"))
    assert main(["run", "evals/other.yaml", "-q", "--report", "none"]) == 0
    assert chosen(capsys, "--suite", "evals/shop.yaml") == {}
    assert main(["run", "evals/scripts/hello.yaml", "--suite", "evals/shop.yaml", "-q", "--report", "none"]) == 0
    assert chosen(capsys, "--suite", "evals/shop.yaml") == {}


def test_a_repeat_that_failed_chooses_its_case(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Repeats are one case here; it failed where one of them did."""
    write_script(shop, "chat", "nice weather", "sunny")
    assert main(["run", "evals/shop.yaml", "-q", "--report", "none", "--repeats", "2"]) == 1
    edited(shop, ("template: hello}", "template: hello, tags: x}"))
    assert {name: choice["why"] for name, choice in chosen(capsys).items()} == {"chat": ["failed"]}


def test_the_list_can_be_run(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--list` prints files alone, one a line, which `run` takes; nothing where nothing is chosen."""
    edited(shop, ("You get 18.50.", "You get it."))
    capsys.readouterr()
    assert main(["impact", "evals/agent.yaml", "evals/new.yaml", "--list"]) == 0
    files = capsys.readouterr().out.splitlines()
    assert files == ["evals/scripts/refund.yaml"]
    assert main(["run", *files, "--agent", "evals/new.yaml", "-q", "--report", "none"]) == 1
    capsys.readouterr()
    assert main(["impact", "evals/agent.yaml", "evals/agent.yaml", "--list"]) == 0
    assert capsys.readouterr().out == ""


def impacted(shop: Path) -> Impacted:
    edited(shop, ("You get 18.50.", "You get it."))
    return find(ImpactRequest(Path("evals/agent.yaml"), Path("evals/new.yaml"), verify=True))


def test_verify_plays_everything(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What changes is counted, none of it missed, exit code 0."""
    edited(shop, ("You get 18.50.", "You get it."))
    assert main(["impact", "evals/agent.yaml", "evals/new.yaml", "--verify", "-q"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "1 of 3 cases in 1 script to run",
        "verified: 1 case changed, 0 of them not chosen (miss rate 0%)",
    ]


def test_a_miss_is_told_and_fails(shop: Path) -> None:
    """Had a case been left out that changes, it would be named, the rate told, and the exit code be 1."""
    found = impacted(shop)
    assert not found.missed
    (of,) = found.suites
    missing = replace(of.impact, chosen=(), verified=Verified(("refund", "x"), ("refund",)))
    wrong = replace(found, suites=(replace(of, impact=missing),))
    assert wrong.missed
    assert wrong.as_json()["verified"]["rate"] == 0.5
    stream = io.StringIO()
    print_impact(wrong.as_json(), WHY, stream, quiet=True)
    assert stream.getvalue().endswith("verified: 2 cases changed, 1 of them not chosen (miss rate 50%)\n    refund\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["evals/agent.yaml", "evals/nwe.yaml"], "there is no agent file evals/nwe.yaml"),
        (["evals/agent.yaml", "evals/broken.yaml"], "evals/broken.yaml:3"),
        (["evals/agent.yaml", "evals/new.yaml", "--run", "nosuch"], "nosuch"),
        (["evals/agent.yaml", "evals/new.yaml", "--suite", "evals/shpo.yaml"], "there is no"),
        (["evals/agent.yaml", "evals/new.yaml", "-k", "nothing-like-it"], "none of 3 cases fits"),
        (["evals/agent.yaml", "evals/new.yaml", "--suite", "evals/python.yaml", "--verify"], "the engine 'callable' of evals/"),
        (["evals/agent.yaml", "evals/new.yaml", "--engine", "served"], "has no engine 'served'"),
        (["evals/agent.yaml", "evals/new.yaml", "--run", "latest"], "there is no run of evals/shop.yaml below reports"),
    ],
)
def test_a_wrong_command_is_refused(shop: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    """A file that is not there, one with errors, no such run or case, an engine that cannot be played: told, exit code 2."""
    edited(shop, ("Pardon?", "What?"))
    broken = AGENT.replace("template: hello}", "template: helo}").replace("tools: pay, ", "tools: pya, ")
    (shop / "broken.yaml").write_text(broken, encoding="utf-8")
    (shop / "app.py").write_text("def answer(message):\n    return message\n", encoding="utf-8")
    python = "scripts: [scripts/*.yaml]\nengine: {kind: callable, target: app.py:answer}\n"
    (shop / "python.yaml").write_text(python, encoding="utf-8")
    try:
        code = main(["impact", *words])
    except SystemExit as problem:
        code = int(str(problem.code))
    err = capsys.readouterr().err
    assert code == 2, err
    assert said in err
    if "broken" in words[1]:
        assert "evals/broken.yaml:4" in err, "every error is told"

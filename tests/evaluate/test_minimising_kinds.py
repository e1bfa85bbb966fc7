"""`minimise` on every kind of case: what it needs stays, what it does not goes, and the issue's command shows it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from focal_eval.cli import main
from tests.evaluate.test_minimising import AGENT

CASES: dict[str, tuple[str, str, list[str | None]]] = {
    "never": (
        "turns: [nice weather, I am Nora, order A-1, goodbye]\nconversation:\n  - never: {rule: gone}\n",
        "gone",
        ["goodbye"],
    ),
    "before": (
        "turns: [nice weather, I am Nora, order A-1, goodbye]\nconversation:\n  - before: {rule: gone, then: {rule: order}}\n",
        "before",
        [],
    ),
    "history": (
        "given: {history: [{user: hi, agent: hello}], variables: {known: true, ordered: true}}\n"
        "turns: [nice weather, {user: 'a refund please', expect: {response: {contains: '18.50'}}}]\n",
        "18.50",
        ["refund"],
    ),
    "saved": (
        "turns:\n  - {user: I am Nora, save: {word: response.word}, expect: {response: {matches: '(?P<word>Welcome)'}}}\n"
        "  - nice weather\n  - {user: 'football then', expect: {response: {contains: '{{ word }}'}}}\n",
        "Welcome",
        [],
    ),
    "when": (
        "turns:\n  - nice weather\n  - {user: I am Nora, when: {response: {contains: nice}}, "
        "expect: {response: {contains: Hello}}}\n",
        "Hello",
        ["I am Nora"],
    ),
}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A suite whose scripts are written by the test."""
    evals = tmp_path / "evals"
    (evals / "scripts").mkdir(parents=True)
    (evals / "agent.yaml").write_text(AGENT, encoding="utf-8")
    (evals / "shop.yaml").write_text(
        "title: Shop\nscripts: [scripts/*.yaml]\nengine: {kind: embedded, agent: agent.yaml}\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    return evals


def failed(shop: Path, capsys: pytest.CaptureFixture[str], text: str, *words: str) -> list[dict[str, Any]]:
    """Runs one script and gives the cases of the run."""
    (shop / "scripts" / "one.yaml").write_text(f"title: One\n{text}", encoding="utf-8")
    code = main(["run", "evals/shop.yaml", "--out", "run", "--report", "none", "--json", *words])
    out = capsys.readouterr()
    assert code in (1, 3), out
    cases: list[dict[str, Any]] = json.loads(out.out)["cases"]
    return cases


def cut(capsys: pytest.CaptureFixture[str], case: str, *words: str) -> dict[str, Any]:
    capsys.readouterr()
    code = main(["minimise", "run", case, "--json", *words])
    out = capsys.readouterr()
    assert code == 0, out.err
    data: dict[str, Any] = json.loads(out.out)
    return data


def shown_by_its_command(data: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> str:
    """What the command in the text for an issue prints."""
    found = re.search(r"(?m)^focal-eval (run .*)$", data["issue"])
    assert found is not None
    capsys.readouterr()
    assert main([*shlex.split(found[1]), "--report", "none"]) in (1, 3)
    return capsys.readouterr().out


def said(data: dict[str, Any]) -> list[str]:
    return re.findall(r"(?m)^  - (?:user: )?(.*)$", data["text"].partition("turns:\n")[2].partition("\nconversation")[0])


@pytest.mark.parametrize("kind", CASES)
def test_a_case_of_every_kind_is_cut_down_and_shown(shop: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    """Expectations of the conversation, given history, saved values and turns held back: the failure is the same."""
    text, about, left = CASES[kind]
    failed(shop, capsys, text)
    data = cut(capsys, "one")
    assert about in data["fails"]["expectation"]
    assert data["after"]["turns"] <= data["before"]["turns"]
    assert data["after"]["expectations"] <= data["before"]["expectations"]
    if left:
        assert said(data)[: len(left)] == left
        assert data["after"]["turns"] == len(left)
    out = shown_by_its_command(data, capsys)
    assert "1 of 1 case failed" in out
    assert data["fails"]["because"].partition("\n")[0][:30] in out


def test_the_wording_of_a_repeat_is_the_one_that_failed(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of two repeats only the second, in other words, failed: that one is cut down; the first is no failure."""
    text = "turns:\n  - nice\n  - {user: [nice weather, bla bla], expect: {rules: [chat]}}\n"
    cases = failed(shop, capsys, text, "--repeats", "2")
    assert {case["name"]: case["verdict"] for case in cases} == {"one#1": "passed", "one#2": "failed"}
    data = cut(capsys, "one#2")
    assert data["case"] == "one#2"
    assert said(data)[0] == "bla"
    assert main(["minimise", "run", "one#1"]) == 2
    assert "one#1 passed in this run" in capsys.readouterr().err


def test_a_row_with_a_hash_is_found(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A parameter may look like a repeat's number or hold quotes; the case is still found."""
    text = "params: {n: ['#2', 'a \"b\"']}\nturns: [nice, {user: 'bla {{ n }}', expect: {rules: [chat]}}]\n"
    cases = failed(shop, capsys, text)
    for number, case in enumerate(cases):
        assert cut(capsys, case["name"], "--out", f"{number}.yaml")["after"]["turns"] == 1


def test_marked_cases_are_no_failures(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A case that failed as its script says is refused, with its verdict."""
    (shop / "scripts" / "two.yaml").write_text("title: T\nturns: [{user: x, expect: {rules: [chat]}}]\n", encoding="utf-8")
    cases = failed(shop, capsys, "xfail: not yet\nturns: [{user: bla, expect: {rules: [chat]}}]\n")
    assert {case["name"]: case["verdict"] for case in cases}["one"] == "xfailed"
    assert main(["minimise", "run", "one"]) == 2
    assert "one xfailed in this run; only a case that failed can be cut down" in capsys.readouterr().err


def test_a_case_that_passed_though_it_is_marked_is_told_so(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It fails the run, but there is no failure in it: the mark is what is wrong."""
    cases = failed(shop, capsys, "xfail: not yet\nturns: [{user: nice weather, expect: {rules: [chat]}}]\n")
    assert [case["verdict"] for case in cases] == ["xpassed"]
    assert main(["minimise", "run", "one"]) == 2
    assert "one passed in this run, though it is marked as failing; take its 'xfail' out of evals/scripts/one.yaml" in (
        capsys.readouterr().err
    )


GREETING = "agent: shop\ngreeting: welcome\n"


@pytest.mark.parametrize(
    ("turns", "left"),
    [
        ("[{expect: {response: {contains: Good day}}}, nice weather, I am Nora]", 1),
        ("[{expect: {response: {contains: Welcome}}}, nice weather, {user: bla bla, expect: {rules: [chat]}}, thanks]", 2),
    ],
)
def test_a_conversation_that_the_agent_begins_is_cut_down(
    shop: Path, capsys: pytest.CaptureFixture[str], turns: str, left: int
) -> None:
    """What it says unasked may be what fails, and stays; where a later turn fails, it stays as long as it is answered first."""
    (shop / "agent.yaml").write_text(AGENT.replace("agent: shop\n", GREETING), encoding="utf-8")
    failed(shop, capsys, f"turns: {turns}\n")
    data = cut(capsys, "one")
    assert data["after"]["turns"] <= left
    out = shown_by_its_command(data, capsys)
    assert "1 of 1 case failed" in out
    assert data["fails"]["because"].partition("\n")[0][:30] in out


def test_a_case_that_errored_is_cut_down(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A check that crashes makes the case errored; what makes it crash stays, the rest goes."""
    (shop / "mine.py").write_text("def paid(seen):\n    raise LookupError('no sum')\n", encoding="utf-8")
    turns = "nice weather, I am Nora, order A-1, nice, {user: refund please, expect: {python: mine.py:paid}}, thanks"
    cases = failed(shop, capsys, f"turns: [{turns}]\n")
    assert [case["verdict"] for case in cases] == ["errored"]
    data = cut(capsys, "one", "--out", "evals/scripts/small.yaml")
    assert said(data)[:3] == ["I am Nora", "order", "refund"]
    assert "no sum" in data["fails"]["because"]


def test_the_agent_of_the_baseline_keeps_it_meaningful(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where an early turn went wrong, a lone last turn looks the same; it has to pass on what was approved."""
    text = "turns: [nice weather, I am Nora, order A-1, well, {user: refund, expect: {rules: [refund]}}]\n"
    bad = AGENT.replace("any_words: [order]", "any_words: [ordre]")
    (shop / "agent.yaml").write_text(bad, encoding="utf-8")
    failed(shop, capsys, text)
    alone = cut(capsys, "one", "--out", "alone.yaml")
    assert (alone["passes_on"], alone["after"]["turns"]) == (None, 1)
    (shop / "baselines" / "shop").mkdir(parents=True)
    (shop / "baselines" / "shop" / "agent.yml").write_text(AGENT, encoding="utf-8")
    data = cut(capsys, "one", "--out", "small.yaml")
    assert data["passes_on"] == "evals/baselines/shop/agent.yml"
    assert said(data)[:3] == ["I am Nora", "order", "refund"]
    assert "The same conversation passes on `evals/baselines/shop/agent.yml`." in data["issue"]
    assert main(["run", "small.yaml", "--agent", data["passes_on"], "-q", "--report", "none"]) == 0
    (shop / "baselines" / "shop" / "agent.yml").write_text("agent: [broken", encoding="utf-8")
    assert cut(capsys, "one", "--out", "again.yaml")["passes_on"] is None

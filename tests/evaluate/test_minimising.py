"""`minimise`: a failing case is cut down to what it takes, written as a script that fails the same way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from focal_eval.cli import main

AGENT = """\
agent: shop
rules:
  - {id: who, match: {pattern: 'I am (?P<x>\\w+)'}, sets: {known: true}, template: welcome}
  - {id: order, match: {any_words: [order]}, requires: [known], sets: {ordered: true}, tools: look, template: seen}
  - {id: refund, match: {any_words: [refund]}, requires: [known, ordered], template: refund}
  - {id: gone, match: {any_words: [goodbye]}, template: chat}
  - {id: chat, match: {any_words: [weather, football, thanks, nice, well]}, template: chat}
variables: {known: false, ordered: false}
tools:
  - {id: look, args: {id: {value: A-1001}}, returns: {found: true, price: 20}}
templates:
  - {id: welcome, text: Welcome.}
  - {id: seen, text: I see the order.}
  - {id: refund, text: You get money.}
  - {id: chat, text: How nice.}
  - {id: pardon, text: Pardon?, mode: FALLBACK}
"""
GOOD = AGENT.replace("You get money.", "You get 18.50.")
CHAT = ["Nice weather today.", "Do you like football?", "Well, well.", "Thanks, that is nice.", "How is the weather there?"]
BEGIN = """\
title: A refund is told with its sum
tags: [money]
tools:
  look:
    - when: {id: other}
      returns: {found: false}
    - returns: {found: true, price: 18.5, item: mug}
turns:
"""
LAST = """\
    expect:
      rules: [refund]
      response: {contains: "18.50", max_words: 30}
      tools: {none: true}
"""
END = """\
conversation:
  - never: {rule: gone}
"""


def conversation() -> str:
    """Twenty turns, of which three matter."""
    said = [CHAT[number % len(CHAT)] for number in range(20)]
    said[4] = "Hello there, my friend. I am Nora and I live by the sea. What a day!"
    said[9] = "By the way. My order is A-1001, a mug, and it is broken."
    said[16] = "So, all in all, I would like to have a refund, please."
    turns = [f"  - user: {json.dumps(text)}\n    expect: {{response: {{max_words: 30}}}}\n" for text in said[:16]]
    last = f"  - user: {json.dumps(said[16])}\n{LAST}"
    rest = [f"  - {json.dumps(text)}\n" for text in said[17:]]
    return "".join([BEGIN, *turns, last, *rest, END])


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A suite whose one script fails, and its run in `run`."""
    evals = tmp_path / "evals"
    (evals / "scripts").mkdir(parents=True)
    (evals / "agent.yaml").write_text(AGENT, encoding="utf-8")
    (evals / "good.yaml").write_text(GOOD, encoding="utf-8")
    (evals / "shop.yaml").write_text(
        "title: Shop\nscripts: [scripts/*.yaml]\nengine: {kind: embedded, agent: agent.yaml}\n", encoding="utf-8"
    )
    (evals / "scripts" / "long.yaml").write_text(conversation(), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["run", "evals/shop.yaml", "--out", "run", "--report", "none", "-q"]) == 1
    capsys.readouterr()
    return tmp_path


def cut(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main(["minimise", "run", "long", "--json", *words]) == 0
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    return data


def test_twenty_turns_become_three(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The three turns that matter are left, in a few words, with the one expectation that fails and no stub."""
    data = cut(capsys)
    assert data["before"] == {"turns": 20, "words": data["before"]["words"], "expectations": 21, "stubs": 2}
    assert data["after"]["turns"] == 3
    assert data["after"]["expectations"] == 1
    assert data["after"]["stubs"] == 0
    assert data["after"]["words"] <= 6
    assert data["rules"] == ["who", "order", "refund"]
    assert data["complete"]
    text = (shop / data["script"]).read_text(encoding="utf-8")
    assert text == data["text"]
    assert "18.50" in text
    assert "- user: refund" in text


def test_what_is_written_fails_in_the_same_way(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The script that was written is a script, and a run of it fails for the same expectation and nothing else."""
    data = cut(capsys, "--out", "small.yaml", "--agent-out", "small-agent.yaml")
    assert main(["check", "small.yaml", "--agent", "evals/agent.yaml"]) == 0
    for agent in ("evals/agent.yaml", "small-agent.yaml"):
        assert main(["run", "small.yaml", "--agent", agent, "--out", f"again-{Path(agent).stem}", "--report", "none"]) == 1
        out = capsys.readouterr().out
        assert "does not contain '18.50'" in out
        assert "1 of 1 case failed" in out
    assert main(["run", "small.yaml", "--agent", "evals/good.yaml", "--out", "good", "--report", "none", "-q"]) == 0
    assert len((shop / "small-agent.yaml").read_text(encoding="utf-8")) < len(AGENT)
    assert data["agent_file"] == "small-agent.yaml"


def test_no_turn_of_what_is_left_can_go(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without any of its turns the script does not fail like that any more."""
    cut(capsys, "--out", "small.yaml")
    lines = (shop / "small.yaml").read_text(encoding="utf-8").splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("  - user:")]
    for number in starts[:-1]:
        (shop / "less.yaml").write_text("\n".join(lines[:number] + lines[number + 1 :]) + "\n", encoding="utf-8")
        main(["run", "less.yaml", "--agent", "evals/agent.yaml", "--out", f"less-{number}", "--report", "none", "--json"])
        capsys.readouterr()
        journal = (shop / f"less-{number}" / "journal.jsonl").read_text(encoding="utf-8")
        assert "You get money." not in journal


def test_with_a_good_agent_the_script_passes_there(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--good` keeps the script one that a repaired agent passes; an agent that fails as well is refused."""
    assert cut(capsys, "--good", "evals/good.yaml")["after"]["turns"] == 3
    assert main(["minimise", "run", "long", "--good", "evals/agent.yaml"]) == 2
    assert "evals/agent.yaml, too; --good names an agent that it passes on" in capsys.readouterr().err


def test_the_run_is_cut_down_on_its_own_agent(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Once the agent file was mended, the copy that the run keeps still fails, and is said to be played."""
    (shop / "evals" / "agent.yaml").write_text(GOOD, encoding="utf-8")
    assert main(["minimise", "run", "long"]) == 0
    out = capsys.readouterr().out
    assert "played on run/agent.yaml: the agent was edited since the run" in out
    assert "20 turns → 3" in out
    assert "Expected: response contains" in out
    assert out.endswith("script: run/minimised/long.yaml\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "lnog"], "the run has no case 'lnog'; did you mean 'long'"),
        (["rnu", "long"], "no run is named 'rnu'"),
        (["run", "long", "--out", "evals/shop.yaml"], "evals/shop.yaml is there already"),
        (["run", "long", "--good", "evals/godo.yaml"], "there is no agent file evals/godo.yaml"),
    ],
)
def test_a_wrong_command_is_refused(shop: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    """What is not there is said with the nearest name, exit code 2, and nothing is written over."""
    assert main(["minimise", *words]) == 2
    assert said in capsys.readouterr().err
    assert (shop / "evals" / "shop.yaml").read_text(encoding="utf-8").startswith("title: Shop")


def test_a_case_that_was_repaired_is_refused(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A script that was mended since the run has nothing to cut down."""
    script = shop / "evals" / "scripts" / "long.yaml"
    script.write_text(script.read_text(encoding="utf-8").replace('contains: "18.50"', "contains: money"), encoding="utf-8")
    assert main(["minimise", "run", "long"]) == 2
    assert "long passes on evals/agent.yaml: it is repaired" in capsys.readouterr().err

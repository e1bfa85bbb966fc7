"""A shop's agent, its scripts and suites, and a stand-in for a remote engine, for tests of `impact`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from focal_eval.cli import main

AGENT = """\
agent: shop
rules:
  - {id: greet, match: {any_words: [hello, hi]}, template: hello}
  - {id: refund, match: {any_words: [refund]}, tools: pay, template: refund}
  - {id: chat, match: {any_words: [weather]}, template: chat}
tools:
  - {id: pay, args: {amount: {value: 20}}, returns: {ok: true}}
templates:
  - {id: hello, text: Welcome.}
  - {id: refund, text: You get 18.50.}
  - {id: chat, text: How nice.}
  - {id: pardon, text: Pardon?, mode: FALLBACK}
"""
SCRIPTS = {"hello": ("hi", "Welcome"), "refund": ("a refund, please", "18.50"), "chat": ("nice weather", "nice")}
SUITE = "title: Shop\nscripts: [scripts/*.yaml]\nengine: {kind: embedded, agent: agent.yaml}\n"
REMOTE = """\
title: Afar
scripts: [scripts/*.yaml]
engine: {kind: callable, target: app.py:answer, agent: agent.yaml, reports: [%s]}
"""
APP = """\
from pathlib import Path

from focal_eval.agent import begin, open_agent, play

AGENT = open_agent(Path(__file__).parent / "agent.yaml", "agent.yaml")


def answer(message, conversation):
    state = conversation.data.setdefault("state", begin(AGENT))
    played = play(AGENT, state, message)
    conversation.data["state"] = played.state
    return {
        "response": played.response,
        "rules": [match.name for match in played.rules],
        "tools": [{"name": call.name, "arguments": dict(call.arguments)} for call in played.tools],
        "template": played.template,
    }
"""
"""It plays the agent file, but nothing of that can be seen from outside: an engine that is asked and reports."""


def shop_in(folder: Path) -> Path:
    """A suite of three scripts in `evals/`."""
    evals = folder / "evals"
    (evals / "scripts").mkdir(parents=True)
    (evals / "agent.yaml").write_text(AGENT, encoding="utf-8")
    (evals / "shop.yaml").write_text(SUITE, encoding="utf-8")
    for name, (said, told) in SCRIPTS.items():
        write_script(evals, name, said, told)
    return evals


def remote(evals: Path, *reports: str) -> str:
    """A suite of the same scripts on an engine that cannot be played here."""
    reported = ", ".join(reports or ("response", "rules", "tools", "template"))
    app = APP if not reports else "".join(line for line in APP.splitlines(keepends=True) if _kept(line, reports))
    (evals / "app.py").write_text(app, encoding="utf-8")
    (evals / "afar.yaml").write_text(REMOTE % reported, encoding="utf-8")
    return "evals/afar.yaml"


def _kept(line: str, reports: tuple[str, ...]) -> bool:
    """Whether a line of the answer is reported; every other line is."""
    return not line.startswith('        "') or line.split('"')[1] in reports


def write_script(evals: Path, name: str, said: str, told: str) -> None:
    text = f"title: {name}\nturns:\n  - user: {said}\n    expect: {{response: {{contains: '{told}'}}}}\n"
    (evals / "scripts" / f"{name}.yaml").write_text(text, encoding="utf-8")


def edited(evals: Path, *swaps: tuple[str, str]) -> str:
    """Another agent file with these texts swapped."""
    text = AGENT
    for old, new in swaps:
        assert old in text, old
        text = text.replace(old, new)
    (evals / "new.yaml").write_text(text, encoding="utf-8")
    return "evals/new.yaml"


def impact_of(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """The document that `impact` prints of the agent and its edited version."""
    capsys.readouterr()
    assert main(["impact", "evals/agent.yaml", "evals/new.yaml", *words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def chosen(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """The cases that are chosen, by name."""
    return {choice["case"]: choice for choice in impact_of(capsys, *words)["chosen"]}

"""A small shop with expectations that a judge decides, and runs of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from focal_eval.cli import main
from tests.engines.vendor_stub import TOKEN

WORDS = r"Thursday|Monday|tomorrow|five days|Within a week"
"""What a judge that knows looks for."""

AGENT = """\
agent: shop
rules:
  - {id: parcel, when: asks for the parcel, match: {any_words: [parcel]}, then: tell when, template: parcel}
  - {id: refund, when: asks for a refund, match: {any_words: [refund]}, then: tell how long, template: refund}
  - {id: lost, when: parcel is lost, match: {any_words: [lost]}, then: be sorry, template: lost}
templates:
  - {id: parcel, mode: EXCLUSIVE, text: "Your parcel arrives on Thursday."}
  - {id: refund, mode: EXCLUSIVE, text: "We refund your money within five days."}
  - {id: lost, mode: EXCLUSIVE, text: "We are very sorry about that."}
  - {id: nothing, mode: FALLBACK, text: "How can I help?"}
"""
PARCEL = """\
title: Parcel
turns:
  - user: where is my parcel
    expect:
      rules: [parcel]
      response:
        judge:
          rubric: tells the customer when something arrives
          examples:
            good: [It is there on Monday., It arrives tomorrow., On Thursday., Thursday morning., "Monday, I think."]
            bad: [I cannot say., Please wait., We look into it., Ask the driver., It is on its way.]
          plant: [empty, injection, negated]
"""
REFUND = """\
title: Refund
turns:
  - user: I want a refund
    expect:
      response:
        judge:
          rubric: tells how long the refund takes
          examples: {good: [It takes five days., Within a week.], bad: [You get it back., Sure.]}
          plant: [empty, injection]
conversation:
  - judge:
      rubric: says a time
      examples: {good: [Five to five days., Monday], bad: [Some time., Whenever.]}
      plant: [empty, injection]
"""
LOST = """\
title: Lost
turns:
  - user: it is lost
    expect:
      response:
        judge: tells the customer when something arrives
"""
KNOWN = (5 + 5 + 3) + (2 + 2 + 2) + (2 + 2 + 2)
"""Answers that are planted for the three rubrics."""


def shop(folder: Path, judge: str = "", gates: str = "", *, lost: bool = False, more: str = "") -> Path:
    """The suite's file; `judge` and `gates` are more of those mappings, `lost` adds a case that a good judge fails."""
    files = {"agent.yaml": AGENT, "parcel.yaml": PARCEL, "refund.yaml": REFUND, **({"lost.yaml": LOST} if lost else {})}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    scripts = ", ".join(name for name in files if name != "agent.yaml")
    suite = f"scripts: [{scripts}]\nengine: {{kind: embedded, agent: agent.yaml}}\n"
    suite += 'judge: {url: "${JUDGE_URL}", model: m, key: "${JUDGE_KEY}", attempts: 1' + judge + "}\n"
    suite += f"gates: {{{gates}}}\n" if gates else ""
    (folder / "suite.yaml").write_text(suite + more, encoding="utf-8")
    return folder / "suite.yaml"


def run(suite: Path, url: str | None, monkeypatch: pytest.MonkeyPatch, *words: str, out: str = "out") -> tuple[int, Any]:
    """Runs the suite in its folder; the exit code and the run's header."""
    monkeypatch.chdir(suite.parent)
    if url is None:
        monkeypatch.delenv("JUDGE_URL", raising=False)
        monkeypatch.delenv("JUDGE_KEY", raising=False)
    else:
        monkeypatch.setenv("JUDGE_URL", f"{url}/v1")
        monkeypatch.setenv("JUDGE_KEY", TOKEN)
    code = main(["run", suite.name, "--out", out, *words])
    header = suite.parent / out / "run.json"
    return code, json.loads(header.read_text(encoding="utf-8")) if header.is_file() else None


def gate(header: Any, name: str) -> Any:
    """A gate of a run's header."""
    return next(one for one in header["gates"] if one["name"] == name)

"""A small agent and replies of it, made by hand: what traces and matrices are tried on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from focal_eval.agent import Agent, load_agent
from focal_eval.document import read_file
from focal_eval.records import (
    Candidate,
    Enforcement,
    Fault,
    Reply,
    RuleMatch,
    ScenarioState,
    ToolCall,
    Transition,
    TurnRecord,
)

AGENT = """\
agent: shop
fallback: sorry
variables: {vip: false}
triggers:
  yes: {any_words: ["yes", sure]}
  leave: {any_words: [never mind, leave*]}
rules:
  - id: greet
    match: {any_words: [hello]}
    template: hello

  # a comment between two rules
  - id: start
    match: {any_words: [refund]}
    tools: look
  - {id: limit, enforce: "not amounts or max(amounts) <= 50"}
  - {id: old, match: {any_words: [fax]}, enabled: false}
scenarios:
  refund:
    enter: {rules: start}
    exit: leave
    relocalise: [{when: {any_words: [again]}, to: ask}]
    steps:
      - id: ask
        collect: order
        go:
          - {to: sure, if: vip}
          - {to: sure, when: 'yes'}
          - {to: sure}
      - id: sure
        go:
          - {to: done, when: 'yes'}
          - {to: end, when: {any_words: ["no"]}}
          - {to: other/, on_tool_error: look}
      - {id: done, terminal: true, template: done}
  other:
    steps:
      - {id: only, terminal: true}
slots:
  - {id: order, pattern: '[A-Z]-[0-9]+', ask: hello}
tools:
  - {id: look, args: {order: {variable: order, optional: true}}, returns: {found: true}}
templates:
  - {id: hello, text: Hello}
  - id: done
    text:
      en: Done
  - {id: sorry, mode: FALLBACK, text: Sorry}
"""


def agent_file(folder: Path, text: str = AGENT) -> Path:
    """The agent, written to a folder."""
    path = folder / "shop.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def agent(folder: Path, text: str = AGENT) -> Agent:
    """The agent, read; the test fails where it has errors."""
    document = read_file(agent_file(folder, text), "shop.yaml")
    found = load_agent(document)
    assert found is not None, list(document.problems)
    return found


def reply(*rules: str, **fields: Any) -> Reply:
    """A reply of an engine that tells all that coverage asks for; nothing happened in it but what is given."""
    told: dict[str, Any] = {
        "rules": tuple(map(RuleMatch, rules)),
        "candidates": (),
        "tools": (),
        "scenario": None,
        "transitions": (),
        "template": None,
        "enforcement": (),
    }
    return Reply(**{**told, **fields})


def turns(*replies: Reply | Fault | None) -> list[TurnRecord]:
    """Turns with these replies; a Fault is a turn in which the engine broke, None one that was not sent."""
    return [_turn(index, found) for index, found in enumerate(replies)]


def _turn(index: int, found: Reply | Fault | None) -> TurnRecord:
    if isinstance(found, Reply):
        return TurnRecord(index, "hi", reply=found)
    return TurnRecord(index, "hi", fault=found) if found is not None else TurnRecord(index, "hi", skipped="not sent")


def at(scenario: str, step: str | None = None) -> ScenarioState:
    return ScenarioState(scenario, step)


def move(kind: str, source: str | None, target: str | None, scenario: str | None = "refund", reason: str = "") -> Transition:
    return Transition(kind, source, target, scenario, reason)


def call(name: str, **arguments: Any) -> ToolCall:
    return ToolCall(name, arguments)


def dropped(name: str, why: str, by: str | None = None) -> Candidate:
    return Candidate(name, 0.5, why, by)


def enforced(rule: str, action: str) -> Enforcement:
    return Enforcement(rule, action)

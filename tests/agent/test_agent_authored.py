"""An agent as plain data: what is written reads back as the same agent."""

from __future__ import annotations

from pathlib import Path

import pytest

from focal_eval.agent import Agent, load_agent, open_agent
from focal_eval.agent.authored import authored, same
from focal_eval.agent.parts import parts, with_part
from focal_eval.document import read_text
from focal_eval.document.writing import dump

ROOT = Path(__file__).resolve().parents[2]
AGENTS = sorted((ROOT / "evals" / "agents").glob("*.yaml"))

ODD = """\
agent: odd
greeting: hi
languages: {default: de, metadata: locale, detect: {de: {any_words: [hallo]}}}
variables: {n: 1, flag: true, empty: null, nested: {a: [1, "2"], b: {}}}
settings: {threshold: 0.5, max_rules: 3}
triggers:
  yes_: {any_words: ["yes", "no"], not: {any: [{pattern: x}, {phrase: [a b]}]}}
rules:
  - {id: one, match: {trigger: yes_, if: n == 1}, requires: [flag], template: hi, sets: {n: "{{ n + 1 }}", x: [1, true, null]}}
  - {id: two, match: {any_words: a}, requires: {n: 1, flag: true}, scope: {scenario: s}, excludes: one, tools: [t]}
  - {id: three, when: something is said, requires: n > 0, scope: {step: [s/a, s/b]}, cooldown_turns: 2, priority: -3}
  - {id: four, hard: true, enforce: words < 9, fallback: hi}
scenarios:
  - id: s
    enter: {rules: one}
    steps:
      - id: a
        collect: [k, {any_of: [[k], [m, k]]}]
        template: hi
        go: [{to: b, when: {filled: k}}, {to: b, if: n == 2, sets: {n: 3}}, {to: end, on_tool_error: t}]
      - {id: b, terminal: true, template: hi, outcome: resolved}
slots:
  - {id: k, values: {big: [large, huge], small: small}, ask: hi}
  - {id: m, kind: number, min: 1, max: 2.5, ask: hi}
tools:
  - id: t
    args: {k: k, c: {value: {deep: [1]}}, r: {expression: n + 1, optional: true}}
    answers: [{when: {k: big}, returns: {ok: true}}, {fails: down}]
templates:
  - {id: hi, text: {de: Hallo, en: "Hello {{ n }}"}, mode: EXCLUSIVE}
  - {id: back, text: Sorry, mode: FALLBACK}
"""


def read(text: str) -> Agent:
    document = read_text(text, "agent.yaml")
    agent = load_agent(document)
    assert agent is not None, [str(problem) for problem in document.problems]
    return agent


@pytest.mark.parametrize("file", AGENTS, ids=lambda file: file.name)
def test_a_shipped_agent_written_and_read_is_the_same(file: Path) -> None:
    """Every agent of the examples survives being written as plain data."""
    agent = open_agent(file).file
    again = read(dump(authored(agent)))
    assert same(again, agent)
    assert authored(again) == authored(agent)


def test_every_spelling_survives() -> None:
    """Conditions, collected slots, texts by language, arguments and odd words are read back as they were."""
    agent = read(ODD)
    again = read(dump(authored(agent)))
    assert authored(again) == authored(agent)
    assert authored(agent)["triggers"]["yes_"] == {
        "any_words": ["yes", "no"],
        "not": {"any": [{"pattern": "x"}, {"phrase": "a b"}]},
    }
    assert authored(agent)["rules"][1]["requires"] == {"n": 1, "flag": True}
    assert authored(agent)["scenarios"][0]["steps"][0]["collect"] == ["k", {"any_of": [["k"], ["m", "k"]]}]


def test_defaults_are_left_out_and_differences_are_seen() -> None:
    """A value that is as the default is not written; true is not 1."""
    agent = read(ODD)
    rule = next(one for one in parts(agent) if one.name == "one")
    assert sorted(authored(rule.value)) == ["id", "match", "requires", "sets", "template"]
    assert same(with_part(agent, "variable", "n", 1), agent)
    assert not same(with_part(agent, "variable", "n", True), agent)
    assert not same(with_part(agent, "variable", "n", 2), agent)

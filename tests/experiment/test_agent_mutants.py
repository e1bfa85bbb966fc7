"""Mutants of an agent: every field of the grammar is changed or left out with a reason, each change is one and has an id."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from focal_eval.agent import Agent
from focal_eval.agent.model import Go, Rule, Scenario, Settings, Slot, Step, TemplateDef, Tool
from focal_eval.evaluate.laboratory import open_lab
from focal_eval.evaluate.request import RunRequest
from focal_eval.experiment.agent_mutants import LEFT_OUT, OPERATORS, AgentMutant, agent_mutants
from focal_eval.experiment.agent_mutants_conditions import dropped, negated, shifted
from focal_eval.experiment.edits import edits
from tests.agent.playing import agent_of
from tests.experiment.kiosk import AGENT, lab_of, write_kiosk

SUITE = Path(__file__).resolve().parents[2] / "evals" / "retail.yaml"
KINDS = {
    "rule": Rule,
    "step": Step,
    "transition": Go,
    "scenario": Scenario,
    "slot": Slot,
    "tool": Tool,
    "template": TemplateDef,
}

FULL = """\
languages: {default: en, detect: {de: {any_words: [ja, nein]}}, metadata: locale}
greeting: hi
fallback: hi
variables: {count: 1, on: true}
triggers: {yes: {any_words: [ok, fine], phrase: go ahead}}
settings: {threshold: 0.4, max_rules: 3}
rules:
  - {id: a, match: {trigger: 'yes', if: count > 1 and on, not: {any_words: no}}, priority: 3, cooldown_turns: 2, max_fires: 3,
     hard: true, outranks: b, excludes: b, implies: c, tools: t, template: hi, sets: {x: 1}, outcome: done,
     enforce: words < 9, forbid: bad,
     extract: {n: '[0-9]+'}, fallback: hi, language: [en, de], scope: {step: [s/one, s/two]}, requires: [count]}
  - {id: b, when: the customer waits, requires: {count: 1, on: true}, scope: {scenario: s}}
  - {id: c, match: {all_words: [left, right]}, requires: count > 2}
  - {id: d, match: {any_words: wide}}
scenarios:
  s:
    enter: {rules: a, match: {any_words: go}}
    requires: on
    first: {scenario: q, unless: count == 2}
    exit: {any_words: out}
    exit_template: hi
    clear: x
    relocalise: [{when: {corrected: x}, to: one, clear: x, sets: {y: 1}}]
    steps:
      - {id: one, collect: [x, {any_of: [[y], [z, x]]}], tools: t, sets: {y: 2}, template: hi, otherwise: hi, outcome: o,
         go: [{to: two, if: count > 1, clear: x, sets: {y: 3}, priority: 1},
              {to: end, on_tool_error: t, when: {any_words: end}}]}
      - {id: two, terminal: true}
  q: {steps: [{id: only, terminal: true}]}
slots:
  x: {pattern: ['[a-z]', '[0-9]'], normalise: [upper, lower], min: 1, max: 9, check: value != 'a',
      ask: hi, reask: hi, invalid: hi}
  y: {values: {red: [rot], blue: [blau, azul]}}
  z: {kind: date, formats: ['%Y-%m-%d', '%d.%m.%Y']}
tools:
  t: {args: {x: x, y: {variable: y, optional: true}}, depends_on: u, if: on, sets: {x: "{{ result.t }}"}, reuse: true}
  u: {returns: 1}
templates:
  hi: {text: {en: "We cannot help. Call 12 people at {{ x }} or {{ y }}.", de: "Das ist nicht gut."}, mode: EXCLUSIVE}
"""


def full() -> Agent:
    return agent_of(FULL).file


def named(agent: Agent, operator: str) -> list[AgentMutant]:
    return list(agent_mutants(agent, "agent.yaml", [operator]))


def test_every_operator_changes_something_of_an_agent_that_has_everything() -> None:
    """No operator of the table is idle, and each part it changes differs in its own words."""
    agent = full()
    used = {one.mutant.operator for one in agent_mutants(agent, "agent.yaml")}
    assert used == set(OPERATORS)


def test_every_mutant_differs_in_the_part_it_names_and_in_no_other() -> None:
    """But for rules that swap their priorities, which are two."""
    agent = full()
    for one in agent_mutants(agent, "agent.yaml"):
        found = {(edit.kind, edit.name) for edit in edits(agent, one.agent(agent))}
        kind, name = one.part
        own = ("step", name.partition(" → ")[0]) if kind == "transition" else (kind, name)
        more = {(kind, name) for kind, name, _ in one.altered.more}
        assert {edit for edit in found if edit[0] != "order"} == {own} | more, one.mutant


def test_every_field_is_changed_or_left_out_with_a_reason() -> None:
    """Of each kind of part: the fields that some mutant changes and those of the list are all there are."""
    agent = full()
    changed: set[str] = set()
    for one in agent_mutants(agent, "agent.yaml"):
        for edit in edits(agent, one.agent(agent)):
            changed |= {f"{edit.kind}.{field.removesuffix('_')}" for field in edit.fields if edit.kind in KINDS}
        if one.part[0] == "transition":
            changed |= {f"transition.{field.removesuffix('_')}" for field in _edge_fields(agent, one)}
    every = {f"{kind}.{field.name.removesuffix('_')}" for kind, made in KINDS.items() for field in fields(made)}
    every = {name for name in every if not name.endswith(".span")} | {f"settings.{spec.name}" for spec in fields(Settings)}
    settings = {"settings.span", "settings.threshold", "settings.max_rules", "settings.queue"}
    missing = every - changed - set(LEFT_OUT) - settings
    assert missing == set()
    assert set(LEFT_OUT) <= every
    assert all(reason for reason in LEFT_OUT.values())


def _edge_fields(agent: Agent, one: AgentMutant) -> set[str]:
    """The fields of an edge that a mutant changes."""
    if not isinstance(one.altered.held, Go):
        return set()
    edges = [go for flow in agent.scenarios for step in flow.steps for go in step.go]
    held = one.altered.held
    closest = min(edges, key=lambda go: sum(getattr(go, spec.name) != getattr(held, spec.name) for spec in fields(Go)))
    return {spec.name for spec in fields(Go) if getattr(closest, spec.name) != getattr(held, spec.name)}


def test_ids_come_from_content_and_are_unique() -> None:
    """Made again they are the same, and lines above the agent's parts change none of them."""
    first = agent_mutants(full(), "agent.yaml")
    again = agent_mutants(agent_of("# a comment\n\n" + FULL).file, "agent.yaml")
    assert [one.mutant.id for one in first] == [one.mutant.id for one in again]
    assert len({one.mutant.id for one in first}) == len(first)
    assert [one.mutant.line + 2 for one in first] == [one.mutant.line for one in again]


def test_a_mutant_shows_its_line_and_what_changed(tmp_path: Path) -> None:
    """The line is that of the word, the text one sentence."""
    agent = lab_of(write_kiosk(tmp_path)).agent
    lost = next(one.mutant for one in named(agent, "narrow-trigger") if "'hi'" in one.mutant.text)
    assert AGENT.splitlines()[lost.line - 1].strip().startswith("- {id: greet")
    assert (lost.before, lost.after, lost.what) == ("any_words: hi", "", "rule:greet")
    assert lost.text == "the word 'hi' is not known any more"


@pytest.mark.parametrize(
    ("operator", "after"),
    [
        ("drop-sentence", ["en: Call 12 people at {{ x }} or {{ y }}.", "en: We cannot help."]),
        ("negate-sentence", ["en: We can help. Call 12 people at {{ x }} or {{ y }}.", "de: Das ist gut."]),
        ("change-number", ["en: We cannot help. Call 13 people at {{ x }} or {{ y }}."]),
        ("swap-placeholders", ["en: We cannot help. Call 12 people at {{ y }} or {{ x }}."]),
        ("drop-placeholder", ["en: We cannot help. Call 12 people at  or {{ y }}."]),
    ],
)
def test_texts_are_changed_language_by_language(operator: str, after: list[str]) -> None:
    """A sentence, a denial, a figure, a placeholder: the rest of the text stays as it is."""
    found = [one.mutant.after.replace('"', "") for one in named(full(), operator) if one.mutant.what == "template:hi"]
    assert set(after) <= set(found)


def test_the_strings_in_a_placeholder_are_sentences_too() -> None:
    """What a placeholder says is dropped; what it compares with is not."""
    text = "templates: {told: \"{{ 'It is on its way.' if state == 'sent out' else 'Please wait.' }} Bye now.\"}"
    found = [one.mutant.text for one in named(agent_of(text + "\nvariables: {state: x}").file, "drop-sentence")]
    assert all(any(said in text for text in found) for said in ("It is on its way.", "Please wait."))
    assert not any("'sent out' is not" in text for text in found)


def test_conditions_are_negated_shifted_and_cut() -> None:
    """Each comparison and each figure by itself; `not` is taken away where it stands."""
    assert (negated("a > 1"), negated("not a")) == ("not (a > 1)", "a")
    assert [text for text, _ in shifted("a > 1 and b == 'x'")] == [
        "a >= 1 and b == 'x'",
        "a > 1 and b != 'x'",
        "a > 2 and b == 'x'",
        "a > 0 and b == 'x'",
    ]
    assert list(dropped("a and b > 1")) == [("b > 1", "a"), ("a", "b > 1")]


def test_the_example_suite_has_thousands_of_mutants_that_can_be_made() -> None:
    """Each of the retail agent's mutants is another agent."""
    agent = open_lab(RunRequest((SUITE,))).lab.agent
    made = agent_mutants(agent, "evals/agents/retail.yaml")
    assert len(made) > 3_000
    assert all(one.agent(agent) != agent for one in made[::20])

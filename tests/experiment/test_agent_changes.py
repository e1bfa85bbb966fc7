"""Edits between two versions of an agent: all of them make the new one, none the old one, and any choice can be made."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from focal_eval.agent import Agent, open_agent
from focal_eval.agent.authored import authored, same
from focal_eval.agent.parts import with_part, without
from focal_eval.agent.placed import Placed
from focal_eval.agent.spellings import TextByLanguage
from focal_eval.experiment.changes import Edits
from tests.experiment.random_edits import edited

RETAIL = Path(__file__).resolve().parents[2] / "evals" / "agents" / "retail.yaml"


@lru_cache(maxsize=1)
def retail() -> Agent:
    return open_agent(RETAIL).file


def core(agent: Agent) -> Any:
    return authored(replace(agent, title=None, description=None))


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 8))
def test_all_edits_make_the_new_agent_and_none_the_old(seed: int, count: int) -> None:
    """Random edits of the retail agent are found, and made again from what was found; any choice of them can be built."""
    chance = random.Random(seed)  # which edits, not secrets
    old = new = retail()
    for _ in range(count):
        new = edited(new, chance)
    edits = Edits(old, new)
    every = range(len(edits.changes))
    assert core(edits.agent(every)) == core(new)
    assert core(edits.agent(())) == core(old)
    assert (not edits.changes) == same(old, new)
    some = [position for position in every if chance.random() < 0.5]
    back = Edits(old, edits.agent(some))
    assert core(back.agent(range(len(back.changes)))) == core(edits.agent(some))


SPELT = """\
agent: x
rules:
  - {id: a, match: {any_words: [a]}, requires: %s}
slots:
  - {id: one, pattern: '1'}
  - {id: two, pattern: '2'}
scenarios:
  - id: s
    enter: {rules: [a]}
    steps:
      - {id: first, collect: %s, terminal: true}
variables: {known: true, sure: true}
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("known", "one"), ("sure", "two")),
        (("known", "one"), ("{known: true}", "[one, two]")),
        (("known", "[one, two]"), ("'known and sure'", "{any_of: [[one], [two]]}")),
    ],
)
def test_what_is_spelt_in_one_piece_is_one_edit(tmp_path: Path, before: tuple[str, str], after: tuple[str, str]) -> None:
    """What a step collects and what a rule requires, however they are written: told as the file says them."""
    sides = []
    for name, (requires, collect) in (("old", before), ("new", after)):
        (tmp_path / f"{name}.yaml").write_text(SPELT % (requires, collect), encoding="utf-8")
        sides.append(open_agent(tmp_path / f"{name}.yaml").file)
    edits = Edits(*sides)
    assert [(change.kind, change.name, change.field) for change in edits.changes] == [
        ("rule", "a", "requires"),
        ("step", "s/first", "collect"),
    ]
    assert [change.line for change in edits.changes] == [3, 11]
    assert all(change.before is not None and change.after is not None for change in edits.changes)
    assert core(edits.agent(range(2))) == core(sides[1])


def test_fields_are_edits_of_their_own() -> None:
    """Two fields of a rule and one language of a template are three edits, each with what stood there before and after."""
    old = retail()
    rule = next(one for one in old.rules if one.id == "refund-limit")
    new = with_part(old, "rule", "refund-limit", replace(rule, priority=rule.priority + 5, tags=(Placed("policy 9.9"),)))
    text = next(one for one in new.templates if len(one.text.texts) > 1)
    code, said = text.text.texts[1]
    spoken = (text.text.texts[0], (code, Placed(f"{said} Wirklich.")), *text.text.texts[2:])
    new = with_part(new, "template", str(text.id), replace(text, text=TextByLanguage(spoken)))
    edits = Edits(old, new)
    assert [(one.where, one.change) for one in edits.changes] == [
        ("rule refund-limit, priority", "edited"),
        ("rule refund-limit, tags", "edited"),
        (f"template {text.id}, text.{code}", "edited"),
    ]
    assert (edits.changes[0].before, edits.changes[0].after) == (rule.priority, rule.priority + 5)
    assert (edits.changes[2].before, edits.changes[2].after) == (said, f"{said} Wirklich.")
    assert same(edits.agent([0]), with_part(old, "rule", "refund-limit", replace(rule, priority=rule.priority + 5)))


def test_a_renamed_rule_is_one_edit() -> None:
    """A rule under another name is renamed, not taken out and put in."""
    old = retail()
    new = with_part(old, "rule", "greet", replace(old.rules[0], id=Placed("say-hello")))
    edits = Edits(old, new)
    assert [(one.where, one.change, one.after) for one in edits.changes] == [("rule greet, id", "renamed", "say-hello")]
    assert same(edits.agent([0]), new)


def test_a_scenario_comes_and_goes_with_its_steps() -> None:
    """A scenario that was taken out is one edit with all its steps and transitions."""
    old = retail()
    flow = old.scenarios[-1]
    edits = Edits(old, without(old, "scenario", str(flow.id)))
    assert [(one.where, one.change) for one in edits.changes] == [(f"scenario {flow.id}", "removed")]
    assert len(edits.changes[0].before["steps"]) == len(flow.steps)

"""Mutants that no conversation can tell from the agent: each proof, and the neighbour for which it does not hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from focal_eval.experiment.agent_mutants import agent_mutants
from focal_eval.experiment.mutants import Fate, Tried
from focal_eval.experiment.mutate import try_mutant
from focal_eval.experiment.reach import Reach
from tests.experiment.kiosk import AGENT, lab_of, write_kiosk

PAYING = "{id: pay, template: pay, go: [{to: done, when: {any_words: [paid]}}]}"
CHOICE = "  class: {values: {first_class: [first class, soft seat], second: [second, cheap*]}, ask: how-many}\n"
STAFF = "  staff: {steps: [{id: here, terminal: true}]}\n"


def tried(folder: Path, agent: str, operator: str, what: str, words: str = "") -> Tried:
    """What becomes of the one mutant of that agent that fits."""
    reach = Reach(lab_of(write_kiosk(folder, agent)))
    fits = [
        one
        for one in agent_mutants(reach.lab.agent, "agent.yaml")
        if (one.mutant.operator, one.mutant.what) == (operator, what)
    ]
    return try_mutant(reach, next(one for one in fits if words in one.mutant.text))


@pytest.mark.parametrize(
    ("word", "fate"),
    [
        ("'first class'", Fate.EQUIVALENT),
        ("'second' does", Fate.EQUIVALENT),
        ("'soft seat'", Fate.NOT_COVERED),
        ("'cheap*'", Fate.NOT_COVERED),
    ],
)
def test_a_word_that_says_the_values_own_name_is_heard_without_it(tmp_path: Path, word: str, fate: Fate) -> None:
    """The name of a value means it already; any other word has to be listed."""
    agent = AGENT.replace("variables:", CHOICE + "variables:").replace("collect: count,", "collect: [count, class],")
    found = tried(tmp_path, agent, "narrow-slot", "slot:class", word)
    assert found.fate is fate
    assert (found.weak or "").startswith("the value's own name") is (fate is Fate.EQUIVALENT)


@pytest.mark.parametrize(
    ("edge", "fate"),
    [
        ("{to: refused, if: count > 90}", Fate.EQUIVALENT),
        ("{to: refused, when: {any_words: [card]}}", Fate.NOT_COVERED),
        ("{to: refused, if: count > 90, priority: 3}", Fate.EQUIVALENT),
    ],
)
def test_edges_that_are_tried_at_different_times_may_change_places(tmp_path: Path, edge: str, fate: Fate) -> None:
    """One that reads the message is tried before the step's tools, one that does not after them."""
    agent = AGENT.replace(PAYING, PAYING.replace("}}]}", "}}, " + edge + "]}"))
    found = tried(tmp_path, agent, "swap-transitions", "step:buying/pay")
    assert found.fate is fate


def test_an_edge_that_may_read_the_message_late_may_not_change_places(tmp_path: Path) -> None:
    """With `at_once` it is looked at together with those that do not read the message."""
    agent = AGENT.replace(PAYING, PAYING.replace("[paid]}}]}", "[paid]}, at_once: true}, {to: refused, if: count > 90}]}"))
    assert tried(tmp_path, agent, "swap-transitions", "step:buying/pay").fate is Fate.NOT_COVERED


def test_a_scenario_that_nothing_asks_for_interrupts_nothing(tmp_path: Path) -> None:
    """Where an edge alone leads there, how it would interrupt is never asked; where a trigger starts it, it is."""
    agent = AGENT.replace("scenarios:\n", "scenarios:\n" + STAFF).replace("{to: refused}", "{to: staff/}")
    assert tried(tmp_path / "edge", agent, "change-interrupts", "scenario:staff").fate is Fate.EQUIVALENT
    asked = agent.replace("  staff: {", "  staff: {enter: {match: {any_words: [staff]}}, ")
    assert tried(tmp_path / "asked", asked, "change-interrupts", "scenario:staff").fate is Fate.NOT_COVERED

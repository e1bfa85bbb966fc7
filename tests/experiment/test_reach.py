"""Reach: a case that is left out of a change leaves the same records under the changed agent."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from focal_eval.agent import Playable
from focal_eval.agent.parts import with_part, without
from focal_eval.evaluate.laboratory import open_lab
from focal_eval.evaluate.request import RunRequest
from focal_eval.experiment.agent_mutants import AgentMutant, agent_mutants
from focal_eval.experiment.edits import edits
from focal_eval.experiment.mutate import differ
from focal_eval.experiment.reach import BEGIN, Reach
from tests.experiment.kiosk import lab_of, write_kiosk

SUITE = Path(__file__).resolve().parents[2] / "evals" / "retail.yaml"
SOME = "exchanges or loyalty"


@pytest.fixture(scope="module")
def some() -> Reach:
    """A part of the retail suite."""
    return Reach(open_lab(RunRequest((SUITE,), keyword=SOME)).lab)


def mutants(reach: Reach, count: int, seed: int) -> list[AgentMutant]:
    every = agent_mutants(reach.lab.agent, "agent.yaml")
    return random.Random(seed).sample(every, min(count, len(every)))


def hold(reach: Reach, mutant: AgentMutant) -> None:
    """Plays every case that the change leaves out in full, and compares its records."""
    agent = mutant.agent(reach.lab.agent)
    change = reach.of(agent)
    touched = {found.case for found in change.touched()}
    version = reach.lab.on(Playable(agent, reach.lab.engine.agent.digest))
    for position, case in enumerate(reach.cases):
        if position not in touched:
            replay = version.play(position)
            told = f"{mutant.mutant.operator} {mutant.mutant.what}: {mutant.mutant.text}"
            assert not differ(case.replay, replay), f"{told} changes {reach.lab.cases[position].name}"
            assert replay.verdict is case.replay.verdict


def test_a_case_that_is_left_out_leaves_the_same_records(some: Reach) -> None:
    """Over changes of every kind, made by the grammar of the agent's file."""
    for mutant in mutants(some, 30, seed=1):
        hold(some, mutant)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_case_of_the_whole_suite_is_left_out_wrongly() -> None:
    """Over hundreds of changes, with every case of the suite played in full."""
    reach = Reach(open_lab(RunRequest((SUITE,))).lab)
    for mutant in mutants(reach, 400, seed=2):
        hold(reach, mutant)


def test_several_changes_at_once_are_no_blind_spot(some: Reach) -> None:
    """Two changes of different parts, one on top of the other."""
    chance = random.Random(3)
    every = agent_mutants(some.lab.agent, "agent.yaml")
    for _ in range(12):
        one, other = chance.sample(every, 2)
        try:
            both = other.agent(one.agent(some.lab.agent))
        except KeyError:  # the first took out what the second changes
            continue
        change = some.of(both)
        touched = {found.case for found in change.touched()}
        for position, case in enumerate(some.cases):
            if position not in touched:
                assert not differ(case.replay, change.version.play(position)), (one.mutant.text, other.mutant.text)


def test_an_agent_made_ready_beside_another_plays_the_same(some: Reach) -> None:
    """What is taken over from the other agent makes no difference to any record."""
    base = some.lab.engine.agent
    for mutant in mutants(some, 12, seed=4):
        agent = mutant.agent(base.file)
        fresh, beside = some.lab.on(Playable(agent, base.digest)), some.lab.on(Playable(agent, base.digest, base))
        for position in range(0, len(some.cases), 3):
            assert not differ(fresh.play(position), beside.play(position)), mutant.mutant.text


def test_the_agent_itself_touches_nothing(some: Reach) -> None:
    """No edit, no candidate, nothing played."""
    change = some.of(some.lab.agent)
    assert (change.edits, change.candidates, list(change.touched())) == ((), (), [])


def test_a_difference_says_where_it_begins(tmp_path: Path) -> None:
    """The case and its first exchange that differs; before the first where the conversation begins otherwise."""
    reach = Reach(lab_of(write_kiosk(tmp_path)))
    names = [case.name for case in reach.lab.cases]
    found = list(reach.of(without(reach.lab.agent, "transition", "buying/many → pay")).touched())
    assert [(names[one.case], one.exchange) for one in found] == [("buying", 1)]
    sides = (found[0].old, found[0].new)
    assert [None if side is None else side.step for side in sides] == ["pay", "refused"]
    richer = with_part(reach.lab.agent, "variable", "amount", 30)
    assert {(names[one.case], one.exchange) for one in reach.of(richer).touched()} == {(name, BEGIN) for name in names}


def test_edits_are_told_part_by_part_and_places_aside(tmp_path: Path) -> None:
    """An agent read from another file with more lines above differs in nothing; a step apart from its scenario."""
    one, other = tmp_path / "one", tmp_path / "other"
    first, second = lab_of(write_kiosk(one)).agent, lab_of(write_kiosk(other)).agent
    assert edits(first, second) == ()
    changed = without(first, "step", "buying/done")
    assert [(edit.kind, edit.name, edit.new) for edit in edits(first, changed)] == [("step", "buying/done", None)]

"""Choosing by records alone, over random edits of the retail agent: no case whose verdict changes is left out."""

from __future__ import annotations

import random
from functools import lru_cache
from pathlib import Path

import pytest

from focal_eval.agent import Agent, Playable
from focal_eval.agent.authored import authored
from focal_eval.agent.parts import problems_of
from focal_eval.compare import agent_edits
from focal_eval.evaluate import RunRequest
from focal_eval.evaluate.laboratory import open_lab
from focal_eval.experiment.changes import Edits
from focal_eval.experiment.impact import impact, verified
from focal_eval.experiment.impact_recorded import RecordedEdits
from focal_eval.experiment.reach import Reach
from focal_eval.records.conversation import Conversation, exchange_of
from tests.experiment.random_edits import edited

SUITE = Path(__file__).resolve().parents[2] / "evals" / "retail.yaml"


@lru_cache(maxsize=1)
def reach() -> Reach:
    """A part of the retail suite."""
    return Reach(open_lab(RunRequest((SUITE,), keyword="refunds or greeting")).lab)


def shown_by_records(new: Agent) -> set[str]:
    """The cases whose records alone show the edits, as though their engine could not be played."""
    base = reach()
    old = base.lab.engine.agent
    edits = agent_edits(authored(old.file), authored(new))
    records = RecordedEdits(old, Playable(new), Edits(old.file, new).changes, edits)
    out = set()
    for case, watched in zip(base.lab.cases, base.cases, strict=True):
        start = watched.start
        if start is None:
            continue
        turns = [turn for turn in watched.replay.turns if turn.skipped is None]
        history = tuple((said.user, said.agent) for said in start.history)
        metadata = {**start.metadata, "channel": start.channel}
        exchanges = tuple(map(exchange_of, turns))
        told = Conversation(case.name, "run", "", 1, exchanges, start.variables, history, start.scenario, metadata)
        if records.of(told, turns) is not None:
            out.add(case.name)
    return out


def hold(seeds: range) -> tuple[int, int]:
    """Tries an edit, or several, for each seed; how many cases were left out, and how many changed."""
    base = reach()
    left_out = changed = 0
    for seed in seeds:
        chance = random.Random(seed)  # which edits, not secrets
        new = base.lab.agent
        for _ in range(1 + seed % 3):
            new = edited(new, chance)
        if problems_of(new).errors:
            continue
        names = shown_by_records(new)
        found = verified(base, impact(base, new), new)
        assert set(found.changed) <= names, (seed, set(found.changed) - names)
        left_out += len(base.lab.cases) - len(names)
        changed += len(found.changed)
    return left_out, changed


def test_no_case_whose_verdict_changes_is_left_out() -> None:
    """Whatever is edited: the record shows it. And most cases that no edit touches are left out."""
    left_out, changed = hold(range(2, 18))
    assert changed > 0
    assert left_out > 100


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_nor_over_hundreds_of_edits() -> None:
    """The same, many times over."""
    assert hold(range(18, 318))[1] > 50

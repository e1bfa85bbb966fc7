"""Impact: whatever is edited, a case whose verdict changes is among those chosen; what is chosen is told with its reasons."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from focal_eval.agent.parts import parts, problems_of, with_part, without
from focal_eval.agent.placed import Placed
from focal_eval.evaluate import RunRequest
from focal_eval.evaluate.laboratory import open_lab
from focal_eval.experiment.impact import Impact, impact, verified
from focal_eval.experiment.lab import Lab
from focal_eval.experiment.reach import Reach
from focal_eval.records import UNKNOWN, TurnRecord
from tests.experiment.random_edits import edited
from tests.thorough import examples

ROOT = Path(__file__).resolve().parents[2]
SUBJECTS = ("refunds", "greeting")


@lru_cache(maxsize=2)
def reach(every: bool = False) -> Reach:
    """The retail suite, or a part of it for the tests that are run all day."""
    lab = open_lab(RunRequest((ROOT / "evals" / "retail.yaml",), keyword=None if every else " or ".join(SUBJECTS))).lab
    return Reach(lab)


def miss(seed: int, count: int, *, every: bool = False) -> Impact:
    """The impact of so many random edits, verified."""
    chance = random.Random(seed)  # which edits, not secrets
    base = reach(every)
    new = base.lab.agent
    for _ in range(count):
        new = edited(new, chance)
    if problems_of(new).errors:
        return Impact(impact(base, base.lab.agent).edits, (), ())
    found = impact(base, new)
    return replace(found, verified=verified(base, found, new))


@settings(max_examples=examples(20), deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 4))
def test_no_case_whose_verdict_changes_is_left_out(seed: int, count: int) -> None:
    """After random edits, every case that fails otherwise than before was chosen."""
    found = miss(seed, count)
    assert found.verified is None or found.verified.missed == ()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=examples(300), deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 4))
def test_no_case_of_the_whole_suite_is_left_out(seed: int, count: int) -> None:
    """The same over hundreds of edits and every case of the retail suite."""
    found = miss(seed, count, every=True)
    assert found.verified is None or found.verified.missed == ()


def test_the_choice_is_told_with_the_edit_and_the_turn() -> None:
    """A template's words are an edit that touches the cases which are told them, at the message where they are."""
    base = reach()
    text = next(one for one in base.lab.agent.templates if one.id == "confirm-settlement")
    worded = tuple((code, Placed(f"{said} ")) for code, said in text.text.texts)
    new = with_part(base.lab.agent, "template", str(text.id), replace(text, text=replace(text.text, texts=worded)))
    found = impact(base, new)
    assert found.chosen
    assert found.skipped
    for choice in found.chosen:
        assert choice.why == ("touched",)
        assert choice.edits
        assert choice.differs == "response"
        assert choice.message is not None
    names = {choice.case for choice in found.chosen}
    told = {
        case.name
        for position, case in enumerate(base.lab.cases)
        if any("confirm-settlement" in said(turn) for turn in base.lab.base(position).turns)
    }
    assert names == told


def said(turn: TurnRecord) -> list[str]:
    """The templates that a turn says."""
    if turn.reply is None:
        return []
    metadata = turn.reply.metadata
    return [] if metadata is UNKNOWN else list(metadata["templates"])


def test_comments_and_order_that_means_nothing_touch_no_case() -> None:
    """An edit nobody could see is no edit: the same agent chooses nothing."""
    base = reach()
    found = impact(base, base.lab.agent)
    assert (found.edits.changes, found.chosen) == ((), ())
    assert len(found.skipped) == len(base.lab.cases)


def test_edits_without_effect_leave_every_case_out() -> None:
    """A rule's tags and its action in words change nothing that is recorded."""
    base = reach()
    rule = next(one for one in base.lab.agent.rules if one.id == "damaged-item")
    new = with_part(base.lab.agent, "rule", "damaged-item", replace(rule, tags=(Placed("x"),), then=Placed("be kind")))
    found = impact(base, new)
    assert len(found.edits.changes) == 2
    assert found.chosen == ()


def test_known_reasons_are_added() -> None:
    """Cases that are new, failed or were edited are chosen whatever the edit is, and keep their reasons apart."""
    base = reach()
    first, second = base.lab.cases[0].name, base.lab.cases[1].name
    found = impact(base, base.lab.agent, {first: ("new",), second: ("failed", "edited")})
    assert [(choice.case, choice.why) for choice in found.chosen] == [(first, ("new",)), (second, ("failed", "edited"))]


def test_every_deleted_rule_that_fails_a_case_has_chosen_it() -> None:
    """Rule by rule: what fails without it is among what was chosen."""
    base = reach()
    lab: Lab = base.lab
    for part in [one for one in parts(lab.agent) if one.kind == "rule"][::10]:
        new = without(lab.agent, "rule", part.name)
        found = impact(base, new)
        assert verified(base, found, new).missed == ()

"""`scenario`: where the conversation stands, and the edge it took."""

from __future__ import annotations

import pytest

from focal_eval.checks import Ref
from focal_eval.records import ScenarioState, Transition
from tests.checks.judged import check, moment, only_finding, passes, reading, skipped_for

CONFIRM = moment(
    scenario=ScenarioState("returns", "confirm"),
    transitions=(Transition("transition", "start", "confirm", "returns", "yes"),),
)


@pytest.mark.parametrize(
    ("yaml", "holds"),
    [
        ("returns/confirm", True),
        ("returns/*", True),
        ("returns", True),
        ("returns/done", False),
        ("billing/confirm", False),
        ("none", False),
        ("{id: returns}", True),
        ("{id: returns, step: done}", False),
        ("{step: confirm}", True),
        ("{state: returns/confirm, via: start->confirm}", True),
        ("{via: '* -> confirm'}", True),
        ("{via: start->done}", False),
        ("{kind: transition}", True),
        ("{kind: [transition, exit]}", False),
        ("{id: billing, via: start->confirm}", False),
    ],
)
def test_the_state_after_the_turn_is_judged(yaml: str, holds: bool) -> None:
    """A step, any step, a scenario alone, none, and the edge taken."""
    from focal_eval.checks import judge_check

    outcome, _, _ = judge_check(check("scenario", yaml), CONFIRM)
    assert (outcome == "passed") is holds


def test_no_scenario_and_no_step_are_known_states() -> None:
    """`none` is "in no scenario"; a scenario without a step is not at any step."""
    assert passes("scenario", "none", moment(scenario=None))
    assert not passes("scenario", "returns", moment(scenario=None))
    nowhere = moment(scenario=ScenarioState("returns"))
    assert passes("scenario", "returns", nowhere)
    assert only_finding("scenario", "returns/*", nowhere).message == "scenario 'returns' is at no step"


def test_a_wrong_state_says_where_the_conversation_stands() -> None:
    """The finding names both states, and whether it is the step or the scenario that differs."""
    found = only_finding("scenario", "returns/done", CONFIRM)
    assert (found.message, found.expected, found.observed) == (
        "scenario 'returns' is at another step",
        "returns/done",
        "returns/confirm",
    )
    other = only_finding("scenario", "billing/confirm", CONFIRM)
    assert other.near == "the step has the same name, but belongs to 'returns'"
    assert only_finding("scenario", "{state: none}", CONFIRM).path == ("state",)


def test_an_edge_not_taken_shows_those_that_were() -> None:
    """The finding lists the turn's transitions with their reasons."""
    found = only_finding("scenario", "{via: start->done}", CONFIRM)
    assert found.observed == "transition start->confirm of returns (yes)"
    assert found.path == ("via",)


def test_unknown_states_and_edges_are_skipped() -> None:
    """The state and the edge are reported apart."""
    assert skipped_for("scenario", "none", moment(response="x")) == "this engine does not report the scenario"
    reason = skipped_for("scenario", "{via: a->b}", moment(scenario=None))
    assert reason == "this engine does not report scenario transitions"


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [
        ("returns/", "'returns/' is not a scenario"),
        ("{via: start}", "'start' is not an edge; write start->confirm"),
        ("{kind: jump}", "'jump' is not a way a scenario moves"),
        ("{state: a/b, id: a}", "write 'state', or 'id' and 'step', not both"),
    ],
)
def test_a_scenario_entry_that_cannot_be_meant_is_refused(yaml: str, problem: str) -> None:
    """Wrong states, edges and kinds are found while reading."""
    _, problems = reading("scenario", yaml)
    assert problem in problems[0]


def test_scenario_names_its_references() -> None:
    """Scenario and step are looked up in the agent."""
    assert check("scenario", "returns/confirm").refs() == (Ref("scenario", "returns/confirm", ()),)
    assert check("scenario", "returns/*").refs() == (Ref("scenario", "returns", ()),)
    assert check("scenario", "{id: a, step: b}").refs() == (Ref("scenario", "a/b", ("step",)),)
    assert check("scenario", "none").refs() == ()
    assert check("scenario", "{}").idle() is not None
    assert check("scenario", "{state: a/b, via: x->b}").describe() == "scenario is a/b, by the edge x->b"

"""What scripts ask of an engine is settled before anything is sent."""

from __future__ import annotations

from focal_eval.engines import Abilities
from focal_eval.evaluate.demands import check_demands
from tests.runner.desk import script_of

LITTLE = Abilities()  # reports the response only, cannot be seeded, does not speak first


def codes(text: str, abilities: Abilities = LITTLE, unreported: str = "refuse") -> list[str]:
    found = check_demands([script_of(text)], abilities, "toy", unreported=unreported)
    return [f"{item.span.line}:{item.span.column} {item.code}" for item in found]


def test_unreported_fields_refuse_under_the_default_policy() -> None:
    """An expectation on rules cannot be judged on an engine that reports none; its key is pointed at."""
    text = "turns:\n  - user: hi\n    expect:\n      response: hello\n      rules: [greet]\n"
    assert codes(text) == ["5:7 unreported-field"]
    assert codes(text, unreported="skip") == []
    assert codes(text, Abilities(reports=frozenset({"response", "rules"}))) == []


def test_unreported_fields_are_found_inside_groups_and_conditions() -> None:
    """Groups, negation and `when` are looked through."""
    text = "turns:\n  - hi\n  - user: x\n    when: {rules: [a]}\n    expect: {any_of: [{response: a}, {not: {tools: [t]}}]}\n"
    assert sorted(codes(text)) == ["4:12 unreported-field", "5:45 unreported-field"]


def test_an_engine_that_cannot_be_seeded_refuses_variables_and_scenario_but_not_history() -> None:
    """History is replayed instead; variables and a scenario cannot be."""
    text = "given:\n  variables: {a: 1}\n  scenario: s/x\n  history: [{user: hi}]\nturns: [go]\n"
    assert codes(text) == ["2:3 cannot-seed", "3:13 cannot-seed"]


def test_an_engine_that_waits_for_the_user_refuses_bot_first_turns() -> None:
    """A turn without `user` needs an engine that speaks first."""
    assert codes("turns:\n  - expect: {response: hello}\n") == ["2:5 cannot-speak-first"]


def test_templated_expectations_are_looked_through_too() -> None:
    """What a template fills in changes nothing about the field that is asked for."""
    text = "params: {n: [a, b]}\nturns:\n  - user: 'hi {{ n }}'\n    expect: {rules: ['{{ n }}'], response: '{{ n }}'}\n"
    assert codes(text) == ["4:14 unreported-field"]


def test_stubs_that_nobody_hears_are_warned_of() -> None:
    """An engine that takes no stubs would leave them unheard in silence."""
    text = "tools: {lookup: {returns: 1}}\nturns: [hi]\n"
    assert codes(text) == ["1:9 stubs-unheard"]
    assert codes(text, Abilities(stubs=True)) == []


def test_a_cassette_needs_no_stubs() -> None:
    """Its calls have their recorded answers, which is no reason for a warning."""
    script = script_of("tools: {lookup: {returns: 1}}\nturns: [hi]\n")
    assert check_demands([script], Abilities(), "cassette", unreported="refuse") == []

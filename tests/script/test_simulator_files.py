"""`simulator:` of a script: what is read, and what is refused before anything is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from focal_eval.evaluate.schemas import schemas
from focal_eval.script.load import Loader
from focal_eval.script.names import KnownNames, check_idle, check_references, edges_of, expectations_of
from focal_eval.script.packed import NotPlain, packed
from focal_eval.script.shelf import turns_of, wordings_of
from tests.script.file_reading import problems_of, script_of

CUSTOMER = """
given: {variables: {shop: Larkfield}}
params: {days: [3, 40]}
simulator:
  knows: {order: A-1001, days_said: "{{ days }} days"}
  start: asks
  states:
    answers:
      says: ["{{ order }}", "it is {{ order }}, of {{ days_said }}"]
      save: {ticket: response.text}
      then: [{to: thanks, when: {response: {contains: "{{ ticket }}"}}}, {to: gives_up}]
    asks:
      says: where is my order?
      at_most: {times: 2, to: gives_up}
      expect: {rules: [order-status]}
      then: [{to: answers, when: {response: {is_question: true}}}, {to: asks, when: {rules: [greet]}}]
    thanks: {says: "thanks, {{ shop }}, for {{ ticket }}", then: done}
  stuck: 3
  max_turns: {times: 9, to: leaves}
  goal: [{visits: [status/told]}, {count: {text: "{{ ticket }}", times: 1}}]
"""


def codes(text: str) -> list[str]:
    """The codes of all that is wrong with a script."""
    return [problem.code for problem in problems_of("script", text.encode())]


def test_a_simulated_user_is_read_with_every_part() -> None:
    """States in order, edges with their conditions, stop rules, the goal; a script with one has no turns."""
    script = script_of(CUSTOMER)
    user = script.simulator
    assert user is not None
    assert script.turns == ()
    assert [state.name for state in user.states] == ["answers", "asks", "thanks"]
    assert user.start == "asks"
    assert [(edge.to, edge.when is None) for edge in user.states[0].then] == [("thanks", False), ("gives_up", True)]
    assert [(edge.to, edge.when) for edge in user.states[2].then] == [("done", None)]
    limits = [user.states[1].at_most, user.stuck, user.max_turns]
    assert [(limit.times, limit.to) for limit in limits if limit is not None] == [(2, "gives_up"), (3, None), (9, "leaves")]
    assert [item.key for item in user.goal] == ["conversation.visits", "conversation.count"]
    assert [turn.state for turn in script.authored] == ["answers", "asks", "thanks"]
    assert script.named == {"shop": "Larkfield", "order": "A-1001", "days_said": "{{ days }} days"}


def test_the_first_state_is_the_one_that_stands_first() -> None:
    """Without `start`; and without stop rules a user has twenty messages."""
    user = script_of("simulator:\n  states:\n    b: {says: hi, then: a}\n    a: {says: ho, then: done}\n").simulator
    assert user is not None
    assert (user.start, user.max_turns.times, user.max_turns.to, user.stuck) == ("b", 20, None, None)


STATES = "simulator:\n  states:\n"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("unknown-state", STATES + "    a: {says: hi, then: b}\n"),
        ("unknown-state", "simulator:\n  start: b\n  states:\n    a: {says: hi, then: done}\n"),
        ("unknown-state", STATES + "    a: {says: hi, then: done, at_most: {times: 1, to: b}}\n"),
        ("unreachable-state", STATES + "    a: {says: hi, then: done}\n    b: {says: ho, then: done}\n"),
        ("unreachable-edge", STATES + "    a: {says: hi, then: [{to: done}, {to: leaves}]}\n"),
        ("no-way-out", STATES + "    a: {says: hi, then: []}\n"),
        ("missing-key", STATES + "    a: {says: hi}\n"),
        ("no-way-out", STATES + "    a: {says: hi, then: a, at_most: 3}\n"),
        ("not-an-end", "simulator:\n  max_turns: {times: 3, to: a}\n  states:\n    a: {says: hi, then: done}\n"),
        ("reserved-name", STATES + "    done: {says: hi, then: leaves}\n"),
        ("no-turns", "simulator:\n  states: {}\n"),
        ("two-users", "turns: [hi]\n" + STATES + "    a: {says: hi, then: done}\n"),
        ("missing-key", "simulator: {goal: {visits: [a/b]}}\n"),
        ("missing-key", STATES + "    a: {then: done}\n"),
        ("missing-key", "title: nobody speaks\n"),
        ("empty-text", STATES + "    a: {says: '', then: done}\n"),
        ("out-of-range", "simulator:\n  stuck: 1\n  states:\n    a: {says: hi, then: done}\n"),
        ("out-of-range", "simulator:\n  stuck: {times: 1}\n  states:\n    a: {says: hi, then: done}\n"),
        ("out-of-range", "simulator:\n  max_turns: 201\n  states:\n    a: {says: hi, then: done}\n"),
        ("unknown-check", STATES + "    a: {says: hi, then: [{to: done, when: {rule: x}}, {to: leaves}]}\n"),
        ("unknown-key", STATES + "    a: {says: hi, expects: {}, then: done}\n"),
        ("wrong-type", "simulator: {states: [hi]}\n"),
        ("bad-name", "simulator:\n  knows: {my order: 1}\n  states:\n    a: {says: hi, then: done}\n"),
        (
            "duplicate-key",
            "params: {order: [1]}\nsimulator:\n  knows: {order: 2}\n  states:\n    a: {says: '{{ order }}', then: done}\n",
        ),
    ],
)
def test_what_cannot_be_walked_is_refused(code: str, text: str) -> None:
    """With the code of the problem, and no other problem beside it."""
    assert codes(text) == [code]


def test_a_slip_of_the_fingers_is_told_at_its_place() -> None:
    """The word itself, with the state that was most likely meant."""
    (problem,) = problems_of(
        "script", (STATES + "    asks: {says: hi, then: answer}\n    answers: {says: ho, then: done}\n").encode()
    )
    assert (problem.span.line, problem.span.column) == (3, 28)
    assert "answers" in str(problem.help)


def test_a_way_round_through_too_many_visits_counts() -> None:
    """A state that is left only when it was said too often has a way out, and what it leads to is reached."""
    assert codes(STATES + "    a: {says: hi, then: a, at_most: {times: 2, to: b}}\n    b: {says: ho, then: done}\n") == []


@pytest.mark.parametrize(
    ("where", "says", "saved"),
    [
        ("a name nobody knows", "{{ nothing }}", False),
        ("a name saved on one way of two", "{{ ticket }}", True),
    ],
)
def test_a_name_must_have_a_value_on_every_way(where: str, says: str, saved: bool) -> None:
    """What a state says may use what was saved before it, whatever way led there."""
    text = STATES + (
        "    a: {says: hi, then: [{to: b, when: {rules: [x]}}, {to: c}]}\n"
        "    b: {says: hi, save: {ticket: response.text}, then: c}\n"
        f"    c: {{says: '{says}', then: done}}\n"
    )
    (problem,) = problems_of("script", text.encode())
    assert problem.code == "undefined-name"
    assert problem.span.line == 5
    assert bool(problem.labels) is saved, where


def test_a_name_saved_on_all_ways_has_a_value() -> None:
    """In later states, in the conditions of the state that saves it, and in the goal."""
    text = (
        "simulator:\n  goal: {count: {text: '{{ ticket }}', times: 1}}\n  states:\n"
        "    a: {says: hi, save: {ticket: response.text}, then: [{to: b, when: {response: '{{ ticket }}'}}, {to: c}]}\n"
        "    b: {says: '{{ ticket }}', then: c}\n    c: {says: 'so {{ ticket }}', then: done}\n"
    )
    assert codes(text) == []


def test_a_goal_may_not_use_what_only_some_ways_save() -> None:
    """The goal is judged at every `done`, so the name must be there at each."""
    text = (
        "simulator:\n  goal: {count: {text: '{{ ticket }}', times: 1}}\n  states:\n"
        "    a: {says: hi, then: [{to: b, when: {rules: [x]}}, {to: done}]}\n"
        "    b: {says: ho, save: {ticket: response.text}, then: done}\n"
    )
    assert codes(text) == ["undefined-name"]


KNOWN = KnownNames("shop.yaml", frozenset({"order-status", "greet"}), {"lookup": None}, {"status": frozenset({"told"})})


def test_names_of_the_agent_are_looked_up_in_edges_and_goals() -> None:
    """An unknown rule in a condition and an unknown step in the goal, as in any expectation."""
    script = script_of(
        STATES
        + "    a: {says: hi, then: [{to: done, when: {rules: [order-staus]}}, {to: leaves}]}\n"
        + "  goal: {visits: [status/tld]}\n"
    )
    found = check_references(script, KNOWN)
    assert [(problem.code, str(problem.help)) for problem in found] == [
        ("unknown-rule", "did you mean 'order-status'?"),
        ("unknown-step", "did you mean 'told'?"),
    ]


def test_conditions_are_no_expectations() -> None:
    """They are among all that is looked up, and told apart where it is counted what a script asserts."""
    script = script_of(CUSTOMER)
    asked = {id(item) for item in edges_of(script)}
    assert [item.key for item in expectations_of(script) if id(item) not in asked] == [
        "rules", "conversation.visits", "conversation.count",
    ]  # fmt: skip
    assert check_idle(script) == []


def test_planning_knows_the_most_that_may_be_said() -> None:
    """How long it may take, and how many wordings there are; such a script is not kept in the cache."""
    script = script_of(CUSTOMER)
    assert (turns_of(script), wordings_of(script)) == (9, 2)
    with pytest.raises(NotPlain, match="simulated user"):
        packed(script)


def test_a_row_that_breaks_a_template_is_told_before_a_run(tmp_path: Path) -> None:
    """As for turns: the value of a param that a state cannot say."""
    file = tmp_path / "talk.yaml"
    file.write_text("params: {n: [1, zero]}\n" + STATES + "    a: {says: '{{ n + 1 }}', then: done}\n")
    loaded = Loader(tmp_path).load([(file, "talk")])
    assert [problem.code for problem in loaded.problems] == ["bad-template"]


def test_the_schema_knows_the_keys() -> None:
    """A script has turns or a simulator; a state says something."""
    schema = schemas()["script"]
    script = schema["$defs"]["ScriptFields"]
    assert {tuple(option["required"]) for option in script["oneOf"]} == {("turns",), ("simulator",)}
    fields = schema["$defs"]["SimulatorFields"]
    assert set(fields["properties"]) == {"states", "persona", "wants", "start", "knows", "goal", "max_turns", "stuck"}
    assert schema["$defs"]["_State"]["required"] == ["says", "then"]

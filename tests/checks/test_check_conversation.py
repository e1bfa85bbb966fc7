"""`conversation`: what happened over all turns, what it took, and what the engine keeps of it."""

from __future__ import annotations

import pytest

from focal_eval.checks import Ref
from focal_eval.records import ScenarioState, Tokens, ToolCall, Transition, TurnRecord
from tests.checks.judged import check, conversation, only_finding, passes, reading, skipped_for, turn

START, CONFIRM, DONE = (ScenarioState("returns", step) for step in ("start", "confirm", "done"))
RETURN = conversation(
    turn(0, "hi", response="Hello!", rules=["greet"], tools=[], scenario=None),
    turn(
        1,
        "broken",
        response="Sorry. Refund?",
        rules=["apologise"],
        scenario=START,
        tools=[ToolCall("look", {"id": "A-1"}), ToolCall("note", {}, group=1), ToolCall("tag", {}, group=1)],
    ),
    turn(
        2,
        "yes",
        response="Done, refunded.",
        rules=["apologise", "refund"],
        scenario=DONE,
        tools=[ToolCall("refund", {"amount": 18.5})],
    ),
    saved={"order": "A-1"},
)


@pytest.mark.parametrize(
    ("key", "yaml", "holds"),
    [
        ("never", "{tool: delete}", True),
        ("never", "{tool: refund}", False),
        ("never", "{tool: {refund: {amount: {at_least: 50}}}}", True),
        ("never", "[{rule: upsell}, {scenario: billing}, {text: voucher}]", True),
        ("never", "{scenario: returns/confirm}", True),
        ("never", "{scenario: returns}", False),
        ("never", "{text: REFUNDED}", False),
        ("before", "{tool: look, then: {tool: refund}}", True),
        ("before", "{tool: refund, then: {tool: look}}", False),
        ("before", "{tool: look, then: {rule: apologise}}", False),
        ("before", "{rule: apologise, then: {tool: look}}", True),
        ("before", "{tool: note, then: {tool: tag}}", False),
        ("before", "{tool: look, then: {tool: tag}}", True),
        ("before", "{text: sorry, then: {scenario: returns/done}}", True),
        ("before", "{tool: look, then: {tool: delete}}", False),
        ("before", "{tool: look, then: {tool: delete}, optional: true}", True),
        ("before", "{tool: delete, then: {tool: look}}", False),
        ("after", "{tool: look, then: {tool: refund}}", True),
        ("after", "{rule: apologise, then: {tool: refund}}", True),
        ("after", "{tool: refund, then: {text: refunded}}", True),
        ("after", "{tool: refund, then: {rule: apologise}}", False),
        ("after", "{tool: delete, then: {tool: look}}", False),
        ("after", "{tool: delete, then: {tool: look}, optional: true}", True),
        ("count", "{rule: apologise, times: 2}", True),
        ("count", "{tool: look, times: {min: 2}}", False),
        ("count", "{tool: delete, times: 0}", True),
        ("visits", "[returns/start, returns/done]", True),
        ("visits", "[returns/*, returns/done]", True),
        ("visits", "[returns/done, returns/start]", False),
        ("visits", "{exactly: [returns/start, returns/done]}", True),
        ("visits", "{exactly: [returns/start]}", False),
        ("visits", "{exactly: []}", False),
        ("turns", "3", True),
        ("turns", "{max: 2}", False),
        ("saved", "{order: A-1}", True),
        ("saved", "{order: A-2}", False),
    ],
)
def test_what_happened_is_judged(key: str, yaml: str, holds: bool) -> None:
    """Events over all turns: never, before, after, how often, and the steps passed through."""
    assert passes(f"conversation.{key}", yaml, RETURN) is holds


@pytest.mark.parametrize(
    ("key", "yaml", "message", "path"),
    [
        ("never", "{tool: refund}", "'refund' was called in turn 3", ("tool",)),
        ("never", "[{rule: a}, {rule: refund}]", "rule 'refund' matched in turn 3", (1, "rule")),
        ("never", "{tool: {refund: {amount: any}}}", "'refund' was called as given in turn 3", ("tool",)),
        ("before", "{tool: refund, then: {tool: look}}", "'look' was called before refund", ("then", "tool")),
        ("before", "{tool: delete, then: {tool: look}}", "'look' was called without delete before it", ("then", "tool")),
        ("before", "{tool: look, then: {rule: x}}", "rule 'x' did not match, so there is no order to judge", ("then", "rule")),
        ("after", "{tool: refund, then: {rule: greet}}", "'refund' was called and rule greet did not follow", ("then", "rule")),
        (
            "after",
            "{scenario: billing, then: {rule: x}}",
            "scenario 'billing' was not reached, so there is no order to judge",
            ("scenario",),
        ),
        ("count", "{rule: apologise, times: 1}", "rule 'apologise' matched 2 times", ("times",)),
        ("count", "{tool: delete, times: 1}", "'delete' was not called", ("times",)),
        ("visits", "[returns/start, returns/confirm]", "'returns/confirm' was not reached after 'returns/start'", (1,)),
        ("visits", "{exactly: [returns/start]}", "the conversation went on to 'returns/done'", ("exactly",)),
        (
            "visits",
            "{exactly: [returns/start, returns/confirm]}",
            "the conversation did not go to 'returns/confirm', but to 'returns/done'",
            ("exactly", 1),
        ),
        ("turns", "{max: 2}", "the number of answered turns is 3", ("max",)),
        ("saved", "{ordr: A-1}", "saved 'ordr' is not there", ("ordr",)),
    ],
)
def test_a_conversation_that_went_wrong_says_where(key: str, yaml: str, message: str, path: tuple[str | int, ...]) -> None:
    """The message names the event and the turn, the path the entry."""
    found = only_finding(f"conversation.{key}", yaml, RETURN)
    assert (found.message, found.path) == (message, path)


def test_the_way_and_the_turns_are_shown() -> None:
    """Observed: the states with their turns, the events with their turns; near: what was there at another time."""
    assert only_finding("conversation.visits", "[returns/done, returns/start]", RETURN).observed == (
        "returns/start (turn 2) → returns/done (turn 3)"
    )
    assert only_finding("conversation.visits", "[returns/done, returns/start]", RETURN).near == (
        "'returns/start' was visited, but only earlier"
    )
    assert only_finding("conversation.never", "{tool: look}", RETURN).observed == "turn 2: look(id: 'A-1')"
    assert only_finding("conversation.before", "{tool: refund, then: {tool: look}}", RETURN).near == (
        "the first is turn 3: refund(amount: 18.5)"
    )


def test_steps_passed_within_a_turn_are_visited() -> None:
    """Transitions show steps the state after the turn hides; leaving a scenario is a visit of none."""
    moves = (Transition("start", None, "start", "returns"), Transition("transition", "start", "confirm", "returns"))
    seen = conversation(turn(0, scenario=CONFIRM, transitions=moves), turn(1, scenario=CONFIRM), turn(2, scenario=None))
    assert passes("conversation.visits", "{exactly: [returns/start, returns/confirm, none]}", seen)


def test_turns_that_tell_nothing_leave_open_what_they_could_change() -> None:
    """A verdict stands where the unknown turns cannot change it, else the check is skipped."""
    blind = conversation(turn(0, tools=["look"]), turn(1, response="x"))
    reason = "this engine does not report tool calls"
    assert skipped_for("conversation.never", "{tool: refund}", blind) == reason
    assert not passes("conversation.never", "{tool: look}", blind)
    assert skipped_for("conversation.count", "{tool: look, times: 1}", blind) == reason
    assert not passes("conversation.count", "{tool: look, times: 0}", blind)
    assert skipped_for("conversation.before", "{tool: a, then: {tool: look}}", blind) == reason
    assert skipped_for("conversation.after", "{tool: look, then: {tool: a}}", blind) == reason
    assert "arguments" in skipped_for("conversation.never", "{tool: {look: {id: 1}}}", conversation(turn(0, tools=["look"])))
    unknown = conversation(turn(0, scenario=START), turn(1, response="x"))
    assert passes("conversation.visits", "[returns/start]", unknown)
    assert skipped_for("conversation.visits", "[returns/done]", unknown) == "this engine does not report the scenario"
    assert (
        skipped_for("conversation.visits", "{exactly: [returns/start]}", unknown) == "this engine does not report the scenario"
    )


def test_totals_add_up_all_turns() -> None:
    """Tokens, cost and latency are sums; a turn that tells nothing leaves the sum open unless it is over already."""
    seen = conversation(
        turn(0, tokens=Tokens(total=60), latency_ms=100.0),
        turn(1, tokens=Tokens(total=40), elapsed_ms=50.0),
        prices={"total": 1e6},
    )
    assert passes("conversation.total_tokens", "100", seen)
    found = only_finding("conversation.total_tokens", "{max: 99}", seen)
    assert (found.message, found.path) == ("the conversation's number of tokens is 100", ("max",))
    assert passes("conversation.total_cost", "100", seen)
    assert not passes("conversation.total_cost", "99", seen)
    assert passes("conversation.total_latency_ms", "150", seen)
    assert not passes("conversation.total_latency_ms", "149", seen)
    part = conversation(turn(0, tokens=Tokens(total=60)), turn(1, response="x"))
    assert skipped_for("conversation.total_tokens", "100", part) == "this engine does not report tokens"
    assert not passes("conversation.total_tokens", "50", part)
    assert (
        skipped_for("conversation.total_latency_ms", "{max: 5, clock: engine}", part)
        == "this engine does not report its latency"
    )


@pytest.mark.parametrize(
    ("key", "yaml", "problem"),
    [
        ("never", "{tool: a, rule: b}", "an event is one of tool, rule, scenario or text; found tool and rule"),
        ("never", "{}", "an event is one of tool, rule, scenario or text; found none"),
        ("never", "{text: ' '}", "an empty text is contained in every response"),
        ("before", "{tool: a}", "the key 'then' is missing"),
        ("count", "{tool: a}", "the key 'times' is missing"),
        ("visits", "[returns/]", "'returns/' is not a scenario"),
        ("visits", "{steps: [a], exactly: [b]}", "write the steps under 'steps' or under 'exactly', not both"),
        ("records", "equal", "'equal' is not one of consistent"),
        ("turns", "{min: 2, max: 1}", "no number is at least 2 and at most 1"),
    ],
)
def test_a_conversation_entry_that_cannot_be_meant_is_refused(key: str, yaml: str, problem: str) -> None:
    """Contradictions and gaps are found while reading."""
    _, problems = reading(f"conversation.{key}", yaml)
    assert len(problems) == 1
    assert problem in problems[0]


def test_conversation_checks_name_references_needs_and_idleness() -> None:
    """Names not to be seen are marked, fields needed are told before a run."""
    assert check("conversation.never", "{tool: a}").refs() == (Ref("tool", "a", ("tool",), absent=True),)
    assert check("conversation.never", "[{rule: a}]").refs() == (Ref("rule", "a", (0, "rule"), absent=True),)
    both = check("conversation.before", "{tool: {a: {x: 1}}, then: {scenario: s/t}}")
    assert set(both.refs()) == {
        Ref("tool", "a", ("tool",)),
        Ref("argument", "a.x", ("tool", "a", "x")),
        Ref("scenario", "s/t", ("then", "scenario")),
    }
    assert both.needed() == {"tools", "scenario"}
    assert check("conversation.count", "{rule: a, times: 0}").refs()[0].absent
    assert check("conversation.visits", "[a/b]").refs() == (Ref("scenario", "a/b", (0,)),)
    assert check("conversation.never", "[]").idle() is not None
    assert check("conversation.count", "{rule: a, times: {min: 0}}").idle() is not None
    assert check("conversation.visits", "[]").idle() is not None
    assert check("conversation.turns", "{min: 0}").idle() is not None
    assert check("conversation.records", "consistent").needed() == {"messages_stored"}


@pytest.mark.parametrize(
    ("key", "yaml", "said"),
    [
        ("never", "[{tool: a}, {rule: b}]", "never a or rule b"),
        ("before", "{tool: a, then: {text: b}}", "a before 'b'"),
        ("after", "{scenario: a/b, then: {tool: c}}", "after scenario a/b follows c"),
        ("count", "{tool: a, times: {max: 2}}", "a is called at most 2 times"),
        ("count", "{rule: a, times: 1}", "rule a matches exactly once"),
        ("count", "{text: a, times: {min: 1}}", "'a' is said at least once"),
        ("count", "{scenario: s/a, times: {max: 0}}", "scenario s/a is never reached"),
        ("visits", "[a/b, none]", "visits a/b → none"),
        ("total_tokens", "4000", "all tokens are at most 4,000"),
        ("total_cost", "0.1", "the whole cost is at most 0.1"),
        ("total_latency_ms", "10", "all turns together take at most 10 ms"),
        ("turns", "3", "turns answered: exactly 3"),
        ("records", "consistent", "stored messages agree with what was said"),
        ("feedback", "{is: 5, of: any}", "feedback of some message is 5"),
    ],
)
def test_conversation_checks_describe_themselves(key: str, yaml: str, said: str) -> None:
    """Each expectation has words of its own."""
    assert check(f"conversation.{key}", yaml).describe() == said


def test_turns_without_a_reply_are_passed_over() -> None:
    """A skipped turn happened to nobody."""
    seen = conversation(turn(0, response="a", tools=["look"]), TurnRecord(1, "x", skipped="when"))
    assert passes("conversation.count", "{tool: look, times: 1}", seen)
    assert passes("conversation.turns", "1", seen)

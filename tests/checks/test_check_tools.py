"""`tools`: which tools were called, with what, in which order."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from focal_eval.checks import Ref
from focal_eval.checks.ordering import Order, blocks_of, found_in
from focal_eval.records import ToolCall
from tests.checks.judged import check, judged, moment, only_finding, passes, reading, skipped_for
from tests.thorough import examples


def call(name: str, group: int | None = None, result: Any = None, error: str | None = None, **arguments: Any) -> ToolCall:
    return ToolCall(name, arguments, result, error, group=group)


THREE = moment(tools=[call("look", id="A-1"), call("note", text="x"), call("refund", amount=18.5, id="A-1")])


@pytest.mark.parametrize(
    ("yaml", "holds"),
    [
        ("look", True),
        ("[look, refund]", True),
        ("[refund, look]", False),
        ("[look: {id: A-1}, refund: {amount: 18.50}]", True),
        ("[look: {id: A-2}]", False),
        ("[look: {id: A-1, only: true}]", True),
        ("[refund: {id: A-1, only: true}]", False),
        ("[look, look]", False),
        ("{calls: [refund, look], order: any}", True),
        ("{calls: [look, note], order: strict}", True),
        ("{calls: [look, refund], order: strict}", False),
        ("{calls: [note, refund], order: strict}", True),
        ("{exactly: [look, note, refund]}", True),
        ("{exactly: [refund, note, look], order: any}", True),
        ("{exactly: [look, refund]}", False),
        ("{calls: [look, note, refund], extras: forbid}", True),
        ("{calls: [look], extras: forbid}", False),
        ("{none: true}", False),
        ("{exactly: []}", False),
        ("{count: {look: 1, refund: {min: 1}, drop: 0}}", True),
        ("{count: {look: 2}}", False),
        ("{excludes: [drop]}", True),
        ("{excludes: [refund]}", False),
        ("{excludes: [refund: {amount: {at_least: 50}}]}", True),
    ],
)
def test_calls_are_judged(yaml: str, holds: bool) -> None:
    """A list is in order with others between; the long form orders, closes, counts and forbids."""
    assert passes("tools", yaml, THREE) is holds


def test_no_call_at_all_can_be_expected() -> None:
    """`none: true` and `exactly: []` hold where nothing was called."""
    assert passes("tools", "{none: true}", moment(tools=[]))
    assert passes("tools", "{exactly: []}", moment(tools=[]))


@pytest.mark.parametrize(
    ("yaml", "holds"),
    [
        ("[refund: {args: {id: 1}, result: {status: done}}]", True),
        ("[refund: {result: {status: open}}]", False),
        ("[refund: {error: absent}]", True),
        ("[refund: {error: any}]", False),
        ("[look: {error: {contains: NOT FOUND}}]", True),
        ("[refund: {args: {id: 1}, only: true}]", True),
    ],
)
def test_the_long_form_of_a_call_judges_what_came_of_it(yaml: str, holds: bool) -> None:
    """Results and errors are matched like arguments; a call that did not fail has no error."""
    seen = moment(tools=[call("look", error="not found"), call("refund", id=1, result={"status": "done", "at": "noon"})])
    assert passes("tools", yaml, seen) is holds


def test_a_call_with_another_argument_is_shown_as_the_nearest_miss() -> None:
    """The finding names the argument, both values with their kinds, the closest call, and the place in the YAML."""
    found = only_finding("tools", "[look, refund: {amount: '18.5', id: A-1}]", THREE)
    assert found.message == "'refund' was called with another 'amount'"
    assert found.expected == "amount: the text '18.5'"
    assert found.observed == "amount: the number 18.5"
    assert found.near == "closest call: refund(amount: 18.5, id: 'A-1')"
    assert found.path == (1, "refund", "amount")
    long = only_finding("tools", "{calls: [refund: {args: {amount: 20}}]}", THREE)
    assert long.path == ("calls", 0, "refund", "args", "amount")


def test_the_nearest_call_is_chosen_over_all_expectations_at_once() -> None:
    """Two calls of one tool: each expectation is told of its own, not of the one another expectation has."""
    seen = moment(tools=[call("refund", id=1, amount=5), call("refund", id=2, amount=9)])
    found = only_finding("tools", "[refund: {id: 1, amount: 5}, refund: {id: 2, amount: 8}]", seen)
    assert found.near == "closest call: refund(id: 2, amount: 9)"
    assert found.path == (1, "refund", "amount")


def test_a_tool_that_was_not_called_is_named() -> None:
    """The finding lists the calls that were made, and a name that is nearly the one expected."""
    found = only_finding("tools", "[refunds]", THREE)
    assert found.message == "'refunds' was not called"
    assert found.observed == "look(id: 'A-1'), note(text: 'x'), refund(amount: 18.5, id: 'A-1')"
    assert found.near == "'refund' was called; is that the name that was meant?"
    assert only_finding("tools", "[look]", moment(tools=[])).observed == "no tool was called"
    assert only_finding("tools", "[look, look]", THREE).message == "'look' was called 1 time, which is not often enough"


def test_a_wrong_order_says_which_call_came_too_early() -> None:
    """All calls were made: what is wrong is the order, and only that is said."""
    found = only_finding("tools", "[refund, look]", THREE)
    assert (found.message, found.path) == ("'look' was called, but not after 'refund'", (1,))
    between = only_finding("tools", "{calls: [look, refund], order: strict}", THREE)
    assert between.message == "the calls were made in order, but others lie between"


def test_calls_beyond_those_expected_are_named() -> None:
    """`exactly` and `none` name each call too many."""
    found = only_finding("tools", "{exactly: [look, refund]}", THREE)
    assert found.message == "'note' was called, but no such call is expected"
    assert (found.observed, found.path) == ("note(text: 'x')", ("exactly",))
    _, many, _ = judged("tools", "{none: true}", THREE)
    assert [item.path for item in many] == [("none",)] * 3


def test_a_flood_of_calls_is_explained_in_bounded_time_and_words() -> None:
    """Thousands of calls of a runaway engine give a few findings, soon."""
    seen = moment(tools=[call("look", id=number) for number in range(5_000)])
    outcome, findings, _ = judged("tools", "{exactly: [look: {id: x}, look: {id: y}, refund]}", seen)
    assert outcome == "failed"
    assert len(findings) == 12
    assert findings[-1].message == "4,990 more calls were made that none expects"


def test_counts_and_exclusions_say_what_was_seen() -> None:
    """A count names the number of calls, an exclusion the call that must not be."""
    found = only_finding("tools", "{count: {look: {min: 2}}}", THREE)
    assert (found.message, found.expected, found.path) == ("'look' was called 1 time", "at least 2 times", ("count", "look"))
    unwanted = only_finding(
        "tools", "{excludes: [note, refund: {amount: {at_most: 20}}]}", moment(tools=[call("refund", amount=5)])
    )
    assert unwanted.message == "'refund' was called as it must not be"
    assert unwanted.path == ("excludes", 1)


def test_parallel_calls_have_no_order_among_themselves() -> None:
    """Calls of one group are taken in any order, but stand before and after the others."""
    seen = moment(tools=[call("a", 1), call("b", 1), call("c")])
    assert passes("tools", "[b, a, c]", seen)
    assert passes("tools", "{calls: [b, a, c], order: strict}", seen)
    assert passes("tools", "{calls: [a, c], order: strict}", seen)
    assert passes("tools", "{exactly: [b, a, c]}", seen)
    assert not passes("tools", "[c, a]", seen)


def test_parallel_calls_are_told_apart_by_a_matching_not_greedily() -> None:
    """The first expectation fits both calls, the second only the first: both are found."""
    seen = moment(tools=[call("a", 1, id=1), call("a", 1, id=2)])
    assert passes("tools", "[a, a: {id: 1}]", seen)
    assert passes("tools", "{exactly: [a, a: {id: 1}], order: any}", moment(tools=[call("a", id=1), call("a", id=2)]))


def test_arguments_that_are_not_reported_are_never_taken_as_met() -> None:
    """A named call fails where the tool was not called at all, and is skipped where its arguments are unknown."""
    seen = moment(tools=["look"])
    assert passes("tools", "look", seen)
    reason = "this engine does not report the arguments and results of its tool calls"
    assert skipped_for("tools", "[look: {id: A-1}]", seen) == reason
    assert skipped_for("tools", "{excludes: [look: {id: A-1}]}", seen) == reason
    assert skipped_for("tools", "[look: {result: any}]", seen) == reason
    assert not passes("tools", "[refund: {id: A-1}]", seen)
    assert passes("tools", "[look: {id: A-1}]", moment(tools=["look", call("look", id="A-1")]))
    assert skipped_for("tools", "look", moment(response="x")) == "this engine does not report tool calls"


def test_a_result_given_in_full_is_compared_in_depth() -> None:
    """The nearest miss of a result lists what differs, by path."""
    seen = moment(tools=[call("look", result={"a": 1, "b": {"c": [1, 2]}, "d": 0})])
    found = only_finding("tools", "[look: {result: {equals: {a: 1, b: {c: [1, 3]}, e: 1}}}]", seen)
    assert found.near is not None
    assert found.near.endswith("(b.c.1: 3 expected, 2 observed; d: 0 was not expected; e: 1 is missing)")
    assert found.path == (0, "look", "result")


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [
        ("{calls: [a], exactly: [b]}", "write the calls under 'calls' or under 'exactly', not both"),
        ("{none: true, calls: [a]}", "'none: true' leaves no room for calls"),
        ("{extras: forbid}", "no call is named; to say that no tool may be called, write {none: true}"),
        ("[{a: {}, b: {}}]", "a call names one tool, found 2; start each call with its own '-'"),
        ("[a: 5]", "expected the arguments of 'a' as a mapping"),
        ("[5]", "expected a tool or {tool: {argument: value}}, found the number 5"),
        ("[a: {args: {x: 1}, resul: 2}]", "no key is named 'resul' here; did you mean 'result'?"),
        ("{count: {a: -1}}", "-1 is below 0"),
        ("{count: {a: {min: 3, max: 2}}}", "no number is at least 3 and at most 2"),
        ("[a: {id: 1, result: done}]", "warning[call-argument-name]: 'result' is read as an argument of 'a'"),
    ],
)
def test_a_tools_entry_that_cannot_be_meant_is_refused(yaml: str, problem: str) -> None:
    """Contradictions and wrong shapes are found while reading, at their place."""
    _, problems = reading("tools", yaml)
    assert len(problems) == 1
    assert problem in problems[0]


def test_tools_names_its_references_and_its_idleness() -> None:
    """Tools and arguments are given for the check against the agent."""
    refs = check("tools", "{calls: [a: {x: 1}, b], excludes: c, count: {d: 0, e: 2}}").refs()
    assert Ref("tool", "a", ("calls", 0)) in refs
    assert Ref("argument", "a.x", ("calls", 0, "a", "x")) in refs
    assert Ref("tool", "b", ("calls", 1)) in refs
    assert Ref("tool", "c", ("excludes", 0), absent=True) in refs
    assert Ref("tool", "d", ("count", "d"), absent=True) in refs
    assert Ref("tool", "e", ("count", "e")) in refs
    assert "none: true" in check("tools", "[]").idle()
    assert check("tools", "{count: {a: {min: 0}}}").idle() is not None
    assert check("tools", "{none: true}").idle() is None


def test_tools_describes_itself() -> None:
    """The expectation in words, for a list of results."""
    assert check("tools", "[a: {x: 1}, b]").describe() == "tools called: a(x: 1), b"
    assert check("tools", "{exactly: [a], order: any}").describe() == "tools called are exactly a in any order"
    assert check("tools", "{none: true}").describe() == "no tool is called"
    assert check("tools", "{count: {a: 1, b: 0}}").describe() == "'a' is called exactly once; 'b' is called never"


NAMES = st.sampled_from(["a", "b", "c"])
OBSERVED = st.lists(st.tuples(NAMES, st.sampled_from([None, None, 1, 2])), max_size=6)


def _brute(order: Order, wanted: list[str], calls: list[ToolCall]) -> bool:
    """Every injective choice of calls, judged by the definition."""
    block_of = {position: number for number, block in enumerate(blocks_of(calls)) for position in block}
    for chosen in permutations(range(len(calls)), len(wanted)):
        if any(calls[position].name != name for name, position in zip(wanted, chosen, strict=True)):
            continue
        ranks = [block_of[position] for position in chosen]
        if order == "any" or (ranks == sorted(ranks) and (order == "in_order" or _no_gap(ranks, chosen, block_of))):
            return True
    return False


def _no_gap(ranks: list[int], chosen: tuple[int, ...], block_of: dict[int, int]) -> bool:
    inside = [position for position, rank in block_of.items() if ranks and ranks[0] < rank < ranks[-1]]
    return set(inside) <= set(chosen)


@given(OBSERVED, st.lists(NAMES, max_size=4))
@settings(max_examples=examples(300), deadline=None)
def test_the_orders_agree_with_their_definition_and_nest(observed: list[tuple[str, int | None]], wanted: list[str]) -> None:
    """Each order equals a search over all choices, and strict ⊂ in_order ⊂ any."""
    calls = [ToolCall(name, group=group) for name, group in observed]
    fits = [[call.name == name for call in calls] for name in wanted]
    blocks = blocks_of(calls)
    orders: tuple[Order, ...] = ("strict", "in_order", "any")
    found = [found_in(order, fits, blocks) for order in orders]
    assert found == [_brute(order, wanted, calls) for order in orders]
    assert found == sorted(found)

"""What differs between two replies, lane by lane."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from focal_eval.compare.model import PIPELINE, Lane
from focal_eval.compare.structure import structural
from tests.compare.recorded_turns import between, call, dropped, reply, rule, told
from tests.thorough import examples

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["a", "b", "1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c.d", "'"]), inner, max_size=3),
    max_leaves=8,
)


def test_a_rule_that_no_longer_matches_says_its_score_and_what_dropped_it() -> None:
    """Both sides of the difference hold what the engine said of the rule there, matched or not."""
    before = reply(rules=[rule("offer-refund", 0.41)], candidates=[rule("offer-refund", 0.41)])
    after = reply(candidates=[dropped("offer-refund", "near-miss", "score 0.18 below 0.35", 0.18)])
    (found,) = between(before, after)
    assert (found.lane, found.kind, found.what) == (Lane.RULES, "removed", "offer-refund")
    assert found.before == {"score": 0.41}
    assert found.after == {"score": 0.18, "suppressed": "near-miss", "by": "score 0.18 below 0.35"}


def test_what_another_rule_explains_comes_after_it() -> None:
    """A rule that was outranked by one that matches now is no first difference."""
    before = reply(rules=[rule("a-refund")])
    after = reply(rules=[rule("z-limit")], candidates=[dropped("a-refund", "outranked", "z-limit")])
    assert told(between(before, after)) == [("rules", "added", "z-limit"), ("rules", "removed", "a-refund")]


def test_rules_in_another_order_moved() -> None:
    """The same rules in another order differ by the fewest that moved."""
    one, other = [rule("a"), rule("b"), rule("c")], [rule("b"), rule("c"), rule("a")]
    assert told(between(reply(rules=one), reply(rules=other))) == [("rules", "moved", "a")]


def test_scores_alone_are_no_difference() -> None:
    """An engine may score otherwise, and name other words as its evidence, as long as it decides the same."""
    before = reply(rules=[rule("a", 0.9)], candidates=[dropped("b", "near-miss", "score 0.1 below 0.3", 0.1)])
    after = reply(rules=[rule("a", 0.8)], candidates=[dropped("b", "near-miss", "score 0.2 below 0.3", 0.2)])
    assert between(before, after) == []


def test_candidates_are_told_where_the_rule_matches_on_neither_side() -> None:
    """Which rules were looked at, and what dropped them."""
    before = reply(candidates=[dropped("b", "cooldown"), dropped("c", "scope", "returns")])
    after = reply(candidates=[dropped("b", "outranked", "a"), dropped("d", "scope", "returns")])
    found = told(between(before, after))
    assert found == [("candidates", "changed", "b"), ("candidates", "removed", "c"), ("candidates", "added", "d")]


def test_tools_are_compared_as_a_sequence() -> None:
    """A call put in between shifts no other; arguments and results of the rest are compared with their own."""
    before = reply(tools=[call("look", {"id": 1}, {"ok": True}), call("pay", {"sum": 30}, {"done": True})])
    after = reply(
        tools=[call("look", {"id": 1}, {"ok": False}), call("ask", {"who": "boss"}), call("pay", {"sum": 45}, {"done": True})]
    )
    assert told(between(before, after)) == [
        ("tool", "added", "ask"),
        ("argument", "changed", "pay.sum"),
        ("result", "changed", "look.ok"),
    ]


def test_the_call_with_other_arguments_is_the_one_that_went() -> None:
    """Of several calls of one tool the equal ones are paired."""
    before = reply(tools=[call("look", {"id": 1}), call("look", {"id": 2})])
    (found,) = between(before, reply(tools=[call("look", {"id": 2})]))
    assert (found.kind, found.before) == ("removed", {"id": 1})


def test_parallel_calls_have_no_order() -> None:
    """Calls of one group may be reported in any order."""
    one, other = call("a", {"x": 1}, group=0), call("b", {"x": 1}, group=0)
    assert between(reply(tools=[one, other]), reply(tools=[other, one])) == []
    moved = between(reply(tools=[call("a"), call("b")]), reply(tools=[call("b"), call("a")]))
    assert [found.kind for found in moved] == ["moved"]


def test_a_tool_that_fails_is_told_by_its_error() -> None:
    """A failure is one difference, not a result that is gone."""
    failing = {"name": "pay", "arguments": {}, "error": "down"}
    found = between(reply(tools=[call("pay", {}, {"done": True})]), reply(tools=[failing]))
    assert told(found) == [("result", "added", "pay.error")]


def test_unknown_is_never_a_difference() -> None:
    """What one side does not report is not compared, inside a call as well."""
    before = reply(tools=[{"name": "pay"}])
    after = reply(tools=[call("pay", {"sum": 3}, {"done": True})])
    for key in ("rules", "scenario", "template"):
        del before[key]
    assert between(before, after) == []


def test_null_is_known() -> None:
    """In no scenario is a place like any other."""
    found = between(reply(scenario=None), reply(scenario={"id": "returns", "step": "confirm"}))
    assert told(found) == [("step", "added", "returns/confirm")]


def test_differences_come_in_the_order_of_the_pipeline() -> None:
    """However much differs, what can be a cause comes before what it can lead to."""
    before = reply("a", outcome="resolved", follow_ups=["x"], citations=[{"url": "u"}], template="t")
    after = reply(
        "b",
        rules=[rule("r")],
        candidates=[dropped("c", "scope")],
        scenario={"id": "s"},
        tools=[call("t")],
        variables={"v": 1},
        template="u",
        enforcement=[{"rule": "h", "action": "fallback"}],
        follow_ups=[],
        citations=[],
        outcome="blocked",
    )
    order = [PIPELINE.index(found.lane) for found in between(before, after)]
    assert order == sorted(order)
    assert len(order) == 11


def test_the_reply_names_the_template_whose_words_differ() -> None:
    """Where several templates are said, it is the one whose message differs."""
    before = reply("A\n\nB", messages=["A", "B"], template="one", metadata={"templates": ["one", "two"]})
    after = reply("A\n\nC", messages=["A", "C"], template="one", metadata={"templates": ["one", "two"]})
    assert told(between(before, after)) == [("response", "changed", "two")]


@settings(max_examples=examples(150), deadline=None)  # the first call imports a library
@example([[True], [False, 2, None], -2], [[True], [0, 2, None], -2])
@given(JSON, JSON)
def test_structures_differ_where_their_json_differs(before: object, after: object) -> None:
    """Equal JSON has no difference, other JSON at least one; true and 1 are two things, 1 and 1.0 are one."""
    found = structural(before, after, Lane.ARGUMENT, "tool")
    assert bool(found) is (strict(before) != strict(after))
    assert structural(before, before, Lane.ARGUMENT, "tool") == []


def strict(data: object) -> object:
    if isinstance(data, dict):
        return {key: strict(item) for key, item in data.items()}
    if isinstance(data, list):
        return [strict(item) for item in data]
    return (isinstance(data, bool), data)


def test_items_of_lists_are_named_alike() -> None:
    """The same field of any item has one name, so that cases group; its place is in the path."""
    before, after = {"items": [{"price": 1}, {"price": 2}]}, {"items": [{"price": 1}, {"price": 3}]}
    (found,) = structural(before, after, Lane.RESULT, "order")
    assert (found.what, found.path) == ("order.items.*.price", ("items", 1, "price"))


def test_a_big_structure_is_one_difference() -> None:
    """Neither time nor the report is spent on thousands of places."""
    before, after = {"rows": list(range(60_000))}, {"rows": list(range(1, 60_001))}
    assert [found.what for found in structural(before, after, Lane.RESULT, "t")] == ["t.rows"]
    many = structural({str(place): 1 for place in range(99)}, {str(place): 2 for place in range(99)}, Lane.RESULT, "t")
    assert [found.what for found in many] == ["t"]

"""What a recorded case did: the turns in which each item was at work, nearly was, or is not known."""

from __future__ import annotations

from typing import Any

import pytest

from focal_eval.coverage import trace_case
from focal_eval.records import UNKNOWN, Fault
from tests.coverage.shop import at, call, dropped, enforced, move, reply, turns


def test_rules_tools_and_templates_are_hit_in_their_turns() -> None:
    """Each item has the positions of the turns in which the engine named it, once for each turn."""
    first = reply("greet", tools=(call("look", order="A-1"), call("look", order="B-2")), template="hello")
    trace = trace_case("case", "script", turns(first, reply(), reply("greet")))
    assert trace.hit("rule", "greet") == (0, 2)
    assert trace.hit("tool", "look") == (0,)
    assert trace.hit("template", "hello") == (0,)
    assert trace.hit("rule", "start") == ()
    assert trace.turns == 3


def test_every_template_of_a_turn_counts() -> None:
    """An engine that lists all templates in its metadata has them all hit, not only the first."""
    told = reply(template="hello", metadata={"templates": ["hello", "done", 7]})
    trace = trace_case("case", "script", turns(told))
    assert trace.hit("template", "done") == (0,)
    assert set(trace.hits) == {("template", "hello"), ("template", "done")}


def test_a_constraint_is_a_rule_that_was_at_work() -> None:
    """What enforcement reports counts for the constraint and for its rule, with its outcome."""
    trace = trace_case("case", "script", turns(reply(enforcement=(enforced("limit", "fallback"),))))
    assert trace.hit("rule", "limit") == trace.hit("constraint", "limit") == (0,)
    assert trace.outcomes == (("limit", "fallback"),)


def test_positions_count_turns_that_broke_or_were_not_sent() -> None:
    """A turn without a reply hits nothing, is unknown in nothing, and keeps its place in the count."""
    trace = trace_case("case", "script", turns(None, Fault("timeout", "too slow"), reply("greet")))
    assert trace.hit("rule", "greet") == (2,)
    assert trace.turns == 1
    assert trace.unknown == {}


@pytest.mark.parametrize(
    ("field", "kinds"),
    [
        ("rules", {"rule"}),
        ("enforcement", {"constraint"}),
        ("tools", {"tool"}),
        ("template", {"template"}),
        ("transitions", {"start", "exit", "relocalise", "transition"}),
        ("scenario", {"step"}),
    ],
)
def test_what_a_reply_does_not_tell_is_unknown_in_that_turn(field: str, kinds: set[str]) -> None:
    """Each field of a reply decides on its own, turn by turn: another turn may know it."""
    silent: dict[str, Any] = {field: UNKNOWN}
    trace = trace_case("case", "script", turns(reply(), reply(**silent)))
    assert {kind: places for kind, places in trace.unknown.items() if places} == dict.fromkeys(kinds, (1,))
    assert not any(map(trace.reported, kinds))
    assert trace.reported("rule") == (field != "rules")


def test_the_scenario_is_known_from_transitions_or_from_where_it_stands() -> None:
    """One of the two fields is enough to know which scenario was at work."""
    moved = reply(scenario=UNKNOWN, transitions=(move("start", None, "ask"),))
    stood = reply(scenario=at("refund", "ask"), transitions=UNKNOWN)
    silent = reply(scenario=UNKNOWN, transitions=UNKNOWN)
    trace = trace_case("case", "script", turns(moved, stood, silent))
    assert trace.hit("scenario", "refund") == (0, 1)
    assert trace.unknown["scenario"] == (2,)


def test_steps_that_are_passed_through_are_hit() -> None:
    """A step counts where the conversation rests at it, and where a move of the turn led to it."""
    moves = (move("start", None, "ask"), move("transition", "ask", "sure"))
    trace = trace_case("case", "script", turns(reply(transitions=moves, scenario=at("refund", "sure"))))
    assert trace.hit("step", "refund/ask") == trace.hit("step", "refund/sure") == (0,)
    assert trace.hit("start", "refund") == (0,)


def test_edges_have_the_names_of_the_agent_file() -> None:
    """A transition is found by its authored name: numbered, with its scenario written out, or into another scenario."""
    first = reply(transitions=(move("start", None, "ask"), move("transition", "ask", "sure")), scenario=at("refund", "sure"))
    second = reply(transitions=(move("transition", "sure", "only", "other"),), scenario=at("other", "only"))
    trace = trace_case("case", "script", turns(first, second))
    for name in ("refund/ask → sure", "refund/ask → sure (2)", "refund/ask → refund/sure"):
        assert trace.hit("transition", name) == (0,)
    for name in ("refund/sure → other/only", "refund/sure → other/"):
        assert trace.hit("transition", name) == (1,)
    assert trace.hit("transition", "other/sure → only") == ()


def test_an_edge_out_of_a_step_of_the_same_name_belongs_to_where_the_conversation_stood() -> None:
    """Two scenarios may have a step of one name; the edge is the one of the scenario the conversation was in."""
    first = reply(transitions=(move("start", None, "ask", "other"),), scenario=at("other", "ask"))
    second = reply(transitions=(move("transition", "ask", "sure", "refund"),), scenario=at("refund", "sure"))
    trace = trace_case("case", "script", turns(first, second))
    assert trace.hit("transition", "other/ask → refund/sure") == (1,)
    assert trace.hit("transition", "refund/ask → sure") == ()


def test_after_a_broken_turn_the_record_alone_says_where_an_edge_began() -> None:
    """Where the conversation stood is not carried over a turn that broke."""
    stood = reply(scenario=at("other", "ask"))
    moved = reply(transitions=(move("transition", "ask", "sure", "refund"),), scenario=at("refund", "sure"))
    trace = trace_case("case", "script", turns(stood, Fault("timeout", "too slow"), moved))
    assert trace.hit("transition", "refund/ask → sure") == (2,)


def test_exits_and_relocalisations_are_edges_of_their_own() -> None:
    """An exit may be the scenario's or a transition to the end; relocalisations are named by where they lead."""
    moves = (move("relocalise", "sure", "ask"), move("exit", "ask", None, reason="'leave'"))
    trace = trace_case("case", "script", turns(reply(transitions=moves)))
    assert trace.hit("relocalise", "refund → ask") == (0,)
    assert trace.hit("exit", "refund") == trace.hit("transition", "refund/ask → end") == (0,)
    assert [(one.kind, one.name, one.step, one.reason) for one in trace.moves][1] == ("exit", "refund", "ask", "'leave'")


def test_a_move_without_a_scenario_is_of_the_one_it_stands_in() -> None:
    """An engine may leave the scenario's name out of a move; without any it is passed over."""
    stood = reply(scenario=at("refund", "ask"))
    moved = reply(transitions=(move("transition", "ask", "sure", None),), scenario=at("refund", "sure"))
    assert trace_case("case", "script", turns(stood, moved)).hit("transition", "refund/ask → sure") == (1,)
    assert trace_case("case", "script", turns(moved)).hit("transition", "refund/ask → sure") == ()


def test_near_misses_and_what_was_dropped_are_told_apart() -> None:
    """A candidate that was too weak is a near miss; one that a filter dropped is suppressed, with the filter and by what."""
    first = reply(
        candidates=(dropped("start", "near-miss"), dropped("greet", "cooldown", "1 of 2 turns"), dropped("limit", ""))
    )
    second = reply("start", candidates=(dropped("greet", "outranked", "start"),))
    trace = trace_case("case", "script", turns(first, second))
    assert trace.near == {("rule", "start"): (0,)}
    assert trace.suppressed["rule", "greet"] == ((0, "cooldown", "1 of 2 turns"), (1, "outranked", "start"))
    assert trace.considered("rule", "greet") == (0, 1)
    assert trace.considered("rule", "start") == (0,)


def test_pairs_and_arguments_are_kept_once_a_turn() -> None:
    """Rules active in one turn are paired in the order of their names; an argument's values are bounded JSON."""
    told = reply("start", "greet", tools=(call("look", order="x" * 500), call("look", order={"b": 1, "a": [2]})))
    trace = trace_case("case", "script", turns(told, reply("greet", "start")))
    assert trace.pairs == (("greet", "start"), ("greet", "start"))
    long, short = trace.arguments
    assert short == ("look", "order", '{"a":[2],"b":1}')
    assert len(long[2]) == 80
    assert long[2].endswith("…")


def test_arguments_that_are_not_known_are_left_out() -> None:
    """A call whose arguments the engine does not tell is a hit of its tool and nothing more."""
    unknown = call("look")
    trace = trace_case("case", "script", turns(reply(tools=(type(unknown)("look"),))))
    assert trace.hit("tool", "look") == (0,)
    assert trace.arguments == ()

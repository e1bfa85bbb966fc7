"""Traces added up: states, shares, scripts that stand alone, and bounds that hold whatever the records are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from focal_eval.coverage import State, items_of, trace_case
from focal_eval.coverage.edited import Edited, edited_items
from focal_eval.coverage.matrix import MOST_UNLISTED, MOST_VALUES, Matrix, Row, share, worst_first
from focal_eval.coverage.model import Key
from focal_eval.records import UNKNOWN, Reply
from tests.coverage.shop import agent, at, call, dropped, enforced, move, reply, turns


@pytest.fixture
def matrix(tmp_path: Path) -> Matrix:
    """A matrix of the shop, with nothing in it."""
    return Matrix(items_of(agent(tmp_path)))


def put(matrix: Matrix, *replies: Reply, script: str = "one", **checked: Any) -> None:
    """Adds a case with these replies."""
    matrix.add(trace_case(script, script, turns(*replies)), **checked)


def row(matrix: Matrix, kind: str, name: str) -> Row:
    """The row of one item."""
    return next(found for found in matrix.rows() if found.item.key == (kind, name))


def states(matrix: Matrix, kind: str) -> dict[str, State]:
    """The states of one kind by name."""
    return {found.item.name: found.state for found in matrix.rows([kind])}


def test_a_rule_is_hit_near_suppressed_or_missed(matrix: Matrix) -> None:
    """The best that happened to a rule in any turn is its state; a hit outweighs what dropped it elsewhere."""
    put(matrix, reply("greet", candidates=(dropped("start", "near-miss"), dropped("old", "disabled"))))
    put(matrix, reply(candidates=(dropped("greet", "cooldown"),)), script="two")
    assert states(matrix, "rule") == {
        "greet": State.HIT, "start": State.NEAR, "limit": State.MISSED, "old": State.SUPPRESSED,
    }  # fmt: skip
    put(matrix, reply(candidates=(dropped("start", "scope", "refund"),)), script="three")
    assert row(matrix, "rule", "start").state is State.SUPPRESSED


def test_what_no_turn_tells_is_unknown_and_in_no_share(matrix: Matrix) -> None:
    """A kind that the engine never reports is unknown, not missed, and counts neither way."""
    put(matrix, reply("greet", tools=UNKNOWN))
    assert states(matrix, "tool") == {"look": State.UNKNOWN}
    assert share(matrix.rows(["tool"]), "hit") == (0, 0)


def test_what_some_turns_tell_is_judged_by_those(matrix: Matrix) -> None:
    """An item that no telling turn hit is missed; how many turns did not tell stands beside it."""
    put(matrix, reply(), reply(tools=UNKNOWN), reply(tools=UNKNOWN))
    assert row(matrix, "tool", "look").state is State.MISSED
    assert row(matrix, "tool", "look").silent == 2


def test_nothing_is_known_of_no_turn(matrix: Matrix) -> None:
    """Without a single reply everything is unknown."""
    assert {found.state for found in matrix.rows()} == {State.UNKNOWN}
    assert share(matrix.rows(), "hit") == (0, 0)


def test_a_rule_that_is_switched_off_does_not_count_unless_it_is_hit(matrix: Matrix) -> None:
    """Nobody is asked to cover what cannot match."""
    put(matrix, reply("greet"))
    assert share(matrix.rows(["rule"]), "hit") == (1, 3)
    put(matrix, reply("old"))
    assert share(matrix.rows(["rule"]), "hit") == (2, 4)


def test_asserted_needs_a_hit_in_the_same_turn(matrix: Matrix) -> None:
    """An expectation counts where it would miss the item in a turn that hit it; without judging nothing is known."""
    put(matrix, reply("greet"))
    assert row(matrix, "rule", "greet").asserted is None
    put(matrix, reply("greet"), reply("start"), asserted={("rule", "greet"): (1,)}, refuted={})
    assert row(matrix, "rule", "greet").asserted is False
    put(matrix, reply("greet"), asserted={("rule", "greet"): (0,)}, refuted={("rule", "start"): (0,)}, script="two")
    assert row(matrix, "rule", "greet").asserted is True
    assert row(matrix, "rule", "greet").tally.asserted == 1
    assert row(matrix, "rule", "start").tally.refuted == 1
    assert share(matrix.rows(["rule"]), "asserted") == (1, 3)


ALWAYS, VIP, YES = "refund/ask → sure (3)", "refund/ask → sure", "refund/ask → sure (2)"


@pytest.mark.parametrize(("reason", "name"), [("always", ALWAYS), ("vip", VIP), ("'yes'", YES), ("'sure', 'yes'", YES)])
def test_edges_of_one_name_are_told_apart_by_the_agents_own_reasons(matrix: Matrix, reason: str, name: str) -> None:
    """The embedded agent says why it took an edge: only the edge that can say so was taken."""
    put(matrix, reply(transitions=(move("start", None, "ask"), move("transition", "ask", "sure", reason=reason))))
    found = states(matrix, "transition")
    assert [edge for edge in (VIP, YES, ALWAYS) if found[edge] is State.HIT] == [name]
    assert {found[edge] for edge in (VIP, YES, ALWAYS) if edge != name} == {State.MISSED}


@pytest.mark.parametrize(("own", "reason"), [(True, "because of the weather"), (False, "always")])
def test_edges_that_nobody_can_tell_apart_are_unknown(matrix: Matrix, own: bool, reason: str) -> None:
    """Where a reason fits none of the edges, or is another engine's, it may have been any of them."""
    matrix.own_reasons = own
    put(matrix, reply(transitions=(move("start", None, "ask"), move("transition", "ask", "sure", reason=reason))))
    found = states(matrix, "transition")
    assert {found[edge] for edge in (VIP, YES, ALWAYS)} == {State.UNKNOWN}
    assert row(matrix, "transition", VIP).tally.either == 1


@pytest.mark.parametrize(
    ("said", "kind", "name"),
    [("'never'", "exit", "refund"), ("'leaves'", "exit", "refund"), ("'no'", "transition", "refund/sure → end")],
)
def test_leaving_a_scenario_and_an_edge_to_its_end_are_told_apart(matrix: Matrix, said: str, kind: str, name: str) -> None:
    """Both are exits in the record; the words that led to it belong to one of them only."""
    stood = reply(transitions=(move("start", None, "sure"),), scenario=at("refund", "sure"))
    put(matrix, stood, reply(transitions=(move("exit", "sure", None, reason=said),)))
    hits = {found.item.key for found in matrix.rows(["exit", "transition"]) if found.state is State.HIT}
    assert hits == {(kind, name)}


def test_a_script_stands_alone_with_what_no_other_touches_or_checks(matrix: Matrix) -> None:
    """Touching the same is enough to be idle, unless it is checked nowhere else."""
    put(matrix, reply("greet", "start"), script="both", asserted={}, refuted={})
    put(matrix, reply("greet"), script="again", asserted={("rule", "greet"): (0,)}, refuted={})
    put(matrix, reply("greet"), script="idle", asserted={}, refuted={})
    assert matrix.alone() == {"again": [("rule", "greet")], "both": [("rule", "start")], "idle": []}


def test_outcomes_pairs_and_arguments_are_counted(matrix: Matrix) -> None:
    """Constraints by what they did, pairs by turns, values by cases with the most frequent first."""
    told = reply("greet", "start", enforcement=(enforced("limit", "passed"),), tools=(call("look", order="A-1"),))
    put(matrix, told, told)
    put(matrix, reply(enforcement=(enforced("limit", "fallback"),), tools=(call("look", order="B-2"),)))
    put(matrix, reply(tools=(call("look", order="A-1"),)))
    assert row(matrix, "constraint", "limit").tally.outcomes == {"passed": 2, "fallback": 1}
    assert matrix.pairs["greet", "start"] == 2
    assert [(one.tool, one.name, dict(one.values)) for one in matrix.arguments()] == [
        ("look", "order", {'"A-1"': 2, '"B-2"': 1})
    ]


def test_what_the_agent_does_not_have_is_told_and_bounded(matrix: Matrix) -> None:
    """Records of a hostile engine may name a rule for every turn; only so many are kept, and the rest is counted."""
    put(matrix, *(reply(f"made-up-{number}") for number in range(MOST_UNLISTED + 10)))
    assert len(matrix.unlisted) == MOST_UNLISTED
    assert matrix.left_out["items"] == 10
    assert len(matrix.items) == len(matrix.tallies)


def test_values_of_an_argument_are_bounded(matrix: Matrix) -> None:
    """Only so many values are kept; calls with others are counted."""
    put(matrix, *(reply(tools=(call("look", order=number),)) for number in range(MOST_VALUES + 5)))
    (argument,) = matrix.arguments()
    assert len(argument.values) == MOST_VALUES
    assert argument.others == 5


def test_without_an_agent_what_the_records_show_is_all_there_is() -> None:
    """Items are made as they are seen; none of them can be missed."""
    matrix = Matrix(None)
    put(matrix, reply("greet", transitions=(move("start", None, "ask"), move("transition", "ask", "sure"))))
    keys = {found.item.key for found in matrix.rows()}
    assert {("rule", "greet"), ("transition", "refund/ask → sure"), ("step", "refund/sure"), ("start", "refund")} <= keys
    assert {found.state for found in matrix.rows()} == {State.HIT}
    assert {found.item.line for found in matrix.rows()} == {None}


def test_the_worst_stand_first(matrix: Matrix) -> None:
    """Missed, near misses, what is suppressed, what is hit and nobody would miss, then what is asserted."""
    told = reply("greet", "start", candidates=(dropped("limit", "near-miss"), dropped("old", "disabled")), template="hello")
    put(matrix, told, asserted={("rule", "greet"): (0,)}, refuted={})
    order = [(str(found.state), found.asserted) for found in worst_first(matrix.rows(["rule", "template"]))]
    assert order == [
        ("missed", False), ("missed", False), ("near", False), ("suppressed", False),
        ("hit", False), ("hit", False), ("hit", True),
    ]  # fmt: skip


def edits() -> Iterator[tuple[Edited, set[Key]]]:
    """Edits with the items they concern."""
    yield Edited(("rule", "limit"), "edited"), {("rule", "limit"), ("constraint", "limit")}
    yield Edited(("rule", "limit"), "removed"), set()
    yield (
        Edited(("scenario", "refund"), "edited"),
        {("scenario", "refund"), ("start", "refund"), ("exit", "refund"), ("relocalise", "refund → ask")},
    )
    yield Edited(("transition", VIP), "added"), {("transition", VIP)}
    yield Edited(("trigger", "yes"), "edited", ("trigger:yes", f"transition:{YES}")), {("transition", YES)}
    yield (
        Edited(("setting", "settings.threshold"), "edited", ("rule:*",)),
        {("rule", name) for name in ("greet", "start", "limit", "old")} | {("constraint", "limit")},
    )


@pytest.mark.parametrize(("edit", "keys"), list(edits()), ids=lambda value: value.part[1] if isinstance(value, Edited) else "")
def test_an_edit_concerns_what_it_changes_and_what_it_decides_about(tmp_path: Path, edit: Edited, keys: set[Key]) -> None:
    """An edited part concerns its items; a trigger or a setting those it reaches; what was removed concerns none."""
    assert set(edited_items(items_of(agent(tmp_path)), [edit])) == keys

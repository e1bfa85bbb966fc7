"""How a plan is cut: who is where, how full the shards are, and who moves when cases come and go."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from focal_eval.runner.plan import Plan, cases_of
from focal_eval.runner.shard import SLACK, Shard, assign, cut, missing, shard_from, weigh
from tests.runner.desk import script_of
from tests.thorough import examples


def loads(weights: dict[str, float], of: int) -> list[float]:
    out = [0.0] * of
    for key, shard in assign(weights, of).items():
        out[shard] += weights[key]
    return out


def suite_of(count: int, seed: int = 7) -> dict[str, float]:
    source = random.Random(seed)
    return {f"returns/case-{number}": float(source.randint(3, 9)) for number in range(count)}


WEIGHTS = st.dictionaries(st.text(max_size=8), st.floats(0, 1e6, allow_nan=False), max_size=60)


@given(WEIGHTS, st.integers(1, 20))
@settings(max_examples=examples(150), deadline=None)
def test_every_case_is_in_one_shard_and_none_is_empty_that_need_not_be(weights: dict[str, float], of: int) -> None:
    """All cases have a shard that there is, in whatever order they come; as many shards are used as there are cases."""
    found = assign(weights, of)
    assert found.keys() == weights.keys()
    assert assign(dict(reversed(weights.items())), of) == found
    assert len(set(found.values())) == min(of, len(weights))


@given(WEIGHTS, st.integers(1, 12))
@settings(max_examples=examples(150), deadline=None)
def test_no_shard_is_longer_than_a_bound(weights: dict[str, float], of: int) -> None:
    """The longest shard is within a few per cent and one case of the best that can be, or is a case that fills it alone."""
    longest = max(weights.values(), default=0.0)
    best = max(sum(weights.values()) / of, longest)
    assert max(loads(weights, of)) <= best * SLACK * 1.021 + longest


@pytest.mark.parametrize(("count", "of"), [(218, 3), (218, 8), (1000, 10)])
def test_shards_are_about_equally_long(count: int, of: int) -> None:
    """Of conversations of a few turns, the longest shard is within 8 % of the average."""
    found = loads(suite_of(count), of)
    assert max(found) <= 1.08 * sum(found) / of


@pytest.mark.parametrize("of", [2, 3, 8])
def test_one_more_case_moves_next_to_none(of: int) -> None:
    """A case that is added or taken away moves less than one other in fifty on average; position would move most of them."""
    weights = suite_of(300)
    before = assign(weights, of)
    moved = 0
    for trial in range(10):
        after = assign({**weights, f"new/{trial}": 5.0}, of)
        moved += sum(before[key] != after[key] for key in before)
        gone = f"returns/case-{trial * 17}"
        left = assign({key: weight for key, weight in weights.items() if key != gone}, of)
        moved += sum(before[key] != left[key] for key in left)
    assert moved / 20 < 300 / 50


def test_a_case_longer_than_a_part_is_alone() -> None:
    """The others share what is left, and are not spread by what the long one takes."""
    weights = {"long": 1000.0, **{f"short-{number}": 1.0 for number in range(40)}}
    found = assign(weights, 3)
    assert sum(shard == found["long"] for shard in found.values()) == 1
    assert sorted(loads(weights, 3))[0] >= 19


def test_unknown_cases_are_as_long_a_turn_as_known_ones() -> None:
    """Times stand where they are known; a case without one is taken by its turns at the others' rate; without any, by turns."""
    assert weigh({"a": 2, "b": 4, "c": 3}, {"a": 100.0, "b": 200.0, "gone": 9.0}) == {"a": 100.0, "b": 200.0, "c": 150.0}
    assert weigh({"a": 2, "b": 4}, {}) == {"a": 2.0, "b": 4.0}
    assert weigh({"a": 2, "b": 4}, {"a": 0.0}) == {"a": 0.0, "b": 4.0}


def test_repeats_stay_together_and_in_order() -> None:
    """All repeats of a case are in its shard, in the plan's order; the parts make the plan."""
    cases = [case for name in "abcdefg" for case in cases_of(script_of(f"turns: [{{user: {name}}}]", name), 3, "rotate")]
    plan = Plan(tuple(cases), len(cases), len(cases))
    parts = [cut(plan, Shard(index, 3)).plan for index in (1, 2, 3)]
    for part in parts:
        assert [case.repeat for case in part.cases] == [1, 2, 3] * (len(part.cases) // 3)
        assert part.turns == len(part.cases)
    assert sorted(case.id for part in parts for case in part.cases) == sorted(case.id for case in cases)


def test_recorded_times_change_the_cut_and_its_digest() -> None:
    """Shards that were cut by other times can be told apart; those of one cut have one digest."""
    cases = [case for name in "abcdefgh" for case in cases_of(script_of(f"turns: [{{user: {name}}}]", name), 1, "rotate")]
    plan = Plan(tuple(cases), len(cases), len(cases))
    times = {"a": 900.0, "b": 500.0, "c": 400.0}
    assert len({cut(plan, Shard(index, 3)).cuts for index in (1, 2, 3)}) == 1
    assert cut(plan, Shard(1, 3)).cuts != cut(plan, Shard(1, 3), times).cuts


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("3", "'3' is not of the form I/N, such as 1/3"),
        ("a/3", "'a/3' is not of the form I/N"),
        ("0/3", "'0/3': shards are counted from 1 to 3"),
        ("4/3", "'4/3': shards are counted from 1 to 3"),
        ("1/0", "'1/0': a run has 1 to 10,000 shards"),
        ("1/20000", "a run has 1 to 10,000 shards"),
        ("-1/3", "'-1/3' is not of the form"),
        ("1/3/5", "'1/3/5' is not of the form"),
        ("٣/٣", "is not of the form"),
    ],
)
def test_what_is_no_shard_is_told(text: str, problem: str) -> None:
    """A sentence says what was expected."""
    with pytest.raises(ValueError, match=problem.replace("(", r"\(")):
        shard_from(text)


def test_a_shard_is_read() -> None:
    """`2/3` is the second of three, and missing ones are told."""
    assert shard_from("2/3") == Shard(2, 3)
    assert str(Shard(2, 3)) == "2/3"
    assert missing(4, [2, 4]) == [1, 3]

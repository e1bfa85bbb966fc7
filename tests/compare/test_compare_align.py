"""Turns and other sequences are aligned, never shifted."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from focal_eval.compare import align as aligning
from focal_eval.compare.align import Pair, Said, align, align_turns, likeness
from focal_eval.compare.keys import case_key
from tests.thorough import examples

TEXTS = st.sampled_from(
    ["yes", "no", "I want a refund for order A-1001", "Where is my parcel?", "It arrived broken", "thanks", "ok"]
)
NAMES = st.one_of(st.none(), st.sampled_from(["opening", "number", "yes"]))
TURNS = st.lists(st.builds(Said, NAMES, st.one_of(st.none(), TEXTS, st.text(max_size=12))), max_size=9)


def befores(pairs: list[Pair]) -> list[int]:
    return [one for one, _ in pairs if one is not None]


def afters(pairs: list[Pair]) -> list[int]:
    return [other for _, other in pairs if other is not None]


@given(TURNS, TURNS)
def test_each_turn_stands_once_and_in_order(before: list[Said], after: list[Said]) -> None:
    """Whatever the two sides are, each turn of each side comes once, in the order it was said."""
    pairs = align_turns(before, after)
    assert befores(pairs) == list(range(len(before)))
    assert afters(pairs) == list(range(len(after)))
    assert (None, None) not in pairs


@given(TURNS)
def test_equal_sequences_align_one_to_one(turns: list[Said]) -> None:
    """A conversation against itself has each turn beside itself."""
    assert align_turns(turns, list(turns)) == [(place, place) for place in range(len(turns))]


@given(TURNS, st.data())
def test_one_insertion_shifts_nothing(turns: list[Said], data: st.DataObject) -> None:
    """A turn put in anywhere stands alone; every other turn finds its equal, forwards and backwards."""
    place = data.draw(st.integers(0, len(turns)))
    new = data.draw(st.builds(Said, st.none(), st.text(max_size=20)))
    longer = [*turns[:place], new, *turns[place:]]
    for pairs in (align_turns(turns, longer), [(b, a) for a, b in align_turns(longer, turns)]):
        assert [pair for pair in pairs if pair[0] is None] == [(None, next(b for a, b in pairs if a is None))]
        assert all(turns[a] == longer[b] for a, b in pairs if a is not None and b is not None)
        assert len(pairs) == len(longer)


@given(TURNS, TURNS)
def test_alignment_is_as_good_from_both_sides(before: list[Said], after: list[Said]) -> None:
    """What is paired is as much alike whichever side comes first."""
    there, back = align(before, after, likeness), align(after, before, likeness)
    forwards = sum(likeness(before[a], after[b]) for a, b in there if a is not None and b is not None)
    backwards = sum(likeness(after[a], before[b]) for a, b in back if a is not None and b is not None)
    assert abs(forwards - backwards) < 1e-9


def said(*texts: str | None) -> list[Said]:
    return [Said(None, text) for text in texts]


def test_a_reworded_turn_stays_in_its_place() -> None:
    """Another text in the same place is the same turn, alike or not."""
    before = said("hi", "I want my money back for the mug", "yes")
    assert align_turns(before, said("hi", "I want my money back for that mug", "yes")) == [(0, 0), (1, 1), (2, 2)]
    assert align_turns(before, said("hi", "Quiero el reembolso", "yes")) == [(0, 0), (1, 1), (2, 2)]


def test_a_reworded_turn_is_found_beside_an_inserted_one() -> None:
    """Likeness decides which of two new turns is the old one."""
    before = said("hi", "Please cancel my order A-1001", "bye")
    after = said("hi", "It is about a rug", "Please cancel the order A-1001", "bye")
    assert align_turns(before, after) == [(0, 0), (None, 1), (1, 2), (2, 3)]


def test_names_bind_and_part() -> None:
    """A named turn is found by its name whatever it says; two names are two turns."""
    before = [Said("ask", "first wording of it"), Said("confirm", "yes")]
    assert align_turns(before, [Said("ask", "wholly other text"), Said("confirm", "yes")]) == [(0, 0), (1, 1)]
    assert align_turns(before[:1], [Said("other", "first wording of it")]) == [(0, None), (None, 0)]


def test_a_turn_of_the_agents_is_no_turn_of_the_users() -> None:
    """Where the agent speaks first there is no text to reword."""
    assert align_turns(said(None), said("hi")) == [(0, None), (None, 0)]
    assert align_turns(said(None, "hi"), said("hi")) == [(0, None), (1, 0)]


@settings(max_examples=examples(50))
@given(st.lists(st.integers(0, 5), max_size=12), st.lists(st.integers(0, 5), max_size=12))
def test_long_sequences_are_aligned_by_what_is_equal(before: list[int], after: list[int]) -> None:
    """Beyond the table's bound only equal items are paired, as many as the table would pair."""

    def alike(one: int, other: int) -> float:
        return float(one == other)

    table = align(before, after, alike)
    bound, aligning.MAX_CELLS = aligning.MAX_CELLS, -1
    try:
        long = align(before, after, alike)
    finally:
        aligning.MAX_CELLS = bound
    assert befores(long) == list(range(len(before)))
    assert afters(long) == list(range(len(after)))
    assert sum(None not in pair for pair in long) == sum(None not in pair for pair in table)


def test_a_case_is_named_without_its_repeat() -> None:
    """Only the number of its own repeat is taken off a name."""
    assert case_key("returns/mug[item=cup]#2", "returns/mug", 2) == "returns/mug[item=cup]"
    assert case_key("returns/mug#2", "returns/mug#2", 1) == case_key("returns/mug#2", "returns/mug#2", 2) == "returns/mug#2"
    assert case_key("returns/mug", "returns/mug", 1) == "returns/mug"

"""Delta debugging: what is left shows the thing, and nothing of it can go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from focal_eval.experiment.ddmin import Probes, Shown, smallest

Parts = frozenset[int]


def asking(shows: object) -> Probes:
    return Probes(lambda part: Shown.YES if shows(frozenset(part)) else Shown.NO)  # type: ignore[operator]  # a predicate


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.frozensets(st.integers(0, n - 1), max_size=6))))
def test_the_needed_items_are_found_exactly(case: tuple[int, Parts]) -> None:
    """Where a fixed set of items is needed, just that set is left."""
    count, needed = case
    probes = asking(lambda part: needed <= part)
    assert frozenset(smallest(range(count), probes)) == needed
    assert probes.asked <= count * count + 3 * count + 1


@given(st.lists(st.frozensets(st.integers(0, 11), min_size=1, max_size=4), min_size=1, max_size=4), st.data())
def test_what_is_left_is_minimal_by_one(ways: list[Parts], data: st.DataObject) -> None:
    """With several ways to show it and probes that say nothing, no single item can go."""
    unsure = data.draw(st.frozensets(st.frozensets(st.integers(0, 11)), max_size=20))

    def shows(part: Parts) -> bool:
        return part not in unsure and any(way <= part for way in ways)

    if not shows(frozenset(range(12))):
        return
    left = frozenset(smallest(range(12), asking(shows)))
    assert shows(left)
    if len(left) > 1:
        assert not any(shows(left - {one}) for one in left)


def test_a_part_is_asked_about_once_and_the_limit_holds() -> None:
    """No part is tried twice, and with the probes spent the smallest part known is kept."""
    seen: list[tuple[int, ...]] = []

    def ask(part: tuple[int, ...]) -> Shown:
        seen.append(part)
        return Shown.YES if {3, 17} <= set(part) else Shown.NO

    assert smallest(range(20), Probes(ask)) == (3, 17)
    assert len(seen) == len(set(seen))
    enough = len(seen)
    few = Probes(ask, at_most=6)
    left = smallest(range(20), few)
    assert few.spent
    assert few.asked == 6 < enough
    assert {3, 17} <= set(left)


def test_items_that_are_not_needed_at_all_leave_nothing() -> None:
    """Where the thing shows without any item, none is left."""
    assert smallest("abc", asking(lambda _: True)) == ()
    assert smallest("", asking(lambda _: False)) == ()

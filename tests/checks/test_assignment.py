"""Matchings are optimal: compared with brute force."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from focal_eval.checks.assignment import cheapest, matching
from tests.thorough import examples


@st.composite
def tables(draw: st.DrawFn, cell: st.SearchStrategy[float]) -> list[list[float]]:
    rows, columns = draw(st.integers(0, 5)), draw(st.integers(1, 5))
    return [[draw(cell) for _ in range(columns)] for _ in range(rows)]


@given(tables(st.sampled_from([0.0, 1.0])))
@settings(max_examples=examples(150), deadline=None)
def test_a_matching_matches_as_many_as_can_be(table: list[list[float]]) -> None:
    """No assignment of rows to columns has more fits, and no column is given twice."""
    fits = [[bool(cell) for cell in row] for row in table]
    found = matching(fits)
    taken = [column for column in found if column is not None]
    assert len(set(taken)) == len(taken)
    assert all(column is None or fits[row][column] for row, column in enumerate(found))
    assert len(taken) == _most(fits)


def _most(fits: list[list[bool]]) -> int:
    if not fits:
        return 0
    columns = [*range(len(fits[0])), *[-1] * len(fits)]
    return max(
        sum(int(column >= 0 and fits[row][column]) for row, column in enumerate(chosen))
        for chosen in set(permutations(columns, len(fits)))
    )


@given(tables(st.integers(0, 20).map(float)))
@settings(max_examples=examples(150), deadline=None)
def test_the_cheapest_assignment_costs_least(table: list[list[float]]) -> None:
    """The assignment uses as many rows as fit and no other one is cheaper."""
    found = cheapest(table)
    pairs = [(row, column) for row, column in enumerate(found) if column is not None]
    columns = len(table[0]) if table else 0
    assert len(pairs) == len({column for _, column in pairs}) == min(len(table), columns)
    assert sum(table[row][column] for row, column in pairs) == _least(table)


def _least(table: list[list[float]]) -> float:
    if not table:
        return 0.0
    rows, columns = len(table), len(table[0])
    if rows <= columns:
        return min(sum(table[r][c] for r, c in enumerate(chosen)) for chosen in permutations(range(columns), rows))
    return min(sum(table[r][c] for c, r in enumerate(chosen)) for chosen in permutations(range(rows), columns))


def test_a_long_reply_does_not_exhaust_the_stack() -> None:
    """A chain of thousands of displacements is followed without recursion."""
    size = 1500
    fits = [[column in (row, row + 1) for column in range(size)] for row in range(size - 1)]
    fits.append([column == 0 for column in range(size)])
    assert all(column is not None for column in matching(fits))

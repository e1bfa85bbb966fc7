"""Who goes with whom: matchings between what was expected and what was observed, optimal and not greedy."""

from __future__ import annotations

from collections.abc import Sequence


def matching(fits: Sequence[Sequence[bool]]) -> list[int | None]:
    """For each row the column it is matched with, None where it has none; as many rows as possible are matched.

    Augmenting paths (Kuhn), without recursion, so that a long reply cannot exhaust the stack.
    """
    columns = len(fits[0]) if fits else 0
    row_of: list[int | None] = [None] * columns
    column_of: list[int | None] = [None] * len(fits)
    for start in range(len(fits)):
        _augment(start, fits, row_of, column_of)
    return column_of


def _augment(start: int, fits: Sequence[Sequence[bool]], row_of: list[int | None], column_of: list[int | None]) -> None:
    came_from: dict[int, int] = {}  # column → the row that reached it
    queue = [start]
    for row in queue:
        for column, fit in enumerate(fits[row]):
            if not fit or column in came_from:
                continue
            came_from[column] = row
            taken_by = row_of[column]
            if taken_by is not None:
                queue.append(taken_by)
                continue
            free: int | None = column
            while free is not None:  # flip the path back to its start
                owner = came_from[free]
                before = column_of[owner]
                row_of[free], column_of[owner] = owner, free
                free = before
            return


def cheapest(costs: Sequence[Sequence[float]]) -> list[int | None]:
    """For each row its column in an assignment of least total cost; None for rows beyond the number of columns.

    The Hungarian method with potentials, O(rows² · columns).
    """
    rows, columns = len(costs), len(costs[0]) if costs else 0
    if rows == 0 or columns == 0:
        return [None] * rows
    if rows > columns:
        turned = cheapest([[costs[row][column] for row in range(rows)] for column in range(columns)])
        out: list[int | None] = [None] * rows
        for column, row in enumerate(turned):
            if row is not None:
                out[row] = column
        return out
    return _hungarian(costs, rows, columns)


def _hungarian(costs: Sequence[Sequence[float]], rows: int, columns: int) -> list[int | None]:
    row_price, column_price = [0.0] * (rows + 1), [0.0] * (columns + 1)
    owner = [0] * (columns + 1)  # column → row, both from 1; 0 is nobody
    for row in range(1, rows + 1):
        owner[0] = row
        way = _cheapest_way(costs, row_price, column_price, owner)
        column = next(c for c in way[1] if owner[c] == 0)
        while column:
            before = way[0][column]
            owner[column] = owner[before]
            column = before
    out: list[int | None] = [None] * rows
    for column in range(1, columns + 1):
        if owner[column]:
            out[owner[column] - 1] = column - 1
    return out


def _cheapest_way(
    costs: Sequence[Sequence[float]], row_price: list[float], column_price: list[float], owner: list[int]
) -> tuple[list[int], list[int]]:
    """The way back from each column and the columns reached, the last of them free; prices are adjusted in place."""
    columns = len(column_price) - 1
    slack = [float("inf")] * (columns + 1)
    before = [0] * (columns + 1)
    used = [False] * (columns + 1)
    reached = []
    column = 0
    while owner[column]:
        used[column] = True
        row, step, following = owner[column], float("inf"), 0
        for other in range(1, columns + 1):
            if used[other]:
                continue
            reduced = costs[row - 1][other - 1] - row_price[row] - column_price[other]
            if reduced < slack[other]:
                slack[other], before[other] = reduced, column
            if slack[other] < step:
                step, following = slack[other], other
        for other in range(columns + 1):
            if used[other]:
                row_price[owner[other]] += step
                column_price[other] -= step
            else:
                slack[other] -= step
        column = following
        reached.append(column)
    return before, reached

"""Which items of two sequences belong together: nothing is shifted by what was inserted or taken out.

Needleman and Wunsch's alignment (J. Mol. Biol. 48, 1970) without a price for gaps, over the middle that two sequences do
not share: what they begin and end with alike is taken as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeVar

from focal_eval.text import fold

T = TypeVar("T", bound=Hashable)
Pair = tuple[int | None, int | None]

MAX_CELLS = 250_000  # of the table; longer sequences are aligned by what is equal alone
_ALIKE = 0.6  # from here on two texts are one turn, reworded


class Said(NamedTuple):
    """What a turn is known by."""

    name: str | None
    text: str | None  # None where the agent speaks first


def align(before: Sequence[T], after: Sequence[T], alike: Callable[[T, T], float]) -> list[Pair]:
    """Pairs of positions, in order, each position once; None stands on the side where there is nothing to go with.

    `alike` says how much two items belong together: most for equal ones, 0 for those that never do.
    """
    if before == after:
        return [(place, place) for place in range(len(before))]
    start, end = _shared(before, after)
    middle = before[start : len(before) - end], after[start : len(after) - end]
    few = len(middle[0]) * len(middle[1]) <= MAX_CELLS
    found = _best(*middle, alike) if few else _equal_ones(*middle)
    ends = [(len(before) - end + place, len(after) - end + place) for place in range(end)]
    matched = [
        *((place, place) for place in range(start)),
        *((one + start, other + start) for one, other in found),
        *ends,
    ]
    return list(_filled(matched, len(before), len(after)))


def align_turns(before: Sequence[Said], after: Sequence[Said]) -> list[Pair]:
    """Turns by their name, their text, then by how alike their texts are; as many new ones in the place of old are reworded."""
    if before == after:
        return [(place, place) for place in range(len(before))]
    return list(_by_place(align(before, after, likeness), before, after))


def likeness(one: Said, other: Said) -> float:
    """How much two turns are the same one: 0 for never, 4 for equal words."""
    if one.name is not None and other.name is not None and one.name != other.name:
        return 0.0
    named = 3.0 if one.name is not None and one.name == other.name else 0.0
    if one.text is None or other.text is None:
        return 4.0 if one.text is other.text else 0.0
    return max(named, 4.0 * text_likeness(one.text, other.text))


def text_likeness(one: str, other: str) -> float:
    """1 for the same words, 0 for texts that are not alike at all."""
    if one == other:
        return 1.0
    folded, against = fold(one), fold(other)
    if folded == against:
        return 0.99
    from rapidfuzz.fuzz import ratio

    share = float(ratio(folded, against, score_cutoff=100 * _ALIKE)) / 100
    return share * 0.9


def _shared(before: Sequence[T], after: Sequence[T]) -> tuple[int, int]:
    """How many items the two begin with alike, and end with alike beyond that."""
    most = min(len(before), len(after))
    start = next((place for place in range(most) if before[place] != after[place]), most)
    rest = most - start
    end = next((place for place in range(rest) if before[-1 - place] != after[-1 - place]), rest)
    return start, end


def _best(before: Sequence[T], after: Sequence[T], alike: Callable[[T, T], float]) -> list[tuple[int, int]]:
    """The pairs, in order, that together are the most alike."""
    wide = len(after) + 1
    alikes = [[alike(one, other) for other in after] for one in before]
    total = [[0.0] * wide for _ in range(len(before) + 1)]
    for row in range(len(before) - 1, -1, -1):
        here, below, likes = total[row], total[row + 1], alikes[row]
        for column in range(wide - 2, -1, -1):
            like = likes[column]
            best = below[column] if below[column] >= here[column + 1] else here[column + 1]
            here[column] = max(best, like + below[column + 1]) if like > 0 else best
    found, row, column = [], 0, 0
    while row < len(before) and column < len(after):
        like = alikes[row][column]
        if like > 0 and total[row][column] == like + total[row + 1][column + 1]:
            found.append((row, column))
            row, column = row + 1, column + 1
        elif total[row][column] == total[row + 1][column]:
            row += 1
        else:
            column += 1
    return found


def _equal_ones(before: Sequence[T], after: Sequence[T]) -> list[tuple[int, int]]:
    """Equal items in order, for sequences that are too long for a table."""
    from rapidfuzz.distance import Indel

    return [
        (step.src_start + place, step.dest_start + place)
        for step in Indel.opcodes(before, after)
        if step.tag == "equal"
        for place in range(step.src_end - step.src_start)
    ]


def _filled(matched: Sequence[tuple[int, int]], before: int, after: int) -> Iterator[Pair]:
    """The matched pairs with all that stands alone between them, what was taken out first."""
    edges = [(-1, -1), *matched, (before, after)]
    for (row, column), (next_row, next_column) in pairwise(edges):
        yield from ((place, None) for place in range(row + 1, next_row))
        yield from ((None, place) for place in range(column + 1, next_column))
        if next_row < before or next_column < after:
            yield next_row, next_column


def _by_place(pairs: Sequence[Pair], before: Sequence[Said], after: Sequence[Said]) -> Iterator[Pair]:
    """Pairs where a stretch of turns that stand alone is as long on both sides, and could be the same turns, reworded."""
    gone: list[int] = []
    came: list[int] = []
    for one, other in [*pairs, (-1, -1)]:
        if one is not None and other is None:
            gone.append(one)
        elif one is None and other is not None:
            came.append(other)
        else:
            if len(gone) == len(came) and all(_could(before[a], after[b]) for a, b in zip(gone, came, strict=True)):
                yield from zip(gone, came, strict=True)
            else:
                yield from ((place, None) for place in gone)
                yield from ((None, place) for place in came)
            gone, came = [], []
            if one != -1:
                yield one, other


def _could(one: Said, other: Said) -> bool:
    differ = one.name is not None and other.name is not None and one.name != other.name
    return not differ and (one.text is None) is (other.text is None)

"""What differs between two sequences of names: what went, what came, what moved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from focal_eval.compare.align import Pair, align
from focal_eval.compare.model import Difference, Lane


def sequence(lane: Lane, before: Sequence[str], after: Sequence[str], path: str) -> list[Difference]:
    """Texts that went, came, or stand in another place; `before` and `after` are their places."""
    return changes(lane, align(before, after, lambda one, other: float(one == other)), before, after, path)


def changes(lane: Lane, pairs: Iterable[Pair], before: Sequence[str], after: Sequence[str], path: str) -> list[Difference]:
    """What is unpaired went or came; where the same name did both, it moved."""
    alone = [pair for pair in pairs if None in pair]
    gone = {one: before[one] for one, _ in alone if one is not None}
    came = {other: after[other] for _, other in alone if other is not None}
    moved: dict[int, int] = {}
    for place, name in came.items():
        there = next((one for one, known in gone.items() if known == name and one not in moved), None)
        if there is not None:
            moved[there] = place
    targets = set(moved.values())
    return [
        *(Difference(lane, "removed", name, one, None, (path, one)) for one, name in gone.items() if one not in moved),
        *(Difference(lane, "added", name, None, other, (path, other)) for other, name in came.items() if other not in targets),
        *(Difference(lane, "moved", gone[one], one, other, (path, other)) for one, other in moved.items()),
    ]

"""Whether expected calls are found among observed ones, in three orders; parallel calls have no order among themselves.

`fits[i][j]` says whether expected call i fits observed call j. Observed calls stand in blocks: the calls of one block were
reported together. Every order is stricter than the next: strict ⊂ in_order ⊂ any.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from focal_eval.checks.assignment import matching
from focal_eval.records import ToolCall

Order = Literal["strict", "in_order", "any"]
Fits = Sequence[Sequence[bool]]
Block = Sequence[int]


def blocks_of(calls: Sequence[ToolCall]) -> list[list[int]]:
    """The positions of the calls, neighbours with an equal `group` together."""
    out: list[list[int]] = []
    before: int | None = None
    for position, call in enumerate(calls):
        if call.group is not None and call.group == before:
            out[-1].append(position)
        else:
            out.append([position])
        before = call.group
    return out


def found_in(order: Order, fits: Fits, blocks: Sequence[Block]) -> bool:
    """Whether all expected calls are found in that order, each as a call of its own."""
    if not fits:
        return True
    if order == "any":
        return None not in matching(fits)
    if order == "in_order":
        return longest_start(fits, blocks) == len(fits)
    return any(_unbroken(fits, blocks, first) for first in range(len(blocks)))


def longest_start(fits: Fits, blocks: Sequence[Block]) -> int:
    """How many expected calls, from the first on, are found in order with others between.

    Taking as many as possible from each block is optimal: what remains is then the shortest possible rest.
    """
    done = 0
    for block in blocks:
        if done == len(fits):
            break
        done += _run(fits, done, block)
    return done


def _run(fits: Fits, start: int, block: Block) -> int:
    """How many expected calls from `start` on fit into one block, each as a call of its own."""
    if len(block) == 1:
        return int(fits[start][block[0]])
    taken = 0
    while taken < len(block) and start + taken < len(fits):
        rows = [[row[position] for position in block] for row in fits[start : start + taken + 1]]
        if None in matching(rows):
            break
        taken += 1
    return taken


def _unbroken(fits: Fits, blocks: Sequence[Block], first: int) -> bool:
    """Whether all expected calls are found from block `first` on with no other call between them.

    The first and the last block may hold more: what else they hold can be thought before or after.
    """
    most = _run(fits, 0, blocks[first])
    return any(_fills(fits, taken, blocks[first + 1 :]) for taken in range(most, 0, -1))


def _fills(fits: Fits, done: int, blocks: Sequence[Block]) -> bool:
    for block in blocks:
        if done == len(fits):
            return True
        step = _run(fits, done, block)
        if step == 0 or (step < len(block) and done + step < len(fits)):
            return False
        done += step
    return done == len(fits)

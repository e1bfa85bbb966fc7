"""Delta debugging: the smallest part of a list that still shows something.

The algorithm is ddmin of Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (IEEE Transactions on
Software Engineering 28, 2002): what is left is 1-minimal, no single item can go without the thing being gone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")


class Shown(StrEnum):
    """What a probe said."""

    YES = "yes"
    NO = "no"
    UNSURE = "unsure"  # something else was seen, or it could not be tried


Ask = Callable[[tuple[int, ...]], Shown]


class Probes:
    """Asks about parts of a list by their positions, each part once; counts what it asked."""

    def __init__(self, ask: Ask, *, at_most: int | None = None) -> None:
        self._ask = ask
        self._known: dict[tuple[int, ...], Shown] = {}
        self.at_most = at_most

    @property
    def asked(self) -> int:
        """How many parts were really tried."""
        return len(self._known)

    @property
    def spent(self) -> bool:
        """Whether no further part may be tried; what is not known then is unsure."""
        return self.at_most is not None and self.asked >= self.at_most

    def shows(self, part: tuple[int, ...]) -> bool:
        found = self._known.get(part)
        if found is None:
            if self.spent:
                return False
            found = self._known[part] = self._ask(part)
        return found is Shown.YES


def smallest(items: Sequence[T], probes: Probes) -> tuple[T, ...]:
    """A 1-minimal part of the items that shows it, in their order; all of them must show it, which is not asked.

    Where probes are spent the part is the smallest found until then. At most about n² probes, n log n as a rule.
    """
    part = tuple(range(len(items)))
    if not part or probes.shows(()):
        return ()
    pieces = 2
    while len(part) > 1:
        chunks = _split(part, pieces)
        smaller = next((chunk for chunk in chunks if probes.shows(chunk)), None)
        if smaller is not None:
            part, pieces = smaller, 2
            continue
        rests = (tuple(one for one in part if one not in set(chunk)) for chunk in chunks)
        smaller = next((rest for rest in rests if probes.shows(rest)), None) if pieces > 2 else None
        if smaller is not None:
            part, pieces = smaller, max(pieces - 1, 2)
        elif pieces >= len(part):
            break
        else:
            pieces = min(len(part), 2 * pieces)
    return tuple(items[place] for place in part)


def _split(part: tuple[int, ...], pieces: int) -> list[tuple[int, ...]]:
    """The part in so many pieces of nearly one size."""
    cuts = [len(part) * number // pieces for number in range(pieces + 1)]
    return [part[start:end] for start, end in pairwise(cuts) if start < end]

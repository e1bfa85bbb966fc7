"""What an import left behind: counted by kind, each kind with a sentence and the place of its first example."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from focal_eval.source import Span


@dataclass(frozen=True, slots=True)
class Loss:
    """One kind of thing that the scripts do not hold."""

    kind: str  # "system-prompt"
    what: str  # what it is and what became of it, in words
    count: int
    example: Span  # the first one


class Losses:
    """Counts what is dropped; a place may be given as a function, called for the first of its kind alone."""

    __slots__ = ("_found", "_sentences")

    def __init__(self, sentences: dict[str, str]) -> None:
        self._sentences = sentences
        self._found: dict[str, tuple[int, Span]] = {}

    def add(self, kind: str, place: Span | Callable[[], Span]) -> None:
        """Counts one; `kind` must have a sentence."""
        assert kind in self._sentences, f"no sentence says what '{kind}' is"
        count, first = self._found.get(kind, (0, None))
        self._found[kind] = (count + 1, first or (place() if callable(place) else place))

    def listed(self) -> tuple[Loss, ...]:
        """Every kind that was found, the most frequent first."""
        found = [Loss(kind, self._sentences[kind], count, place) for kind, (count, place) in self._found.items()]
        return tuple(sorted(found, key=lambda loss: (-loss.count, loss.kind)))

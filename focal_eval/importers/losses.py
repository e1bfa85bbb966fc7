"""What an import kept, took over with another meaning, or left behind: counted by kind, each loss with its first place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from focal_eval.source import Span


@dataclass(frozen=True, slots=True)
class Loss:
    """One kind of thing that the scripts do not hold, or hold only nearly."""

    kind: str  # "system-prompt"
    what: str  # what it is and what became of it, in words
    count: int
    example: Span  # the first one
    fate: Literal["dropped", "approximated"] = "dropped"


class Losses:
    """Counts what is dropped; a place may be given as a function, called for the first of its kind alone.

    Kinds named in `approximated` are in the scripts, with nearly the same meaning; `keep` counts what came over as it was.
    """

    __slots__ = ("_approximated", "_found", "_kept", "_sentences")

    def __init__(self, sentences: Mapping[str, str], approximated: frozenset[str] = frozenset()) -> None:
        assert approximated <= set(sentences), f"no sentence says what {sorted(approximated - set(sentences))} are"
        self._sentences = sentences
        self._approximated = approximated
        self._found: dict[str, tuple[int, Span]] = {}
        self._kept: dict[str, int] = {}

    def add(self, kind: str, place: Span | Callable[[], Span]) -> None:
        """Counts one; `kind` must have a sentence."""
        assert kind in self._sentences, f"no sentence says what '{kind}' is"
        count, first = self._found.get(kind, (0, None))
        self._found[kind] = (count + 1, first or (place() if callable(place) else place))

    def keep(self, what: str, count: int = 1) -> None:
        """Counts what came over as it was; `what` is said in the plural, such as `tool calls`."""
        if count:
            self._kept[what] = self._kept.get(what, 0) + count

    def kept(self) -> dict[str, int]:
        """What came over as it was, the most frequent first."""
        return dict(sorted(self._kept.items(), key=lambda item: (-item[1], item[0])))

    def listed(self) -> tuple[Loss, ...]:
        """Every kind that was found, the most frequent first."""
        found = [
            Loss(kind, self._sentences[kind], count, place, "approximated" if kind in self._approximated else "dropped")
            for kind, (count, place) in self._found.items()
        ]
        return tuple(sorted(found, key=lambda loss: (-loss.count, loss.kind)))

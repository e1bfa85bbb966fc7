"""How near a rule's condition comes to a message: words in common by default, meaning by a scorer from outside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

from focal_eval.text import words

STEM = 5  # letters: cuts inflection off, crudely and in any language
CONTEXT = 0.25  # weight of the agent's last words, once the message itself hits
_EMPTY = (
    "a an and are as at be by can do does for from has have i in is it its me my of on or our the their they this to us "
    "was we what when where which will with you your customer user client asks wants says reports "
    "der die das den dem ein eine einen und oder ist sind ich mein meine mit zu von auf für im in es kunde "
    "el la los las un una y o es son de del en con para por mi mis que se cliente"
)
_EMPTY_WORDS = frozenset(_EMPTY.split())


class Scorer(Protocol):
    """Scores conditions against a message; the same input must give the same scores, 0 to 1."""

    def scores(self, message: str, previous: str, conditions: tuple[str, ...]) -> Sequence[float]:
        """One score a condition; `previous` is what the agent said last."""
        ...


def _terms(text: str) -> list[str]:
    return [word[:STEM] for word in words(text) if word not in _EMPTY_WORDS]


class LexicalScorer:
    """BM25 over the conditions, as a share of what a condition's own text would score."""

    def scores(self, message: str, previous: str, conditions: tuple[str, ...]) -> Sequence[float]:
        index = _index(conditions)
        here = index.shares(_terms(message))
        if not previous or not any(here):
            return here
        before = index.shares(_terms(previous))
        return [min(1.0, score + CONTEXT * old) if score else 0.0 for score, old in zip(here, before, strict=True)]


class _Index:
    def __init__(self, conditions: tuple[str, ...]) -> None:
        corpus = [_terms(text) or [""] for text in conditions]
        self._ranking = _ranking_class()(corpus)
        scored = (self._ranking.get_scores(sorted(set(terms))) for terms in corpus)
        self._own = [max(float(scores[place]), 1e-9) for place, scores in enumerate(scored)]

    def shares(self, query: list[str]) -> list[float]:
        terms = [term for term in sorted(Counter(query)) if term]
        if not terms:
            return [0.0] * len(self._own)
        scores = self._ranking.get_scores(terms)
        return [round(min(1.0, float(score) / own), 4) for score, own in zip(scores, self._own, strict=True)]


@lru_cache(maxsize=1)
def _ranking_class() -> Any:
    import math

    from rank_bm25 import BM25Okapi

    class Positive(BM25Okapi):  # type: ignore[misc]  # rank_bm25 is untyped
        """BM25 whose weights are never negative: a word that every condition has counts little, not against it."""

        def _calc_idf(self, nd: dict[str, int]) -> None:
            size = self.corpus_size
            self.idf = {word: math.log(1 + (size - n + 0.5) / (n + 0.5)) for word, n in nd.items()}

    return Positive


@lru_cache(maxsize=64)
def _index(conditions: tuple[str, ...]) -> _Index:
    return _Index(conditions)

"""What a text says that likeness of meaning does not see: its numbers, and whether it denies; and its parts, to be compared."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise

from focal_eval.text import fold, words

MOST_PARTS = 64  # of one text; a longer one is compared by its first ones, and as a whole

_SENTENCE = re.compile(r"(?<=[.!?…。])[\"')\]]*\s+|\n+")
_CLAUSE = re.compile(r"[,;:.!?…]\s")
_NUMBER = re.compile(r"(?<![\w.,])\d+(?:[.,:]\d+)*")
_COUNTED = {
    "en": "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen twenty",
    "de": "zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn "
    "neunzehn zwanzig",
    "es": "dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete dieciocho "
    "diecinueve veinte",
}
_TENS = {
    "en": "thirty forty fifty sixty seventy eighty ninety",
    "de": "dreißig vierzig fünfzig sechzig siebzig achtzig neunzig",
    "es": "treinta cuarenta cincuenta sesenta setenta ochenta noventa",
}
_ONCE = {"once", "first"}  # `once` is eleven in Spanish, and no number in English
_WORDS: dict[str, str] = {
    **{word: str(number) for row in _COUNTED.values() for number, word in enumerate(row.split(), 2) if word not in _ONCE},
    **{word: str(10 * number) for row in _TENS.values() for number, word in enumerate(row.split(), 3)},
    "first": "1",
}
_WORDS |= {fold(word): number for word, number in _WORDS.items()}

_DENYING = frozenset(
    [
        "not",
        "no",
        "never",
        "none",
        "nobody",
        "nothing",
        "neither",
        "nor",
        "cannot",
        "without",
        "unable",
        "nowhere",
        "nicht",
        "nichts",
        "nie",
        "niemals",
        "niemand",
        "nirgends",
        "ohne",
        "kein",
        "keine",
        "keinen",
        "keinem",
        "keiner",
        "keines",
        "nunca",
        "jamás",
        "nadie",
        "nada",
        "ningún",
        "ninguna",
        "ninguno",
        "sin",
        "tampoco",
    ]
)


@lru_cache(maxsize=4096)
def numbers(text: str) -> frozenset[str]:
    """The numbers in a text, as digits: `18.50` is 18.5, `fünf` is 5, `1,200` is 1200. One is left out: `a` says it, too."""
    found = {_plain(match) for match in _NUMBER.findall(fold(text))}
    found |= {_WORDS[word] for word in words(text) if word in _WORDS}
    return frozenset(found)


def _plain(number: str) -> str:
    if ":" in number:
        return number
    number = re.sub(r"[.,](?=\d{3}(?!\d))", "", number).replace(",", ".")
    return number.rstrip("0").rstrip(".") if number.count(".") == 1 else number


@lru_cache(maxsize=4096)
def denies(text: str) -> bool:
    """Whether a text denies, in English, German or Spanish: one of its clauses does, in which two denials make none."""
    return any(_denials(clause) % 2 for clause in _CLAUSE.split(fold(text)))


def _denials(clause: str) -> int:
    return sum(word in _DENYING or word.endswith("n't") for word in words(clause))


@lru_cache(maxsize=1024)
def parts(text: str) -> tuple[str, ...]:
    """What of a text may say a meaning: all of it, each sentence, each two that follow one another; each once."""
    whole = text.strip()
    sentences = [part.strip() for part in _SENTENCE.split(whole) if part.strip()][:MOST_PARTS]
    if len(sentences) < 2:
        return (whole,)
    pairs = [f"{first} {second}" for first, second in pairwise(sentences)]
    return tuple(dict.fromkeys([whole, *sentences, *pairs]))


@lru_cache(maxsize=4096)
def _stems(text: str) -> frozenset[str]:
    return frozenset(word[:5] for word in words(text))


def lexical(one: str, other: str) -> float:
    """How alike the words of two texts are, 0 to 1: twice the beginnings of words both have, by those either has."""
    first, second = _stems(one), _stems(other)
    if not first or not second:
        return 0.0
    return 2 * len(first & second) / (len(first) + len(second))

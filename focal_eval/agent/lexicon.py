"""Every word, word start and phrase of an agent, found in a message in one pass over its words."""

from __future__ import annotations

from focal_eval.text import words

Token = tuple[str, bool]  # a word, and whether it is only the start of one


def tokens(text: str) -> tuple[Token, ...]:
    """An authored word or phrase as folded words; a trailing `*` marks a word's start. Empty where it holds no word."""
    out: list[Token] = []
    for part in text.split():
        folded = words(part)
        if not folded:
            continue
        out.extend((word, False) for word in folded[:-1])
        out.append((folded[-1], part.endswith("*")))
    return tuple(out)


class Lexicon:
    """Gives each distinct word, start and phrase a number, and finds those that occur."""

    __slots__ = ("_first", "_ids", "_loose", "_starts", "_widths", "_words", "texts")

    def __init__(self) -> None:
        self._ids: dict[tuple[Token, ...], int] = {}
        self._words: dict[str, int] = {}
        self._starts: dict[str, int] = {}
        self._widths: tuple[int, ...] = ()
        self._first: dict[str, list[tuple[tuple[Token, ...], int]]] = {}
        self._loose: list[tuple[tuple[Token, ...], int]] = []  # phrases whose first word is a start
        self.texts: list[str] = []  # number → how it was written

    def copy(self) -> Lexicon:
        """One that can be added to; numbers stay."""
        made = Lexicon()
        made._ids, made._words, made._starts = {**self._ids}, {**self._words}, {**self._starts}
        made._widths, made._loose, made.texts = self._widths, [*self._loose], [*self.texts]
        made._first = {word: [*phrases] for word, phrases in self._first.items()}
        return made

    def add(self, text: str) -> int | None:
        """The number of a word or phrase, None where it holds no word at all."""
        key = tokens(text)
        if not key:
            return None
        if key in self._ids:
            return self._ids[key]
        number = self._ids[key] = len(self.texts)
        self.texts.append(text)
        (word, start), single = key[0], len(key) == 1
        if single and start:
            self._starts[word] = number
            self._widths = tuple(sorted({*self._widths, len(word)}))
        elif single:
            self._words[word] = number
        elif start:
            self._loose.append((key, number))
        else:
            self._first.setdefault(word, []).append((key, number))
        return number

    def find(self, said: list[str]) -> dict[int, int]:
        """Number → place of its first occurrence among the words said."""
        hits: dict[int, int] = {}
        known, starts, first = self._words, self._starts, self._first
        for place, word in enumerate(said):
            number = known.get(word)
            if number is not None and number not in hits:
                hits[number] = place
            for width in self._widths:
                number = starts.get(word[:width])
                if number is not None and number not in hits:
                    hits[number] = place
            if word in first:
                self._phrases(first[word], said, place, hits)
            if self._loose:
                self._phrases(self._loose, said, place, hits)
        return hits

    @staticmethod
    def _phrases(phrases: list[tuple[tuple[Token, ...], int]], said: list[str], place: int, hits: dict[int, int]) -> None:
        for key, number in phrases:
            if number in hits or place + len(key) > len(said):
                continue
            window = said[place : place + len(key)]
            if all(word.startswith(text) if start else word == text for word, (text, start) in zip(window, key, strict=True)):
                hits[number] = place

"""Words a response can be turned around by: what negates a sentence in English, German and Spanish, in one place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

Swap = tuple[str, str]

TAKEN_OUT: Mapping[str, Sequence[Swap]] = {
    "en": (
        ("cannot", "can"), ("can't", "can"), ("won't", "will"), ("don't", "do"), ("doesn't", "does"), ("didn't", "did"),
        ("isn't", "is"), ("aren't", "are"), ("wasn't", "was"), ("haven't", "have"), ("hasn't", "has"), ("never", "always"),
        ("nothing", "everything"), ("not", ""), ("no", "a"),
    ),
    "de": (("kein", "ein"), ("keine", "eine"), ("keinen", "einen"), ("nie", "immer"), ("nichts", "alles"), ("nicht", "")),
    "es": (("nunca", "siempre"), ("nada", "todo"), ("ningún", "un"), ("ninguna", "una"), ("no", "")),
}  # fmt: skip
"""A negation and what stands in its place without it, the longer forms first."""

PUT_IN: Mapping[str, Sequence[Swap]] = {
    "en": (
        ("can", "cannot"), ("will", "will not"), ("is", "is not"), ("are", "are not"), ("was", "was not"), ("has", "has not"),
        ("have", "do not have"), ("may", "may not"), ("must", "must not"), ("should", "should not"), ("do", "do not"),
        ("does", "does not"), ("costs", "does not cost"), ("goes", "does not go"), ("takes", "does not take"),
        ("ship", "do not ship"), ("i", "I do not"),
    ),
    "de": (
        ("kann", "kann nicht"), ("können", "können nicht"), ("ist", "ist nicht"), ("sind", "sind nicht"),
        ("wird", "wird nicht"), ("werden", "werden nicht"), ("darf", "darf nicht"), ("habe", "habe nicht"),
        ("haben", "haben nicht"), ("kostet", "kostet nicht"), ("geht", "geht nicht"), ("eine", "keine"), ("ein", "kein"),
    ),
    "es": (
        ("puedo", "no puedo"), ("puede", "no puede"), ("pueden", "no pueden"), ("es", "no es"), ("está", "no está"),
        ("son", "no son"), ("hay", "no hay"), ("tiene", "no tiene"), ("tengo", "no tengo"), ("se", "no se"),
        ("cuesta", "no cuesta"), ("he", "no he"), ("ha", "no ha"),
    ),
}  # fmt: skip
"""A word and how it is negated."""

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_GAP = re.compile(r"(?<=[.!?…])(\s+)")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")


def sentences(text: str) -> list[str]:
    """The sentences of a text and, between them, the white space that parts them: joined they are the text."""
    return _GAP.split(text)


def negated(sentence: str, language: str | None) -> str | None:
    """The sentence with one negation taken out, or else put in; None where no word of the tables is in it.

    Without a known language the one most of whose table's words are there is taken.
    """
    words = list(_WORD.finditer(sentence))
    chosen = language if language is not None and language in TAKEN_OUT else _likely(words)
    for table in (TAKEN_OUT[chosen], PUT_IN[chosen]):
        swaps = dict(table)
        for word in words:
            plain = word[0].casefold().replace("’", "'")
            if plain in swaps:
                return _put(sentence, word, swaps[plain])
    return None


def _likely(words: Sequence[re.Match[str]]) -> str:
    said = {word[0].casefold() for word in words}
    counts = {name: len(said & {word for word, _ in (*TAKEN_OUT[name], *PUT_IN[name])}) for name in TAKEN_OUT}
    return max(counts, key=lambda name: counts[name])


def _put(sentence: str, word: re.Match[str], new: str) -> str:
    """The sentence with another word there, in the case of the old one; a word that is only taken out leaves no gap."""
    if word[0][:1].isupper():
        new = new[:1].upper() + new[1:]
    end = word.end()
    if not new and sentence[end : end + 1] == " ":
        end += 1
    return sentence[: word.start()] + new + sentence[end:]


def other_numbers(text: str) -> Iterator[tuple[str, str, str]]:
    """Each number of the text with another in its place: the number, the other one, and the text with it."""
    for found in _NUMBER.finditer(text):
        other = altered_text(found[0])
        yield found[0], other, text[: found.start()] + other + text[found.end() :]


def altered_text(text: str) -> str:
    """Another text that looks the same: its last letter or digit is the next one, so that an id stays an id."""
    for place in range(len(text) - 1, -1, -1):
        letter = text[place]
        if letter.isdigit() and letter.isascii():
            return text[:place] + str((int(letter) + 1) % 10) + text[place + 1 :]
        if letter.isalpha() and letter.isascii():
            following = "a" if letter == "z" else "A" if letter == "Z" else chr(ord(letter) + 1)
            return text[:place] + following + text[place + 1 :]
    return text + "x"

"""Short texts that a pattern matches, the same ones for the same seed.

`rstr` walks the pattern and writes as it goes; what it leaves to chance is narrowed here to plain letters, digits and spaces.
It does not know what looks ahead and behind must not find, so every text is searched with the pattern before it is given.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from focal_eval.clock import seeded
from focal_eval.pattern import PatternTimeout, compile_pattern

if TYPE_CHECKING:
    from random import Random

TRIES = 60  # texts written for one pattern
LONGEST = 200  # characters of a text
_REPEATS = 6  # at most, where a pattern sets no bound; few are more readable than many

_PROPERTIES = {
    "L": "a-z", "Letter": "a-z", "Alpha": "a-z", "Ll": "a-z", "Lower": "a-z", "Lu": "A-Z", "Upper": "A-Z",
    "N": "0-9", "Nd": "0-9", "Digit": "0-9", "P": ".!?", "Punct": ".!?", "Z": " ", "Zs": " ", "Sc": "$€",
}  # fmt: skip
_TOKEN = re.compile(r"\\(?:p\{\^?(?P<name>\w+)\}|p(?P<short>\w)|.)|\[|\]|[^\\\[\]]+", re.DOTALL)


def texts_of(pattern: str, seed: int, most: int = 4) -> tuple[str, ...]:
    """Up to `most` different texts in which the pattern is found, short ones first; none where it cannot be written."""
    return _texts(pattern, seed)[:most]


@lru_cache(maxsize=4096)
def _texts(pattern: str, seed: int) -> tuple[str, ...]:
    try:
        found = compile_pattern(pattern, ignore_case=True)
        tree = _parsed(_plain(pattern))
    except (ValueError, re.error, OverflowError, RecursionError):
        return ()
    writer = _writer(seeded(seed))
    made: dict[str, None] = {}
    for _ in range(TRIES):
        try:
            text = " ".join(writer.written(tree).split())
        except (KeyError, ValueError, IndexError, RecursionError):  # a construct the writer does not know
            continue
        try:
            if text and len(text) <= LONGEST and text not in made and found.search(text) is not None:
                made[text] = None
        except PatternTimeout:
            return ()
    return tuple(sorted(made, key=lambda text: (len(text), text)))


def _plain(pattern: str) -> str:
    """The pattern as Python's own parser reads it: properties of characters become ranges of plain ones."""
    out: list[str] = []
    inside = False
    for match in _TOKEN.finditer(pattern):
        text, name = match[0], match["name"] or match["short"]
        if name is not None:
            if name not in _PROPERTIES:
                raise ValueError(f"no plain characters stand for {text}")
            text = _PROPERTIES[name] if inside else f"[{_PROPERTIES[name]}]"
        elif text in "[]":
            inside = text == "["
        out.append(text)
    return "".join(out)


def _parsed(pattern: str) -> Any:
    import re._parser as parser  # type: ignore[import-not-found]  # what rstr parses with; not in the stubs

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return parser.parse(pattern)


def _writer(random: Random) -> Any:
    return _writer_class()(random, whitespace=" ", digits="0123456789", word="abcdefghiklmnoprstuvw", nonword=" ",
                           nonwhitespace="abcdefghiklmnoprstuvw", nondigits="abcdefghiklmnoprstuvw")  # fmt: skip


@lru_cache(maxsize=1)
def _writer_class() -> Any:
    from rstr.xeger import Xeger

    class Writer(Xeger):
        """Writes readable texts; the choices depend on nothing but the random numbers given."""

        def __init__(self, random: Random, **alphabets: str) -> None:
            super().__init__(random, **alphabets)
            self._cases = {
                **self._cases,
                "any": lambda _: self._random.choice("abcdefghiklmnoprstuvw"),
                "not_literal": lambda code: next(char for char in "ax" if ord(char) != code),
                "atomic_group": lambda inner: "".join(self._handle_state(one) for one in inner),
                "possessive_repeat": lambda part: self._handle_repeat(*part),
            }

        def written(self, tree: Any) -> str:
            self._cache.clear()
            return str(self._build_string(tree))

        def _handle_in(self, value: Any) -> Any:
            held: list[Any] = [one for part in value for one in self._handle_state(part)]
            if held[0] is not False:
                return self._random.choice(held)
            barred: Sequence[Any] = held[1:]
            return self._random.choice([char for char in "abcdefghiklmnoprstuvw 0123456789" if char not in barred])

        def _handle_repeat(self, start_range: int, end_range: int, value: Any) -> str:
            most = min(int(end_range), int(start_range) + _REPEATS)
            times = self._random.choice((int(start_range), self._random.randint(int(start_range), most)))
            return "".join("".join(self._handle_state(one) for one in value) for _ in range(times))

    return Writer

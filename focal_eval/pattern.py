"""Patterns with a time limit: what an author or an agent file gives as a regular expression is never run without one."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

TIME_LIMIT_S = 0.25  # of one search
MAX_PATTERN = 2_000  # characters
MAX_REPEATS = 20_000  # items after the least count of every `{n}` is written out, which is what the library does

_REPEAT = re.compile(r"\{(\d+)(?:,\d*)?\}")
_SET = re.compile(r"\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]", re.DOTALL)
_OTHER_RULES = re.compile(r"\(\?[a-zA-Z0-9]*(?:x|V1)")  # verbose patterns and nested sets: brackets mean something else there


class PatternTimeout(Exception):
    """A search took longer than `TIME_LIMIT_S`."""

    def __init__(self, pattern: str) -> None:
        super().__init__(f"the pattern {pattern!r} took longer than {TIME_LIMIT_S:g} s on this text")


class Pattern:
    """A compiled pattern; searches anywhere in the text and raises `PatternTimeout` rather than hang."""

    __slots__ = ("_compiled", "_needed", "groups", "ignore_case", "text")

    def __init__(self, text: str, *, ignore_case: bool = False) -> None:
        import regex

        if len(text) > MAX_PATTERN:
            raise ValueError(f"the pattern is longer than {MAX_PATTERN} characters")
        if _written_out(text) > MAX_REPEATS:
            raise ValueError(f"the pattern repeats its parts more than {MAX_REPEATS:,} times")
        flags = regex.VERSION0 | (regex.IGNORECASE if ignore_case else 0)
        try:
            self._compiled: Any = regex.compile(text, flags)
        except (regex.error, OverflowError, RecursionError, MemoryError) as problem:
            raise ValueError(f"not a pattern: {problem}") from None
        self.text, self.ignore_case = text, ignore_case
        self.groups: tuple[str, ...] = tuple(self._compiled.groupindex)
        self._needed = needed(text)

    def search(self, text: str) -> Any:
        """A match with `.group()`, `.groupdict()`, `.span()`, or None."""
        if self._needed and self._hopeless(text):
            return None
        try:
            return self._compiled.search(text, timeout=TIME_LIMIT_S, concurrent=False)
        except TimeoutError:
            raise PatternTimeout(self.text) from None

    def finditer(self, text: str) -> Iterator[Any]:
        if self._needed and self._hopeless(text):
            return
        try:
            yield from self._compiled.finditer(text, timeout=TIME_LIMIT_S, concurrent=False)
        except TimeoutError:
            raise PatternTimeout(self.text) from None

    def _hopeless(self, text: str) -> bool:
        """Whether the text lacks what the pattern needs, which is much quicker to see than that it does not match."""
        if not text.isascii():
            return False
        lower = text.lower()
        for need in self._needed:  # noqa: SIM110  # a generator would take longer than the look
            if need in lower:
                return False
        return True

    def __repr__(self) -> str:
        return f"Pattern({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and (other.text, other.ignore_case) == (self.text, self.ignore_case)

    def __hash__(self) -> int:
        return hash(self.text)


def _written_out(text: str) -> int:
    """A bound from above on the items the regex library makes of a pattern: `(?:a{100}){100}` makes 10,000.

    It writes the least count of every `{n}` out before it looks at any text, so a short pattern could fill the memory
    where no time limit holds.
    """
    if _OTHER_RULES.search(text):
        product = 1
        for match in _REPEAT.finditer(text):
            product *= max(1, int(match[1]))
        return product * len(text)
    groups, last, index = [0], 0, 0  # items of each open group; items of what a `{n}` here would repeat
    while index < len(text):
        char, step = text[index], 1
        if char == "(" and not text.startswith("(?#", index):
            groups.append(0)
        elif char == "(":
            step = max(1, text.find(")", index) + 1 - index)
        elif char == ")" and len(groups) > 1:
            last = groups.pop()
            groups[-1] += last
        elif char == "{" and (found := _REPEAT.match(text, index)):
            step, times = len(found[0]), max(1, int(found[1][:9]))
            groups[-1] += last * (times - 1)
            last *= times
        elif char not in "*+?":
            found = _SET.match(text, index)
            step = 2 if char == "\\" else len(found[0]) if found else 1
            last = 1
            groups[-1] += 1
        index += step
    return sum(groups)


class _Unsure(Exception):
    """It is not known what the pattern needs."""


_FEWEST = 3  # letters of a text that is worth looking for
_MOST = 24  # texts that are looked for one by one
_DEEPEST = 20
_PLAIN_GROUP = re.compile(r"\(\?:|\(\?>|\(\?P?<[A-Za-z_]\w*>|\((?![?*])")
_LOOK = re.compile(r"\(\?<?[=!]")
_BRACES = re.compile(r"\{[^{}]*\}")
_DIGITS = frozenset("0123456789")  # what `\d` finds in an ASCII text
_LETTERS = re.compile(r"[A-Za-z0-9 '@,-]+")  # which stand for themselves, and of which lower case is what the library makes


def needed(text: str) -> tuple[str, ...]:
    """Texts in lower case of which an ASCII text in lower case holds at least one where the pattern is found in it.

    Empty where that is not known: of a pattern only what is written plainly is looked at.
    """
    try:
        found, end = _choice(text, 0, 0)
    except _Unsure:
        return ()
    return tuple(sorted(found)) if end == len(text) and found and len(found) <= _MOST else ()


def _choice(text: str, index: int, depth: int) -> tuple[frozenset[str], int]:
    """What one of several branches needs, up to the end of their group; nothing where one of them needs nothing."""
    if depth > _DEEPEST:
        raise _Unsure
    every: list[frozenset[str]] = []
    while True:
        found, index = _branch(text, index, depth)
        every.append(found)
        if index >= len(text) or text[index] == ")":
            return (frozenset().union(*every) if all(every) else frozenset()), index
        index += 1  # a bar


def _branch(text: str, index: int, depth: int) -> tuple[frozenset[str], int]:
    """The best of what items that follow each other need: the one whose shortest text is longest."""
    best, run = frozenset[str](), ""
    while True:
        item, after = _item(text, index, depth) if index < len(text) and text[index] not in "|)" else (None, index)
        needs, end = (item, after) if item is None else _counted(text, after, item)
        goes_on = type(needs) is str and end == after
        if type(needs) is str:
            run += needs.lower()
        if not goes_on:
            ended = frozenset({run}) if len(run) >= _FEWEST else frozenset[str]()
            best = max(best, ended, needs if isinstance(needs, frozenset) else best, key=_worth)
            run = ""
        if item is None:
            return best, index
        index = end


def _worth(texts: frozenset[str]) -> int:
    return min(map(len, texts), default=0)


def _counted(text: str, index: int, item: str | frozenset[str]) -> tuple[str | frozenset[str], int]:
    """What an item needs once it is known how often it comes, and where what says so ends."""
    if index >= len(text) or text[index] not in "?*+{":
        return item, index
    braces = _BRACES.match(text, index)
    if text[index] == "{" and braces is None:
        raise _Unsure
    end = index + 1 if braces is None else braces.end()
    times = _REPEAT.match(text, index)
    there = text[index] == "+" or (times is not None and int(times[1]) > 0)
    return item if there else frozenset(), end + (end < len(text) and text[end] in "?+")


def _item(text: str, index: int, depth: int) -> tuple[str | frozenset[str], int]:
    """One item, and where it ends: letters that are needed, or what a group needs."""
    char = text[index]
    if letters := _LETTERS.match(text, index):
        end = letters.end()
        end -= end - index > 1 and text[end : end + 1] in ("?", "*", "+", "{")  # that is said of the last letter alone
        return text[index:end], end
    if char == "(":
        look, group = _LOOK.match(text, index), _PLAIN_GROUP.match(text, index)
        opening = look or group
        if opening is None:
            raise _Unsure
        found, end = _choice(text, opening.end(), depth + 1)
        if end >= len(text):
            raise _Unsure
        return (found if look is None else frozenset()), end + 1
    if char == "[":
        if (found_set := _SET.match(text, index)) is None:
            raise _Unsure
        return frozenset(), found_set.end()
    if char == "\\":
        after = text[index + 1 : index + 2]
        if not after or (after.isalnum() and after not in "bBAZdDsSwW"):
            raise _Unsure
        return _DIGITS if after == "d" else frozenset(), index + 2
    if char in "*+?{":
        raise _Unsure
    return frozenset(), index + 1


@lru_cache(maxsize=4096)
def compile_pattern(text: str, *, ignore_case: bool = False) -> Pattern:
    """The pattern, cached. Raises ValueError with a sentence for the author."""
    return Pattern(text, ignore_case=ignore_case)

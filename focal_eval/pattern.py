"""Patterns with a time limit: what an author or an agent file gives as a regular expression is never run without one."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

TIME_LIMIT_S = 0.25  # of one search, in time of the processor
TRIES = 2
"""A machine that stands still for a moment, as one that is shared does, counts that as time of whatever it was doing. A search
that really takes too long does so each time."""
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

    __slots__ = ("_compiled", "groups", "ignore_case", "text")

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

    def search(self, text: str) -> Any:
        """A match with `.group()`, `.groupdict()`, `.span()`, or None."""
        try:
            return self._compiled.search(text, timeout=TIME_LIMIT_S, concurrent=False)
        except TimeoutError:
            return self._again(text)

    def _again(self, text: str) -> Any:
        for _ in range(TRIES - 1):
            try:
                return self._compiled.search(text, timeout=TIME_LIMIT_S, concurrent=False)
            except TimeoutError:
                continue
        raise PatternTimeout(self.text) from None

    def finditer(self, text: str) -> Iterator[Any]:
        """Every match, one after the other; raises `PatternTimeout` where the next one takes too long."""
        given = 0
        for _ in range(TRIES):
            try:
                for number, found in enumerate(self._compiled.finditer(text, timeout=TIME_LIMIT_S, concurrent=False)):
                    if number == given:
                        given += 1
                        yield found
                return
            except TimeoutError:
                continue
        raise PatternTimeout(self.text) from None

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


@lru_cache(maxsize=4096)
def compile_pattern(text: str, *, ignore_case: bool = False) -> Pattern:
    """The pattern, cached. Raises ValueError with a sentence for the author."""
    return Pattern(text, ignore_case=ignore_case)

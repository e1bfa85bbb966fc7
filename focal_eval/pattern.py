"""Patterns with a time limit: what an author or an agent file gives as a regular expression is never run without one."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

TIME_LIMIT_S = 0.25  # of one search
MAX_PATTERN = 2_000  # characters


class PatternTimeout(Exception):
    """A search took longer than `TIME_LIMIT_S`."""

    def __init__(self, pattern: str) -> None:
        super().__init__(f"the pattern {pattern!r} took longer than {TIME_LIMIT_S:g} s on this text")


class Pattern:
    """A compiled pattern; searches anywhere in the text and raises `PatternTimeout` rather than hang."""

    __slots__ = ("_compiled", "groups", "text")

    def __init__(self, text: str, *, ignore_case: bool = False) -> None:
        import regex

        if len(text) > MAX_PATTERN:
            raise ValueError(f"the pattern is longer than {MAX_PATTERN} characters")
        flags = regex.VERSION0 | (regex.IGNORECASE if ignore_case else 0)
        try:
            self._compiled: Any = regex.compile(text, flags)
        except (regex.error, OverflowError, RecursionError, MemoryError) as problem:
            raise ValueError(f"not a pattern: {problem}") from None
        self.text = text
        self.groups: tuple[str, ...] = tuple(self._compiled.groupindex)

    def search(self, text: str) -> Any:
        """A match with `.group()`, `.groupdict()`, `.span()`, or None."""
        try:
            return self._compiled.search(text, timeout=TIME_LIMIT_S, concurrent=False)
        except TimeoutError:
            raise PatternTimeout(self.text) from None

    def finditer(self, text: str) -> Iterator[Any]:
        try:
            yield from self._compiled.finditer(text, timeout=TIME_LIMIT_S, concurrent=False)
        except TimeoutError:
            raise PatternTimeout(self.text) from None

    def __repr__(self) -> str:
        return f"Pattern({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


@lru_cache(maxsize=4096)
def compile_pattern(text: str, *, ignore_case: bool = False) -> Pattern:
    """The pattern, cached. Raises ValueError with a sentence for the author."""
    return Pattern(text, ignore_case=ignore_case)

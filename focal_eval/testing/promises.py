"""How a kit says which promise was broken."""

from __future__ import annotations

from typing import NoReturn


class Kit:
    """One conformance kit at work: names the plug-in and the promise in every message."""

    __slots__ = ("kind", "subject")

    def __init__(self, kind: str, subject: object) -> None:
        self.kind = kind
        self.subject = subject.__name__ if isinstance(subject, type) else type(subject).__name__

    def broken(self, promise: str, seen: str, cause: BaseException | None = None) -> NoReturn:
        """Raises the AssertionError of a broken promise."""
        raise AssertionError(f"{self.kind} {self.subject}: {promise}; {seen}") from cause

    def holds(self, truth: bool, promise: str, seen: str) -> None:
        """Raises where the promise does not hold."""
        if not truth:
            self.broken(promise, seen)

    def crashed(self, promise: str, problem: BaseException) -> NoReturn:
        """Raises for an exception that no contract names."""
        self.broken(promise, f"it raised {type(problem).__name__}: {problem}", problem)

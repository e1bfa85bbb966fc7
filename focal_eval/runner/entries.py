"""A run's cases as they are listed: light entries, and where in the journal the rest of each stands."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from focal_eval.records import Json


class Place(NamedTuple):
    """Where a line stands in the journal, in bytes, without its line feed."""

    start: int
    end: int


class Places:
    """Places in order, sixteen bytes each: there is one for every turn of a run."""

    __slots__ = ("_flat",)

    def __init__(self, flat: array[int] | None = None) -> None:
        self._flat = array("q") if flat is None else flat

    @property
    def flat(self) -> list[int]:
        """Starts and ends in turn."""
        return self._flat.tolist()

    def append(self, place: Place) -> None:
        """Adds a place at the end."""
        self._flat.extend(place)

    def add(self, start: int, end: int) -> None:
        """The same, without a place."""
        self._flat.append(start)
        self._flat.append(end)

    def __len__(self) -> int:
        return len(self._flat) // 2

    def __getitem__(self, index: int) -> Place:
        return Place(self._flat[2 * index], self._flat[2 * index + 1])

    def __iter__(self) -> Iterator[Place]:
        flat = iter(self._flat)
        return map(Place, flat, flat)


@dataclass(slots=True)
class Attempt:
    """One try of a case; `verdict` is None where it was cut off."""

    number: int
    turns: Places = field(default_factory=Places)
    end: Place | None = None
    verdict: str | None = None
    reason: str | None = None
    elapsed_ms: float = 0.0
    failed: int = 0  # expectations that failed the case; checks that crashed and faults count too
    soft: int = 0  # soft expectations that failed
    message: str | None = None  # in one sentence: what broke first, else the first failure
    broke: bool = False  # whether `message` says what broke
    tolerated: tuple[str, ...] = ()  # names of findings that the suite lives with, one for each
    broken: list[int] = field(default_factory=list)  # positions in `turns` of the turns with a failure
    last: int = -1  # index of the last turn read


@dataclass(slots=True)
class Case:
    """One case with its attempts in order; the last one decides."""

    id: str
    name: str
    script: str
    title: str
    file: str
    line: int
    tags: tuple[str, ...]
    params: Mapping[str, Json]
    repeat: int
    channel: str | None
    planned: int
    marks: Mapping[str, str]
    place: Place
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """Of the last attempt; `not_run` where the run ended before it was over."""
        return (self.attempts[-1].verdict if self.attempts else None) or "not_run"

    @property
    def last(self) -> Attempt:
        return self.attempts[-1] if self.attempts else Attempt(1)

    @property
    def flaky(self) -> bool:
        """Passed, but only after an attempt that did not."""
        return self.verdict == "passed" and any(attempt.verdict != "passed" for attempt in self.attempts[:-1])

    @property
    def elapsed_ms(self) -> float:
        return sum(attempt.elapsed_ms for attempt in self.attempts)

    @property
    def message(self) -> str | None:
        """What broke or failed first, in one sentence, else why the case was skipped or cut off."""
        last = self.last
        if self.verdict == "not_run":
            return f"cut off after {len(last.turns)} of {self.planned} turns"
        if self.verdict == "xpassed":
            return last.reason or f"expected to fail ({self.marks.get('xfail', 'no reason given')}), but passed"
        return last.message or last.reason

    def places(self) -> list[Place]:
        """The case's lines: its header, then the turns and the end of each attempt."""
        out = [self.place]
        for attempt in self.attempts:
            out += attempt.turns
            if attempt.end is not None:
                out.append(attempt.end)
        return out

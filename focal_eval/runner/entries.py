"""A run's cases as they are listed: light entries, and where in the journal the rest of each stands."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from focal_eval.records import Json


class Place(NamedTuple):
    """Where a line stands in the journal, in bytes, without its line feed."""

    start: int
    end: int


LENGTH_BITS = 32  # of a packed place


def packed(place: Place) -> int:
    """A place as one number, a quarter of its size: there are some for every case."""
    return place.start << LENGTH_BITS | (place.end - place.start)


def unpacked(number: int) -> Place:
    """What `packed` gave."""
    start = number >> LENGTH_BITS
    return Place(start, start + (number & (1 << LENGTH_BITS) - 1))


def written(flat: Iterable[int]) -> str:
    """Starts and ends in turn as a short text: `start+length+length` of lines that follow each other, `;` before the next."""
    out, follows = "", -1
    numbers = iter(flat)
    for start, end in zip(numbers, numbers, strict=True):
        if start == follows:
            out += f"+{end - start}"
        else:
            out += f"{';' if out else ''}{start}+{end - start}"
        follows = end + 1
    return out


def places_in(text: str) -> Iterator[Place]:
    """The places that `written` wrote. Raises ValueError for any other text."""
    for together in text.split(";"):
        start, *lengths = map(int, together.split("+"))
        for length in lengths:
            yield Place(start, start + length)
            start += length + 1


@dataclass(slots=True)
class Trouble:
    """What an attempt has to tell beside that all was as expected."""

    reason: str | None = None
    failed: int = 0  # expectations that failed the case; checks that crashed and faults count too
    soft: int = 0  # soft expectations that failed
    message: str | None = None  # in one sentence: what broke first, else the first failure
    broke: bool = False  # whether `message` says what broke
    tolerated: tuple[str, ...] = ()  # names of findings that the suite lives with, one for each
    unjudged: tuple[str, ...] = ()  # why expectations were skipped, one for each
    broken: tuple[int, ...] = ()  # positions in `turns` of the turns with a failure


_NONE = Trouble()


class Attempt:
    """One try of a case; `verdict` is None where it was cut off. Small, as a run may have a million."""

    __slots__ = ("_lines", "_trouble", "elapsed_ms", "last", "number", "verdict")

    def __init__(
        self,
        number: int,
        lines: array[int] | str | None = None,
        verdict: str | None = None,
        elapsed_ms: float = 0.0,
        last: int = -1,
        trouble: Trouble | None = None,
    ) -> None:
        self.number, self.verdict, self.elapsed_ms = number, verdict, elapsed_ms
        self.last = last  # index of the last turn read
        self._lines = array("q") if lines is None else lines  # of the turns; once it is over a text, with its own line
        self._trouble = trouble

    @property
    def lines(self) -> array[int] | str:
        """Where the turns stand, as starts and ends in turn; once it is over as `written`, with the line that ends it."""
        return self._lines

    @property
    def over(self) -> bool:
        """Whether it was closed."""
        return isinstance(self._lines, str)

    @property
    def count(self) -> int:
        """How many turns there are."""
        lines = self._lines
        return lines.count("+") - 1 if isinstance(lines, str) else len(lines) // 2

    @property
    def turns(self) -> list[Place]:
        """Where each turn stands."""
        lines = self._lines
        if isinstance(lines, str):
            return list(places_in(lines))[:-1]
        return [Place(*lines[at : at + 2]) for at in range(0, len(lines), 2)]

    @property
    def end(self) -> Place | None:
        """Where the line stands that ends it; None where it was cut off."""
        lines = self._lines
        if not isinstance(lines, str):
            return None
        *_, end = places_in(lines[lines.rfind(";") + 1 :])
        return end

    @property
    def plain(self) -> bool:
        """Whether there is no more to tell than that all was as expected."""
        return self._trouble is None

    @property
    def trouble(self) -> Trouble:
        """What went wrong. Not to be changed."""
        return _NONE if self._trouble is None else self._trouble

    @property
    def troubled(self) -> Trouble:
        """The same, to be added to."""
        if self._trouble is None:
            self._trouble = Trouble()
        return self._trouble

    @property
    def reason(self) -> str | None:
        return self.trouble.reason

    @property
    def failed(self) -> int:
        return self.trouble.failed

    @property
    def soft(self) -> int:
        return self.trouble.soft

    @property
    def message(self) -> str | None:
        return self.trouble.message

    @property
    def tolerated(self) -> tuple[str, ...]:
        return self.trouble.tolerated

    @property
    def unjudged(self) -> tuple[str, ...]:
        return self.trouble.unjudged

    @property
    def broken(self) -> tuple[int, ...]:
        return self.trouble.broken

    def add(self, start: int, end: int) -> None:
        """The next turn stands here."""
        assert not isinstance(self._lines, str), "an attempt that is over has no further turn"
        self._lines.append(start)
        self._lines.append(end)

    def close(self, verdict: str, elapsed_ms: float, start: int, end: int) -> None:
        """It is over, and the line here says how it ended."""
        self.verdict, self.elapsed_ms = verdict, elapsed_ms
        if not isinstance(self._lines, str):
            self._lines = written((*self._lines, start, end))

    def moved(self, by: int) -> Attempt:
        """The same with each line so many bytes further on."""
        places = [*self.turns, *(() if (end := self.end) is None else (end,))]
        flat = array("q", [at + by for place in places for at in place])
        lines = written(flat) if self.over else flat
        return Attempt(self.number, lines, self.verdict, self.elapsed_ms, self.last, self._trouble)


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
    at: int  # its place, packed
    attempts: tuple[Attempt, ...] = ()
    told: bool = False  # the index that is being written has it

    @property
    def place(self) -> Place:
        """Where the line stands with which it begins."""
        return unpacked(self.at)

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
        return (
            len(self.attempts) > 1
            and self.verdict == "passed"
            and any(attempt.verdict != "passed" for attempt in self.attempts[:-1])
        )

    @property
    def elapsed_ms(self) -> float:
        attempts = self.attempts
        return attempts[0].elapsed_ms if len(attempts) == 1 else sum([attempt.elapsed_ms for attempt in attempts])

    @property
    def message(self) -> str | None:
        """What broke or failed first, in one sentence, else why the case was skipped or cut off."""
        last, verdict = self.last, self.verdict
        if verdict == "not_run":
            most = "at most " if "simulated" in self.marks else ""
            return f"cut off after {last.count} of {most}{self.planned} turns"
        if verdict == "xpassed":
            return last.reason or f"expected to fail ({self.marks.get('xfail', 'no reason given')}), but passed"
        return last.message or last.reason

    def places(self) -> list[Place]:
        """The case's lines: its header, then the turns and the end of each attempt."""
        out = [self.place]
        for attempt in self.attempts:
            lines: Any = attempt.lines
            out += places_in(lines) if isinstance(lines, str) else attempt.turns
        return out

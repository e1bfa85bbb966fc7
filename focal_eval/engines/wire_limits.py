"""What keeps a run from harming itself or an engine: who gives up, and how often is asked again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import field
from typing import TYPE_CHECKING, Literal, TypeVar

from focal_eval.clock import Clock
from focal_eval.errors import EngineError, EngineGivenUp, EngineUnreachable
from focal_eval.value import value

if TYPE_CHECKING:
    from tenacity import AsyncRetrying, RetryCallState

T = TypeVar("T")

FIRST_WAIT_S = 0.1  # before the second attempt; then twice as long each time
TRY_AGAIN_S = 30.0  # after a server was given up
LONGEST_WAIT_S = 30.0  # a server that asks for a longer wait is not asked again


@value
class Faults:
    """How an engine's faults are met."""

    retry: Literal["safe", "unsafe", "off"] = field(
        default="safe",
        metadata={
            "doc": "`safe` repeats only what cannot have been done; `unsafe` also what may have been, such as a message "
            "whose answer was lost; `off` repeats nothing."
        },
    )
    attempts: int = field(default=3, metadata={"doc": "How often one request is made at most."})
    max_requests_per_s: float | None = field(
        default=None,
        metadata={"doc": "Requests are spread so that no more are sent in a second; the wait is part of the turn."},
    )
    breaker_after: int = field(
        default=10, metadata={"doc": "After so many requests in a row without any answer nothing more is sent; the run ends."}
    )
    connect_timeout_s: float = field(default=5.0, metadata={"doc": "How long a connection may take, TLS included."})
    request_timeout_s: float = field(
        default=300.0, metadata={"doc": "How long one request may take, its stream included; mostly the turn's limit is first."}
    )
    max_reply_bytes: int = field(default=8 * 1024 * 1024, metadata={"doc": "A longer answer is refused; unpacked size."})
    max_events: int = field(default=20_000, metadata={"doc": "A stream of more events or lines is refused."})

    def __post_init__(self) -> None:
        for key in ("attempts", "breaker_after", "max_reply_bytes", "max_events"):
            if getattr(self, key) < 1:
                raise ValueError(f"'{key}' is {getattr(self, key)}; at least 1 is expected")
        for key in ("connect_timeout_s", "request_timeout_s", "max_requests_per_s"):
            value = getattr(self, key)
            if value is not None and value <= 0:
                raise ValueError(f"'{key}' is {value:g}; a number above 0 is expected")


class Breaker:
    """Counts requests that got no answer; after `most` in a row nothing is asked any more, and whoever asks hears it at once.

    A run ends by it. What lives longer, such as a served agent, tries once more after half a minute.
    """

    __slots__ = ("_clock", "_last", "_most", "_row", "_since")

    def __init__(self, most: int, clock: Clock) -> None:
        self._most, self._clock = most, clock
        self._since = 0.0  # when it was given up
        self._row = 0
        self._last: EngineUnreachable | None = None

    def check(self) -> None:
        """Raises EngineGivenUp where the engine was given up, in the words of the last failure."""
        if self._row >= self._most and self._clock.elapsed() - self._since >= TRY_AGAIN_S:
            self._row = self._most - 1  # one more failure is enough
        if self._row >= self._most and self._last is not None:
            said = f"not asked any more: {self._row} requests in a row had no answer (breaker_after: {self._most})"
            raise EngineGivenUp(str(self._last), detail="; ".join(part for part in (said, self._last.detail) if part))

    def answered(self) -> None:
        if self._row < self._most:  # an answer that was still under way does not change what other cases were told
            self._row = 0

    def failed(self, problem: EngineUnreachable) -> None:
        """Counts it; the one that is once too often is to be followed by `check`."""
        if self._row < self._most:
            self._row += 1
            self._last, self._since = problem, self._clock.elapsed()


class Again(Exception):
    """A failure that may be met by asking again, after `wait_s` where the engine said so."""

    def __init__(self, error: EngineError, wait_s: float | None = None) -> None:
        super().__init__(str(error))
        self.error, self.wait_s = error, wait_s


async def persist(first: Again, once: Callable[[], Awaitable[T]], attempts: int) -> tuple[T, int]:
    """What `once` returns after a first attempt that failed, and at which attempt it did.

    Raises the last attempt's error, which then tells how many there were.
    """
    made = 1
    try:
        async for attempt in _attempts(attempts):
            with attempt:
                made = attempt.retry_state.attempt_number
                if made == 1:
                    raise first
                return await once(), made
    except Again as problem:
        error = problem.error
        if made > 1:
            error.detail = "; ".join(part for part in (f"asked {made} times", error.detail) if part)
        raise error from None
    raise AssertionError("the attempts end in a value or an error")


def _attempts(most: int) -> AsyncRetrying:
    from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential, wait_random

    growing = wait_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S) + wait_random(0, FIRST_WAIT_S)

    def wait(state: RetryCallState) -> float:
        problem = state.outcome.exception() if state.outcome else None
        asked = problem.wait_s if isinstance(problem, Again) else None
        return growing(state) if asked is None else asked

    return AsyncRetrying(
        stop=stop_after_attempt(most), wait=wait, retry=retry_if_exception_type(Again), sleep=asyncio.sleep, reraise=True
    )

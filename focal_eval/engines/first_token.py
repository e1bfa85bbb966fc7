"""Measures how long the first words of a streamed reply took."""

from __future__ import annotations

from focal_eval.clock import Clock


class FirstToken:
    """Begins when it is made; the first `heard` counts."""

    __slots__ = ("_clock", "_start", "ms")

    def __init__(self, clock: Clock) -> None:
        self._clock, self._start = clock, clock.elapsed()
        self.ms: float | None = None

    def heard(self) -> None:
        """Words came."""
        if self.ms is None:
            self.ms = round((self._clock.elapsed() - self._start) * 1000, 3)

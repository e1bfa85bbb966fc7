"""Progress of work that has no cases: which probe it is at, said on stderr once it takes longer than a second."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import TextIO

from focal_eval.clock import Clock
from focal_eval.report.ansi import emit

FIRST_S, EVERY_S, LIVE_S = 1.0, 10.0, 0.1


class Count:
    """Tells how many there are by now: on a terminal in one line that is written over, in a pipe a line now and then."""

    def __init__(self, noun: str, stream: TextIO, *, live: bool, clock: Clock) -> None:
        self._noun, self._stream, self._live = noun, stream, live
        self._elapsed = clock.elapsed
        self._next = self._elapsed() + FIRST_S
        self._shown = False

    def __call__(self, done: int, total: int | None = None) -> None:
        now = self._elapsed()
        if now < self._next:
            return
        self._next = now + (LIVE_S if self._live else EVERY_S)
        words = f"{self._noun} {done:,}" if total is None else f"{self._noun} {done:,} of {total:,}"
        with contextlib.suppress(OSError):  # nobody reads along any more: the work goes on
            if self._live:
                self._stream.write(f"\r\x1b[2K{words}")
            else:
                emit(self._stream, words)
            self._stream.flush()
            self._shown = True

    def done(self) -> None:
        """Takes the line away again."""
        if self._live and self._shown:
            with contextlib.suppress(OSError):
                self._stream.write("\r\x1b[2K")
                self._stream.flush()


class Unheard(Count):
    """Says nothing."""

    def __init__(self) -> None: ...

    def __call__(self, done: int, total: int | None = None) -> None: ...

    def done(self) -> None: ...


@contextlib.contextmanager
def counting(
    noun: str,
    stream: TextIO,
    *,
    quiet: bool = False,
    clock: Clock | None = None,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Count]:
    """A counter for the work inside, which fits the stream; `quiet` says nothing."""
    environ = os.environ if environ is None else environ
    live = stream.isatty() and environ.get("TERM") != "dumb"
    count = Unheard() if quiet else Count(noun, stream, live=live, clock=clock or Clock())
    try:
        yield count
    finally:
        count.done()

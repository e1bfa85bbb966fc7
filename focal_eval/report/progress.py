"""How far a run is, while it runs: a bar on a terminal, now and then a plain line elsewhere; always on stderr."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

from focal_eval.clock import Clock
from focal_eval.report.ansi import VERDICTS, emit
from focal_eval.report.characters import one_line
from focal_eval.report.model import ATTENTION
from focal_eval.report.wording import MARKS, WORDS

EVERY_S = 5.0  # between two plain lines
NAMED = 20  # failing cases named while the bar runs


class Observer(Protocol):
    """Who is told how a run goes. Calls come from one thread, and must return at once."""

    def started(self, plan_cases: int, plan_turns: int) -> None:
        """The plan stands; nothing was sent yet."""
        ...

    def case_done(self, name: str, verdict: str) -> None:
        """A case is over, with the verdict that counts."""
        ...

    def finished(self) -> None:
        """The run is over, also after an interruption; called once."""
        ...


class Silence:
    """Says nothing."""

    def started(self, plan_cases: int, plan_turns: int) -> None: ...

    def case_done(self, name: str, verdict: str) -> None: ...

    def finished(self) -> None: ...


class Lines:
    """A plain line at most every few seconds: for logs of CI jobs."""

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        self._stream = stream
        self._elapsed = clock.elapsed
        self._seen: Counter[str] = Counter()
        self._total = 0
        self._next = 0.0

    def started(self, plan_cases: int, plan_turns: int) -> None:
        self._total = plan_cases
        self._next = self._elapsed() + EVERY_S

    def case_done(self, name: str, verdict: str) -> None:
        self._seen[verdict] += 1
        now = self._elapsed()
        if now >= self._next:
            self._next = now + EVERY_S
            try:
                emit(self._stream, f"{self._seen.total():,} of {self._total:,} cases{_bad(self._seen)}")
                self._stream.flush()
            except OSError:  # nobody reads along any more, or the disk is full: the run goes on
                self._next = math.inf

    def finished(self) -> None: ...


class Bar:
    """A live bar, with the cases that went wrong named above it."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._seen: Counter[str] = Counter()
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        console = Console(file=stream, highlight=False)
        self._progress: Any = Progress(*columns, console=console, transient=True, refresh_per_second=8)
        self._task: Any = None

    def started(self, plan_cases: int, plan_turns: int) -> None:
        self._task = self._progress.add_task("replaying", total=plan_cases)
        self._progress.start()

    def case_done(self, name: str, verdict: str) -> None:
        from rich.text import Text

        self._seen[verdict] += 1
        if verdict in ATTENTION and sum(self._seen[bad] for bad in ATTENTION) <= NAMED:
            words = f"{MARKS[verdict]} {WORDS[verdict]}  {one_line(name, 160)}"
            self._progress.console.print(Text(words, style=VERDICTS[verdict]), soft_wrap=True)
        self._progress.update(self._task, advance=1, description=f"replaying{_bad(self._seen)}")

    def finished(self) -> None:
        self._progress.stop()


def _bad(seen: Counter[str]) -> str:
    return "".join(f", {seen[name]:,} {WORDS[name]}" for name in ("errored", "failed", "xpassed") if seen[name])


def progress(
    stream: TextIO, *, quiet: bool = False, clock: Clock | None = None, environ: Mapping[str, str] | None = None
) -> Observer:
    """The observer that fits `stream`: a bar on a terminal, lines in a pipe, nothing where `quiet`."""
    if quiet:
        return Silence()
    environ = os.environ if environ is None else environ
    if stream.isatty() and environ.get("TERM") != "dumb":
        return Bar(stream)
    return Lines(stream, clock or Clock())

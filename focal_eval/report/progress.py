"""How far a run is, while it runs: a bar on a terminal, now and then a plain line elsewhere; always on stderr."""

from __future__ import annotations

import math
import os
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

from focal_eval.clock import Clock
from focal_eval.report.ansi import VERDICTS, emit
from focal_eval.report.characters import one_line
from focal_eval.report.model import ATTENTION, natural
from focal_eval.report.wording import MARKS, WORDS
from focal_eval.text import counted

EVERY_S = 5.0  # between two plain lines
SHOWN_EVERY_S = 0.1  # between two changes of the bar
WINDOW_S = 60.0  # by which the rate is told
SILENT_S = 30.0  # after which it is said that nothing was heard of a worker
MOST_WORKERS = 8  # named
NAMED = 20  # failing cases named while the bar runs


class Observer(Protocol):
    """Who is told how a run goes. Calls come from one thread, and must return at once.

    Where several workers play, an observer with `played_by(worker)` and `worker_lost(worker, why, cases)` is told that, too;
    one with `interrupted(seconds)` that the run was told to end, and how long what is under way has.
    """

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


class Pace:
    """How fast cases come to their end: of late, as longest conversations are played first."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque()
        self._begun = 0.0

    def begin(self, now: float) -> None:
        """Cases are played from now on."""
        self._begun = now
        self._marks.append((now, 0))

    def note(self, now: float, done: int) -> None:
        """So many are over by now."""
        if now - self._marks[-1][0] >= WINDOW_S / 30:
            self._marks.append((now, done))
            while len(self._marks) > 2 and now - self._marks[0][0] > WINDOW_S:
                self._marks.popleft()

    def words(self, now: float, done: int, total: int) -> str:
        """`, 12 a second, about 3 min left`; nothing as long as nothing can be said."""
        since, before = self._marks[0]
        if done <= before or now - since < 1.0:
            return ""
        rate = (done - before) / (now - since)
        rated = f"{rate:,.0f} a second" if rate >= 10 else f"{rate:.1f} a second" if rate >= 1 else f"{rate * 60:.1f} a minute"
        return f", {rated}" + (f", {_left((total - done) / rate)}" if done < total else "")


class Crew:
    """What each worker has done, where several play."""

    def __init__(self) -> None:
        self._done: Counter[str] = Counter()
        self._last: dict[str, float] = {}

    def played(self, worker: str, now: float) -> None:
        """A worker has finished a case."""
        self._done[worker] += 1
        self._last[worker] = now

    def words(self, now: float) -> str:
        """`; worker 1: 120, worker 2: 88 (silent for 40 s)`; nothing where nobody else plays."""
        if not self._done:
            return ""
        named = sorted(self._done, key=natural)
        told = [f"{one_line(name, 40)}: {self._done[name]:,}{self._silence(name, now)}" for name in named[:MOST_WORKERS]]
        more = f" and {len(named) - MOST_WORKERS} more" if len(named) > MOST_WORKERS else ""
        return "; " + ", ".join(told) + more

    def _silence(self, name: str, now: float) -> str:
        silent = now - self._last[name]
        return f" (silent for {silent:.0f} s)" if silent >= SILENT_S else ""


class Lines:
    """A plain line at most every few seconds: for logs of CI jobs."""

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        self._stream = stream
        self._elapsed = clock.elapsed
        self._seen: Counter[str] = Counter()
        self._pace, self._crew = Pace(), Crew()
        self._total = 0
        self._now = self._next = 0.0

    def started(self, plan_cases: int, plan_turns: int) -> None:
        self._total = plan_cases
        self._now = self._elapsed()
        self._next = self._now + EVERY_S
        self._pace.begin(self._now)

    def case_done(self, name: str, verdict: str) -> None:
        self._seen[verdict] += 1
        done = self._seen.total()
        now = self._now = self._elapsed()
        self._pace.note(now, done)
        if now >= self._next:
            self._next = now + EVERY_S
            said = f"{done:,} of {self._total:,} cases{_bad(self._seen)}"
            self._say(said + self._pace.words(now, done, self._total) + self._crew.words(now))

    def played_by(self, worker: str) -> None:
        self._crew.played(worker, self._now)

    def worker_lost(self, worker: str, why: str, cases: int) -> None:
        self._say(_lost(worker, why, cases))

    def interrupted(self, seconds: float) -> None:
        self._say(_interrupted(seconds))

    def _say(self, text: str) -> None:
        try:
            emit(self._stream, text)
            self._stream.flush()
        except OSError:  # nobody reads along any more, or the disk is full: the run goes on
            self._next = math.inf

    def finished(self) -> None: ...


class Bar:
    """A live bar, with the cases that went wrong named above it, and the workers below it."""

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._elapsed = clock.elapsed
        self._seen: Counter[str] = Counter()
        self._pace, self._crew = Pace(), Crew()
        self._total = 0
        self._now = self._shown = 0.0
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        console = Console(file=stream, highlight=False)
        self._progress: Any = Progress(*columns, console=console, transient=True, refresh_per_second=8)
        self._task: Any = None

    def started(self, plan_cases: int, plan_turns: int) -> None:
        self._total = plan_cases
        self._now = self._elapsed()
        self._pace.begin(self._now)
        self._task = self._progress.add_task("replaying", total=plan_cases)
        self._progress.start()

    def case_done(self, name: str, verdict: str) -> None:
        self._seen[verdict] += 1
        done = self._seen.total()
        now = self._now = self._elapsed()
        self._pace.note(now, done)
        if verdict in ATTENTION and sum(self._seen[bad] for bad in ATTENTION) <= NAMED:
            self._print(f"{MARKS[verdict]} {WORDS[verdict]}  {one_line(name, 160)}", VERDICTS[verdict])
        if now - self._shown >= SHOWN_EVERY_S or done == self._total:
            self._shown = now
            told = f"replaying{_bad(self._seen)}{self._pace.words(now, done, self._total)}{self._crew.words(now)}"
            self._progress.update(self._task, completed=done, description=told)

    def played_by(self, worker: str) -> None:
        self._crew.played(worker, self._now)

    def worker_lost(self, worker: str, why: str, cases: int) -> None:
        self._print(_lost(worker, why, cases), "yellow")

    def interrupted(self, seconds: float) -> None:
        self._print(_interrupted(seconds), "yellow")

    def _print(self, words: str, style: str) -> None:
        from rich.text import Text

        self._progress.console.print(Text(words, style=style), soft_wrap=True)

    def finished(self) -> None:
        self._progress.stop()


def _left(seconds: float) -> str:
    if seconds < 90:
        return f"about {max(1, round(seconds))} s left"
    minutes = round(seconds / 60)
    return f"about {minutes} min left" if minutes < 90 else f"about {minutes // 60} h {minutes % 60:02d} min left"


def _lost(worker: str, why: str, cases: int) -> str:
    again = f"; {counted(cases, 'case')} it had played again" if cases else ""
    return f"{one_line(worker, 80)} {one_line(why, 200)}{again}"


def _interrupted(seconds: float) -> str:
    return f"interrupted: what is under way has {seconds:g} s to end, and nothing more is begun; Ctrl-C again stops at once"


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
        return Bar(stream, clock or Clock())
    return Lines(stream, clock or Clock())

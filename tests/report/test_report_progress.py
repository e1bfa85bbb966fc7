"""How far a run is, while it runs."""

from __future__ import annotations

import io
from dataclasses import replace

from focal_eval.clock import Clock, fixed_clock
from focal_eval.report.progress import Bar, Lines, Observer, Silence, progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def ticking(seconds: float) -> Clock:
    """A clock that moves on by so much each time it is asked."""
    times = iter(range(1_000_000))
    return replace(fixed_clock(), elapsed=lambda: next(times) * seconds)


def play(observer: Observer, cases: int) -> None:
    """A run of which each third case fails."""
    observer.started(cases, cases * 5)
    for number in range(cases):
        observer.case_done(f"a/b[{number}]", "failed" if number % 3 == 2 else "passed")
    observer.finished()


def test_a_pipe_gets_a_line_now_and_then() -> None:
    """In a log a line comes at most every few seconds, with what went wrong so far."""
    stream = io.StringIO()
    play(progress(stream, clock=ticking(2.0), environ={}), 9)
    assert stream.getvalue().splitlines() == [
        "3 of 9 cases, 1 failed, 30.0 a minute, about 12 s left",
        "6 of 9 cases, 2 failed, 30.0 a minute, about 6 s left",
        "9 of 9 cases, 3 failed, 30.0 a minute",
    ]


def test_a_quick_run_says_nothing_in_a_pipe() -> None:
    """A run that is over in a moment leaves the log alone."""
    stream = io.StringIO()
    play(progress(stream, clock=ticking(0.001), environ={}), 9)
    assert stream.getvalue() == ""


def test_a_terminal_gets_a_bar_with_the_failing_names() -> None:
    """On a terminal the cases that went wrong are named above the bar, without what control characters would do."""
    stream = Terminal()
    observer = progress(stream, environ={"TERM": "xterm"})
    observer.started(2, 2)
    observer.case_done("returns/\x1b]0;owned\x07mug", "failed")
    observer.case_done("returns/lamp", "passed")
    observer.finished()
    text = stream.getvalue()
    assert isinstance(observer, Bar)
    assert "✗ failed  returns/␛]0;owned␇mug" in text
    assert "\x07" not in text
    assert "returns/lamp" not in text


def test_the_observer_fits_the_stream() -> None:
    """Quiet is silent, a dumb terminal gets lines."""
    assert isinstance(progress(Terminal(), quiet=True), Silence)
    assert isinstance(progress(Terminal(), environ={"TERM": "dumb"}), Lines)
    play(Silence(), 2)


def test_a_long_run_says_how_fast_it_is_and_how_long_it_will_take() -> None:
    """The rate is that of the last minute, so that a slow beginning does not stay in it."""
    stream = io.StringIO()
    times = iter([0.0, *(10.0 * number for number in range(1, 11)), *(100.0 + number for number in range(1, 91))])
    observer = progress(stream, clock=replace(fixed_clock(), elapsed=lambda: next(times)), environ={})
    observer.started(200, 1_000)
    for number in range(100):
        observer.case_done(f"c{number}", "passed")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "1 of 200 cases, 6.0 a minute, about 33 min left"
    assert lines[-1] == "100 of 200 cases, 1.0 a second, about 2 min left"


def test_workers_are_told_with_what_they_have_done() -> None:
    """Each with its cases, one that nothing was heard of for long with that, and one that was lost at once."""
    stream = io.StringIO()
    times = iter([0.0, 1.0, 2.0, 50.0])
    observer = Lines(stream, replace(fixed_clock(), elapsed=lambda: next(times)))
    observer.started(10, 10)
    for worker in ("worker 10", "worker 2", "worker 2"):
        observer.case_done("a", "passed")
        observer.played_by(worker)
    observer.worker_lost("worker 2", "was killed by SIGKILL", 3)
    assert stream.getvalue().splitlines() == [
        "3 of 10 cases, 3.6 a minute, about 2 min left; worker 2: 1 (silent for 48 s), worker 10: 1 (silent for 49 s)",
        "worker 2 was killed by SIGKILL; 3 cases it had played again",
    ]


def test_the_bar_names_workers_that_were_lost() -> None:
    """Above the bar, as what went wrong is."""
    stream = Terminal()
    observer = Bar(stream, fixed_clock())
    observer.started(2, 2)
    observer.played_by("worker 1")
    observer.worker_lost("worker 1", "ended with code 7", 0)
    observer.finished()
    assert "worker 1 ended with code 7" in stream.getvalue()

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
    assert stream.getvalue().splitlines() == ["3 of 9 cases, 1 failed", "6 of 9 cases, 2 failed", "9 of 9 cases, 3 failed"]


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

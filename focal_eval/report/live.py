"""The report of a run that is going on: its journal is followed, and what is new goes out as events.

Nothing is asked of the run itself: whoever looks reads the file that it writes. While nobody looks, nothing is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from focal_eval.clock import Clock
from focal_eval.report.html import ascii_markup, index_of, live_context, pack, template
from focal_eval.report.journal import model_of
from focal_eval.report.model import ATTENTION, WORST_FIRST, Case, ReportModel
from focal_eval.report.wording import WORDS
from focal_eval.runner.journal import JOURNAL
from focal_eval.runner.reading import Reading

READ_BYTES = 500_000  # of the journal at a time: a few milliseconds, in which the run's own thread waits
BATCH_CASES = 100  # of one event
BATCH_BYTES = 2_000_000
REST = 30  # a summary is made anew after so many times what it took


class Follower:
    """A journal that grows, read as far as it is there. For one thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.over: list[str] = []  # ids of cases as they ended, the latest last; one that ended again is there again
        self._reading = Reading()
        self._at = 0
        self._rest = b""
        self.summarised = 0  # how much of `over` the latest summary tells
        self._page, self._made, self._cost = b"", float("-inf"), 0.0
        self._elapsed = Clock().elapsed

    @property
    def ended(self) -> bool:
        """Whether the journal's last line is there."""
        return bool(self._reading.header) and self._reading.header.get("state") != "running"

    def read(self) -> bool:
        """Takes the next piece of what was written; whether there was any."""
        with (self.folder / JOURNAL).open("rb") as file:
            file.seek(self._at + len(self._rest))
            piece = file.read(READ_BYTES)
        *lines, rest = (self._rest + piece).split(b"\n")
        self._rest = rest
        for line in lines:
            end = self._at + len(line)
            self._reading.take(line, self._at, end)
            self._at = end + 1
            if line.startswith(_ATTEMPT):
                self.over.append(line[len(_ATTEMPT) : line.index(b'"', len(_ATTEMPT))].decode())
        return bool(piece)

    def model(self) -> ReportModel:
        """The run as far as it was read, without the cases that are under way."""
        model = model_of(self.folder, self._reading)
        model.cases = [case for case in model.cases if case.last.verdict is not None]
        return model

    def events(self, start: int) -> Iterator[tuple[int, bytes]]:
        """What ended since `start` of `over`, in events of some cases; each with the place that follows it."""
        while start < len(self.over):
            ids = self.over[start : start + BATCH_CASES]
            cases, size = [], 0
            for name in dict.fromkeys(ids):
                case = self._reading.cases.get(name)
                if case is not None and case.last.verdict is not None:
                    cases.append(case)
                    size += sum(place.end - place.start for place in case.places())
            for some in _parts(cases, size):
                yield start + len(ids), self._event(some)
            start += len(ids)

    def _event(self, cases: list[Case]) -> bytes:
        some = Reading()
        some.begin(self._reading.header)
        some.cases, some.shared = {case.id: case for case in cases}, self._reading.shared
        model = model_of(self.folder, some)
        return orjson.dumps({**index_of(model, cases), "chunk": str(pack(model, cases))})

    def last(self) -> bytes:
        """The last event: the page of the run that is over, without cases."""
        return orjson.dumps({"page": page(self.model(), ended=True).decode()})

    def summary(self, now: float) -> bytes:
        """The page as it would be now, without cases; made anew so seldom that it does not slow the run."""
        if self.ended or now - self._made > max(0.5, self._cost * REST):
            began = self._elapsed()
            self._page = page(self.model(), ended=self.ended)
            self._cost, self._made, self.summarised = self._elapsed() - began, now, len(self.over)
        return self._page


_ATTEMPT = b'{"t":"attempt","case":"'


def _parts(cases: list[Case], size: int) -> Iterator[list[Case]]:
    """Cases whose lines are not too much for one event."""
    if size <= BATCH_BYTES:
        yield cases
    else:
        yield from ([case] for case in cases)


def page(run: ReportModel, *, ended: bool) -> bytes:
    """The report's shell without a case: they come as events."""
    context: dict[str, Any] = live_context(run)
    if not ended:
        bad = ", ".join(f"{run.counts[name]:,} {WORDS[name]}" for name in WORST_FIRST if name in ATTENTION and run.counts[name])
        context |= {
            "verdict": f"Running: {len(run.cases):,} of {run.planned:,} cases, {bad or 'no failure so far'}",
            "beside": "",
            "note": "The run is going on, and this page fills up by itself.",
            "partial": True,
        }
    return ascii_markup(template().render(context))

"""Which case is started next, and which repeats are spared because their case is decided."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Protocol

from focal_eval.compare.keys import case_key
from focal_eval.compare.stats import Tally, needs_more
from focal_eval.records import Verdict
from focal_eval.runner.plan import Case
from focal_eval.script.repeats import Repeats


def key_of(case: Case) -> str:
    """What the repeats of one case have in common."""
    return case_key(case.name, case.script.id, case.repeat)


class Order(Protocol):
    """Hands out the cases of a plan."""

    async def next(self) -> Case | None:
        """The next case; None when there is none left or nothing more is to be started."""
        ...

    def take(self) -> Case | None:
        """The next case where one can be started now."""
        ...

    def done(self, case: Case, verdict: Verdict) -> None:
        """Takes note of how a case ended."""
        ...

    def stop(self) -> None:
        """Hands out nothing more."""
        ...

    @property
    def spared(self) -> int:
        """Repeats that were not needed."""
        ...


class InTurn:
    """One case after the other, all of them."""

    spared = 0

    def __init__(self, cases: Iterable[Case]) -> None:
        self._cases = iter(cases)

    async def next(self) -> Case | None:
        return next(self._cases, None)

    def take(self) -> Case | None:
        return next(self._cases, None)

    def done(self, case: Case, verdict: Verdict) -> None: ...

    def stop(self) -> None:
        self._cases = iter(())


@dataclass(slots=True, eq=False)
class _Row:
    """The repeats of one case."""

    waiting: deque[Case]
    tally: Tally = field(default_factory=Tally)
    under_way: int = 0
    looked_at: bool = True  # stands among the rows that may have something to start


def _row(cases: Iterable[Case], done: Mapping[str, Verdict]) -> _Row:
    row = _Row(deque())
    for case in cases:
        if (verdict := done.get(case.id)) is None:
            row.waiting.append(case)
        else:
            row.tally.add(verdict.value)
    return row


class UntilKnown:
    """Of each case no more repeats than are sure to be needed, in the plan's order.

    So the same repeats are run however long each takes and however many run at a time.
    """

    def __init__(self, cases: Iterable[Case], rule: Repeats, done: Mapping[str, Verdict]) -> None:
        self._rule = rule
        self._rows = {key: _row(group, done) for key, group in groupby(cases, key_of)}
        self._open = deque(self._rows.values())
        self._under_way = 0
        self._changed = asyncio.Event()

    async def next(self) -> Case | None:
        while True:
            if (case := self.take()) is not None:
                return case
            if not self._under_way:
                return None
            self._changed.clear()
            await self._changed.wait()

    def take(self) -> Case | None:
        while self._open:
            row = self._open[0]
            if row.waiting and needs_more(row.tally, row.under_way, self._rule):
                row.under_way += 1
                self._under_way += 1
                return row.waiting.popleft()
            row.looked_at = False
            self._open.popleft()
        return None

    def done(self, case: Case, verdict: Verdict) -> None:
        row = self._rows[key_of(case)]
        row.under_way -= 1
        self._under_way -= 1
        row.tally.add(verdict.value)
        if row.waiting and not row.looked_at:
            row.looked_at = True
            self._open.appendleft(row)
        self._changed.set()

    def stop(self) -> None:
        self._open.clear()
        self._under_way = 0  # nobody waits for what is under way
        self._changed.set()

    @property
    def spared(self) -> int:
        return sum(len(row.waiting) for row in self._rows.values() if not needs_more(row.tally, 0, self._rule))


def order_of(cases: Iterable[Case], rule: Repeats, done: Mapping[str, Verdict] | None = None) -> Order:
    """How the cases of a plan are handed out under a rule, without those that are done."""
    done = done or {}
    if rule.until is not None:
        return UntilKnown(cases, rule, done)
    return InTurn(case for case in cases if case.id not in done)

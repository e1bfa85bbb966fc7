"""Which suite a question means, and which of its runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from focal_eval.errors import UsageError
from focal_eval.registry import did_you_mean
from focal_eval.store.answers import Series, StoredRun
from focal_eval.store.model import Scope
from focal_eval.store.tables import runs, suites
from focal_eval.value import value

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row


@value
class Window:
    """The last runs of a suite on one engine, oldest first."""

    suite: int
    series: Series
    runs: tuple[Any, ...]  # `no`, `at`, `id` and `started_at` of each
    also: tuple[Series, ...] = ()

    @property
    def first(self) -> int:
        return int(self.runs[0].at)

    @property
    def last(self) -> int:
        return int(self.runs[-1].at)


def all_series(connection: Connection) -> list[Row[Any]]:
    """Every suite on every engine that has runs, the one that was run last first: `no`, `name`, `engine`, `newest`."""
    newest = func.max(runs.c.at).label("newest")
    query = (
        select(suites.c.no, suites.c.name, suites.c.engine, newest)
        .join(runs, runs.c.suite_no == suites.c.no)
        .group_by(suites.c.no, suites.c.name, suites.c.engine)
        .order_by(newest.desc(), suites.c.no)
    )
    return list(connection.execute(query))


def fitting(connection: Connection, scope: Scope) -> list[Row[Any]]:
    """The series of a scope. Raises UsageError for a suite, an engine or a run that the store does not have."""
    found = all_series(connection)
    if not found:
        raise UsageError("the store holds no runs yet; `focal-eval store ingest RUN` takes some in")
    for word, kind, name in ((scope.suite, "the suite", "name"), (scope.engine, "the engine", "engine")):
        if not word:
            continue
        left = [row for row in found if getattr(row, name) == word]
        if not left:
            fix = did_you_mean(word, {getattr(row, name) for row in found})
            raise UsageError(f"the store has no runs of {kind} '{word}'" + (f"; {fix}" if fix else ""))
        found = left
    return found


def window(connection: Connection, chosen: Row[Any], scope: Scope, also: tuple[Series, ...] = ()) -> Window:
    """The last runs of one series. Raises UsageError where `before` names no run of it."""
    told = (runs.c.no, runs.c.at, runs.c.id, runs.c.started_at)
    query = select(*told).where(runs.c.suite_no == chosen.no)
    if scope.before:
        at = connection.scalar(select(runs.c.at).where(runs.c.id == scope.before, runs.c.suite_no == chosen.no))
        if at is None:
            raise UsageError(f"the store has no run '{scope.before}' of {chosen.name or 'scripts without a suite'}")
        query = query.where(runs.c.at <= at)
    rows = list(connection.execute(query.order_by(runs.c.at.desc()).limit(scope.last)))
    return Window(chosen.no, Series(chosen.name, chosen.engine), tuple(reversed(rows)), also)


STORED = tuple(
    runs.c[name]
    for name in (
        *("id", "started_at", "state", "verdict", "cases", "good", "judged", "flaky", "errored", "quarantined", "turns"),
        *("elapsed_us", "p50_us", "p95_us", "tokens", "agent_digest", "version", "folder", "of_run"),
    )
)
"""What `stored_run` is made from; a row of `runs` holds twice as much."""


def stored_run(row: Sequence[Any], series: Series) -> StoredRun:
    """A run as it is listed, from a row of `STORED`."""
    key, started_at, state, verdict, cases, good, judged, flaky, errored, quarantined, turns, us, p50, p95, *rest = row
    tokens, agent, version, folder, of = rest
    counts = (cases, good, judged, flaky, errored, quarantined, turns)
    figures = (us / 1000, in_ms(p50), in_ms(p95), tokens)
    return StoredRun(key, series, started_at, state, verdict, *counts, *figures, agent, version, folder, of or "")


def in_ms(us: int | None) -> float | None:
    """Microseconds as milliseconds."""
    return None if us is None else us / 1000

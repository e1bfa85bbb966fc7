"""Which suite a question means, and which of its runs."""

from __future__ import annotations

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
    runs: tuple[Any, ...]  # rows of `runs`
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
    query = select(runs).where(runs.c.suite_no == chosen.no)
    if scope.before:
        at = connection.scalar(select(runs.c.at).where(runs.c.id == scope.before, runs.c.suite_no == chosen.no))
        if at is None:
            raise UsageError(f"the store has no run '{scope.before}' of {chosen.name or 'scripts without a suite'}")
        query = query.where(runs.c.at <= at)
    rows = list(connection.execute(query.order_by(runs.c.at.desc()).limit(scope.last)))
    return Window(chosen.no, Series(chosen.name, chosen.engine), tuple(reversed(rows)), also)


def stored_run(row: Row[Any], series: Series) -> StoredRun:
    """A run as it is listed."""
    return StoredRun(
        id=row.id,
        series=series,
        started_at=row.started_at,
        state=row.state,
        verdict=row.verdict,
        cases=row.cases,
        good=row.good,
        judged=row.judged,
        flaky=row.flaky,
        errored=row.errored,
        quarantined=row.quarantined,
        turns=row.turns,
        elapsed_ms=row.elapsed_us / 1000,
        p50_ms=in_ms(row.p50_us),
        p95_ms=in_ms(row.p95_us),
        tokens=row.tokens,
        agent=row.agent_digest,
        version=row.version,
        folder=row.folder,
        of=row.of_run or "",
    )


def in_ms(us: int | None) -> float | None:
    """Microseconds as milliseconds."""
    return None if us is None else us / 1000

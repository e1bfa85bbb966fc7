"""The history of a suite: its runs, and what its cases add up to over them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, and_, bindparam, case, func, select

from focal_eval.store.answers import Rate, Series, Standing, StoredRun, Strips, SuiteHistory
from focal_eval.store.model import VERDICTS, Scope
from focal_eval.store.tables import SUMS, case_runs, cases, runs
from focal_eval.store.windows import STORED, Window, all_series, fitting, stored_run, window

if TYPE_CHECKING:
    from sqlalchemy import Connection

LETTERS = dict(zip(VERDICTS, "efunxsp", strict=True))
FLAKY, ABSENT = "~", "."


def suite_history(connection: Connection, scope: Scope) -> SuiteHistory:
    """The last runs of a suite: of the one that was run last, where the scope names none."""
    first, *others = fitting(connection, scope)
    chosen = window(connection, first, scope, tuple(Series(row.name, row.engine) for row in others))
    found = list(_standings(connection, chosen))
    flakiest = sorted((item for item in found if item.flake.hits), key=lambda item: (-(item.flake.value or 0), item.name))
    slowest = sorted((item for item in found if item.ms is not None), key=lambda item: (-(item.ms or 0), item.name))
    bad = sorted((item for item in found if item.bad), key=lambda item: item.name)
    places = {run.id: place for place, run in enumerate(chosen.runs)}
    bad.sort(key=lambda item: -places.get(item.since, -1))
    return SuiteHistory(
        series=chosen.series,
        points=tuple(_points(connection, chosen)),
        cases=len(found),
        flakiest=tuple(flakiest[: scope.most]),
        slowest=tuple(slowest[: scope.most]),
        bad=tuple(bad[: scope.most]),
        all_bad=len(bad),
        flake=Rate(sum(item.flake.hits for item in found), sum(item.flake.of for item in found)),
        also=chosen.also,
    )


def _points(connection: Connection, chosen: Window) -> Iterator[StoredRun]:
    here = (runs.c.suite_no == chosen.suite, runs.c.at.between(chosen.first, chosen.last))
    for row in connection.execute(select(*STORED).where(*here).order_by(runs.c.at)):
        yield stored_run(row, chosen.series)


def edges(connection: Connection, chosen: Window, columns: Callable[[Any, Any], list[Any]]) -> Iterable[Any]:
    """Of every case of a window its first and its last row in it; the columns chosen from the two, beside `name`."""
    return connection.execute(_edges(columns), {"suite": chosen.suite, "oldest": chosen.first, "newest": chosen.last})


@cache
def _edges(columns: Callable[[Any, Any], list[Any]]) -> Select[Any]:
    """The statement, made once: it has more expressions than a small suite has cases."""
    first, last, inner = case_runs.alias("first"), case_runs.alias("last"), case_runs.alias("inner")
    here = and_(inner.c.case_no == cases.c.no, inner.c.at.between(bindparam("oldest"), bindparam("newest")))
    lowest = select(func.min(inner.c.at)).where(here).scalar_subquery()
    highest = select(func.max(inner.c.at)).where(here).scalar_subquery()
    return (
        select(cases.c.name, *columns(first, last))
        .select_from(cases)
        .join(first, and_(first.c.case_no == cases.c.no, first.c.at == lowest))
        .join(last, and_(last.c.case_no == cases.c.no, last.c.at == highest))
        .where(cases.c.suite_no == bindparam("suite"))
    )


def _standings(connection: Connection, chosen: Window) -> Iterator[Standing]:
    """Each case over the window."""
    started = {row.at: row.id for row in chosen.runs}
    for row in edges(connection, chosen, _window_sums):
        name, runs, good, judged, unsteady, us, timed, tokens, counted, is_good, since, before = row
        yield Standing(
            name=name,
            runs=runs,
            passed=Rate(good, judged),
            flake=Rate(unsteady, runs),
            ms=us / timed / 1000 if timed else None,
            tokens=tokens / counted if counted else None,
            bad=is_good is not None and not is_good,
            since=started.get(since, ""),
            before=before is not None,
        )


def _window_sums(first: Any, last: Any) -> list[Any]:
    """What the runs of a window add up to: the last row's sums less the first one's, and what the first one says itself."""
    was_judged = first.c.judged > 0
    own = {
        "runs": _one_if(was_judged),
        "good": first.c.good,
        "judged": first.c.judged,
        "unsteady": _one_if(first.c.unsteady),
        "us": case((was_judged, func.coalesce(first.c.elapsed_us, 0)), else_=0),
        "timed": _one_if(and_(was_judged, first.c.elapsed_us.is_not(None))),
        "tokens": case((was_judged, func.coalesce(first.c.tokens, 0)), else_=0),
        "counted": _one_if(and_(was_judged, first.c.tokens.is_not(None))),
    }
    sums = [(last.c[f"sum_{name}"] - first.c[f"sum_{name}"] + own[name]).label(f"window_{name}") for name in SUMS]
    return [*sums, last.c.is_good, last.c.since, last.c.before]


def _one_if(condition: Any) -> Any:
    return case((condition, 1), else_=0)


def strips(connection: Connection, scope: Scope) -> Strips:
    """The last runs of every case of a suite; empty where the store does not know it."""
    wanted = [row for row in all_series(connection) if (row.name, row.engine) == (scope.suite, scope.engine)]
    if not wanted:
        return Strips((), {})
    chosen = window(connection, wanted[0], scope)
    places = {row.at: place for place, row in enumerate(chosen.runs)}
    columns = (cases.c.name, case_runs.c.at, case_runs.c.verdict, case_runs.c.flaky)
    query = (
        select(*columns)
        .select_from(cases)
        .join(case_runs, case_runs.c.case_no == cases.c.no)
        .where(cases.c.suite_no == chosen.suite, _of_runs(connection, chosen))
    )
    letters = [LETTERS[verdict] for verdict in VERDICTS]
    found: dict[str, list[str]] = {}
    for name, at, verdict, flaky in connection.execute(query):
        row = found.get(name)
        if row is None:
            row = found[name] = [ABSENT] * len(places)
        if (place := places.get(at)) is not None:  # else of a run that came in between
            row[place] = FLAKY if flaky else letters[verdict]
    drawn = {name: "".join(found[name]) for name in sorted(found)}
    return Strips(tuple((run.id, run.started_at) for run in chosen.runs), drawn)


def _of_runs(connection: Connection, chosen: Window) -> Any:
    """What all rows of a window have in common, asked for as the database keeps them.

    SQLite has the rows of a case side by side. PostgreSQL has them in the order they came, so those of a run.
    """
    if connection.dialect.name == "sqlite":
        return case_runs.c.at.between(chosen.first, chosen.last)
    return case_runs.c.run_no.in_([run.no for run in chosen.runs])

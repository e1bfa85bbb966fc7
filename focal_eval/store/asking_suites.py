"""The history of a suite: its runs, and what its cases add up to over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, select

from focal_eval.store.answers import Rate, Series, Standing, Strips, SuiteHistory
from focal_eval.store.model import VERDICTS, Scope
from focal_eval.store.tables import SUMS, case_runs, cases
from focal_eval.store.windows import Window, all_series, fitting, stored_run, window

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

LETTERS = dict(zip(VERDICTS, "efunxsp", strict=True))
FLAKY, ABSENT = "~", "."
_OWN = ("unsteady", "good", "judged", "elapsed_us", "tokens")


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
        points=tuple(stored_run(row, chosen.series) for row in chosen.runs),
        cases=len(found),
        flakiest=tuple(flakiest[: scope.most]),
        slowest=tuple(slowest[: scope.most]),
        bad=tuple(bad[: scope.most]),
        all_bad=len(bad),
        flake=Rate(sum(item.flake.hits for item in found), sum(item.flake.of for item in found)),
        also=chosen.also,
    )


def edges(connection: Connection, chosen: Window, columns: Callable[[Any, Any], list[Any]]) -> Iterator[Row[Any]]:
    """Of every case of a window its first and its last row in it; the columns chosen from the two, beside `name`."""
    first, last, inner = case_runs.alias("first"), case_runs.alias("last"), case_runs.alias("inner")
    here = and_(inner.c.case_no == cases.c.no, inner.c.at.between(chosen.first, chosen.last))
    lowest = select(func.min(inner.c.at)).where(here).scalar_subquery()
    highest = select(func.max(inner.c.at)).where(here).scalar_subquery()
    query = (
        select(cases.c.name, *columns(first, last))
        .select_from(cases)
        .join(first, and_(first.c.case_no == cases.c.no, first.c.at == lowest))
        .join(last, and_(last.c.case_no == cases.c.no, last.c.at == highest))
        .where(cases.c.suite_no == chosen.suite)
    )
    yield from connection.execute(query)


def _standings(connection: Connection, chosen: Window) -> Iterator[Standing]:
    """Each case over the window: what the last row adds up to, less the first, and with what the first says itself."""
    started = {row.at: row.id for row in chosen.runs}
    for row in edges(connection, chosen, _sums):
        gained = [getattr(row, f"last_{name}") - getattr(row, f"first_{name}") for name in SUMS]
        judged_first = row.own_judged > 0
        own = (
            int(judged_first),
            row.own_good,
            row.own_judged,
            int(row.own_unsteady),
            (row.own_elapsed_us or 0) * judged_first,
            int(judged_first and row.own_elapsed_us is not None),
            (row.own_tokens or 0) * judged_first,
            int(judged_first and row.own_tokens is not None),
        )
        many, good, judged, unsteady, us, timed, tokens, counted = (a + b for a, b in zip(gained, own, strict=True))
        yield Standing(
            name=row.name,
            runs=many,
            passed=Rate(good, judged),
            flake=Rate(unsteady, many),
            ms=us / timed / 1000 if timed else None,
            tokens=tokens / counted if counted else None,
            bad=row.is_good is False or row.is_good == 0,
            since=started.get(row.since, ""),
            before=row.before is not None,
        )


def _sums(first: Any, last: Any) -> list[Any]:
    return [
        *(last.c[f"sum_{name}"].label(f"last_{name}") for name in SUMS),
        *(first.c[f"sum_{name}"].label(f"first_{name}") for name in SUMS),
        *(first.c[name].label(f"own_{name}") for name in _OWN),
        last.c.is_good,
        last.c.since,
        last.c.before,
    ]


def strips(connection: Connection, scope: Scope) -> Strips:
    """The last runs of every case of a suite; empty where the store does not know it."""
    wanted = [row for row in all_series(connection) if (row.name, row.engine) == (scope.suite, scope.engine)]
    if not wanted:
        return Strips((), {})
    chosen = window(connection, wanted[0], scope)
    places = {row.no: place for place, row in enumerate(chosen.runs)}
    query = (
        select(cases.c.name, case_runs.c.run_no, case_runs.c.verdict, case_runs.c.flaky)
        .join(cases, cases.c.no == case_runs.c.case_no)
        .where(case_runs.c.run_no.in_(list(places)))
    )
    found: dict[str, list[str]] = {}
    for name, run, verdict, flaky in connection.execute(query):
        row = found.setdefault(name, [ABSENT] * len(places))
        row[places[run]] = FLAKY if flaky else LETTERS[VERDICTS[verdict]]
    return Strips(
        tuple((row.id, row.started_at) for row in chosen.runs), {name: "".join(found[name]) for name in sorted(found)}
    )

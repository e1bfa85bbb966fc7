"""The history of one case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, and_, func, select

from focal_eval.errors import UsageError
from focal_eval.registry import did_you_mean
from focal_eval.store.answers import CaseHistory, Point, Rate, Series, Streak
from focal_eval.store.model import VERDICTS, Scope
from focal_eval.store.tables import case_runs, cases, reasons, runs, scripts, tries
from focal_eval.store.windows import fitting, in_ms, window
from focal_eval.text import counted, listed

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row


def case_history(connection: Connection, name: str, scope: Scope) -> CaseHistory:
    """The last runs of a case: of the suite where it was run last, where several have one of that name."""
    series = {row.no: row for row in fitting(connection, scope)}
    newest = func.max(case_runs.c.at)
    query = (
        select(cases, newest.label("newest"))
        .join(case_runs, case_runs.c.case_no == cases.c.no)
        .where(cases.c.name == name, cases.c.suite_no.in_(list(series)))
        .group_by(*cases.c)
        .order_by(newest.desc())
    )
    found = list(connection.execute(query))
    if not found:
        raise _unknown(connection, name, list(series))
    case, *others = found
    also = tuple(Series(series[row.suite_no].name, series[row.suite_no].engine) for row in others)
    chosen = window(connection, series[case.suite_no], scope, also)
    rows = list(connection.execute(_points(case.no).where(case_runs.c.at.between(chosen.first, chosen.last))))
    tried = _tries(connection, case.no, rows)
    points = tuple(_point(row, tried) for row in rows)
    judged = [place for place, point in enumerate(points) if point.judged]
    return CaseHistory(
        name=name,
        title=case.title,
        file=case.file,
        series=chosen.series,
        points=points,
        passed=Rate(sum([point.good for point in points]), sum([point.judged for point in points])),
        flake=Rate(sum([point.unsteady for point in points]), len(judged)),
        streak=_streak(connection, case.no, rows[judged[-1]]) if judged else None,
        also=also,
    )


_POINT = (
    *(runs.c[name] for name in ("id", "started_at", "agent_digest", "suite_digest", "version")),
    *(case_runs.c[name] for name in ("verdict", "flaky", "unsteady", "quarantined", "good", "judged", "elapsed_us", "tokens")),
    *(scripts.c.digest.label("script"), reasons.c.text.label("reason"), case_runs.c.run_no, case_runs.c.at),
    *(case_runs.c[name] for name in ("is_good", "since", "before", "sum_runs")),
)


def _points(case: int) -> Select[Any]:
    """The rows of a case, oldest first, with what they refer to."""
    return (
        select(*_POINT)
        .select_from(case_runs)
        .join(runs, runs.c.no == case_runs.c.run_no)
        .join(scripts, scripts.c.no == case_runs.c.script_no)
        .outerjoin(reasons, reasons.c.no == case_runs.c.reason_no)
        .where(case_runs.c.case_no == case)
        .order_by(case_runs.c.at)
    )


def _tries(connection: Connection, case: int, rows: Sequence[Row[Any]]) -> Mapping[int, tuple[str, ...]]:
    """Of the runs that tried the case more than once, each try's verdict."""
    if not rows:
        return {}
    query = (
        select(tries.c.run_no, tries.c.verdict)
        .select_from(case_runs)
        .join(tries, and_(tries.c.run_no == case_runs.c.run_no, tries.c.case_no == case_runs.c.case_no))
        .where(case_runs.c.case_no == case, case_runs.c.at.between(rows[0].at, rows[-1].at))
        .order_by(tries.c.run_no, tries.c.repeat, tries.c.attempt)
    )
    out: dict[int, tuple[str, ...]] = {}
    for run, verdict in connection.execute(query):
        out[run] = (*out.get(run, ()), VERDICTS[verdict])
    return out


def _point(row: Sequence[Any], tried: Mapping[int, tuple[str, ...]]) -> Point:
    key, started_at, agent, suite, version, verdict, flaky, unsteady, quarantined, good, judged, us, tokens, *rest = row
    script, reason, number, *_ = rest
    marks = (flaky, unsteady, quarantined, good, judged)
    versions = (script, agent, suite, version)
    return Point(
        key, started_at, VERDICTS[verdict], *marks, in_ms(us), tokens, reason, *versions, tried.get(number, ()) if tried else ()
    )


def _streak(connection: Connection, case: int, now: Row[Any]) -> Streak:
    """What a case is since when; where the streak's first runs were pruned, since the oldest run that is left."""
    edges = {row.at: row for row in connection.execute(_points(case).where(case_runs.c.at.in_([now.since, now.before])))}
    first = edges.get(now.since)
    if first is None:
        left = _points(case).where(case_runs.c.at > now.since, case_runs.c.judged > 0).limit(1)
        first = connection.execute(left).one()
    before = edges.get(now.before)
    changed, unknown = (None, ()) if before is None else _changed(before, first)
    return Streak(
        good=now.is_good,
        since=first.id,
        started_at=first.started_at,
        runs=now.sum_runs - first.sum_runs + 1,
        before=None if before is None else before.id,
        changed=changed,
        unknown=unknown,
        reason=first.reason,
    )


def _changed(before: Row[Any], first: Row[Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What differs between two runs of a case, and what of it is not known on both sides."""
    parts = (
        ("the script", before.script, first.script),
        ("the agent", before.agent_digest, first.agent_digest),
        ("the suite", before.suite_digest, first.suite_digest),
        ("focal-eval", before.version, first.version),
    )
    changed = tuple(name for name, old, new in parts if old and new and old != new)
    return changed, tuple(name for name, old, new in parts if not old or not new)


def _unknown(connection: Connection, name: str, series: Iterable[int]) -> UsageError:
    known = select(cases.c.name, cases.c.script).where(cases.c.suite_no.in_(list(series)))
    rows = list(connection.execute(known))
    of_script = sorted({row.name for row in rows if row.script == name})
    if of_script:
        return UsageError(f"'{name}' is a script of {counted(len(of_script), 'case')}; name one: {listed(of_script)}")
    fix = did_you_mean(name, {row.name for row in rows})
    return UsageError(f"the store knows no case '{name}'" + (f"; {fix}" if fix else ""))

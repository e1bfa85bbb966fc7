"""The history of one rule, in the runs whose engine reports rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, select

from focal_eval.errors import UsageError
from focal_eval.registry import did_you_mean
from focal_eval.store.answers import RuleHistory, RulePoint, Series
from focal_eval.store.asking_suites import edges
from focal_eval.store.model import VERDICTS, Scope
from focal_eval.store.tables import case_runs, cases, rule_runs, rule_set_rules, rules, runs
from focal_eval.store.windows import Window, fitting, window

if TYPE_CHECKING:
    from sqlalchemy import Connection


def rule_history(connection: Connection, name: str, scope: Scope) -> RuleHistory:
    """The last runs of a suite by what they say of a rule: of the suite where it matched last."""
    series = {row.no: row for row in fitting(connection, scope)}
    number = connection.scalar(select(rules.c.no).where(rules.c.name == name))
    newest = func.max(runs.c.at)
    query = (
        select(runs.c.suite_no)
        .join(rule_runs, rule_runs.c.run_no == runs.c.no)
        .where(rule_runs.c.rule_no == number, runs.c.suite_no.in_(list(series)))
        .group_by(runs.c.suite_no)
        .order_by(newest.desc())
    )
    found = [] if number is None else list(connection.scalars(query))
    if not found or number is None:
        fix = did_you_mean(name, connection.scalars(select(rules.c.name)))
        raise UsageError(f"no run in the store matched a rule '{name}'" + (f"; {fix}" if fix else ""))
    chosen = window(connection, series[found[0]], scope, tuple(Series(series[no].name, series[no].engine) for no in found[1:]))
    points = _points(connection, number, chosen)
    last = next((point.run for point in reversed(points) if point.cases), None)
    matched = _cases(connection, number, last)
    lost, gained = _moved(connection, number, chosen)
    return RuleHistory(
        name=name,
        series=chosen.series,
        points=points,
        cases=tuple(matched[: scope.most]),
        all_cases=len(matched),
        lost=lost,
        gained=gained,
        last_match=last,
        also=chosen.also,
    )


def _points(connection: Connection, number: int, chosen: Window) -> tuple[RulePoint, ...]:
    query = (
        select(runs.c.id, runs.c.started_at, rule_runs.c.cases, rule_runs.c.turns, rule_runs.c.good, rule_runs.c.judged)
        .outerjoin(rule_runs, and_(rule_runs.c.run_no == runs.c.no, rule_runs.c.rule_no == number))
        .where(runs.c.suite_no == chosen.suite, runs.c.at.between(chosen.first, chosen.last), runs.c.knows_rules)
        .order_by(runs.c.at)
    )
    return tuple(
        RulePoint(row.id, row.started_at, row.cases or 0, row.turns or 0, row.good or 0, row.judged or 0)
        for row in connection.execute(query)
    )


def _cases(connection: Connection, number: int, run: str | None) -> list[tuple[str, int, str]]:
    """The cases of a run that matched it, the bad ones first."""
    query = (
        select(cases.c.name, rule_set_rules.c.turns, case_runs.c.verdict)
        .select_from(runs)
        .join(case_runs, case_runs.c.run_no == runs.c.no)
        .join(rule_set_rules, and_(rule_set_rules.c.set_no == case_runs.c.rules_no, rule_set_rules.c.rule_no == number))
        .join(cases, cases.c.no == case_runs.c.case_no)
        .where(runs.c.id == run)
    )
    found = sorted(connection.execute(query), key=lambda row: (row.verdict, row.name))  # databases sort names each in its way
    return [(name, turns, VERDICTS[verdict]) for name, turns, verdict in found]


def _moved(connection: Connection, number: int, chosen: Window) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Cases that matched it when the window began and do not now, and the other way round."""
    sets = set(connection.scalars(select(rule_set_rules.c.set_no).where(rule_set_rules.c.rule_no == number)))
    lost: list[str] = []
    gained: list[str] = []
    for row in edges(connection, chosen, _set_of):
        if row.first_value is None or row.last_value is None or (row.first_value in sets) == (row.last_value in sets):
            continue
        (lost if row.first_value in sets else gained).append(row.name)
    return tuple(sorted(lost)), tuple(sorted(gained))


def _set_of(first: Any, last: Any) -> list[Any]:
    return [first.c.rules_no.label("first_value"), last.c.rules_no.label("last_value")]

"""Lets old runs go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, func, select

from focal_eval.store.ingesting import CHUNK
from focal_eval.store.model import Keep
from focal_eval.store.tables import (
    case_runs,
    cases,
    reasons,
    rule_runs,
    rule_set_rules,
    rule_sets,
    rules,
    runs,
    scripts,
    suites,
    tries,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection


def prune(connection: Connection, keep: Keep) -> tuple[int, int]:
    """Lets go what `keep` does not keep: runs gone, runs left. The caller holds the writers' lock.

    Only the oldest runs of a suite go, so that what later rows add up to stays right.
    """
    gone = list(_unwanted(connection, keep))
    for start in range(0, len(gone), CHUNK):
        chunk = gone[start : start + CHUNK]
        for table in (tries, rule_runs, case_runs):
            connection.execute(delete(table).where(table.c.run_no.in_(chunk)))
        connection.execute(delete(runs).where(runs.c.no.in_(chunk)))
    if gone:
        _sweep(connection)
    return len(gone), connection.scalar(select(func.count()).select_from(runs)) or 0


def _unwanted(connection: Connection, keep: Keep) -> Iterator[int]:
    place = func.row_number().over(partition_by=runs.c.suite_no, order_by=runs.c.at.desc())
    for number, started_at, nth in connection.execute(select(runs.c.no, runs.c.started_at, place)):
        among_newest = keep.runs is not None and nth <= keep.runs
        recent = keep.since is not None and started_at >= keep.since
        if not among_newest and not recent:
            yield number


def _sweep(connection: Connection) -> None:
    """Deletes what no row refers to any more."""
    connection.execute(delete(cases).where(~exists().where(case_runs.c.case_no == cases.c.no)))
    connection.execute(delete(suites).where(~exists().where(runs.c.suite_no == suites.c.no)))
    used = {
        scripts: [case_runs.c.script_no],
        reasons: [case_runs.c.reason_no, tries.c.reason_no],
    }
    for table, columns in used.items():
        condition = [table.c.no.not_in(select(column).where(column.is_not(None)).distinct()) for column in columns]
        connection.execute(delete(table).where(*condition))
    idle = rule_sets.c.no.not_in(select(case_runs.c.rules_no).where(case_runs.c.rules_no.is_not(None)).distinct())
    connection.execute(delete(rule_set_rules).where(rule_set_rules.c.set_no.in_(select(rule_sets.c.no).where(idle))))
    connection.execute(delete(rule_sets).where(idle))
    connection.execute(delete(rules).where(~exists().where(rule_set_rules.c.rule_no == rules.c.no)))

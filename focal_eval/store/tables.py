"""The tables, as the newest migration leaves them.

`case_runs` is the long one: a row for each case of each run, clustered by case and time. Beside what the run said it holds
what all runs of the case say up to this one (`sum_*`), so that a window of any length is the difference of two rows.
Texts that many rows share stand once; those tables are not referred to by foreign keys, which would cost each row a look-up.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeEngine

NUMBER = BigInteger().with_variant(Integer, "sqlite")  # an INTEGER of SQLite has 64 bits, and only that can be its row's number

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


Kind = type[TypeEngine[Any]] | TypeEngine[Any]


def _own() -> Column[Any]:
    """The row's own number."""
    return Column("no", NUMBER, primary_key=True)


def _known(name: str, kind: Kind) -> Column[Any]:
    """A column in which every row has a value."""
    return Column(name, kind, nullable=False)


def _of(name: str, table: str) -> Column[Any]:
    """The number of another table's row, in every row."""
    return Column(name, NUMBER, ForeignKey(f"{table}.no"), nullable=False)


def _key(name: str, kind: Kind = NUMBER, *, of: str | None = None) -> Column[Any]:
    """A part of a key that is given, never counted up; where a table is named, its rows' number."""
    return Column(name, kind, *([] if of is None else [ForeignKey(f"{of}.no")]), primary_key=True, autoincrement=False)


def _named(name: str, kept: str, *more: Column[object]) -> Table:
    """A table of texts that many rows have in common."""
    return Table(name, metadata, _own(), Column(kept, Text, nullable=False, unique=True), *more)


suites = Table(
    "suites",
    metadata,
    _own(),
    _known("name", Text),
    _known("engine", Text),
    UniqueConstraint("name", "engine"),
)

runs = Table(
    "runs",
    metadata,
    _own(),
    _of("suite_no", "suites"),
    _known("at", NUMBER),  # where it stands in time; see RunFacts.place
    Column("id", Text, nullable=False, unique=True),
    _known("digest", Text),
    Column("of_run", Text),  # the run it judged again
    _known("started_at", Text),
    Column("finished_at", Text),
    _known("state", Text),
    Column("verdict", Text),
    Column("exit_code", SmallInteger),
    _known("folder", Text),
    _known("version", Text),
    _known("engine_kind", Text),
    _known("suite_digest", Text),
    _known("agent_file", Text),
    _known("agent_digest", Text),
    Column("terms", Text),
    _known("planned", NUMBER),
    _known("held", NUMBER),  # tries recorded
    _known("cases", NUMBER),
    _known("good", NUMBER),
    _known("judged", NUMBER),
    _known("flaky", NUMBER),
    _known("errored", NUMBER),
    _known("quarantined", NUMBER),
    _known("turns", NUMBER),
    _known("elapsed_us", NUMBER),
    Column("p50_us", NUMBER),
    Column("p95_us", NUMBER),
    Column("tokens", NUMBER),
    _known("knows_rules", Boolean),
    _known("ingested_at", Text),
    UniqueConstraint("suite_no", "at"),
)

cases = Table(
    "cases",
    metadata,
    _own(),
    _of("suite_no", "suites"),
    _known("name", Text),
    _known("script", Text),
    _known("title", Text),
    _known("file", Text),
    UniqueConstraint("suite_no", "name"),
    Index(None, "name"),
)

scripts = _named("scripts", "digest")
rules = _named("rules", "name")
reasons = _named("reasons", "digest", _known("text", Text))
rule_sets = _named("rule_sets", "digest")

rule_set_rules = Table(
    "rule_set_rules",
    metadata,
    _key("set_no", of="rule_sets"),
    _key("rule_no", of="rules"),
    _known("turns", NUMBER),
    Index(None, "rule_no"),
    sqlite_with_rowid=False,
)

SUMS = ("runs", "good", "judged", "unsteady", "us", "timed", "tokens", "counted")
"""What `sum_*` add up: judged runs, good and judged conversations, unsteady runs; time and tokens, each with who told it."""

case_runs = Table(
    "case_runs",
    metadata,
    _key("case_no", of="cases"),
    _key("at"),
    _of("run_no", "runs"),
    _known("verdict", SmallInteger),
    _known("flaky", Boolean),
    _known("unsteady", Boolean),
    _known("quarantined", Boolean),
    _known("good", Integer),
    _known("judged", Integer),
    Column("elapsed_us", NUMBER),
    Column("tokens", NUMBER),
    _known("script_no", NUMBER),
    Column("reason_no", NUMBER),
    Column("rules_no", NUMBER),
    Column("judged_at", NUMBER),  # the latest row that was judged, this one included
    Column("is_good", Boolean),  # what it is as of that row
    Column("was_good", Boolean),  # what it was as of the judged row before that one
    Column("since", NUMBER),  # the first judged row of the present streak
    Column("before", NUMBER),  # the judged row before that one
    *(_known(f"sum_{name}", NUMBER) for name in SUMS),
    Index(None, "run_no"),
    sqlite_with_rowid=False,
)

tries = Table(
    "tries",
    metadata,
    _key("run_no", of="runs"),
    _key("case_no"),
    _key("repeat", Integer),
    _key("attempt", Integer),
    _known("verdict", SmallInteger),
    _known("elapsed_us", NUMBER),
    Column("reason_no", NUMBER),
    sqlite_with_rowid=False,
)

rule_runs = Table(
    "rule_runs",
    metadata,
    _key("rule_no", of="rules"),
    _key("run_no", of="runs"),
    _known("cases", NUMBER),
    _known("turns", NUMBER),
    _known("good", NUMBER),
    _known("judged", NUMBER),
    Index(None, "run_no"),
    sqlite_with_rowid=False,
)

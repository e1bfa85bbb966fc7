"""The tables, as the newest migration leaves them.

`case_runs` is the long one: a row for each case of each run, clustered by case and time. Beside what the run said it holds
what all runs of the case say up to this one (`sum_*`), so that a window of any length is the difference of two rows.
Texts that many rows share stand once; those tables are not referred to by foreign keys, which would cost each row a look-up.
"""

from __future__ import annotations

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

NUMBER = BigInteger().with_variant(Integer, "sqlite")  # an INTEGER of SQLite has 64 bits, and only that can be its row's number

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _named(name: str, kept: str, *more: Column[object]) -> Table:
    """A table of texts that many rows have in common."""
    return Table(name, metadata, Column("no", NUMBER, primary_key=True), Column(kept, Text, nullable=False, unique=True), *more)


suites = Table(
    "suites",
    metadata,
    Column("no", NUMBER, primary_key=True),
    Column("name", Text, nullable=False),
    Column("engine", Text, nullable=False),
    UniqueConstraint("name", "engine"),
)

runs = Table(
    "runs",
    metadata,
    Column("no", NUMBER, primary_key=True),
    Column("suite_no", NUMBER, ForeignKey("suites.no"), nullable=False),
    Column("at", NUMBER, nullable=False),  # where it stands in time; see RunFacts.place
    Column("id", Text, nullable=False, unique=True),
    Column("digest", Text, nullable=False),
    Column("of_run", Text),  # the run it judged again
    Column("started_at", Text, nullable=False),
    Column("finished_at", Text),
    Column("state", Text, nullable=False),
    Column("verdict", Text),
    Column("exit_code", SmallInteger),
    Column("folder", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("engine_kind", Text, nullable=False),
    Column("suite_digest", Text, nullable=False),
    Column("agent_file", Text, nullable=False),
    Column("agent_digest", Text, nullable=False),
    Column("terms", Text),
    Column("planned", NUMBER, nullable=False),
    Column("held", NUMBER, nullable=False),  # tries recorded
    Column("cases", NUMBER, nullable=False),
    Column("good", NUMBER, nullable=False),
    Column("judged", NUMBER, nullable=False),
    Column("flaky", NUMBER, nullable=False),
    Column("errored", NUMBER, nullable=False),
    Column("quarantined", NUMBER, nullable=False),
    Column("turns", NUMBER, nullable=False),
    Column("elapsed_us", NUMBER, nullable=False),
    Column("p50_us", NUMBER),
    Column("p95_us", NUMBER),
    Column("tokens", NUMBER),
    Column("knows_rules", Boolean, nullable=False),
    Column("ingested_at", Text, nullable=False),
    UniqueConstraint("suite_no", "at"),
)

cases = Table(
    "cases",
    metadata,
    Column("no", NUMBER, primary_key=True),
    Column("suite_no", NUMBER, ForeignKey("suites.no"), nullable=False),
    Column("name", Text, nullable=False),
    Column("script", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("file", Text, nullable=False),
    UniqueConstraint("suite_no", "name"),
    Index(None, "name"),
)

scripts = _named("scripts", "digest")
rules = _named("rules", "name")
reasons = _named("reasons", "digest", Column("text", Text, nullable=False))
rule_sets = _named("rule_sets", "digest")

rule_set_rules = Table(
    "rule_set_rules",
    metadata,
    Column("set_no", NUMBER, ForeignKey("rule_sets.no"), primary_key=True, autoincrement=False),
    Column("rule_no", NUMBER, ForeignKey("rules.no"), primary_key=True, autoincrement=False),
    Column("turns", NUMBER, nullable=False),
    Index(None, "rule_no"),
    sqlite_with_rowid=False,
)

SUMS = ("runs", "good", "judged", "unsteady", "us", "timed", "tokens", "counted")
"""What `sum_*` add up: judged runs, good and judged conversations, unsteady runs; time and tokens, each with who told it."""

case_runs = Table(
    "case_runs",
    metadata,
    Column("case_no", NUMBER, ForeignKey("cases.no"), primary_key=True, autoincrement=False),
    Column("at", NUMBER, primary_key=True, autoincrement=False),
    Column("run_no", NUMBER, ForeignKey("runs.no"), nullable=False),
    Column("verdict", SmallInteger, nullable=False),
    Column("flaky", Boolean, nullable=False),
    Column("unsteady", Boolean, nullable=False),
    Column("quarantined", Boolean, nullable=False),
    Column("good", Integer, nullable=False),
    Column("judged", Integer, nullable=False),
    Column("elapsed_us", NUMBER),
    Column("tokens", NUMBER),
    Column("script_no", NUMBER, nullable=False),
    Column("reason_no", NUMBER),
    Column("rules_no", NUMBER),
    Column("judged_at", NUMBER),  # the latest row that was judged, this one included
    Column("is_good", Boolean),  # what it is as of that row
    Column("was_good", Boolean),  # what it was as of the judged row before that one
    Column("since", NUMBER),  # the first judged row of the present streak
    Column("before", NUMBER),  # the judged row before that one
    *(Column(f"sum_{name}", NUMBER, nullable=False) for name in SUMS),
    Index(None, "run_no"),
    sqlite_with_rowid=False,
)

tries = Table(
    "tries",
    metadata,
    Column("run_no", NUMBER, ForeignKey("runs.no"), primary_key=True, autoincrement=False),
    Column("case_no", NUMBER, primary_key=True, autoincrement=False),
    Column("repeat", Integer, primary_key=True, autoincrement=False),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("verdict", SmallInteger, nullable=False),
    Column("elapsed_us", NUMBER, nullable=False),
    Column("reason_no", NUMBER),
    sqlite_with_rowid=False,
)

rule_runs = Table(
    "rule_runs",
    metadata,
    Column("rule_no", NUMBER, ForeignKey("rules.no"), primary_key=True, autoincrement=False),
    Column("run_no", NUMBER, ForeignKey("runs.no"), primary_key=True, autoincrement=False),
    Column("cases", NUMBER, nullable=False),
    Column("turns", NUMBER, nullable=False),
    Column("good", NUMBER, nullable=False),
    Column("judged", NUMBER, nullable=False),
    Index(None, "run_no"),
    sqlite_with_rowid=False,
)

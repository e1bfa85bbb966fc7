"""The first tables: runs and their cases, rules and tries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
SUMS = ("runs", "good", "judged", "unsteady", "us", "timed", "tokens", "counted")


def upgrade() -> None:
    """Makes the tables of an empty store."""
    _suites()
    _runs()
    _cases()
    for name, kept in (("scripts", "digest"), ("rules", "name"), ("rule_sets", "digest")):
        _texts(name, kept)
    _texts("reasons", "digest", sa.Column("text", sa.Text, nullable=False))
    _rules()
    _case_runs()
    _tries()


def _number(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, NUMBER, nullable=null)


def _words(*names: str, null: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=null) for name in names]


def _key(name: str) -> sa.Column[int]:
    return sa.Column(name, NUMBER, nullable=False, autoincrement=False)


def _refers(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{column.removesuffix('_no')}s.no"], name=f"fk_{table}_{column}")


def _texts(name: str, kept: str, *more: sa.Column[str]) -> None:
    op.create_table(
        name,
        _number("no"),
        *_words(kept),
        *more,
        sa.PrimaryKeyConstraint("no", name=f"pk_{name}"),
        sa.UniqueConstraint(kept, name=f"uq_{name}_{kept}"),
    )


def _suites() -> None:
    op.create_table(
        "suites",
        _number("no"),
        *_words("name", "engine"),
        sa.PrimaryKeyConstraint("no", name="pk_suites"),
        sa.UniqueConstraint("name", "engine", name="uq_suites_name_engine"),
    )


def _runs() -> None:
    counts = ("planned", "held", "cases", "good", "judged", "flaky", "errored", "quarantined", "turns", "elapsed_us")
    op.create_table(
        "runs",
        *(_number(name) for name in ("no", "suite_no", "at")),
        *_words("id", "digest"),
        *_words("of_run", null=True),
        *_words("started_at"),
        *_words("finished_at", null=True),
        *_words("state"),
        *_words("verdict", null=True),
        sa.Column("exit_code", sa.SmallInteger),
        *_words("folder", "version", "engine_kind", "suite_digest", "agent_file", "agent_digest"),
        *_words("terms", null=True),
        *(_number(name) for name in counts),
        *(_number(name, null=True) for name in ("p50_us", "p95_us", "tokens")),
        sa.Column("knows_rules", sa.Boolean, nullable=False),
        *_words("ingested_at"),
        sa.PrimaryKeyConstraint("no", name="pk_runs"),
        _refers("runs", "suite_no"),
        sa.UniqueConstraint("id", name="uq_runs_id"),
        sa.UniqueConstraint("suite_no", "at", name="uq_runs_suite_no_at"),
    )


def _cases() -> None:
    op.create_table(
        "cases",
        *(_number(name) for name in ("no", "suite_no")),
        *_words("name", "script", "title", "file"),
        sa.PrimaryKeyConstraint("no", name="pk_cases"),
        _refers("cases", "suite_no"),
        sa.UniqueConstraint("suite_no", "name", name="uq_cases_suite_no_name"),
    )
    op.create_index("ix_cases_name", "cases", ["name"])


def _rules() -> None:
    op.create_table(
        "rule_set_rules",
        _key("set_no"),
        _key("rule_no"),
        _number("turns"),
        sa.PrimaryKeyConstraint("set_no", "rule_no", name="pk_rule_set_rules"),
        sa.ForeignKeyConstraint(["set_no"], ["rule_sets.no"], name="fk_rule_set_rules_set_no"),
        _refers("rule_set_rules", "rule_no"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_rule_set_rules_rule_no", "rule_set_rules", ["rule_no"])
    op.create_table(
        "rule_runs",
        _key("rule_no"),
        _key("run_no"),
        *(_number(name) for name in ("cases", "turns", "good", "judged")),
        sa.PrimaryKeyConstraint("rule_no", "run_no", name="pk_rule_runs"),
        _refers("rule_runs", "rule_no"),
        _refers("rule_runs", "run_no"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_rule_runs_run_no", "rule_runs", ["run_no"])


def _case_runs() -> None:
    op.create_table(
        "case_runs",
        _key("case_no"),
        _key("at"),
        _number("run_no"),
        sa.Column("verdict", sa.SmallInteger, nullable=False),
        *(sa.Column(name, sa.Boolean, nullable=False) for name in ("flaky", "unsteady", "quarantined")),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("good", "judged")),
        *(_number(name, null=True) for name in ("elapsed_us", "tokens")),
        _number("script_no"),
        *(_number(name, null=True) for name in ("reason_no", "rules_no", "judged_at")),
        *(sa.Column(name, sa.Boolean) for name in ("is_good", "was_good")),
        *(_number(name, null=True) for name in ("since", "before")),
        *(_number(f"sum_{name}") for name in SUMS),
        sa.PrimaryKeyConstraint("case_no", "at", name="pk_case_runs"),
        _refers("case_runs", "case_no"),
        _refers("case_runs", "run_no"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_case_runs_run_no", "case_runs", ["run_no"])


def _tries() -> None:
    op.create_table(
        "tries",
        _key("run_no"),
        _key("case_no"),
        *(sa.Column(name, sa.Integer, nullable=False, autoincrement=False) for name in ("repeat", "attempt")),
        sa.Column("verdict", sa.SmallInteger, nullable=False),
        _number("elapsed_us"),
        _number("reason_no", null=True),
        sa.PrimaryKeyConstraint("run_no", "case_no", "repeat", "attempt", name="pk_tries"),
        _refers("tries", "run_no"),
        sqlite_with_rowid=False,
    )

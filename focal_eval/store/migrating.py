"""Brings a store's tables to what this version writes; one process at a time, the others wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from focal_eval.errors import StorageError
from focal_eval.store.extras import need

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

HEAD = "0001"
"""The newest migration, so that opening a store that has it does not load the library of migrations."""

_LOCK = 0x666F63616C  # a number of our own among a PostgreSQL server's advisory locks


def version_of(connection: Connection) -> str | None:
    """The migration a store stands at; None where it has no tables yet."""
    from sqlalchemy import inspect, text

    if not inspect(connection).has_table("alembic_version"):
        return None
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return None if row is None else str(row[0])


def locked(connection: Connection) -> None:
    """Waits until nobody else writes; the lock ends with the transaction. SQLite took its own as the transaction began."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy import text

        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})


def migrate(engine: Engine, shown: str) -> tuple[str | None, str]:
    """Upgrades a store where it is older; the version it had and the one it has.

    Raises StorageError where a newer version of this package wrote it, or the database holds somebody else's tables.
    """
    with engine.connect() as connection:
        found = version_of(connection)
    if found == HEAD:
        return found, HEAD
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        locked(connection)
        found = version_of(connection)  # another process may have upgraded it meanwhile
        if found != HEAD:
            _upgrade(connection, found, shown)
    return found, HEAD


def _upgrade(connection: Connection, found: str | None, shown: str) -> None:
    need("alembic", "store")
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory
    from sqlalchemy import inspect

    config = Config()
    config.set_main_option("script_location", "focal_eval.store:migrations")
    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    if found is not None and found not in known:
        raise StorageError(f"the store {shown} was written by a newer version of focal-eval (its tables are {found})")
    strangers = sorted(set(inspect(connection).get_table_names()) - {"alembic_version"})
    if found is None and strangers:
        raise StorageError(f"{shown} holds somebody else's tables ({', '.join(strangers[:3])}); name another store")

    def steps(revision: object, _context: object) -> object:
        return scripts._upgrade_revs("head", revision)  # type: ignore[arg-type]

    with EnvironmentContext(config, scripts, fn=steps) as environment:
        environment.configure(connection=connection, transaction_per_migration=False)
        environment.run_migrations()

"""Connections to databases, and their complaints in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy

from focal_eval.errors import StorageError, UsageError
from focal_eval.store.address import Address
from focal_eval.store.extras import need

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

WAIT_S = 120.0  # for somebody else who writes


def sqlite_engine(address: Address) -> Engine:
    """An engine on one file in WAL mode: readers go on while somebody writes, and one writes at a time."""
    path = Path(address.target)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise StorageError(f"cannot make the folder {path.parent}: {problem.strerror or problem}") from None
    url = sqlalchemy.URL.create("sqlite", database=str(path))
    engine: Engine = sqlalchemy.create_engine(url, connect_args={"timeout": WAIT_S})

    @sqlalchemy.event.listens_for(engine, "connect")
    def settled(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we begin transactions, not the driver
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "cache_size = -65536", "temp_store = MEMORY"):
            connection.execute(f"PRAGMA {pragma}")

    @sqlalchemy.event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def postgresql_engine(address: Address) -> Engine:
    """An engine on a PostgreSQL server."""
    need("psycopg", "postgres")
    try:
        url = sqlalchemy.make_url(address.target).set(drivername="postgresql+psycopg")
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise UsageError(f"the store's URL cannot be read: {address.shown}") from None
    waits = {"connect_timeout": 10} if "connect_timeout" not in url.query else {}
    engine: Engine = sqlalchemy.create_engine(
        url, connect_args={**waits, "application_name": "focal-eval"}, pool_size=1, max_overflow=1
    )
    return engine


@contextmanager
def speaking(address: Address) -> Iterator[None]:
    """What a database complains about inside becomes a StorageError in plain words, without the URL's password."""
    try:
        yield
    except sqlalchemy.exc.DBAPIError as problem:
        raise StorageError(f"the store {address.shown} {_complaint(problem)}") from None


def _complaint(problem: Any) -> str:
    said = str(problem.orig).strip()
    first = said.splitlines()[0] if said else type(problem.orig).__name__
    folded = first.casefold()
    if "database is locked" in folded or "busy" in folded:
        return f"was being written by somebody else for {WAIT_S:.0f} seconds; try again"
    if "readonly" in folded or "read-only" in folded:
        return "is read-only"
    if "not a database" in folded or "malformed" in folded:
        return f"is no store: {first}"
    if "unable to open" in folded:
        return "cannot be opened; is its folder writable?"
    if "disk is full" in folded or "no space left" in folded:
        return "cannot be written: the disk is full"
    if problem.connection_invalidated or "connection" in folded or "authentication" in folded:
        return f"cannot be reached: {first}"
    return f"failed: {first}"

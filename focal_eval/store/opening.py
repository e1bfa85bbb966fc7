"""Opens a store: finds its library, and makes or upgrades its tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from focal_eval.errors import UsageError
from focal_eval.registry import find
from focal_eval.store.address import Address
from focal_eval.store.extras import need

if TYPE_CHECKING:
    from focal_eval.store.base import Store


def open_store(address: Address, *, make: bool = False) -> Store:
    """The store at an address, its tables upgraded where they are older; `make` makes a file where there is none.

    Raises UsageError where it is not there or its library is not installed, StorageError where it cannot be opened.
    """
    if address.kind == "sqlite" and not make and not Path(address.target).exists():
        how = "`focal-eval store ingest RUN` makes one, and so does `focal-eval run --store`"
        raise UsageError(f"there is no store {address.shown}; {how}")
    store: Store = find("stores", address.kind)(address)
    return store


def sqlite(address: Address) -> Store:
    """A store in one file."""
    need("sqlalchemy", "store")
    from focal_eval.store.databases import sqlite_engine
    from focal_eval.store.sql import SqlStore

    return SqlStore(address, sqlite_engine(address))


def postgresql(address: Address) -> Store:
    """A store on a PostgreSQL server."""
    need("sqlalchemy", "store")
    from focal_eval.store.databases import postgresql_engine
    from focal_eval.store.sql import SqlStore

    return SqlStore(address, postgresql_engine(address))

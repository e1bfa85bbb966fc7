"""The store on a real PostgreSQL server keeps every promise of a store."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from focal_eval.errors import StorageError
from focal_eval.store import Store, address_of, open_store
from focal_eval.testing.stores import store_conformance


def test_postgresql_keeps_every_promise(database: Callable[[], str]) -> None:
    """Order, repetition, growth, several writers and pruning leave the answers what the facts say."""
    last = ""

    def fresh() -> Store:
        nonlocal last
        last = database()
        return open_store(address_of(last))

    store_conformance(fresh, lambda: open_store(address_of(last)))


def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    """The message names the server as it can be printed."""
    pytest.importorskip("psycopg")
    address = address_of("postgresql://ci:hush-hush@127.0.0.1:1/focal?connect_timeout=2")
    with pytest.raises(StorageError, match=r"the store postgresql://ci@127\.0\.0\.1:1/focal cannot be reached") as caught:
        open_store(address)
    assert "hush" not in str(caught.value)


def test_somebody_elses_tables_are_left_alone(database: Callable[[], str]) -> None:
    """A database that holds other tables is refused, and nothing is made in it."""
    import psycopg

    url = database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE invoices (no int)")
    with pytest.raises(StorageError, match=r"holds somebody else's tables \(invoices\)"):
        open_store(address_of(url))
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'").fetchone()
    assert found == (1,)

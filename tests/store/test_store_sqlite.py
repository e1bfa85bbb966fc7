"""The store on SQLite keeps every promise of a store."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from focal_eval.store import Store, address_of, open_store
from focal_eval.testing.stores import store_conformance


def test_sqlite_keeps_every_promise(tmp_path: Path) -> None:
    """Order, repetition, growth, several writers and pruning leave the answers what the facts say."""
    numbers, last = count(), Path()

    def fresh() -> Store:
        nonlocal last
        last = tmp_path / f"{next(numbers)}.sqlite"
        return open_store(address_of(str(last)), make=True)

    store_conformance(fresh, lambda: open_store(address_of(str(last))))

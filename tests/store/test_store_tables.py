"""A store's tables: migrations lead to what the code expects, once, whoever opens it first."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from focal_eval.errors import StorageError
from focal_eval.store import address_of, open_store
from focal_eval.store.migrating import HEAD
from focal_eval.store.sql import SqlStore
from focal_eval.store.tables import metadata


def differences(store: object) -> list[object]:
    """What the migrated tables lack or have beside those of the code."""
    assert isinstance(store, SqlStore)
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, metadata)
    store.close()
    return list(found)


def test_migrations_make_the_tables_the_code_uses(tmp_path: Path, database: Callable[[], str]) -> None:
    """On both databases no column, key or index is missing or left over."""
    assert differences(open_store(address_of(str(tmp_path / "s.sqlite")), make=True)) == []
    assert differences(open_store(address_of(database()))) == []


def test_the_newest_migration_is_the_one_that_opening_looks_for() -> None:
    """A new migration without a new HEAD would never be made."""
    config = Config()
    config.set_main_option("script_location", "focal_eval.store:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_a_store_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    """The message says who wrote it."""
    path = tmp_path / "s.sqlite"
    open_store(address_of(str(path)), make=True).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StorageError, match=r"written by a newer version of focal-eval \(its tables are 9999\)"):
        open_store(address_of(str(path)))


def test_a_file_that_is_no_store_is_told(tmp_path: Path) -> None:
    """Neither another file nor another program's database is written into."""
    text = tmp_path / "notes.txt"
    text.write_text("not a database at all, but long enough to be looked at" * 30)
    with pytest.raises(StorageError, match=r"notes\.txt is no store"):
        open_store(address_of(str(text)))
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE invoices (no)")
    with pytest.raises(StorageError, match=r"holds somebody else's tables \(invoices\)"):
        open_store(address_of(str(other)))


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file in the way of the store's folder ends in a sentence."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot make the folder"):
        open_store(address_of(str(tmp_path / "file" / "s.sqlite")), make=True)


INGEST = """
import os, sys
import alembic.command, sqlalchemy.dialects.postgresql, sqlalchemy.dialects.sqlite
from focal_eval.store import address_of, open_store
from focal_eval.testing.stores import AT, stored_run
url = sys.argv[1]
start, gun = os.pipe()
processes = []
for number in range(8):
    processes.append(os.fork())
    if not processes[-1]:
        os.close(gun)
        os.read(start, 1)  # until the first process lets all go at once
        store = open_store(address_of(url), make=True)
        outcomes = [store.ingest(stored_run(run), AT).outcome for run in (*range(number * 3, number * 3 + 3), 100)]
        store.close()
        os.write(1, (" ".join(outcomes) + "\\n").encode())
        sys.exit()
os.close(gun)
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes))
"""


def by_eight(url: str) -> list[str]:
    """Eight processes at once, each with three runs of its own and one that all have; what became of each."""
    done = subprocess.run([sys.executable, "-c", INGEST, url], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_eight_processes_take_runs_in_at_once(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """They make the store together; no run is lost, none is there twice, and every answer is what one writer would get."""
    url = str(tmp_path / "s.sqlite") if kind == "sqlite" else request.getfixturevalue("database")()
    outcomes = by_eight(url)
    assert sorted(outcomes) == ["known"] * 7 + ["new"] * 25

    from focal_eval.testing.promises import Kit
    from focal_eval.testing.stores import _answers, stored_run

    store = open_store(address_of(url))
    _answers(Kit("store", store), store, [*(stored_run(number) for number in range(24)), stored_run(100)])
    store.close()

"""A real PostgreSQL server, once for all tests; a database of its own for each that asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from focal_eval.testing.postgres import NoPostgres, throwaway_postgres


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of a throwaway server."""
    pytest.importorskip("psycopg", reason="pip install 'focal-eval[postgres]'")
    try:
        with throwaway_postgres() as url:
            yield url
    except NoPostgres as problem:
        pytest.skip(f"no PostgreSQL here: {problem}")


_numbers = count()


@pytest.fixture
def database(server: str) -> Callable[[], str]:
    """Makes an empty database; its URL."""
    import psycopg

    def make() -> str:
        name = f"t{next(_numbers)}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return server.replace("/postgres?", f"/{name}?")

    return make

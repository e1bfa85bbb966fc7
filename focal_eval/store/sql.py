"""The store on SQLite and on PostgreSQL: one set of statements for both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import func, select, text

from focal_eval.store.address import Address
from focal_eval.store.answers import CaseHistory, RuleHistory, Series, StoredRun, Strips, SuiteHistory
from focal_eval.store.asking_cases import case_history
from focal_eval.store.asking_rules import rule_history
from focal_eval.store.asking_suites import strips, suite_history
from focal_eval.store.databases import speaking
from focal_eval.store.ingesting import Ready, ingest
from focal_eval.store.migrating import locked, migrate
from focal_eval.store.model import Ingested, Keep, Pruned, RunFacts, Scope
from focal_eval.store.pruning import prune
from focal_eval.store.tables import metadata, runs
from focal_eval.store.windows import STORED, all_series, fitting, stored_run
from focal_eval.value import collector_off

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


class SqlStore:
    """A store in a database; opening it upgrades its tables where they are older. `upgraded` tells from what to what."""

    def __init__(self, address: Address, engine: Engine) -> None:
        self.address, self.engine = address, engine
        try:
            with speaking(address):
                self.upgraded = migrate(engine, address.shown)
        except BaseException:
            engine.dispose()
            raise

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """One look at the store. A collection in the midst of it would take longer than most answers."""
        with speaking(self.address), self.engine.connect() as connection, connection.begin(), collector_off():
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with (
            speaking(self.address),
            self.engine.connect().execution_options(writes=True) as connection,
            connection.begin(),
        ):
            locked(connection)
            yield connection

    def ingest(self, run: RunFacts, at: str) -> Ingested:
        ready = Ready(run)
        with self._writing() as connection:
            return ingest(connection, ready, at)

    def runs(self, scope: Scope) -> list[StoredRun]:
        with self._reading() as connection:
            named = scope.suite or scope.engine
            found = fitting(connection, scope) if named else all_series(connection)
            series = {row.no: Series(row.name, row.engine) for row in found}
            query = select(runs.c.suite_no, *STORED).where(runs.c.suite_no.in_(list(series)))
            newest = query.order_by(runs.c.at.desc()).limit(scope.last)
            return [stored_run(told, series[suite]) for suite, *told in connection.execute(newest)]

    def case(self, name: str, scope: Scope) -> CaseHistory:
        with self._reading() as connection:
            return case_history(connection, name, scope)

    def rule(self, name: str, scope: Scope) -> RuleHistory:
        with self._reading() as connection:
            return rule_history(connection, name, scope)

    def suite(self, scope: Scope) -> SuiteHistory:
        with self._reading() as connection:
            return suite_history(connection, scope)

    def strips(self, scope: Scope) -> Strips:
        with self._reading() as connection:
            return strips(connection, scope)

    def prune(self, keep: Keep) -> Pruned:
        before = self.bytes()
        with self._writing() as connection:
            gone, left = prune(connection, keep)
        if gone:
            self._vacuum()
        return Pruned(gone, left, before, self.bytes())

    def _vacuum(self) -> None:
        """Gives room back: SQLite's to the disk, PostgreSQL's to its tables."""
        with speaking(self.address), self.engine.connect() as connection:
            if self.engine.dialect.name == "sqlite":
                raw = connection.connection.driver_connection
                assert raw is not None
                raw.execute("VACUUM")
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                return
            connection.execution_options(isolation_level="AUTOCOMMIT")
            for table in metadata.sorted_tables:
                connection.execute(text(f"VACUUM (ANALYZE) {table.name}"))

    def bytes(self) -> int:
        """What it takes on disk."""
        with self._reading() as connection:
            if self.engine.dialect.name == "sqlite":
                pages = connection.execute(text("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"))
                return int(pages.scalar_one())
            names = [table.name for table in metadata.sorted_tables]
            sizes = [func.pg_total_relation_size(name) for name in names]
            return sum(connection.execute(select(*sizes)).one())

    def close(self) -> None:
        self.engine.dispose()

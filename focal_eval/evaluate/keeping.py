"""A run that is over goes into its store, and the store's last runs go into its page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from focal_eval.clock import Clock
from focal_eval.errors import StorageError, UsageError
from focal_eval.evaluate.request import STORE, Kept
from focal_eval.report.model import ReportModel
from focal_eval.script.suite import Suite

if TYPE_CHECKING:
    from focal_eval.store import Address
    from focal_eval.store.answers import Strips
    from focal_eval.store.model import Scope

OFF = "off"
RUNS_SHOWN = 20  # in a page's strip


def store_of(named: str | None, suite: Suite | None, environ: Mapping[str, str]) -> Address | None:
    """The store a run goes into: what is named, else the environment's, else the suite's; none where nothing names one.

    Raises UsageError before the run where the words mean no store, or its library is not installed.
    """
    word = named or environ.get(STORE)
    if word == OFF:
        return None
    if word is None and (suite is None or suite.fields.store is None):
        return None
    from focal_eval.evaluate.stores import of_suite
    from focal_eval.store import address_of
    from focal_eval.store.extras import need

    address = address_of(word) if word is not None else of_suite(suite) if suite is not None else None
    if address is not None and address.kind in ("sqlite", "postgresql"):
        need("sqlalchemy", "store")
        if address.kind == "postgresql":
            need("psycopg", "postgres")
    return address


def keep(model: ReportModel, address: Address, clock: Clock) -> Kept:
    """Takes a run in; what fails is told, not raised."""
    from focal_eval.evaluate.outcome import stamp
    from focal_eval.evaluate.stores import opened
    from focal_eval.evaluate.storing import facts_of

    try:
        with opened(address, make=True) as store:
            run = facts_of(model)
            done = store.ingest(run, stamp(clock.now()))
            return Kept(address.shown, done.outcome, None, store.strips(_scope(run.suite, run.engine, run.id)))
    except (StorageError, UsageError) as problem:
        return Kept(address.shown, None, str(problem))


def strips_of(model: ReportModel, address: Address) -> Strips:
    """The last runs of a run's cases, up to that run. Raises UsageError where the store does not have it."""
    from focal_eval.evaluate.stores import opened
    from focal_eval.evaluate.storing import series_of

    with opened(address) as store:
        return store.strips(_scope(*series_of(model), str(model.header.get("id"))))


def _scope(suite: str, engine: str, run: str) -> Scope:
    from focal_eval.store.model import Scope

    return Scope(suite=suite, engine=engine, last=RUNS_SHOWN, before=run)

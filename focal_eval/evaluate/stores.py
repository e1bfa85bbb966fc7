"""Which store is meant, runs taken into it, and what is asked of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from focal_eval.clock import Clock
from focal_eval.document import read_file
from focal_eval.errors import UsageError
from focal_eval.evaluate.folders import find_run
from focal_eval.evaluate.outcome import stamp
from focal_eval.evaluate.request import STORE
from focal_eval.evaluate.storing import facts_of
from focal_eval.report.journal import read_run
from focal_eval.report.model import ReportModel
from focal_eval.script.load import shown
from focal_eval.script.suite import Suite, looks_like_suite, read_suite
from focal_eval.store import DEFAULT, Address, Store, address_of, open_store
from focal_eval.store.answers import CaseHistory, RuleHistory, SuiteHistory
from focal_eval.store.model import Ingested, Keep, Pruned, Scope

History = CaseHistory | RuleHistory | SuiteHistory


def chosen(named: str | None, environ: Mapping[str, str], folder: Path = Path("evals")) -> Address:
    """The store that is named, else the environment's, else the one that the suites below `folder` agree on, else the default.

    Raises UsageError where suites name different ones.
    """
    if named or environ.get(STORE):
        return address_of(named or environ[STORE])
    found = {address.target: address for path in sorted(folder.glob("*.yaml")) for address in _of_file(path)}
    if len(found) > 1:
        names = ", ".join(address.shown for address in found.values())
        raise UsageError(f"the suites in {folder}/ name several stores: {names}; choose one with --store")
    return next(iter(found.values()), None) or address_of(DEFAULT)


def _of_file(path: Path) -> Iterator[Address]:
    document = read_file(path, shown(path))
    suite = read_suite(document, path) if looks_like_suite(document.root) else None
    address = None if suite is None else of_suite(suite)
    if address is not None:
        yield address


def of_suite(suite: Suite) -> Address | None:
    """The store a suite names; a path starts from the suite's folder."""
    return None if suite.fields.store is None else address_of(suite.fields.store, suite.folder)


@contextmanager
def opened(address: Address, *, make: bool = False) -> Iterator[Store]:
    """A store, closed at the end."""
    store = open_store(address, make=make)
    try:
        yield store
    finally:
        store.close()


def ingest_runs(
    address: Address, refs: Sequence[str], runs: Path, clock: Clock, told: Callable[[Ingested], None]
) -> list[Ingested]:
    """Takes runs in, the oldest first, each of them whole; what became of each is told as it is known.

    A run that a reference does not find, or whose journal cannot be read, is refused before any is taken in.
    """
    folders = {find_run(ref, runs).resolve(): find_run(ref, runs) for ref in refs}
    models = sorted((read_run(folder) for folder in folders.values()), key=_start)
    out = []
    with opened(address, make=True) as store:
        for model in models:
            out.append(store.ingest(facts_of(model), stamp(clock.now())))
            told(out[-1])
    return out


def _start(model: ReportModel) -> tuple[str, str]:
    return str(model.header.get("started_at") or ""), str(model.header.get("id") or "")


def ask(address: Address, what: str, scope: Scope) -> History:
    """The history of `suite`, of `rule:NAME`, or of the case of that name; `case:NAME` is one whatever it is called."""
    kind, colon, name = what.partition(":")
    with opened(address) as store:
        if what == "suite":
            return store.suite(scope)
        if colon and kind == "rule":
            return store.rule(name, scope)
        return store.case(name if colon and kind == "case" else what, scope)


def let_go(address: Address, clock: Clock, runs: int | None, days: int | None) -> Pruned:
    """Lets go the runs that neither the number nor the days keep."""
    since = None if days is None else stamp(clock.now() - timedelta(days=days))
    with opened(address) as store:
        return store.prune(Keep(runs, since))

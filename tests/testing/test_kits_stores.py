"""The stores' kit notices what a store may get wrong; each test is a store that breaks one promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from focal_eval.errors import UsageError
from focal_eval.store import Store, address_of, open_store
from focal_eval.testing import store_conformance


class Bent:
    """A store of ours with one method that does something else."""

    def __init__(self, store: Store, **bent: Callable[..., Any]) -> None:
        self._store, self._bent = store, bent

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._store, name)
        return (lambda *given: self._bent[name](real, *given)) if name in self._bent else real


def _silent(real: Callable[..., Any], *given: Any) -> Any:
    try:
        return real(*given)
    except UsageError:
        return None


BENT: dict[str, tuple[dict[str, Callable[..., Any]], str]] = {
    "forgets a run": (
        {
            "ingest": lambda real, run, at: (
                real(run, at) if not run.id.endswith("3") else replace(real(run, at), outcome="known")
            )
        },
        "a run that is not there is taken in",
    ),
    "lists the oldest first": ({"runs": lambda real, scope: list(reversed(real(scope)))}, "runs are listed newest first"),
    "counts a window too long": (
        {"suite": lambda real, scope: real(replace(scope, last=scope.last + 1))},
        "a suite's points are its runs",
    ),
    "looks at all runs for a case": (
        {"case": lambda real, name, scope: real(name, replace(scope, last=1000))},
        "a case's points are its runs, oldest first",
    ),
    "leaves the last run of a rule out": (
        {"rule": lambda real, *given: replace(real(*given), points=real(*given).points[:-1])},
        "a rule's points are the runs that report rules",
    ),
    "answers of what it does not know": ({"rule": _silent}, "an unknown rule is a UsageError"),
    "draws no strips": (
        {"strips": lambda real, scope: replace(real(scope), cases={})},
        "a strip has a letter where its case was run",
    ),
    "lets nothing go": ({"prune": lambda real, keep: real(replace(keep, runs=1000))}, "the newest runs of each suite stay"),
}


@pytest.mark.parametrize("name", BENT)
def test_a_broken_promise_is_named(name: str, tmp_path: Path) -> None:
    """The message says which promise, and what was seen instead."""
    bent, promise = BENT[name]
    numbers, last = count(), Path()

    def fresh() -> Any:
        nonlocal last
        last = tmp_path / f"{next(numbers)}.sqlite"
        return Bent(open_store(address_of(str(last)), make=True), **bent)

    def again() -> Any:
        return Bent(open_store(address_of(str(last))), **bent)

    with pytest.raises(AssertionError, match=promise):
        store_conformance(fresh, again)

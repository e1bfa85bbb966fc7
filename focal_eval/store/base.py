"""What a store is: it takes runs in, answers questions about them, and lets old ones go.

It is registered by the scheme of its URL (`sqlite`, `postgresql`) in `focal_eval.registry` or under the entry-point group
`focal_eval.stores`, as a callable that takes an `Address` and gives a Store.
"""

from __future__ import annotations

from typing import Protocol

from focal_eval.store.answers import CaseHistory, RuleHistory, StoredRun, Strips, SuiteHistory
from focal_eval.store.model import Ingested, Keep, Pruned, RunFacts, Scope


class Store(Protocol):
    """Several processes may hold the same store; what one has taken in is seen by all. Any failure is a StorageError."""

    @property
    def upgraded(self) -> tuple[str | None, str]:
        """The version of its tables as it was opened, None where it had none, and the one it has now."""
        ...

    def ingest(self, run: RunFacts, at: str) -> Ingested:
        """Takes a run in, all of it or nothing, at that time of day; the same run again changes nothing."""
        ...

    def runs(self, scope: Scope) -> list[StoredRun]:
        """The runs of a scope, the newest first."""
        ...

    def case(self, name: str, scope: Scope) -> CaseHistory:
        """The history of a case. Raises UsageError where none has that name."""
        ...

    def rule(self, name: str, scope: Scope) -> RuleHistory:
        """The history of a rule. Raises UsageError where no run matched it."""
        ...

    def suite(self, scope: Scope) -> SuiteHistory:
        """The history of a suite. Raises UsageError where there is none."""
        ...

    def strips(self, scope: Scope) -> Strips:
        """The last runs of every case of a suite; empty where the suite is not known."""
        ...

    def prune(self, keep: Keep) -> Pruned:
        """Lets the oldest runs of each suite go, and gives their room back."""
        ...

    def close(self) -> None:
        """Gives connections and files back."""
        ...

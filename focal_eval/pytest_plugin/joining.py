"""The hooks of a session that plays scripts; sessions that play none have none of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from focal_eval.pytest_plugin.items import CaseItem
from focal_eval.pytest_plugin.keeping import Keeper, Teller
from focal_eval.pytest_plugin.session import Session, session_of

_HOOKS, _KEEPER, _TELLER = "focal_eval_hooks", "focal_eval_keeper", "focal_eval_teller"


def joined(config: pytest.Config) -> Keeper | None:
    """Has pytest tell us of this session from now on. Gives who keeps its runs; None in a worker, whose items others keep."""
    manager = config.pluginmanager
    if not manager.has_plugin(_HOOKS):
        session = session_of(config)
        manager.register(Hooks(session), _HOOKS)
        if session.worker is None:
            manager.register(Keeper(config, session), _KEEPER)
            if (reporter := manager.get_plugin("terminalreporter")) is not None:
                manager.register(Teller(reporter), _TELLER)
    keeper: Keeper | None = manager.get_plugin(_KEEPER)
    return keeper


class Hooks:
    """What every process does that collects or plays items."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        """Reports of our items are put in our words, after all that pytest makes of them."""
        outcome: Any = yield
        if isinstance(item, CaseItem):
            item.report(outcome.get_result())

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """A case that was collected twice, by its script and by its suite, is played once."""
        seen: set[tuple[str, str]] = set()
        again: list[pytest.Item] = []
        for item in items:
            if isinstance(item, CaseItem):
                key = item.part.key, item.case.id
                if key in seen:
                    again.append(item)
                seen.add(key)
        if again:
            twice = set(again)
            items[:] = [item for item in items if item not in twice]
            config.hook.pytest_deselected(items=again)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Lets go of the engines."""
        self._session.close()

"""An event loop in which waiting takes no time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Swift(asyncio.SelectorEventLoop):
    """Its clock goes on to what comes next as soon as nothing else is to be done; nothing outside is waited for."""

    def __init__(self, since: float) -> None:
        self.at = since
        super().__init__()

    def time(self) -> float:
        return self.at

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.at = max(self.at, self._scheduled[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


def swiftly(work: Callable[[], Coroutine[Any, Any, T]], since: float = 0.0) -> T:
    """What comes of it, by a clock that begins at `since`."""
    with asyncio.Runner(loop_factory=lambda: Swift(since)) as runner:
        return runner.run(work())

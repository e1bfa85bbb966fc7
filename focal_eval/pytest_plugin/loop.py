"""An event loop beside pytest: engines stay connected to it between items, and tests with a loop of their own can ask it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")
_GOODBYE_S = 5.0  # what a cancelled conversation has left


class Loop:
    """Runs coroutines in a thread of its own, begun with the first one."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Begins it."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="focal-eval", daemon=True)
            self._thread.start()
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What it comes to. Ctrl-C, or the time limit of another plug-in, cancels it."""
        future = self.submit(coroutine)
        try:
            return future.result()
        except BaseException:
            if not future.done() and self._loop is not None:
                future.cancel()
                with contextlib.suppress(Exception):  # whatever the rest comes to: nobody waits for it
                    asyncio.run_coroutine_threadsafe(_settled(), self._loop).result(_GOODBYE_S)
            raise

    def close(self) -> None:
        """Ends the thread."""
        if self._loop is None or self._thread is None:
            return
        with contextlib.suppress(Exception):
            asyncio.run_coroutine_threadsafe(self._loop.shutdown_asyncgens(), self._loop).result(_GOODBYE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_GOODBYE_S)
        if not self._thread.is_alive():
            self._loop.close()
        self._loop = self._thread = None


async def _settled() -> None:
    """Waits until what was cancelled has let go of what it held."""
    here = asyncio.current_task()
    waiting = [task for task in asyncio.all_tasks() if task is not here and task.cancelling()]
    if waiting:
        await asyncio.wait(waiting, timeout=_GOODBYE_S / 2)

"""The connections of one engine: who uses them, and when new ones take their place."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import SplitResult

if TYPE_CHECKING:
    from focal_eval.engines.wire_transport import Transport


@dataclass(slots=True)
class Pool:
    """A transport with its connections, and how many requests use it."""

    transport: Transport
    proxy: str | None = None  # host:port, for messages
    users: int = 0
    retired: bool = False


@dataclass(slots=True)
class Connections:
    """The connections of one engine, all of them replaced after a fault that may have left one unsound."""

    origin: SplitResult
    _pool: Pool | None = None
    _loop: asyncio.AbstractEventLoop | None = field(default=None, repr=False)

    def lease(self) -> Pool:
        """The pool to send by; every lease is to be given back to `release`."""
        pool = self._current()
        pool.users += 1
        return pool

    def _current(self) -> Pool:
        loop = asyncio.get_running_loop()
        if self._pool is None or self._loop is not loop:
            self._pool, self._loop = _make_pool(self.origin), loop
        return self._pool

    async def release(self, pool: Pool) -> None:
        pool.users -= 1
        if pool.retired and not pool.users:
            await pool.transport.aclose()

    def renew(self, pool: Pool) -> None:
        """Has later requests use new connections, not those of this pool; requests under way end on theirs."""
        pool.retired = True
        if self._pool is pool:
            self._pool = None

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is None or self._loop is not asyncio.get_running_loop():
            return
        pool.retired = True
        if not pool.users:
            await pool.transport.aclose()


def _make_pool(origin: SplitResult) -> Pool:
    from focal_eval.engines.wire_dial import way_to  # they bring httptools and asyncio's TLS
    from focal_eval.engines.wire_proxy import place
    from focal_eval.engines.wire_transport import Transport

    way = way_to(origin)
    return Pool(Transport(way), None if way.proxy is None else place(way.proxy))

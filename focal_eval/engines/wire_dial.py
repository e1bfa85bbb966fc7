"""How a connection comes about: addresses, TLS, the proxy's tunnel, and the time that all of it may take."""

from __future__ import annotations

import asyncio
import os
import ssl
from functools import lru_cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult

from focal_eval.engines.wire_protocol import Broken, Connection, Malformed, NotConnected
from focal_eval.engines.wire_proxy import PORTS, proxy_for, tunnel
from focal_eval.value import value

NEXT_ADDRESS_S = 0.25  # until another address of the host is tried beside a silent one, as RFC 8305 has it


@value
class Way:
    """Where to connect to, and the certificates that count there."""

    origin: SplitResult
    proxy: SplitResult | None = None
    context: ssl.SSLContext | None = None

    async def dial(self, most_s: float | None) -> Connection:
        """A new connection. Raises NotConnected; then no request was sent."""
        loop = asyncio.get_running_loop()
        connection = Connection(loop)
        try:
            async with asyncio.timeout(most_s):
                await self._connect(loop, connection)
        except BaseException as problem:
            connection.abort()
            if isinstance(problem, TimeoutError):
                raise NotConnected(str(problem), late=True) from problem
            if isinstance(problem, OSError):
                raise NotConnected(str(problem)) from problem
            if isinstance(problem, Broken | Malformed):  # before there was an engine to speak to
                raise NotConnected(str(problem), by_proxy=True) from problem
            raise
        return connection

    async def _connect(self, loop: asyncio.AbstractEventLoop, connection: Connection) -> None:
        first = self.proxy or self.origin
        context = self.context if first.scheme == "https" else None
        host = first.hostname or ""
        several = isinstance(loop, asyncio.BaseEventLoop) and not _is_address(host)  # uvloop has one address wait for another
        named: dict[str, Any] = {"happy_eyeballs_delay": NEXT_ADDRESS_S} if several else {}
        port = first.port or PORTS[first.scheme]
        transport, _ = await loop.create_connection(lambda: connection, host, port, ssl=context, **named)
        if self.proxy is None or self.origin.scheme == "http":
            return
        await connection.ask(tunnel(self.origin, self.proxy))
        if not 200 <= connection.status < 300:
            raise Broken(f"it answered {connection.status}")
        assert self.context is not None
        secured = await loop.start_tls(transport, connection, self.context, server_hostname=self.origin.hostname)
        if secured is None:
            raise Broken("the connection was closed")
        connection.secured(secured)


def way_to(origin: SplitResult) -> Way:
    """The way to a server, by what the environment says of proxies and certificates."""
    proxy = proxy_for(origin)
    secure = origin.scheme == "https" or (proxy is not None and proxy.scheme == "https")
    context = tls_context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")) if secure else None
    return Way(origin, proxy, context)


@lru_cache(maxsize=8)
def tls_context(file: str | None, folder: str | None) -> ssl.SSLContext:
    """The one TLS context of this process: reading the certificates takes as long as a hundred requests."""
    del file, folder  # httpx reads these variables itself; another value is another context
    from focal_eval.engines.wire_httpx import httpx  # slow to import, and not needed without TLS

    context = httpx.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _is_address(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False

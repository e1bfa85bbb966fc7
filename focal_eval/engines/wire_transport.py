"""Connections to one server: httpx is the interface, aiohttp carries it, and errors get their names."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import SplitResult
from urllib.request import getproxies, proxy_bypass

from focal_eval.engines.wire_answer import plain
from focal_eval.errors import EngineError, EngineProtocol, EngineUnreachable

if TYPE_CHECKING:
    import httpx
    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

IDLE_S = 1.5  # an idle connection is kept shorter than any usual server keeps it, so that none is closed under a request
_HERE = ("localhost", "127.0.0.1", "::1")
_PORTS = {"http": 80, "https": 443}


@dataclass(slots=True)
class Pool:
    """A transport with its connections, and how many requests use it."""

    transport: httpx.AsyncBaseTransport
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
    from aiohttp import ClientSession, DummyCookieJar, TCPConnector
    from httpx_aiohttp import AiohttpTransport

    secure = origin.scheme == "https"
    context = tls_context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")) if secure else _no_tls()
    proxy = _proxy(origin)

    def session() -> ClientSession:
        connector = TCPConnector(limit=0, ssl=context, keepalive_timeout=IDLE_S)
        return ClientSession(connector=connector, cookie_jar=DummyCookieJar(), middlewares=(_once,))

    way = None if proxy is None else f"{proxy.url.host}:{proxy.url.port or _PORTS[proxy.url.scheme]}"
    return Pool(AiohttpTransport(verify=context, proxy=proxy, client=session), way)


async def _once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Keeps aiohttp from sending a request anew by itself, as it does with GET, PUT and DELETE where a connection breaks."""
    from aiohttp import ClientConnectionError, ClientConnectorError, ClientOSError, ServerDisconnectedError

    try:
        return await handler(request)
    except ClientConnectorError:
        raise
    except (ClientOSError, ServerDisconnectedError) as problem:
        raise ClientConnectionError(str(problem)) from problem  # a kind that it does not look for


@lru_cache(maxsize=8)
def tls_context(file: str | None, folder: str | None) -> ssl.SSLContext:
    """The one TLS context of this process: reading the certificates takes as long as a hundred requests."""
    import httpx

    del file, folder  # httpx reads these variables itself; another value is another context
    return httpx.create_ssl_context()


@lru_cache(maxsize=1)
def _no_tls() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # no certificate is trusted; plain HTTP needs none


def _proxy(origin: SplitResult) -> httpx.Proxy | None:
    """The proxy that the environment names for this server. Raises EngineUnreachable, without the proxy's password."""
    import httpx

    host = origin.hostname or ""
    url = None if host in _HERE or proxy_bypass(host) else getproxies().get(origin.scheme)
    if not url:
        return None
    try:
        proxy = httpx.Proxy(url if "://" in url else f"http://{url}")
    except (ValueError, httpx.InvalidURL):
        proxy = None
    if proxy is None or proxy.url.scheme not in _PORTS or not proxy.url.host:
        name = f"{origin.scheme.upper()}_PROXY"
        raise EngineUnreachable(f"the proxy that the environment names ({name}) is not of the form http://host:port")
    return proxy


def nothing_sent(problem: Exception) -> bool:
    """Whether the request cannot have reached the server: there was no connection yet.

    The transport calls a connection that broke a ConnectTimeout, so the error of aiohttp that is behind it is asked.
    """
    from aiohttp import ClientConnectorError, ClientHttpProxyError, ConnectionTimeoutError

    return isinstance(problem.__cause__, ClientConnectorError | ClientHttpProxyError | ConnectionTimeoutError)


def before_answer(problem: Exception, origin: str, proxy: str | None, connect_s: float) -> EngineError | None:
    """The error of a request that got no answer; None for an exception that is no fault of the engine."""
    if not _foreign(problem):
        return None
    if nothing_sent(problem):
        way = "" if proxy is None else f" through the proxy {proxy}"
        said = f"cannot connect to {origin}{way}: {_why(problem, connect_s)}"
        return EngineUnreachable(said, detail=plain(str(problem), 500))
    if _malformed(problem):
        return EngineProtocol(f"{origin} answered something that is not HTTP", detail=plain(str(problem), 500))
    said = f"{origin} closed the connection before it answered"
    return EngineUnreachable(said, detail=plain(str(problem), 500) or None)


def amid_answer(problem: Exception) -> EngineError | None:
    """The error of an answer that broke off; None for an exception that is no fault of the engine."""
    return EngineProtocol("the answer broke off", detail=plain(str(problem), 500) or None) if _foreign(problem) else None


def _foreign(problem: Exception) -> bool:
    import httpx

    return isinstance(problem, httpx.HTTPError | httpx.InvalidURL | OSError) or type(problem).__module__.startswith("aiohttp")


def _malformed(problem: Exception) -> bool:
    import httpx

    if type(problem).__module__.startswith("aiohttp"):
        return True  # what the transport gives no name of httpx to: a message that cannot be parsed
    return isinstance(problem, httpx.RemoteProtocolError | httpx.DecodingError) and "disconnected" not in str(problem)


def _why(problem: BaseException, connect_s: float) -> str:
    chain: list[BaseException] = [problem]
    for one in chain:  # it grows on the way
        inner = (getattr(one, "certificate_error", None), getattr(one, "os_error", None), one.__cause__, one.__context__)
        chain += [cause for cause in inner if isinstance(cause, BaseException) and cause not in chain]
    for one in chain:
        if isinstance(one, ssl.SSLCertVerificationError) and hasattr(one, "verify_message"):  # aiohttp's own has none
            return f"its certificate is not trusted: {plain(one.verify_message.rstrip('.') or str(one.reason), 200)}"
    for one in chain:
        if isinstance(one, ssl.SSLError) and hasattr(one, "reason"):
            return f"no TLS: {plain(str(one.reason or one), 100).lower().replace('_', ' ')}"
    for one in chain:
        if isinstance(one, socket.gaierror) or type(one).__name__ == "ClientConnectorDNSError":  # which hides the former
            return "there is no host of this name"
        if isinstance(one, TimeoutError):
            return f"no connection within {connect_s:g} s"
        if isinstance(one, OSError) and one.errno is not None:
            return os.strerror(one.errno).lower() if one.errno > 0 else plain(str(one), 100)
    if any(isinstance(one, ConnectionError) for one in chain):  # without a number: asyncio's own, in the handshake
        return "the connection was closed in the handshake"
    return plain(str(problem), 200) or type(problem).__name__

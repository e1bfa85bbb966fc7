"""The transport for clients of httpx, such as the vendors' own: a request goes in, a response comes out, errors are httpx's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from focal_eval.engines.wire_dial import Way
from focal_eval.engines.wire_httpx import httpx
from focal_eval.engines.wire_protocol import Broken, Malformed, NotConnected
from focal_eval.engines.wire_transport import Body, Elsewhere, Transport, Unsendable


class HttpxTransport(httpx.AsyncBaseTransport):
    """`httpx.AsyncClient(transport=HttpxTransport(way_to(origin)))` sends as the engines here do.

    ConnectError, ConnectTimeout and ProxyError say that nothing was sent; RemoteProtocolError stands for what is not HTTP,
    ReadError for a connection that ended. Of httpx's timeouts `connect` is kept.
    """

    def __init__(self, way: Way) -> None:
        self.under = Transport(way)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response, once its headers are there; its stream is to be read or closed."""
        stream, connect_s = request.stream, request.extensions.get("timeout", {}).get("connect")
        content = b"".join(stream) if isinstance(stream, httpx.ByteStream) else await request.aread()
        with _as_httpx():
            head = self.under.head(request.method, urlsplit(str(request.url)), request.url.raw_path, request.headers.raw)
            begun = await self.under.ask(request.method, head, content, connect_s)
        return httpx.Response(begun.status, headers=begun.headers, stream=_Stream(begun.body), request=request)

    async def aclose(self) -> None:
        await self.under.aclose()


class _Stream(httpx.AsyncByteStream):
    def __init__(self, body: Body) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._body.closed:
            raise httpx.StreamClosed
        with _as_httpx():
            async for chunk in self._body:
                yield chunk

    async def aclose(self) -> None:
        await self._body.aclose()


@contextmanager
def _as_httpx() -> Iterator[None]:
    """Has errors raised within called as httpx calls them."""
    try:
        yield
    except NotConnected as problem:
        kind = httpx.ConnectTimeout if problem.late else httpx.ProxyError if problem.by_proxy else httpx.ConnectError
        raise kind(str(problem)) from problem
    except Broken as problem:
        raise httpx.ReadError(str(problem)) from problem
    except Malformed as problem:
        raise httpx.RemoteProtocolError(str(problem)) from problem
    except Unsendable as problem:
        if isinstance(problem, Elsewhere):
            raise httpx.UnsupportedProtocol(str(problem)) from problem
        raise httpx.LocalProtocolError(str(problem)) from problem

"""HTTP as every remote engine speaks it: one place for limits, retries, deadlines and what a fault is called.

Every failure is an EngineError: EngineUnreachable (no answer: refused, no such host, TLS; EngineGivenUp), EngineTimeout,
EngineProtocol (an answer that the contract does not allow: HTML, bad JSON, too long, broken off, a redirect), EngineStatus
(an answer with an error status) and EngineUnauthorised (401, 403). No adapter knows the HTTP library.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from functools import lru_cache
from ipaddress import ip_address
from typing import TypeVar
from urllib.parse import SplitResult, unquote, urlencode, urlsplit

import orjson

from focal_eval import __version__
from focal_eval.clock import Clock
from focal_eval.engines.sse import EventDecoder
from focal_eval.engines.wire_answer import Answer, Event, plain
from focal_eval.engines.wire_body import LineDecoder, Unpacker
from focal_eval.engines.wire_connections import Connections
from focal_eval.engines.wire_deadlines import Deadlines
from focal_eval.engines.wire_exchange import Call, Exchange, Sender
from focal_eval.engines.wire_limits import Again, Faults, persist
from focal_eval.errors import EngineError, EngineGivenUp, EngineProtocol, EngineTimeout, EngineUnreachable, UsageError
from focal_eval.records import Json

__all__ = ["Answer", "Event", "Faults", "Wire"]

T = TypeVar("T")

_JSON, _EVENTS, _LINES = "application/json", "text/event-stream", "application/x-ndjson"
_PATH = re.compile(r"/[A-Za-z0-9._~:@!$&'()*+,;=%/-]*")
_LONGEST_URL = 16_000  # servers take half of it
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NUMBER = re.compile(r"[0-9.]+")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")


class Wire:
    """The way to one server. Sessions share it; nothing of one request is seen by another: no cookies, no redirects."""

    def __init__(
        self, base_url: str, *, headers: Mapping[str, str] | None = None, faults: Faults | None = None, clock: Clock
    ) -> None:
        url = _base(base_url)
        given = headers or {}
        for name, value in given.items():
            if not _fits(name, value):
                raise UsageError(f"the engine's header '{plain(name, 60)}' holds characters that no header may hold")
        self._base = base_url.strip().rstrip("/")
        self._headers = {"user-agent": f"focal-eval/{__version__}", "accept-encoding": "identity", **_lower(given)}
        self._faults = faults or Faults()
        self._clock = clock
        self._usual = lru_cache(maxsize=256)(self._usual_of)
        self._deadlines = Deadlines(self._faults.request_timeout_s)
        self._connections = Connections(url)
        self._sender = Sender(f"{url.scheme}://{url.netloc}", self._connections, self._faults, clock, given)

    @property
    def url(self) -> str:
        """Where the server is, as it was written."""
        return self._base

    async def ready(self) -> None:
        """For an engine's `open`: raises EngineGivenUp where the server was given up, else has all set up to send."""
        self._sender.breaker.check()
        await self._connections.release(self._connections.lease())

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Json | None = None,
        params: Mapping[str, str] | None = None,
        safe: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The whole answer, of a 2xx status. `safe` says that doing it twice changes nothing more than doing it once."""
        call = self._call(method, path, body, params, safe, headers, _JSON)
        try:
            answer, attempts = await self._deadlines.within(self._tried(lambda: self._whole(call)))
        except TimeoutError:
            raise self._too_slow() from None
        return answer if attempts == 1 else Answer(answer.status, answer.headers, answer.content, attempts)

    async def events(
        self,
        method: str,
        path: str,
        *,
        body: Json | None = None,
        params: Mapping[str, str] | None = None,
        safe: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[Event, None]:
        """The server-sent events of the answer, each as it comes. Use it within `contextlib.aclosing`."""
        call = self._call(method, path, body, params, safe, headers, _EVENTS)
        decoder, count = EventDecoder(), 0
        async with contextlib.aclosing(self._stream(call)) as parts:
            async for chunk, first_byte_ms in parts:
                for name, data in decoder.feed(chunk):
                    count = self._counted(count)
                    yield Event(name, data, first_byte_ms)
        decoder.end()

    async def lines(
        self,
        method: str,
        path: str,
        *,
        body: Json | None = None,
        params: Mapping[str, str] | None = None,
        safe: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """The lines of the answer (NDJSON), each as it comes, without empty ones. Use it within `contextlib.aclosing`."""
        call = self._call(method, path, body, params, safe, headers, _LINES)
        decoder, count = LineDecoder(), 0
        async with contextlib.aclosing(self._stream(call)) as parts:
            async for chunk, _ in parts:
                for line in decoder.feed(chunk):
                    count = self._counted(count)
                    yield line
        for line in decoder.end():
            yield line

    async def close(self) -> None:
        """Closes the connections; a later request would open new ones."""
        self._deadlines.close()
        await self._connections.close()

    async def _whole(self, call: Call) -> Answer:
        exchange = await self._sender.begin(call)
        try:
            return await exchange.whole(self._faults.max_reply_bytes)
        finally:
            await exchange.close()

    async def _stream(self, call: Call) -> AsyncGenerator[tuple[bytes, float], None]:
        """The unpacked body as it comes, with the time of its first byte."""
        deadline, first = self._deadline(), None
        async with self._by(deadline):
            exchange, _ = await self._tried(lambda: self._sender.begin(call))
        try:
            _expect(exchange, call.headers["accept"])
            unpacker = Unpacker(exchange.headers, self._faults.max_reply_bytes)
            chunks = exchange.chunks()
            while True:
                async with self._by(deadline):  # not around the `yield`: what is done with an event has its own limits
                    chunk = await anext(chunks, None)
                if chunk is None:
                    break
                if first is None:
                    first = (self._clock.elapsed() - exchange.started) * 1000
                if out := unpacker.take(chunk):
                    yield out, first
            unpacker.end()
        finally:
            await exchange.close()

    async def _tried(self, once: Callable[[], Awaitable[T]]) -> tuple[T, int]:
        waiting: EngineError | None = None  # what the last attempt came to, until the next one begins

        async def attempt() -> T:
            nonlocal waiting
            waiting = None
            try:
                return await once()
            except Again as problem:
                waiting = problem.error
                raise

        try:
            try:
                return await once(), 1
            except Again as problem:
                first, waiting = problem, problem.error
            return await persist(first, attempt, 1 if self._faults.retry == "off" else self._faults.attempts)
        except asyncio.CancelledError:  # the turn's time is over before the next attempt
            if isinstance(waiting, EngineUnreachable):
                self._sender.breaker.failed(waiting)
            raise
        except EngineGivenUp:
            raise
        except EngineUnreachable as problem:
            self._sender.breaker.failed(problem)
            self._sender.breaker.check()
            raise

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._faults.request_timeout_s

    @contextlib.asynccontextmanager
    async def _by(self, deadline: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout_at(deadline):
                yield
        except TimeoutError:
            raise self._too_slow() from None

    def _too_slow(self) -> EngineTimeout:
        return EngineTimeout(f"the request took longer than {self._faults.request_timeout_s:g} s (request_timeout_s)")

    def _counted(self, count: int) -> int:
        if count >= self._faults.max_events:
            raise EngineProtocol(f"the stream holds more than {self._faults.max_events:,} events (max_events)")
        return count + 1

    def _usual_of(self, path: str, accept: str, has_body: bool) -> tuple[str, Mapping[str, str]]:
        """The URL and the headers of a request without any of its own."""
        url = self._base + path
        if not _is_path(path) or len(url) > _LONGEST_URL:
            raise _no_path(path)
        sent = {**self._headers, "accept": accept}
        if has_body:
            sent["content-type"] = _JSON
        return url, sent

    def _call(
        self,
        method: str,
        path: str,
        body: Json | None,
        params: Mapping[str, str] | None,
        safe: bool,
        headers: Mapping[str, str] | None,
        accept: str,
    ) -> Call:
        """The request. Raises EngineProtocol where an id of the engine's would make it another one."""
        if not params and not headers:
            url, sent = self._usual(path, accept, body is not None)
            return Call(method, url, sent, None if body is None else _json(body), safe)
        url, usual = self._usual(path, accept, body is not None)
        if params:
            url = f"{url}?{urlencode(params)}"
            if len(url) > _LONGEST_URL:
                raise _no_path(path)
        sent = dict(usual)
        for name, value in (headers or {}).items():
            if not _fits(name, value):
                raise EngineProtocol(f"{plain(repr(value), 80)} is no value of a header ({plain(name, 60)})")
            sent[name.lower()] = value
        return Call(method, url, sent, None if body is None else _json(body), safe)


def _no_path(path: str) -> EngineProtocol:
    return EngineProtocol(f"{plain(repr(path), 80)} is no path to ask for; an id in it is not one")


@lru_cache(maxsize=64)
def _is_path(path: str) -> bool:
    return _PATH.fullmatch(path) is not None and {".", ".."}.isdisjoint(unquote(path).split("/"))


def _json(body: Json) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError as problem:  # half a surrogate pair, an integer of more than 64 bits
        raise EngineError(f"the request cannot be sent as JSON: {plain(str(problem), 100)}") from None


def _expect(exchange: Exchange, accept: str) -> None:
    """Holds a stream to its type; lines come as many types, so there only what is meant for browsers is refused."""
    kind = exchange.headers.get("content-type", "").partition(";")[0].strip().lower()
    if (accept == _EVENTS and kind != _EVENTS) or kind == "text/html":
        wanted = "a stream of events" if accept == _EVENTS else "lines of JSON"
        raise EngineProtocol(f"the answer is {plain(kind, 60) or 'of no type'}, not {wanted}")


def _base(text: str) -> SplitResult:
    """The parts of a base URL. Raises UsageError, with a fix where one is near."""
    try:
        url = urlsplit(text.strip())
        sound = _is_host(url.hostname or "") and (url.port is None or url.port > 0) and text.strip().isascii()
    except ValueError:
        url, sound = SplitResult("", "", "", "", ""), False
    if url.scheme not in ("http", "https") or not sound:
        near = f"; did you mean http://{text.strip()}?" if "//" not in text and text.strip() else ""
        raise UsageError(f"the engine's url '{plain(text, 100)}' is not of the form http://host:port{near}")
    if url.username is not None or url.password is not None:
        raise UsageError("the engine's url holds a user or a password; give a token instead")
    if url.query or url.fragment or re.search(r"[\x00-\x20\x7f\\]", text.strip()):
        raise UsageError(f"the engine's url '{plain(text, 100)}' holds more than a scheme, a host and a path")
    return url


def _is_host(host: str) -> bool:
    """Whether a host may be asked for. Raises ValueError for a number that is no address."""
    if ":" in host or _NUMBER.fullmatch(host):
        return ip_address(host) is not None
    return len(host) < 254 and all(map(_LABEL.fullmatch, host.removesuffix(".").split(".")))


def _fits(name: str, value: str) -> bool:
    return _HEADER_NAME.fullmatch(name) is not None and _HEADER_VALUE.fullmatch(value) is not None


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}

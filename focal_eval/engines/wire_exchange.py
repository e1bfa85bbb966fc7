"""One request and what comes of it: an exchange under way, an error with its name, or a failure to be met by asking again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC
from typing import TYPE_CHECKING

from focal_eval.clock import Clock
from focal_eval.engines.wire_answer import Answer, Headers, refusal
from focal_eval.engines.wire_body import Unpacker
from focal_eval.engines.wire_connections import Connections, Pool
from focal_eval.engines.wire_failure import amid_answer, before_answer, nothing_sent
from focal_eval.engines.wire_limits import LONGEST_WAIT_S, Again, Breaker, Faults
from focal_eval.engines.wire_pace import Pace
from focal_eval.errors import EngineProtocol, EngineUnreachable
from focal_eval.value import value

if TYPE_CHECKING:
    from focal_eval.engines.wire_transport import Begun

_ERROR_BYTES = 64 * 1024  # read of an answer with an error status
_PIECE = 8 * 1024  # of it at a time: what is one piece too far is not shown
_MAYBE_DONE = (502, 504)  # what a gateway says of a server that may have carried the request out
_HIDDEN = b"[redacted]"
_SHORTEST_SECRET = 6


@value
class Call:
    """A request, ready to be sent any number of times."""

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes | None = None
    safe: bool = False


class Exchange:
    """An answer that has begun with a 2xx status; `close` must be called."""

    __slots__ = ("_body", "_connections", "_pool", "headers", "started", "status")

    def __init__(self, begun: Begun, pool: Pool, connections: Connections, started: float) -> None:
        self._body = begun.body
        self._pool, self._connections, self.started = pool, connections, started
        self.status = begun.status
        self.headers = Headers(begun.headers)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes over the wire. Raises EngineProtocol where it breaks off."""
        try:
            async for chunk in self._body:
                yield chunk
        except Exception as problem:
            error = amid_answer(problem)
            if error is None:
                raise
            raise error from problem

    async def whole(self, most: int) -> Answer:
        """The whole answer, at most so many bytes of it."""
        content = self._body.at_once()
        if content is not None and len(content) <= most and not self.headers.raw(b"content-encoding"):
            return Answer(self.status, self.headers, content)  # as most: there is nothing to unpack and nothing to count
        unpacker = Unpacker(self.headers, most)
        if content is None:
            content = b"".join([unpacker.take(chunk) async for chunk in self.chunks()])
        else:
            content = unpacker.take(content)
        unpacker.end()
        return Answer(self.status, self.headers, content)

    async def beginning(self, most: int) -> bytes:
        """What the body begins with; nothing is wrong with it."""
        parts: list[bytes] = []
        with contextlib.suppress(EngineProtocol):
            unpacker = Unpacker({**self.headers, "content-length": ""}, most)
            async with contextlib.aclosing(self.chunks()) as chunks:
                async for chunk in chunks:
                    for start in range(0, len(chunk), _PIECE):
                        parts.append(unpacker.take(chunk[start : start + _PIECE]))
        return b"".join(parts)

    async def close(self, *, sound: bool = True) -> None:
        """Gives the connection back, or closes it where the body was not read to its end; with `sound=False` all of them."""
        if not sound:
            self._connections.renew(self._pool)
        await self._body.aclose()
        await self._connections.release(self._pool)


class Sender:
    """Sends calls to one server within its limits."""

    def __init__(self, origin: str, connections: Connections, faults: Faults, clock: Clock, secrets: Mapping[str, str]) -> None:
        self.origin, self.connections, self.faults, self.clock = origin, connections, faults, clock
        self.breaker, self.pace = Breaker(faults.breaker_after, clock), Pace(faults.max_requests_per_s, clock)
        self._connect_s = faults.connect_timeout_s
        self._secrets = [value.encode() for text in secrets.values() for value in {text, text.rpartition(" ")[2]}]

    async def begin(self, call: Call) -> Exchange:
        """The answer, once its headers are there. Raises Again where the call may be made once more, else EngineError."""
        self.breaker.check()
        await self.pace.turn()
        pool = self.connections.lease()
        started = self.clock.elapsed()
        try:
            begun = await pool.transport.send(call.method, call.url, call.headers, call.content or b"", self._connect_s)
        except BaseException as problem:
            await self.connections.release(pool)
            if isinstance(problem, asyncio.CancelledError):  # the turn's time is over; a server that hangs is as good as dead
                self.breaker.failed(EngineUnreachable(f"{self.origin} gives no answer"))
            error = self._no_answer(problem, call, pool.proxy) if isinstance(problem, Exception) else None
            if error is None:
                raise
            raise error from problem
        self.breaker.answered()
        exchange = Exchange(begun, pool, self.connections, started)
        if 200 <= exchange.status < 300:
            return exchange
        raise await self._refused(exchange, call)

    def _no_answer(self, problem: Exception, call: Call, proxy: str | None) -> Exception | None:
        error = before_answer(problem, self.origin, proxy, self._connect_s)
        if not isinstance(error, EngineUnreachable):
            return error
        again = nothing_sent(problem) or call.safe or self.faults.retry == "unsafe"
        return Again(error) if again and self.faults.retry != "off" else error

    async def _refused(self, exchange: Exchange, call: Call) -> Exception:
        status, headers = exchange.status, exchange.headers
        try:
            content = await exchange.beginning(_ERROR_BYTES)
        finally:
            await exchange.close(sound=status < 500)  # servers drop a connection after a crash without having said so
        for secret in self._secrets:
            if len(secret) >= _SHORTEST_SECRET:
                content = content.replace(secret, _HIDDEN)
        error = refusal(Answer(status, headers, content))
        wait = self._asked_wait(headers.get("retry-after", ""))
        harmless = call.safe or self.faults.retry == "unsafe"
        turned_away = status == 503 or (status == 429 and wait is not None)
        again = turned_away or (status in _MAYBE_DONE and harmless)
        if self.faults.retry == "off" or not again:
            return error
        if wait is not None and wait > LONGEST_WAIT_S:
            error.detail = "; ".join(part for part in (f"it asks to wait {wait:,.0f} s", error.detail) if part)
            return error
        return Again(error, wait)

    def _asked_wait(self, text: str) -> float | None:
        """The seconds of a Retry-After header, which may be a date; None where there is none to be read."""
        if text.isascii() and text.isdigit():
            return float(text[:9])
        from email.utils import parsedate_to_datetime  # a module that most runs never need

        try:
            at = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        return max(0.0, (at.astimezone(UTC) - self.clock.now()).total_seconds())

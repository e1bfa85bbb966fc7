"""What a failure to speak to a server is called: errors of the transport become an engine's, in plain words."""

from __future__ import annotations

import os
import re
import socket
import ssl

from focal_eval.engines.wire_answer import plain
from focal_eval.engines.wire_protocol import Broken, Malformed, NotConnected
from focal_eval.errors import EngineError, EngineProtocol, EngineUnreachable

_NUMBER = re.compile(r"\[Errno (\d+)\]")  # in asyncio's words for several failures


def nothing_sent(problem: Exception) -> bool:
    """Whether the request cannot have reached the server: there was no connection yet."""
    return isinstance(problem, NotConnected)


def before_answer(problem: Exception, origin: str, proxy: str | None, connect_s: float) -> EngineError | None:
    """The error of a request that got no answer; None for an exception that is no fault of the engine."""
    detail = plain(str(problem), 500) or None
    if nothing_sent(problem):
        way = "" if proxy is None else f" through the proxy {proxy}"
        return EngineUnreachable(f"cannot connect to {origin}{way}: {_why(problem, connect_s)}", detail=detail)
    if isinstance(problem, Malformed):
        return EngineProtocol(f"{origin} answered something that is not HTTP", detail=detail)
    if isinstance(problem, Broken):
        return EngineUnreachable(f"{origin} closed the connection before it answered", detail=detail)
    return None


def amid_answer(problem: Exception) -> EngineError | None:
    """The error of an answer that broke off; None for an exception that is no fault of the engine."""
    broke = isinstance(problem, Broken | Malformed)
    return EngineProtocol("the answer broke off", detail=plain(str(problem), 500) or None) if broke else None


def _why(problem: BaseException, connect_s: float) -> str:
    chain: list[BaseException] = [problem]
    for one in chain:  # it grows on the way
        chain += [cause for cause in (one.__cause__, one.__context__) if cause is not None and cause not in chain]
    for one in chain:
        if isinstance(one, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {plain(one.verify_message.rstrip('.') or str(one.reason), 200)}"
    for one in chain:
        if isinstance(one, ssl.SSLError) and hasattr(one, "reason"):
            return f"no TLS: {plain(str(one.reason or one), 100).lower().replace('_', ' ')}"
    for one in chain:
        if isinstance(one, socket.gaierror):
            return "there is no host of this name"
        if isinstance(one, TimeoutError):
            return f"no connection within {connect_s:g} s"
        if isinstance(one, OSError) and (number := _number(one)):
            return os.strerror(number).lower()
    if any(isinstance(one, ConnectionError) for one in chain):  # without a number: asyncio's own, in the handshake
        return "the connection was closed in the handshake"
    return plain(str(problem), 200) or type(problem).__name__


def _number(problem: OSError) -> int:
    """The system's number of an error; 0 where it has none. Where all addresses of a host failed, that of the last one."""
    told = _NUMBER.findall(str(problem)) if problem.errno is None else []
    return int(told[-1]) if told else max(problem.errno or 0, 0)

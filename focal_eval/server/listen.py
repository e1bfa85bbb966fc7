"""Puts the application on a socket: for the command until it is stopped, for tests in a thread."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from focal_eval.errors import EngineError, UsageError

KEEP_ALIVE_S = 75  # longer than clients keep idle connections, so that none is closed under a request
GRACE_S = 3


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one. Raises UsageError."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        # asyncio sends small packets at once only on sockets that say their protocol, which create_server's do not
        listening = socket.socket(family, kind, socket.IPPROTO_TCP)
        try:
            if os.name == "posix":
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(2048)
        except OSError:
            listening.close()
            raise
        return listening
    except (OSError, UnicodeError) as problem:
        said = getattr(problem, "strerror", None) or str(problem)
        raise UsageError(f"cannot listen on {host} port {port}: {said}") from None


def address_of(listening: socket.socket) -> str:
    """The base URL of a socket that listens."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(app: ASGIApp, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Serves until the process is told to stop; `ready` is called when it answers and can be stopped."""

    class Announced(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready()

    with listening, contextlib.suppress(KeyboardInterrupt):
        Announced(_config(app)).run(sockets=[listening])


@contextlib.contextmanager
def in_background(app: ASGIApp, host: str = "127.0.0.1") -> Iterator[str]:
    """Serves on a free port from a thread for as long as the block runs; gives the base URL."""
    with bind(host, 0) as listening:
        server = uvicorn.Server(_config(app))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="focal-eval-serve", daemon=True)
        thread.start()
        try:
            yield address_of(listening)
        finally:
            server.should_exit = True
            thread.join(GRACE_S + 5)
        if thread.is_alive():
            raise EngineError("the server did not stop")


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        http="h11",  # it bounds the size of headers; httptools, which would be taken where it is installed, does not
        ws="none",
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )

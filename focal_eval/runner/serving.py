"""A worker process: it takes ids through a pipe, plays those cases, and sends back what became of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from multiprocessing.connection import Connection
from typing import Any

import orjson

from focal_eval.errors import FocalEvalError, told
from focal_eval.runner.parcel import packed
from focal_eval.runner.played import Played, Worker

AT_MOST_S = 0.02  # a case that is over waits for others to travel with
TOGETHER = 32  # cases

PLAY, STOP, END = "play", "stop", "end"  # what a worker is told
READY, LEFT, BROKEN = "ready", "left", "broken"  # what it tells, beside the cases that are over


def serve(pipe: Connection, make: Callable[[], Worker]) -> None:
    """Serves until it is told to end, or nobody is there any more; then the process is over."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever runs the plan decides what an interrupt means
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    code = 1
    try:
        asyncio.run(_Serving(pipe, make()).go())
        code = 0
    except (EOFError, OSError):  # nobody listens any more
        pass
    except FocalEvalError as problem:
        _last_words(pipe, str(problem))
    except BaseException as problem:
        _last_words(pipe, told(problem))
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _last_words(pipe: Connection, why: str) -> None:
    with contextlib.suppress(OSError):
        pipe.send_bytes(packed({BROKEN: why}, ()))


class _Serving:
    """The ids that wait to be played, and the results that wait to be sent."""

    def __init__(self, pipe: Connection, worker: Worker) -> None:
        self.pipe, self.worker = pipe, worker
        self._waiting: deque[str] = deque()
        self._changed = asyncio.Event()
        self._refusing = self._ended = False
        self._results: list[Played] = []

    async def go(self) -> None:
        loop = asyncio.get_running_loop()
        threading.Thread(target=_listen, args=(self.pipe, loop, self._hear), name="orders", daemon=True).start()
        self._send({READY: os.getpid()})
        try:
            await self.worker.play(self._coming, self._tell)
            self._flush()
        finally:
            with contextlib.suppress(Exception):
                await self.worker.close()

    async def _coming(self) -> str | None:
        while not self._waiting:
            if self._ended:
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.popleft()

    def _hear(self, order: str, ids: Sequence[str]) -> None:
        if order == PLAY:
            self._waiting.extend(ids)
        self._refusing = self._refusing or order == STOP
        self._ended = self._ended or order == END
        if self._refusing and (self._waiting or order == STOP):
            left = tuple(self._waiting)
            self._waiting.clear()
            self._flush()
            self._send({LEFT: left})
        self._changed.set()

    def _tell(self, played: Played) -> None:
        self._results.append(played)
        if played.given_up is not None:  # what waits here could only repeat that
            self._hear(STOP, ())
        elif len(self._results) >= TOGETHER:
            self._flush()
        elif len(self._results) == 1:
            asyncio.get_running_loop().call_later(AT_MOST_S, self._flush)

    def _flush(self) -> None:
        if self._results:
            results, self._results = self._results, []
            self._send({}, results)

    def _send(self, said: dict[str, Any], played: Iterable[Played] = ()) -> None:
        self.pipe.send_bytes(packed(said, played))


def _listen(pipe: Connection, loop: asyncio.AbstractEventLoop, hear: Callable[[str, Sequence[str]], None]) -> None:
    """Passes on what is said; a process that nobody speaks to any more ends, whatever it is at."""
    try:
        while True:
            order, ids = orjson.loads(pipe.recv_bytes())
            loop.call_soon_threadsafe(hear, order, ids)
    except (EOFError, OSError):
        os._exit(1)
    except RuntimeError:  # the loop is closed: it is over anyway
        return

"""Calls functions of the user's own: none of them stops the run, whatever it raises and however long it takes.

A plain function runs in a thread, so that other conversations go on meanwhile. There are as many threads as calls under way,
so a call never waits for another one, and its time limit counts its own time alone. The threads are daemons: a function
that never returns keeps neither the run's end nor the interpreter's.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple

from focal_eval.errors import told


class Raised(Exception):
    """The function raised `problem`: any exception, `SystemExit` and its like among them."""

    def __init__(self, problem: BaseException) -> None:
        super().__init__(told(problem))


async def call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a plain or async function returns. Raises Raised, or CancelledError where the caller was cancelled."""
    if _is_async(function):
        return await _awaited(function(*args, **kwargs))
    value, problem = await _threaded(lambda: function(*args, **kwargs))
    if problem is not None:
        raise Raised(problem) from problem
    return await _awaited(value) if inspect.isawaitable(value) else value


def _is_async(function: Callable[..., Any]) -> bool:
    """Whether a call gives a coroutine; of an `async def` that is seen without the search through wrappers."""
    code = getattr(function, "__code__", None)
    return (code is not None and bool(code.co_flags & inspect.CO_COROUTINE)) or inspect.iscoroutinefunction(function)


async def _awaited(work: Any) -> Any:
    try:
        return await work
    except asyncio.CancelledError as problem:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise Raised(problem) from problem  # nobody cancelled this conversation: the function raised it itself
    except (Exception, SystemExit) as problem:
        raise Raised(problem) from problem


class _Job(NamedTuple):
    work: Callable[[], Any]
    future: asyncio.Future[tuple[Any, BaseException | None]]
    loop: asyncio.AbstractEventLoop


_idle: deque[SimpleQueue[_Job]] = deque()
"""The mailboxes of threads that wait for work."""


async def _threaded(work: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    loop = asyncio.get_running_loop()
    job = _Job(work, loop.create_future(), loop)
    try:
        _idle.pop().put(job)
    except IndexError:
        mailbox: SimpleQueue[_Job] = SimpleQueue()
        mailbox.put(job)
        Thread(target=_serve, args=(mailbox,), name="focal-eval-call", daemon=True).start()
    return await job.future


def _serve(mailbox: SimpleQueue[_Job]) -> None:
    while True:
        job = mailbox.get()
        value: Any = None
        problem: BaseException | None = None
        try:
            value = job.work()
        except BaseException as raised:  # a thread has no one to raise it to: it is the call's outcome
            problem = raised
        _idle.append(mailbox)
        with contextlib.suppress(RuntimeError):  # the run is over and its loop closed
            job.loop.call_soon_threadsafe(_settle, job.future, (value, problem))
        del job, value, problem


def _settle(future: asyncio.Future[tuple[Any, BaseException | None]], outcome: tuple[Any, BaseException | None]) -> None:
    if not future.done():  # the caller's time limit may have come first
        future.set_result(outcome)

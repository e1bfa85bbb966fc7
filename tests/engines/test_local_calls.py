"""Functions of the user's own: none of them stops a run, whatever it raises and however long it takes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from focal_eval.engines.calls import Raised, call


class Mute(Exception):
    """Cannot say what it is."""

    def __str__(self) -> str:
        raise ValueError("no words")


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (LookupError("gone"), "LookupError: gone"),
        (SystemExit(0), "SystemExit: 0"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (GeneratorExit(), "GeneratorExit"),
        (StopIteration(), "StopIteration"),
        (asyncio.CancelledError(), "CancelledError"),
        (Mute(), "Mute"),
    ],
)
def test_whatever_a_plain_function_raises_is_its_callers_to_handle(problem: BaseException, words: str) -> None:
    """`sys.exit()` in an engine ends neither the run nor the process with its code; nor does any other exception."""

    def function() -> None:
        raise problem

    with pytest.raises(Raised, match=f"^{words}$"):
        asyncio.run(call(function))


@pytest.mark.parametrize(("problem", "words"), [(SystemExit(0), "SystemExit: 0"), (asyncio.CancelledError(), "CancelledError")])
def test_an_async_function_ends_nothing_either(problem: BaseException, words: str) -> None:
    """What an async function raises of itself is told apart from a cancellation of its caller."""

    async def function() -> None:
        raise problem

    with pytest.raises(Raised, match=f"^{words}$"):
        asyncio.run(call(function))


def test_a_callers_time_limit_goes_through() -> None:
    """A cancellation from outside reaches an async function as one, and the caller as its own TimeoutError."""

    async def function() -> None:
        await asyncio.sleep(60)

    async def limited() -> None:
        async with asyncio.timeout(0.01):
            await call(function)

    with pytest.raises(TimeoutError, match=r"^$"):
        asyncio.run(limited())


def test_calls_do_not_wait_for_each_other() -> None:
    """Forty calls at once all run at once, however few cores there are: each meets all others."""
    meeting = threading.Barrier(40, timeout=20)

    async def crowd() -> Any:
        return await asyncio.gather(*(call(meeting.wait) for _ in range(40)))

    assert sorted(asyncio.run(crowd())) == list(range(40))


def test_threads_are_used_again() -> None:
    """One call after the other needs one thread, not a thread a call."""
    seen: set[str] = set()

    def function() -> None:
        seen.add(str(threading.get_ident()))

    async def queue() -> None:
        for _ in range(50):
            await call(function)

    asyncio.run(queue())
    assert len(seen) <= 3


def test_a_function_that_returns_an_awaitable_is_awaited() -> None:
    """An object with an async `__call__`, or a function that hands out a coroutine, answers too."""

    async def later(word: str) -> str:
        return f"later {word}"

    function: Callable[[str], object] = lambda word: later(word)  # noqa: E731, PLW0108  # a plain function on purpose
    assert asyncio.run(call(function, "hi")) == "later hi"


def test_a_function_that_never_returns_keeps_no_process_alive() -> None:
    """After the caller's time limit both the event loop and the interpreter end at once."""
    program = (
        "import asyncio, threading\n"
        "from focal_eval.engines.calls import call\n"
        "async def main():\n"
        "    try:\n"
        "        async with asyncio.timeout(0.05):\n"
        "            await call(threading.Event().wait)\n"
        "    except TimeoutError:\n"
        "        print('on time')\n"
        "asyncio.run(main())\n"
    )
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "on time\n"
    assert time.monotonic() - start < 15

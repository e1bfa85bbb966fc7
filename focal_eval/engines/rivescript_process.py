"""Interpreters of RiveScript in processes of their own: a brain that loops or grows is ended, and nobody else with it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from focal_eval.engines.calls import Raised, call
from focal_eval.errors import EngineError, EngineProtocol, EngineTimeout, UsageError
from focal_eval.records import Json

MOST_LINE = 64 * 2**20
READING_S = 20.0  # a brain is read in well under a second
_GRACE_S = 1.0  # the process ends itself at the limit; where the system has no such timer we end it this much later
_WORKER = Path(__file__).with_name("rivescript_worker.py")
_ALARM = -14

Answers = Callable[[str, Sequence[str]], Mapping[str, Json]]
"""(macro, words) → `{"result": …}`, `{"error": …}`, or `{}` where the interpreter is to run it itself."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an interpreter is started with."""

    files: tuple[tuple[str, str], ...] = field(repr=False)  # name as shown, text
    utf8: bool
    trust: tuple[str, ...]
    limit_s: float
    memory_mb: int

    def as_line(self) -> bytes:
        """The opening line."""
        limits = {"reading_s": READING_S, "limit_s": self.limit_s, "memory_mb": self.memory_mb}
        return _line({"files": self.files, "utf8": self.utf8, "trust": self.trust, **limits})


def read_brain(terms: Terms) -> dict[str, Any]:
    """What the interpreter finds in a brain. Blocks. Raises UsageError where it cannot be read within the limits."""
    try:
        with contextlib.closing(Interpreter(terms)) as interpreter:
            return interpreter.catalogue
    except EngineError as problem:
        raise UsageError(f"the brain cannot be read: {problem}") from None


class Interpreter:
    """A running interpreter; one exchange at a time. Its methods block, and may be ended from another thread by `close`."""

    def __init__(self, terms: Terms) -> None:
        self._limit_s = terms.limit_s
        environment = {**os.environ, "PYTHONHASHSEED": "0"}  # arrays become patterns in the order of a set
        self._process = subprocess.Popen(  # noqa: S603  # our own program, in the interpreter that runs us
            [sys.executable, "-P", "-X", "utf8", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        try:
            self._say(terms.as_line())
            self.catalogue = self._heard(READING_S)
        except BaseException:
            self.close()
            raise

    def play(self, turn: Mapping[str, Json], answers: Answers) -> dict[str, Any]:
        """One turn; calls of macros are put to `answers`. Raises EngineError, and then cannot be used again."""
        self._say(_line(turn))
        while "call" in (heard := self._heard(self._limit_s)):
            asked = heard["call"]
            self._say(_line(answers(asked["name"], asked["args"])))
        return heard

    def _say(self, line: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it died: reading tells of what
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def _heard(self, limit_s: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline(MOST_LINE)
        if not line.endswith(b"\n"):
            raise self._ended(limit_s, len(line))
        try:
            said = orjson.loads(line)
        except orjson.JSONDecodeError:
            raise EngineProtocol("the interpreter's process said something else than JSON") from None
        if not isinstance(said, dict):
            raise EngineProtocol("the interpreter's process said something else than an object")
        if "broken" in said:
            raise EngineError(said["broken"], detail=_chain(said.get("matched", ())))
        return said

    def _ended(self, limit_s: float, length: int) -> EngineError:
        if length >= MOST_LINE:
            return EngineProtocol(f"the interpreter's process said more than {MOST_LINE // 2**20} MiB")
        try:
            code = self._process.wait(timeout=_GRACE_S)
        except subprocess.TimeoutExpired:
            return EngineProtocol("the interpreter's process fell silent")
        if code == _ALARM:
            why = "a pattern that backtracks without end, or tags that are replaced by themselves"
            return EngineTimeout(f"the brain did not answer within {limit_s:g} s", detail=f"the usual reason is {why}")
        return EngineError(f"the interpreter's process died (exit status {code})")

    def close(self) -> None:
        """Ends the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()


def _line(value: Mapping[str, Json]) -> bytes:
    """A message as it is sent; unpaired surrogates of a user's words survive as escapes."""
    return json.dumps(value).encode() + b"\n"


def _chain(matched: Sequence[Mapping[str, Any]]) -> str | None:
    """The triggers a turn went through, the first few of them."""
    steps = [f"{one['trigger']} ({one['file']}:{one['line']})" for one in matched[:6]]
    return " → ".join([*steps, "…"] if len(matched) > len(steps) else steps) or None


class Pool:
    """As many interpreters as turns are played at once, a few at most; one that misbehaves is ended and replaced."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._idle: list[Interpreter] = []
        self._slots = asyncio.Semaphore(max(1, min(4, os.cpu_count() or 1)))
        self._closed = False

    async def play(self, turn: Mapping[str, Json], answers: Answers) -> dict[str, Any]:
        """One turn of some conversation. Raises EngineError."""
        async with self._slots:
            if self._closed:
                raise EngineProtocol("the engine is closed")
            interpreter = self._idle.pop() if self._idle else await self._started()
            sound = False
            try:
                async with asyncio.timeout(self._terms.limit_s + _GRACE_S):
                    answer: dict[str, Any] = await _called(interpreter.play, turn, answers)
                sound = True
            except TimeoutError:
                raise EngineTimeout(f"the brain did not answer within {self._terms.limit_s:g} s") from None
            finally:
                if sound and not self._closed:
                    self._idle.append(interpreter)
                else:
                    interpreter.close()
            return answer

    async def _started(self) -> Interpreter:
        """A new interpreter; one that is no longer wanted when it stands is ended by the thread that started it."""
        wanted = True

        def start() -> Interpreter:
            made = Interpreter(self._terms)
            if not wanted:
                made.close()
            return made

        try:
            made: Interpreter = await _called(start)
        except BaseException:
            wanted = False
            raise
        return made

    def close(self) -> None:
        """Ends every interpreter that is idle; one that plays is ended when its turn is."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()


async def _called(function: Callable[..., Any], *args: Any) -> Any:
    try:
        return await call(function, *args)
    except Raised as problem:
        raise problem.__cause__ or problem from None

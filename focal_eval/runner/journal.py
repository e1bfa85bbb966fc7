"""The journal: append-only, a line a turn and a line an attempt, and the header beside it.

Whole lines are written, by one `write` of the operating system on a file opened for appending: before an engine is waited for
and between conversations, so what a killed run has finished is there.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import orjson

from focal_eval.errors import StorageError, UsageError
from focal_eval.runner.redact import Redactor

JOURNAL, HEADER = "journal.jsonl", "run.json"
AGENT = "agent.yaml"  # the copy of the agent file a run was played with
FORMAT = 1


def dumps(value: Any) -> bytes:
    """JSON bytes of anything an engine may hand over; what JSON cannot say is written as text."""
    try:
        return orjson.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return orjson.dumps(_plain(value), option=orjson.OPT_NON_STR_KEYS)


def _plain(value: Any, depth: int = 0) -> Any:
    """The value without lone surrogates, giant integers and endless nesting."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, bool) or value is None or isinstance(value, float):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else _spelt(value)
    if depth > 100:
        return "[nested too deep]"
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item, depth + 1) for item in value]
    return _plain(_spelt(value))


def _spelt(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # its own `__str__` is broken, or an integer is longer than Python writes out
        return f"[a {type(value).__name__} that cannot be shown]"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise StorageError(f"{folder} is a file; --out names a folder") from None


class Journal:
    """Writes a run's folder, which must not hold a run already (UsageError). Any failure to write is a StorageError."""

    def __init__(self, folder: Path, header: dict[str, Any], redact: Redactor) -> None:
        self.folder, self.header, self._redact = folder, header, redact
        self._lines: list[bytes] = []  # not written yet
        self._failure: StorageError | None = None
        try:
            _make(folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
            self._file = os.open(folder / JOURNAL, flags, 0o644)
        except FileExistsError:
            raise UsageError(f"{folder} already holds a run; give another --out or remove it") from None
        except OSError as problem:
            raise StorageError(f"the run folder {folder} cannot be written: {problem.strerror or problem}") from None
        self.write_header()
        self.line(b'{"t":"run",' + dumps(header)[1:])

    def line(self, data: bytes) -> None:
        """Appends one line, at once."""
        self._lines.append(data)
        self._write()

    def add(self, data: bytes) -> None:
        """Appends one line when the event loop next gets control: before anything is waited for.

        The lines of a conversation that never waits are so written together. A failure to write is raised by the next line.
        """
        if self._failure is not None:
            raise self._failure
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._write_now)
        self._lines.append(data)

    def flush(self) -> None:
        """Writes every line that is not written yet, so that the journal can be read back."""
        self._write()

    def _write_now(self) -> None:
        try:
            self._write()
        except StorageError as problem:
            self._failure = problem

    def _write(self) -> None:
        if self._failure is not None:
            raise self._failure
        if not self._lines:
            return
        data = self._redact(b"\n".join(self._lines)) + b"\n"
        self._lines.clear()
        try:
            while data:
                written = os.write(self._file, data)
                data = data[written:]
        except OSError as problem:
            raise StorageError(f"the journal cannot be written: {problem.strerror or problem}") from None

    def write_header(self) -> None:
        """Replaces `run.json` in one step."""
        path = self.folder / HEADER
        temporary = path.with_suffix(".tmp")
        try:
            temporary.write_bytes(self._redact(orjson.dumps(self.header, option=orjson.OPT_INDENT_2)) + b"\n")
            temporary.replace(path)
        except OSError as problem:
            raise StorageError(f"{path} cannot be written: {problem.strerror or problem}") from None

    def keep(self, name: str, text: str) -> None:
        """Writes a file beside the journal, without the secrets in it."""
        path = self.folder / name
        try:
            path.write_bytes(self._redact(text.encode("utf-8", "replace")))
        except OSError as problem:
            raise StorageError(f"{path} cannot be written: {problem.strerror or problem}") from None

    def end(self, outcome: dict[str, Any]) -> None:
        """Writes the last line and the finished header."""
        self.line(b'{"t":"end",' + dumps(outcome)[1:])
        self.header.update(outcome)
        self.write_header()

    def close(self) -> None:
        """Writes what is left and gives the file back; further lines are an error."""
        try:
            self._write()
        finally:
            os.close(self._file)

"""The journal: append-only, a line a turn and a line an attempt, each with its checksum, and the header and index beside it.

Whole lines are written, by one `write` of the operating system on a file opened for appending: before an engine is waited for
and between conversations, so what a killed run has finished is there. Closed attempts are then made to outlive a power cut,
as the policy says.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from focal_eval.errors import StorageError, UsageError
from focal_eval.runner.index import IndexWriter
from focal_eval.runner.lock import RunLock
from focal_eval.runner.reading import Reading
from focal_eval.runner.redact import Redactor
from focal_eval.runner.seal import sealed
from focal_eval.runner.sync import Sync, Syncer

JOURNAL, HEADER = "journal.jsonl", "run.json"
AGENT = "agent.yaml"  # the copy of the agent file a run was played with
FORMAT = 2
FORMATS = (1, 2)  # that can be read; the first had no checksums


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


@dataclass(frozen=True, slots=True)
class Resumed:
    """A run folder that is to be written on: locked, and read up to its last whole line."""

    lock: RunLock
    reading: Reading
    size: int  # bytes of the journal that are whole


def resume(folder: Path) -> Resumed:
    """The folder of a run that did not end, for this process alone; give it to a Journal, or its lock back.

    Raises UsageError where another process has it, StorageError where it cannot be read or is of a format without checksums.
    """
    lock, reading = RunLock(folder), Reading()
    try:
        with (folder / JOURNAL).open("rb") as file:
            size = reading.file(file)
        if reading.header.get("format") != FORMAT:
            raise StorageError(f"{folder} was written in another format; runs of format {FORMAT} can be resumed")
    except OSError as problem:
        lock.release()
        raise StorageError(f"cannot read {folder / JOURNAL}: {problem.strerror or problem}") from None
    except BaseException:
        lock.release()
        raise
    return Resumed(lock, reading, size)


class Journal:
    """Writes a run's folder, which must not hold a run already (UsageError) but the one that is resumed.

    Any failure to write is a StorageError.

    `reading` knows all that was written so far, so that nobody has to read it back.
    """

    def __init__(
        self,
        folder: Path,
        header: dict[str, Any],
        redact: Redactor,
        *,
        sync: Sync = Sync.ATTEMPTS,
        after: Resumed | None = None,
    ) -> None:
        self.folder, self.header, self._redact = folder, header, redact
        if after is None:
            _prepare(folder)
        self._lock = RunLock(folder) if after is None else after.lock
        self.reading = Reading() if after is None else after.reading
        try:
            self._open(os.O_CREAT | os.O_EXCL if after is None else 0, 0 if after is None else after.size, sync)
            self.write_header()
            self.line(b'{"t":"run",' + dumps(header)[1:])
            _sync_folder(folder)
        except BaseException:
            self._lock.release()
            raise

    def _open(self, flags: int, size: int, sync: Sync) -> None:
        self._lines: list[bytes] = []  # not written yet
        self._failure: StorageError | None = None
        self._closed = False  # an attempt was closed by a line that is not written yet
        self._size = size  # of the journal, with what is not written yet
        self._written = size
        self._open_from: dict[bytes, int] = {}  # where the lines of each case that is under way begin
        try:
            self._file = os.open(self.folder / JOURNAL, os.O_RDWR | os.O_APPEND | flags, 0o644)
            os.ftruncate(self._file, size)  # a torn last line is taken off before the next one follows
        except FileExistsError:
            raise UsageError(f"{self.folder} already holds a run; give another --out or remove it") from None
        except OSError as problem:
            raise _unwritable(self.folder, problem) from None
        self._syncer = Syncer(self._file, sync)
        self._index = IndexWriter(self.folder, self.header)
        for case in self.reading.cases.values():
            for attempt in case.attempts:
                if attempt.end is not None:
                    self._index.closed(case, attempt, size)

    def line(self, data: bytes) -> None:
        """Appends one line, at once."""
        self.lines((data,))

    def lines(self, several: Iterable[bytes]) -> None:
        """Appends lines, at once and together."""
        for data in several:
            self._take(data)
        self._write()

    def add(self, data: bytes) -> None:
        """Appends one line when the event loop next gets control: before anything is waited for.

        The lines of a conversation that never waits are so written together. A failure to write is raised by the next line.
        """
        if self._failure is not None:
            raise self._failure
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._write_now)
        self._take(data)

    def flush(self) -> None:
        """Writes every line that is not written yet, so that the journal can be read back."""
        self._write()

    def _take(self, data: bytes) -> None:
        line = sealed(self._redact(data))
        start = self._size
        end = start + len(line)
        self._lines.append(line)
        self._size = end + 1
        self.reading.note(line, start, end)
        if line.startswith(_ATTEMPT):
            name = _case_in(line, _ATTEMPT)
            self._open_from.pop(name, None)
            self._closed = True
            case = self.reading.cases.get(name.decode())
            if case is not None and case.last.end is not None:
                self._index.closed(case, case.last, next(iter(self._open_from.values()), self._size))
        elif line.startswith(_CASE):
            self._open_from[_case_in(line, _CASE)] = start

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
        data = b"\n".join(self._lines) + b"\n"
        self._lines.clear()
        try:
            while data:
                written = os.write(self._file, data)
                data = data[written:]
        except OSError as problem:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._written)  # no torn line where it can be helped
            raise StorageError(f"the journal cannot be written: {problem.strerror or problem}") from None
        self._written = self._size
        self._index.written()
        if self._closed:
            self._closed = False
            self._look_at_disk()
            self._syncer.closed()

    def _look_at_disk(self) -> None:
        if self._syncer.problem is not None:
            told = self._syncer.problem.strerror or self._syncer.problem
            raise StorageError(f"the disk does not keep the journal: {told}")
        if self._syncer.deleted:
            raise self._rescued()

    def _rescued(self) -> StorageError:
        """Writes a journal whose folder was deleted back to where it was."""
        said = f"the run folder {self.folder} was deleted while the run was going on"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(self._file, "rb", closefd=False) as lost, (self.folder / JOURNAL).open("xb") as found:
                lost.seek(0)
                shutil.copyfileobj(lost, found)
            self.write_header()
        except (OSError, StorageError) as problem:
            return StorageError(f"{said}, and what was recorded cannot be written back: {problem}")
        return StorageError(f"{said}; what was recorded was written back to it")

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
        self._index.end(self.reading, self._size)

    def close(self) -> None:
        """Writes what is left and gives the folder back; further lines are an error."""
        try:
            self._write()
            self._syncer.finish()
            self._look_at_disk()
        finally:
            self._syncer.stop()
            self._index.close()
            os.close(self._file)
            self._lock.release()


_CASE, _ATTEMPT = b'{"t":"case","case":"', b'{"t":"attempt","case":"'


def _case_in(line: bytes, begins: bytes) -> bytes:
    return line[len(begins) : line.index(b'"', len(begins))]


def _unwritable(folder: Path, problem: OSError) -> StorageError:
    return StorageError(f"the run folder {folder} cannot be written: {problem.strerror or problem}")


def _prepare(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise StorageError(f"{folder} is a file; --out names a folder") from None
    except OSError as problem:
        raise _unwritable(folder, problem) from None
    if (folder / JOURNAL).exists():
        raise UsageError(f"{folder} already holds a run; give another --out or remove it")


def _sync_folder(folder: Path) -> None:
    """Has the system keep the names of the new files, too; where it can do that for a folder."""
    with contextlib.suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)

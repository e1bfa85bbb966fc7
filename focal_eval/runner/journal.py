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
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from focal_eval.errors import StorageError
from focal_eval.runner.encoded import dumps
from focal_eval.runner.entries import Place
from focal_eval.runner.folder import (
    AGENT,
    FORMAT,
    FORMATS,
    HEADER,
    JOURNAL,
    Resumed,
    make_folder,
    refuse_another,
    replace_file,
    resume,
    sync_folder,
    unwritable,
)
from focal_eval.runner.index import IndexWriter
from focal_eval.runner.lock import RunLock
from focal_eval.runner.reading import SHARED, Reading
from focal_eval.runner.redact import Redactor
from focal_eval.runner.seal import sealed
from focal_eval.runner.sync import Sync, Syncer

if TYPE_CHECKING:
    from focal_eval.runner.plan import Case

__all__ = ["AGENT", "FORMAT", "FORMATS", "HEADER", "JOURNAL", "Journal", "Resumed", "dumps", "resume"]


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
            make_folder(folder)
        self._lock = RunLock(folder) if after is None else after.lock
        self.reading = Reading() if after is None else after.reading
        self._kept: dict[str, bytes] = {}  # files beside the journal
        self._syncs = sync is not Sync.OFF
        self._begin_at(0 if after is None else after.size)
        try:
            if after is None:
                refuse_another(folder, locked=True)  # nobody else can begin one now
            self.write_header()
            self._open(os.O_CREAT | os.O_EXCL if after is None else 0, sync)
            self.line(b'{"t":"run",' + dumps(header)[1:])
            self._index.known(self.reading, self._size)
            self._index.flush()
            if self._syncs:
                sync_folder(folder)
        except BaseException:
            self._undo(begun=after is None and self._file >= 0)
            raise

    def _begin_at(self, size: int) -> None:
        self._file = -1
        self._lines: list[bytes] = []  # not written yet
        self._failure: StorageError | None = None
        self._closed = False  # an attempt was closed by a line that is not written yet
        self._size = size  # of the journal, with what is not written yet
        self._written = size
        self._open_from: dict[bytes, int] = {}  # where the lines of each case that is under way begin

    def _open(self, flags: int, sync: Sync) -> None:
        try:
            self._file = os.open(self.folder / JOURNAL, os.O_RDWR | os.O_APPEND | flags, 0o644)
            os.ftruncate(self._file, self._size)  # a torn last line is taken off before the next one follows
        except OSError as problem:
            raise unwritable(self.folder, problem) from None
        self._syncer = Syncer(self._file, sync)
        self._index = IndexWriter(self.folder, self.header)

    def _undo(self, *, begun: bool) -> None:
        """Leaves no run behind where none could begin."""
        if self._file >= 0:
            os.close(self._file)
        if begun:
            for name in (JOURNAL, HEADER):
                with contextlib.suppress(OSError):
                    (self.folder / name).unlink()
        self._lock.release()

    def expect(self, case: Case) -> None:
        """The lines of this case of the plan come next; what is kept of it shares the plan's texts and params."""
        self.reading.expect(case.id, (case.name, case.script.id, case.script.file), case.row)

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

    def copy(self, several: Iterable[bytes]) -> None:
        """Appends lines that are redacted and sealed already, as `add` does; at once where no event loop runs."""
        if self._failure is not None:
            raise self._failure
        waiting = bool(self._lines)
        for line in several:
            if not line.startswith(SHARED) or not self.reading.shares(line):
                self._put(line)
        if waiting or not self._lines:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._write()
        else:
            loop.call_soon(self._write_now)

    def flush(self) -> None:
        """Writes every line that is not written yet, so that the journal can be read back."""
        self._write()

    def _take(self, data: bytes) -> None:
        if data.startswith(SHARED) and self.reading.shares(data):
            return
        self._put(sealed(self._redact(data)))

    def _put(self, line: bytes) -> None:
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
            if case is not None and case.last.over:
                self._index.closed(case, case.last, next(iter(self._open_from.values()), self._size))
        elif line.startswith(_CASE):
            self._open_from[_case_in(line, _CASE)] = start
        elif line.startswith(SHARED):
            digest = line[len(SHARED) : line.index(b'"', len(SHARED))].decode()
            self._index.shared({digest: Place(start, end)})

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
            self._index.give_up()  # it knows of lines that are not there
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._written)  # no torn line where it can be helped
            self._failure = StorageError(f"the journal cannot be written: {problem.strerror or problem}{self._goes_on()}")
            raise self._failure from None
        self._written = self._size
        self._index.written()
        if self._closed:
            self._closed = False
            self._look_at_disk()
            self._syncer.closed()

    def _goes_on(self) -> str:
        """What is to be done once a disk can be written again."""
        ends = (case.last.end for case in self.reading.cases.values())
        kept = sum(end is not None and end.end <= self._written for end in ends)
        if not kept:
            return ""
        return f"; {kept:,} finished case{'s are' if kept > 1 else ' is'} kept: focal-eval run --resume {self.folder} goes on"

    def _look_at_disk(self) -> None:
        if self._syncer.problem is not None:
            told = self._syncer.problem.strerror or self._syncer.problem
            self._failure = StorageError(f"the disk does not keep the journal: {told}")
            raise self._failure
        if self._syncer.deleted:
            self._failure = self._rescued()
            raise self._failure

    def _rescued(self) -> StorageError:
        """Writes a journal whose folder was deleted back to where it was."""
        said = f"the run folder {self.folder} was deleted while the run was going on"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(self._file, "rb", closefd=False) as lost, (self.folder / JOURNAL).open("xb") as found:
                lost.seek(0)
                shutil.copyfileobj(lost, found)
            self.write_header()
            for name, data in self._kept.items():
                replace_file(self.folder / name, data, sync=self._syncs)
        except (OSError, StorageError) as problem:
            return StorageError(f"{said}, and what was recorded cannot be written back: {problem}")
        return StorageError(f"{said}; what was recorded was written back to it{self._goes_on()}")

    def write_header(self) -> None:
        """Replaces `run.json` in one step."""
        data = self._redact(orjson.dumps(self.header, option=orjson.OPT_INDENT_2)) + b"\n"
        replace_file(self.folder / HEADER, data, sync=self._syncs)

    def keep(self, name: str, text: str) -> None:
        """Writes a file beside the journal, without the secrets in it."""
        self._kept[name] = self._redact(text.encode("utf-8", "replace"))
        replace_file(self.folder / name, self._kept[name], sync=self._syncs)

    def end(self, outcome: dict[str, Any]) -> None:
        """Writes the last line and the finished header."""
        self._write()
        self._syncer.look()  # before the run is over: one whose folder is gone can be gone on with
        self._look_at_disk()
        self.line(b'{"t":"end",' + dumps(outcome)[1:])
        self.header.update(outcome)
        self.write_header()
        self._index.end(self.reading, self._size)

    def close(self) -> None:
        """Writes what is left and gives the folder back; further lines are an error.

        A StorageError of a disk that did not keep what it took is raised here, if nowhere before.
        """
        try:
            try:
                self._write()
            finally:
                self._syncer.finish()
            if self._failure is None:
                self._look_at_disk()
        finally:
            self._index.close()
            os.close(self._file)
            self._lock.release()


_CASE, _ATTEMPT = b'{"t":"case","case":"', b'{"t":"attempt","case":"'


def _case_in(line: bytes, begins: bytes) -> bytes:
    return line[len(begins) : line.index(b'"', len(begins))]

"""Cassettes on disk while a run replays from them and records to them.

What is recorded is appended to `<cassette>.part` as soon as its conversation is over, and becomes part of the cassette in one
step at the end: the file is whole at any time, and a run that was killed loses no conversation that had ended.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from focal_eval.engines.credentials import Cleaner
from focal_eval.engines.recording import (
    RecordedConversation,
    RecordedEngine,
    Recording,
    conversation_line,
    line_bytes,
    recording_bytes,
)
from focal_eval.engines.recording_reader import conversation_of, read_recording, whole_lines
from focal_eval.errors import EngineError, Problems, Refused, StorageError, UsageError
from focal_eval.text import counted

try:
    import fcntl
except ImportError:  # a system without such locks: two runs that record the same cassette are not kept apart there
    fcntl = None  # type: ignore[assignment]


class Tape:
    """One cassette file. Reading never changes it; `save` does, where something was added."""

    def __init__(self, path: Path, shown: str, clean: Cleaner) -> None:
        self.path, self.shown, self.clean = path, shown, clean
        self._part = path.with_name(path.name + ".part")
        self._lock: int | None = None
        self._added: dict[str, RecordedConversation] = {}
        self.recording = self._read()
        self.conversations = {**self.recording.conversations, **self._left_over()}

    def add(self, conversation: RecordedConversation) -> None:
        """Keeps a conversation, instead of an earlier one of its key. Raises StorageError where it cannot be written."""
        line = self.clean(conversation_line(conversation))
        kept = conversation_of(line)
        try:
            if self._lock is None:
                self._lock = self._locked()
            data = b"\n" * (not self._added) + line_bytes(line)  # a line that a killed run cut off stays a line of its own
            while data:
                data = data[os.write(self._lock, data) :]
        except OSError as problem:
            raise StorageError(self._unwritten(problem)) from None
        self._added[kept.key] = self.conversations[kept.key] = kept

    def save(self, engine: RecordedEngine | None) -> None:
        """Writes the cassette in one step, sorted by key, where there is anything new. Raises StorageError."""
        try:
            if self._lock is None:
                if not self._part.exists():
                    return
                try:
                    self._lock = self._locked()
                except StorageError:
                    return  # it belongs to another run, not to one that was killed
            before = self._read()  # another run may have recorded meanwhile
            merged = {**before.conversations, **self._left_over(), **self._added}
            data = recording_bytes([merged[key] for key in sorted(merged)], before.origin, engine or before.engine)
            _replace(self.path, data)
            self._part.unlink(missing_ok=True)
        except Refused as problem:
            raise StorageError(f"{problem}; what was recorded is kept in {self._part}") from None
        except OSError as problem:
            raise StorageError(self._unwritten(problem)) from None
        finally:
            self.close()

    def _unwritten(self, problem: OSError) -> str:
        """Why nothing more can be recorded, and what is kept of what was."""
        full = problem.errno in (errno.ENOSPC, errno.EDQUOT)
        why = "the disk is full" if full else problem.strerror or str(problem)
        kept = len(self._left_over())
        told = (
            f"{counted(kept, 'whole conversation')} kept in {self._part}, for the next run that records"
            if kept
            else "nothing kept"
        )
        return f"the cassette {self.shown} cannot be written: {why}; {told}"

    def close(self) -> None:
        """Gives the file back to other runs."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def check_writable(self) -> None:
        """Raises UsageError where the cassette cannot be recorded to: another run is at it, or its folder cannot be made."""
        was_there = self._part.exists()
        try:
            os.close(self._locked())
            if not was_there:
                self._part.unlink()
        except StorageError as problem:
            raise UsageError(str(problem)) from None
        except OSError as problem:
            raise UsageError(f"the cassette {self.shown} cannot be written: {problem.strerror or problem}") from None

    def _read(self) -> Recording:
        if not self.path.exists():
            return Recording({})
        problems = Problems()
        found = read_recording(self.path, self.shown, problems)
        if found is None:
            raise Refused(f"the cassette {self.shown} cannot be read", problems)
        return found

    def _left_over(self) -> dict[str, RecordedConversation]:
        """What a run appended and did not come to save."""
        try:
            return {talk.key: talk for talk in whole_lines(self._part.read_bytes())}
        except OSError:
            return {}

    def _locked(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            file = os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                if fcntl is not None:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(file), self._part.stat()):
                        return file
            except BlockingIOError:
                os.close(file)
                raise StorageError(f"another run is recording to the cassette {self.shown}") from None
            os.close(file)  # the run that held it has just saved: its file is gone


def _replace(path: Path, data: bytes) -> None:
    """Puts the file there as a whole, or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


class Shelf:
    """The cassettes of an engine: one file, or a folder with one for each script (a name that ends in `/`)."""

    def __init__(self, root: Path, file: str, clean: Cleaner) -> None:
        self._root, self.file, self._clean = root, file, clean
        self.by_script = file.endswith("/")
        names = sorted({*self._below()}) if self.by_script else [file]
        self._tapes = {name: self._open(name) for name in names}

    def __iter__(self) -> Iterator[Tape]:
        return iter(self._tapes.values())

    def tape(self, script: str) -> Tape:
        """The cassette that a script's conversations belong to."""
        name = f"{self.file}{script}.jsonl" if self.by_script else self.file
        if name not in self._tapes:
            if not (self._root / name).resolve().is_relative_to((self._root / self.file).resolve()):
                raise EngineError(f"the script '{script}' has no place in the folder {self.file}")
            self._tapes[name] = self._open(name)
        return self._tapes[name]

    def save(self, engine: RecordedEngine) -> None:
        """Writes every cassette that has something new; the first failure is raised when all were tried."""
        failed: StorageError | None = None
        for tape in self:
            try:
                tape.save(engine)
            except StorageError as problem:
                failed = failed or problem
        if failed is not None:
            raise failed

    def close(self) -> None:
        for tape in self:
            tape.close()

    def _open(self, name: str) -> Tape:
        return Tape(self._root / name, name, self._clean)

    def _below(self) -> Iterator[str]:
        folder = self._root / self.file
        for path in folder.rglob("*.jsonl*"):
            if path.is_file() and path.suffix in (".jsonl", ".part"):
                yield self.file + path.relative_to(folder).as_posix().removesuffix(".part")

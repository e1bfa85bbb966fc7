"""One process at a time writes a run folder; a second one is told which."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from weakref import WeakSet

from focal_eval.errors import StorageError, UsageError

LOCK = "run.lock"
_NO_LOCKS = ("ENOLCK", "ENOSYS", "ENOTSUP", "EOPNOTSUPP")  # a file system that has none, such as some networks'


class RunLock:
    """The lock on a folder that is there. The system gives it back when the process ends, however it ends.

    Raises UsageError where another process has it, StorageError where the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK
        try:
            while not self._taken(folder):
                pass
            os.ftruncate(self._file, 0)
            os.write(self._file, b"%d\n" % os.getpid())
        except OSError as problem:
            self.release()
            raise StorageError(f"the run folder {folder} cannot be written: {problem.strerror or problem}") from None
        _held.add(self)

    def _taken(self, folder: Path) -> bool:
        """Whether the file that was locked is still the folder's: who gives a lock back takes its file away."""
        self._file = -1
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(self._file)
        except BlockingIOError:
            by = _named(self._file)
            os.close(self._file)
            self._file = -1
            raise UsageError(f"{by} is writing the run folder {folder}; wait for it, or give another --out") from None
        if self._is_there():
            return True
        os.close(self._file)
        return False

    def _is_there(self) -> bool:
        """Whether the file that is open is the one of that name."""
        with contextlib.suppress(OSError):
            return os.path.samestat(os.fstat(self._file), self._path.stat())
        return False

    def release(self) -> None:
        """Gives the lock back, and takes its file away; once it is given back, nothing."""
        if self._file < 0:
            return
        if self._is_there():  # a folder that was deleted may be another run's by now
            with contextlib.suppress(OSError):
                self._path.unlink()
        self.forget()

    def forget(self) -> None:
        """Closes the file and leaves it there: for a process that was split off the one whose lock it is."""
        with contextlib.suppress(OSError):
            os.close(self._file)
        self._file = -1


_held: WeakSet[RunLock] = WeakSet()


def _split_off() -> None:
    for lock in list(_held):
        if lock._file >= 0:
            lock.forget()


if hasattr(os, "register_at_fork"):  # else a worker that outlives its parent would keep the lock
    os.register_at_fork(after_in_child=_split_off)


def held_by(folder: Path) -> str | None:
    """Who writes this folder just now, such as `process 4711`; None where nobody does."""
    try:
        file = os.open(folder / LOCK, os.O_RDONLY)
    except OSError:
        return None
    try:
        _lock(file, shared=True)
    except BlockingIOError:
        return _named(file)
    finally:
        os.close(file)
    return None


def _named(file: int) -> str:
    holder = b""
    with contextlib.suppress(OSError):
        holder = os.read(file, 20).strip()
    return f"process {holder.decode()}" if holder.isdigit() else "another process"


def _lock(file: int, *, shared: bool = False) -> None:
    """Raises BlockingIOError where another process has it."""
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            raise BlockingIOError from None
        return
    import errno
    import fcntl

    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as problem:
        if problem.errno not in {getattr(errno, name, None) for name in _NO_LOCKS}:
            raise BlockingIOError from None

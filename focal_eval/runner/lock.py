"""One process at a time writes a run folder; a second one is told which."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

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
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as problem:
            raise StorageError(f"the run folder {folder} cannot be written: {problem.strerror or problem}") from None
        try:
            _lock(self._file)
        except BlockingIOError:
            holder = os.read(self._file, 20).decode("ascii", "replace").strip()
            os.close(self._file)
            by = f"process {holder}" if holder.isdigit() else "another process"
            raise UsageError(f"{by} is writing the run folder {folder}; wait for it, or give another --out") from None
        with contextlib.suppress(OSError):
            os.truncate(self._file, 0)
            os.write(self._file, b"%d\n" % os.getpid())

    def release(self) -> None:
        """Gives the lock back, and takes its file away; once it is given back, nothing."""
        if self._file < 0:
            return
        with contextlib.suppress(OSError):
            self._path.unlink()
        with contextlib.suppress(OSError):
            os.close(self._file)
        self._file = -1


def _lock(file: int) -> None:
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
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as problem:
        if problem.errno not in {getattr(errno, name, None) for name in _NO_LOCKS}:
            raise BlockingIOError from None

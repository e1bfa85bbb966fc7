"""When what was written is made to outlive a power cut: `fsync`, in a thread of its own, one for all that came meanwhile.

A process that is killed loses nothing that was handed to the system; this is about the machine.
"""

from __future__ import annotations

import errno
import os
import threading
from enum import StrEnum

AT_MOST_EVERY_S = 0.02  # attempts that end within this time share one fsync


class Sync(StrEnum):
    """What is sure to be on the disk."""

    ATTEMPTS = "attempts"  # every closed attempt, soon after
    END = "end"  # the whole run, once it is over
    OFF = "off"  # whatever the system has written by itself


class Syncer:
    """Carries out a policy for one open file, and looks whether it is still there.

    `problem` is what the disk answered where it could not keep it, `deleted` whether nobody can find the file any more.
    """

    def __init__(self, file: int, policy: Sync) -> None:
        self._file, self._policy = file, policy
        self.problem: OSError | None = None
        self.deleted = False
        self.count = 0  # times the disk was asked
        self._wanted = threading.Event()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def closed(self) -> None:
        """An attempt was closed."""
        if self._policy is not Sync.ATTEMPTS:
            return
        if self._thread is None:  # not before: a process that is split in two should have one thread
            self._thread = threading.Thread(target=self._go, name="fsync", daemon=True)
            self._thread.start()
        if not self._wanted.is_set():
            self._wanted.set()

    def finish(self) -> None:
        """Everything written so far is on the disk when this returns, unless the policy is OFF."""
        self.stop()
        if self._policy is not Sync.OFF:
            self._now()
        self.look()

    def look(self) -> None:
        """Sees whether the file is still there."""
        self.deleted = not os.fstat(self._file).st_nlink

    def stop(self) -> None:
        """Ends the thread; what it has not done is not done."""
        self._over.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _go(self) -> None:
        while True:
            self._wanted.wait()
            if self._over.is_set():
                return
            self._wanted.clear()
            self._now()
            self.look()
            self._over.wait(AT_MOST_EVERY_S)

    def _now(self) -> None:
        try:
            os.fsync(self._file)
            self.count += 1
        except OSError as problem:
            if problem.errno not in _CANNOT:
                self.problem = problem


_CANNOT = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EROFS})  # a file that has no disk below it, such as a pipe

"""Bytes of a file at a place, for several threads at a time."""

from __future__ import annotations

import os
import threading
from pathlib import Path


class ReadAt:
    """A file open for reading. Not a map of it: whatever was looked at would count as this process's memory."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._one = threading.Lock()

    def read(self, start: int, length: int) -> bytes:
        """So many bytes from a place on; fewer where the file ends."""
        if hasattr(os, "pread"):
            return os.pread(self._file, length, start)
        with self._one:
            os.lseek(self._file, start, os.SEEK_SET)
            return os.read(self._file, length)

    def __del__(self) -> None:
        if (file := getattr(self, "_file", -1)) >= 0:
            os.close(file)

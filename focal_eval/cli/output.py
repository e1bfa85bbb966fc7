"""The standard streams as they may be found: closed, on a full disk, or with a reader that went away."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import TextIO

from focal_eval.errors import StorageError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def open_streams() -> None:
    """Gives a stream that was closed before the start (`>&-`) a place to write to."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115  # pathlib costs start-up time; open to the end


@contextlib.contextmanager
def printing(stream: TextIO) -> Iterator[None]:
    """What is printed inside changes no exit code: a reader that goes away (`| head`) ends it without a word.

    Raises StorageError where stdout stands on a full disk; on stderr there is nobody left to tell.
    """
    try:
        yield
        stream.flush()
    except BrokenPipeError:
        _drop(stream)
    except OSError as problem:
        if problem.errno not in _FULL or problem.filename is not None:
            raise
        _drop(stream)
        if stream is not sys.stderr:
            raise StorageError(f"the output cannot be written: {problem.strerror}") from None


def _drop(stream: TextIO) -> None:
    """Sends what the stream still holds nowhere, so that the interpreter's end does not fail on it."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)

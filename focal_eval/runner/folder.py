"""A run's folder: its files, whether it may be written, and what it holds of a run that did not end."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import orjson

from focal_eval.errors import StorageError, UsageError
from focal_eval.runner.lock import RunLock, held_by
from focal_eval.runner.reading import Reading
from focal_eval.value import value

JOURNAL, HEADER = "journal.jsonl", "run.json"
AGENT = "agent.yaml"  # the copy of the agent file a run was played with
FORMAT = 2
FORMATS = (1, 2)  # that can be read; the first had no checksums


def no_outcome() -> dict[str, Any]:
    """What a header says of a run's outcome until the last line of the journal tells it."""
    return {
        "counts": {},
        "spared": 0,
        "statistics": None,
        "gates": [],
        "verdict": None,
        "exit_code": None,
        "elapsed_ms": None,
    }


@value
class Resumed:
    """A run folder that is to be written on: locked, and read up to its last whole line."""

    lock: RunLock
    reading: Reading
    size: int  # bytes of the journal that are whole


def resume(folder: Path) -> Resumed:
    """The folder of a run that did not end, for this process alone; give it to a Journal, or its lock back.

    Raises UsageError where another process has it or it is of a format without checksums, StorageError where it cannot be read.
    """
    lock = RunLock(folder)
    try:
        reading, size = read_journal(folder)
        found = reading.header.get("format")
        if not reading.header:
            raise UsageError(f"{folder / JOURNAL} does not begin with a whole line of kind 'run'; run it anew")
        if found != FORMAT:
            raise UsageError(f"{folder} was written in format {found}; runs of format {FORMAT} can be resumed")
    except BaseException:
        lock.release()
        raise
    return Resumed(lock, reading, size)


def read_journal(folder: Path) -> tuple[Reading, int]:
    """All that a folder's journal says, and how many bytes of it are whole lines. Raises StorageError.

    Where its first line was never written or is damaged the header is told by `run.json`; how the run ended is told by the
    journal's last line alone, for a verdict is worth no more than the records it was given on.
    """
    path = folder / JOURNAL
    try:
        reading, size = _read(path, {})
        if not reading.header and (header := read_header(folder)):
            return _read(path, {**header, "state": "running", "finished_at": None, "lost": None, **no_outcome()})
    except FileNotFoundError:
        raise StorageError(f"{folder} is not a run folder: it holds no {JOURNAL}") from None
    except OSError as problem:
        raise StorageError(f"cannot read {path}: {problem.strerror or problem}") from problem
    return reading, size


def _read(path: Path, header: dict[str, Any]) -> tuple[Reading, int]:
    reading = Reading()
    reading.begin(header)
    with path.open("rb") as file:
        return reading, reading.file(file)


def read_header(folder: Path) -> dict[str, Any]:
    """What `run.json` says; nothing where it cannot be read."""
    try:
        header = orjson.loads((folder / HEADER).read_bytes())
    except (OSError, ValueError):
        return {}
    return header if isinstance(header, dict) else {}


def make_folder(folder: Path) -> None:
    """The folder of a new run. Raises UsageError where it holds a run already, StorageError where it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise StorageError(f"{folder} is a file; --out names a folder") from None
    except OSError as problem:
        raise unwritable(folder, problem) from None
    refuse_another(folder)


def refuse_another(folder: Path, *, locked: bool = False) -> None:
    """Raises UsageError where the folder holds a run; `locked` where this process has its lock."""
    if not (folder / JOURNAL).exists():
        return
    if not locked and (holder := held_by(folder)) is not None:
        raise UsageError(f"{holder} is writing the run folder {folder}; give another --out")
    raise UsageError(f"{folder} already holds a run; give another --out or remove it")


def unwritable(folder: Path, problem: OSError) -> StorageError:
    """The error of a folder that cannot be written."""
    return StorageError(f"the run folder {folder} cannot be written: {problem.strerror or problem}")


def replace_file(path: Path, data: bytes, *, sync: bool) -> None:
    """Replaces a file in one step; with `sync` it is on the disk first. Raises StorageError, the old file being there still."""
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            if sync:
                file.flush()
                with contextlib.suppress(OSError):  # said of the journal, where it matters
                    os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as problem:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise StorageError(f"{path} cannot be written: {problem.strerror or problem}") from None


def sync_folder(folder: Path) -> None:
    """Has the system keep the names of the new files, too; where it can do that for a folder."""
    with contextlib.suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)

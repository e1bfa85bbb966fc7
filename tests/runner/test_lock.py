"""One process writes a run folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from focal_eval.errors import StorageError, UsageError
from focal_eval.runner.journal import Journal
from focal_eval.runner.lock import LOCK, RunLock, held_by
from focal_eval.runner.redact import Redactor

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX locks and signals")

HOLD = """
import sys, time
from pathlib import Path
from focal_eval.runner.lock import RunLock
lock = RunLock(Path(sys.argv[1]))
print("locked", flush=True)
time.sleep(60)
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    """A process that has the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    return process


def test_a_second_process_is_refused_with_the_firsts_id(tmp_path: Path) -> None:
    """Who comes second is told whom to wait for; once the first is killed, the lock is free though its file is there."""
    first = holder(tmp_path)
    try:
        with pytest.raises(UsageError, match=f"process {first.pid} is writing the run folder"):
            RunLock(tmp_path)
        assert held_by(tmp_path) == f"process {first.pid}"
    finally:
        first.kill()
        first.communicate()
    assert (tmp_path / LOCK).exists()
    assert held_by(tmp_path) is None
    RunLock(tmp_path).release()
    assert not (tmp_path / LOCK).exists()


def test_a_new_run_into_the_folder_of_a_live_one_names_it(tmp_path: Path) -> None:
    """It is not told to remove a run that is still going on."""
    first = Journal(tmp_path / "run", {"id": "a"}, Redactor())
    with pytest.raises(UsageError, match=f"process {os.getpid()} is writing the run folder .*; give another --out"):
        Journal(tmp_path / "run", {"id": "b"}, Redactor())
    first.close()
    with pytest.raises(UsageError, match="already holds a run; give another --out or remove it"):
        Journal(tmp_path / "run", {"id": "b"}, Redactor())


def test_a_lock_whose_file_was_taken_away_is_not_had(tmp_path: Path) -> None:
    """Who opened the file of a lock just before it was given back tries again, so that two can never have it."""
    first = RunLock(tmp_path)
    other = os.open(tmp_path / LOCK, os.O_RDWR)  # as a second process does just before the lock is given back
    first.release()
    second = RunLock(tmp_path)
    assert not os.path.samestat(os.fstat(other), (tmp_path / LOCK).stat())
    with pytest.raises(UsageError, match="is writing the run folder"):
        RunLock(tmp_path)
    os.close(other)
    second.release()
    second.release()  # once more does nothing


def test_a_lock_is_not_taken_away_from_who_has_it_now(tmp_path: Path) -> None:
    """A run whose folder was deleted and begun anew by another leaves the other's lock alone."""
    first = RunLock(tmp_path)
    (tmp_path / LOCK).unlink()
    second = RunLock(tmp_path)
    first.release()
    assert held_by(tmp_path) is not None
    second.release()


def test_a_process_split_off_does_not_keep_the_lock(tmp_path: Path) -> None:
    """A worker that outlives a killed run does not keep others from going on with it."""
    lock = RunLock(tmp_path)
    child = os.fork()
    if not child:
        lock.release()  # not its own: nothing happens
        time.sleep(30)
        os._exit(0)
    try:
        assert held_by(tmp_path) is not None
        os.close(lock._file)  # as when this process is killed
        lock._file = -1
        deadline = time.monotonic() + 10
        while held_by(tmp_path) is not None and time.monotonic() < deadline:
            time.sleep(0.01)  # until the child has closed its own
        assert held_by(tmp_path) is None
        assert (tmp_path / LOCK).exists()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """A place that takes no file is a sentence with the system's reason."""
    place = Path("/proc/self") if os.geteuid() == 0 else tmp_path  # whom no mode keeps out, /proc does
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match=r"the run folder .* cannot be written: "):
        RunLock(place)


def test_a_lock_whose_file_was_taken_away_meanwhile_is_taken_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who gives a lock back takes its file away: one that was opened just before that locks nobody out, and is not believed."""
    opened, really = list[object](), os.open

    def opening(path: object, *more: int) -> int:
        file = really(path, *more)  # type: ignore[arg-type]  # as it came
        if not opened:
            Path(str(path)).unlink()  # another process ends here
        opened.append(path)
        return file

    monkeypatch.setattr(os, "open", opening)
    lock = RunLock(tmp_path)
    assert len(opened) == 2
    with pytest.raises(UsageError, match="is writing the run folder"):
        RunLock(tmp_path)
    lock.release()

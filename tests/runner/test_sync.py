"""What of a journal is sure to be on the disk, and who is told where it is not."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from pathlib import Path

import pytest

from focal_eval.errors import StorageError
from focal_eval.runner.journal import Journal, dumps
from focal_eval.runner.redact import Redactor
from focal_eval.runner.sync import AT_MOST_EVERY_S, Sync, Syncer

CASE = {"t": "case", "case": "a", "name": "a", "turns": 1}
OVER = {"t": "attempt", "case": "a", "attempt": 1, "verdict": "passed", "elapsed_ms": 1.0, "results": []}


def until(true: object, seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:  # type: ignore[operator]
        time.sleep(0.002)
    assert true()  # type: ignore[operator]


@pytest.fixture
def file(tmp_path: Path) -> int:
    return os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)


def test_closed_attempts_are_synced_soon_after_and_together(file: int) -> None:
    """The disk is asked in the background; attempts that close within a moment share one question."""
    syncer = Syncer(file, Sync.ATTEMPTS)
    syncer.closed()
    until(lambda: syncer.count == 1)
    for _ in range(1000):
        syncer.closed()
    until(lambda: syncer.count > 1)
    time.sleep(2 * AT_MOST_EVERY_S)
    assert syncer.count <= 4
    syncer.finish()
    assert syncer.problem is None


@pytest.mark.parametrize(("policy", "asked"), [(Sync.END, 1), (Sync.OFF, 0)])
def test_the_other_policies_wait_or_do_nothing(file: int, policy: Sync, asked: int) -> None:
    """`end` asks the disk once, when the run is over; `off` never does; neither has a thread."""
    syncer = Syncer(file, policy)
    for _ in range(5):
        syncer.closed()
    assert syncer.count == 0
    assert syncer._thread is None
    syncer.finish()
    assert syncer.count == asked


def test_a_file_that_has_no_disk_below_it_is_no_problem() -> None:
    """A pipe cannot be synced, and nothing is lost by that."""
    reading, writing = os.pipe()
    syncer = Syncer(writing, Sync.END)
    syncer.finish()
    assert syncer.problem is None
    os.close(reading)
    os.close(writing)


class Broken:
    """A disk that does not keep what it takes."""

    def __call__(self, file: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_disk_that_keeps_nothing_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failed fsync the next attempt that closes is a StorageError, and no further line is taken."""
    journal = Journal(tmp_path, {"id": "a", "format": 2}, Redactor())
    monkeypatch.setattr(os, "fsync", Broken())
    journal.lines([dumps(CASE), dumps(OVER)])
    until(lambda: journal._syncer.problem is not None)
    with pytest.raises(StorageError, match=f"the disk does not keep the journal: {os.strerror(errno.EIO)}"):
        journal.lines([dumps(CASE | {"case": "b"}), dumps(OVER | {"case": "b"})])
    with pytest.raises(StorageError, match="the disk does not keep the journal"):
        journal.line(dumps({"t": "turn"}))
    with pytest.raises(StorageError, match="the disk does not keep the journal"):
        journal.close()


def test_a_disk_that_fails_at_the_end_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the policy `end` the one question is asked when the journal is closed; its answer is not dropped."""
    journal = Journal(tmp_path, {"id": "a", "format": 2}, Redactor(), sync=Sync.END)
    journal.lines([dumps(CASE), dumps(OVER)])
    monkeypatch.setattr(os, "fsync", Broken())
    with pytest.raises(StorageError, match="the disk does not keep the journal"):
        journal.close()


def test_no_policy_holds_a_run_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk takes its time, attempts go on closing."""
    real = os.fsync

    def slow(file: int) -> None:
        time.sleep(0.3)
        real(file)

    journal = Journal(tmp_path, {"id": "a", "format": 2}, Redactor())
    monkeypatch.setattr(os, "fsync", slow)

    async def play() -> float:
        start = time.perf_counter()
        for number in range(50):
            journal.add(dumps(CASE | {"case": f"c{number}"}))
            journal.add(dumps(OVER | {"case": f"c{number}"}))
            await asyncio.sleep(0)
        return time.perf_counter() - start

    assert asyncio.run(play()) < 0.25
    journal.close()
    assert journal._syncer.count <= 4

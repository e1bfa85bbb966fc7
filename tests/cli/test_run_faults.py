"""What goes wrong around a run: disk, folder, clock, the system's limits. Each is a sentence and an intact journal."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from focal_eval.clock import Clock
from focal_eval.evaluate import RunRequest, run
from focal_eval.report.journal import list_run, read_run
from focal_eval.report.progress import Silence
from focal_eval.runner.seal import is_sealed
from tests.cli.shop import AGENT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits and signals")

ENGINE = """
import asyncio, os

async def answer(message, talk):
    await asyncio.sleep(float(os.environ.get("PAUSE_S", "0")))
    return "you said " + message + " " + "and so on " * 200
"""
TALKS = """
params: {n: [%s]}
turns:
  - {user: "hello {{ n }}", expect: {response: {contains: hello}}}
  - {user: "bye {{ n }}", expect: {response: {contains: bye}}}
"""
SUITE = """
scripts: [talks.yaml]
concurrency: 2
engine: {kind: callable, target: engine.py:answer}
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Forty conversations with long answers, some 200 kB of journal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    Path("engine.py").write_text(ENGINE)
    Path("talks.yaml").write_text(TALKS % ", ".join(map(str, range(40))))
    Path("suite.yaml").write_text(SUITE)
    return tmp_path


def begin(*words: str, pause: float = 0.0, limit: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    """A run in a process of its own."""
    command = [sys.executable, "-m", "focal_eval", "run", *words, "--report", "none", "--no-cache", "-q"]
    environment = {**os.environ, "PAUSE_S": str(pause), "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    return subprocess.Popen(
        command,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=limit,  # noqa: PLW1509  # the test has no other thread then
    )


def ended(process: subprocess.Popen[str], code: int) -> str:
    """What a run says on stderr that ends so."""
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, out + err
    assert "Traceback" not in err
    assert "a bug in" not in err
    return err


def until(true: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def attempts(folder: Path) -> int:
    path = folder / "journal.jsonl"
    return path.read_bytes().count(b'{"t":"attempt"') if path.exists() else 0


def intact(folder: Path) -> Any:
    """The run in a folder, every line of which is whole, and whose index agrees."""
    lines = (folder / "journal.jsonl").read_bytes().split(b"\n")
    assert lines.pop() == b""
    assert all(map(is_sealed, lines))
    made = read_run(folder)
    assert made.damaged == 0
    assert list_run(folder).counts == made.counts
    return made


def goes_on(folder: Path, cases: int = 40) -> None:
    """What was not over is played, and all of it is there."""
    ended(begin("--resume", str(folder)), 0)
    done = intact(folder)
    assert done.counts["passed"] == cases
    assert done.header["state"] == "finished"


def full(size: int) -> Callable[[], None]:
    """A limit on the size of a file, which ends writes in the middle as a full disk does."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@pytest.mark.parametrize("size", [60_000, 61_003, 100_001])
def test_a_journal_that_may_not_grow_ends_the_run(shop: Path, size: int) -> None:
    """Exit 3 with the system's reason; no torn line is left, and the run goes on where there is room again."""
    said = ended(begin("suite.yaml", "--out", "out", limit=full(size)), 3)
    assert "focal-eval: the journal cannot be written: File too large; " in said
    assert "finished cases are kept: focal-eval run --resume out goes on" in said
    partial = intact(Path("out"))
    assert partial.header["state"] == "running"
    assert 0 < partial.counts["passed"] < 40
    goes_on(Path("out"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 128 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(place)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("needs the right to mount a disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.skipif(shutil.which("mount") is None, reason="needs mount")
def test_a_full_disk_ends_the_run(shop: Path, small_disk: Path) -> None:
    """The same on a disk with no room left; what is there can be read, and copied to a disk with room it goes on."""
    out = small_disk / "out"
    said = ended(begin("suite.yaml", "--out", str(out)), 3)
    assert "focal-eval: the journal cannot be written: No space left on device; " in said
    assert 0 < intact(out).counts["passed"] < 40
    shutil.copytree(out, "copy")
    goes_on(Path("copy"))


@pytest.mark.skipif(shutil.which("mount") is None, reason="needs mount")
def test_a_disk_without_room_for_a_beginning_holds_no_run(shop: Path, small_disk: Path) -> None:
    """Where not even the header fits, exit 3, and no folder that looks like a run is left."""
    (small_disk / "filler").write_bytes(b"x" * 128 * 1024)
    said = ended(begin("suite.yaml", "--out", str(small_disk / "out")), 3)
    assert "No space left on device" in said
    assert not (small_disk / "out" / "journal.jsonl").exists()


@pytest.mark.skipif(shutil.which("mount") is None, reason="needs mount")
def test_a_read_only_folder_is_said_before_anything_is_sent(shop: Path, small_disk: Path) -> None:
    """Exit 3 with the folder's name, for a new run and for one that is to go on; a run in it can still be read."""
    Path("talks.yaml").write_text(TALKS % "1, 2, 3")
    ended(begin("suite.yaml", "--out", str(small_disk / "out")), 0)
    path = small_disk / "out" / "journal.jsonl"
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b'{"t":"attempt"')])
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert f"the run folder {small_disk}/new cannot be written: Read-only file system" in ended(
        begin("suite.yaml", "--out", f"{small_disk}/new"), 3
    )
    assert f"the run folder {small_disk}/out cannot be written: Read-only file system" in ended(
        begin("--resume", f"{small_disk}/out"), 3
    )
    assert intact(small_disk / "out").counts["not_run"] == 3


def test_a_folder_deleted_while_a_run_goes_on_is_written_back(shop: Path) -> None:
    """Exit 3 and a sentence; journal, header and all are where they were, and the run goes on."""
    process = begin("suite.yaml", "--out", "out", pause=0.02)
    until(lambda: attempts(Path("out")) > 3)
    shutil.rmtree("out")
    said = ended(process, 3)
    assert "the run folder out was deleted while the run was going on; what was recorded was written back to it; " in said
    assert intact(Path("out")).counts["passed"] > 3
    assert json.loads(Path("out/run.json").read_text())["state"] == "running"
    goes_on(Path("out"))


def test_a_folder_deleted_just_before_the_end_is_written_back(shop: Path) -> None:
    """Also where the last case was over before anybody looked."""
    Path("engine.py").write_text(
        ENGINE.replace("    return", "    if message == 'bye 39': __import__('shutil').rmtree('out')\n    return")
    )
    process = begin("suite.yaml", "--out", "out")
    said = ended(process, 3)
    assert "what was recorded was written back to it" in said
    assert intact(Path("out")).counts["passed"] > 30
    Path("engine.py").write_text(ENGINE)
    goes_on(Path("out"))


def test_a_folder_that_another_run_took_over_is_left_alone(shop: Path) -> None:
    """Where the deleted folder holds a new run by now, that one stays as it is."""
    first = begin("suite.yaml", "--out", "out", pause=0.03)
    until(lambda: attempts(Path("out")) > 3)
    first.send_signal(signal.SIGSTOP)
    shutil.rmtree("out")
    ended(begin("suite.yaml", "--out", "out"), 0)
    before = Path("out/journal.jsonl").read_bytes()
    first.send_signal(signal.SIGCONT)
    said = ended(first, 3)
    assert "and what was recorded cannot be written back" in said
    assert Path("out/journal.jsonl").read_bytes() == before
    assert intact(Path("out")).counts["passed"] == 40


@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(days=+400), timedelta(hours=-1)])
def test_a_clock_that_jumps_changes_nothing_but_dates(shop: Path, jump: timedelta) -> None:
    """Verdicts, limits and durations do not look at the wall's clock; a run may then end before it began, and says so."""
    start = datetime(2026, 3, 29, 0, 59, tzinfo=UTC)
    times = iter(range(1, 10_000))

    def now() -> datetime:
        return start + (jump if next(times) > 1 else timedelta())

    done = run(RunRequest((Path("suite.yaml"),), out=Path("out"), reports=()), Silence(), Clock(now=now))
    assert int(done.exit_code) == 0
    made = intact(Path("out"))
    assert made.header["started_at"] == "2026-03-29T00:59:00.000Z"
    assert made.header["finished_at"] == f"{start + jump:%Y-%m-%dT%H:%M:%S}.000Z"
    assert made.header["elapsed_ms"] > 0
    assert all(case.elapsed_ms >= 0 for case in made.cases)


def files(soft: int, hard: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def served(shop: Path) -> Iterator[str]:
    """The address of an agent behind Focal's contract, and a suite of three hundred conversations with it."""
    Path("agent.yaml").write_text(AGENT)
    numbers = ", ".join(map(str, range(300)))
    Path("talks.yaml").write_text(
        f"params: {{n: [{numbers}]}}\nturns: [{{user: 'hello {{{{ n }}}}', expect: {{rules: [greet]}}}}]\n"
    )
    server = subprocess.Popen(
        [sys.executable, "-m", "focal_eval", "serve", "agent.yaml", "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split(" at ")[1].split()[0]
        engine = f"{{kind: focal, url: '{url}', served: true, agent_file: agent.yaml}}"
        Path("suite.yaml").write_text(f"scripts: [talks.yaml]\nengine: {engine}\n")
        yield url
    finally:
        server.kill()
        server.communicate()


def test_the_limit_on_open_files_is_raised_as_far_as_allowed(served: str) -> None:
    """Two hundred conversations at a time fit although the shell allows 64 files, where the system allows more."""
    ended(begin("suite.yaml", "--concurrency", "200", "--out", "out", limit=files(64, 4096)), 0)
    assert intact(Path("out")).counts["passed"] == 300


def test_too_few_open_files_are_said_before_anything_is_sent(served: str) -> None:
    """Where the system allows no more, exit 2 with a number that fits; with that number all is well."""
    said = ended(begin("suite.yaml", "--concurrency", "200", "--out", "out", limit=files(64, 96)), 2)
    assert "200 conversations at a time need about 248 open files, and this process may have 96; --concurrency 48 fits" in said
    assert not Path("out").exists()
    ended(begin("suite.yaml", "--concurrency", "48", "--out", "out", limit=files(64, 96)), 0)
    assert intact(Path("out")).counts["passed"] == 300

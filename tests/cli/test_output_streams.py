"""Output that nobody reads, or that cannot be written: the exit code still says what was found."""

from __future__ import annotations

import errno
import io
import itertools
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from focal_eval.clock import fixed_clock
from focal_eval.report.progress import EVERY_S, Lines
from tests.cli.shop import build

FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What a shell makes of a line in which `fe` is the command."""
    text = line.replace("fe ", f"{sys.executable} -m focal_eval ")
    env = {**os.environ, "NO_COLOR": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(["bash", "-c", text], cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def failing(tmp_path: Path) -> Path:
    """A folder whose suite fails, and a script in it that is refused."""
    build(tmp_path)
    script = tmp_path / "scenarios" / "greeting.yaml"
    script.write_text(script.read_text().replace("contains: help", "contains: nonsense"))
    (tmp_path / "bad.yaml").write_text("turns:\n  - user: hi\n    expct: {}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("fe run suite.yaml", 1),
        ("fe run suite.yaml --json", 1),
        ("fe check bad.yaml", 2),
        ("fe check bad.yaml --json", 2),
        ("fe run bad.yaml --suite suite.yaml 2>&1", 2),
    ],
)
def test_a_reader_that_goes_away_changes_no_exit_code(failing: Path, line: str, code: int) -> None:
    """`… | true` under `pipefail` reports the verdict, not that somebody stopped reading."""
    done = shell(f"{line} | true; exit ${{PIPESTATUS[0]}}", failing)
    assert done.returncode == code
    assert "rror" not in done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams_are_no_bug(failing: Path, closed: str) -> None:
    """A run whose streams were closed before it began runs and gives its verdict."""
    done = shell(f"fe run suite.yaml {closed}", failing)
    assert done.returncode == 1
    assert "bug" not in done.stderr


@FULL
def test_a_full_disk_under_stdout_is_said(failing: Path) -> None:
    """The verdict could not be told: exit 3 with the reason, and not as a bug."""
    done = shell("fe run suite.yaml > /dev/full", failing)
    assert (done.returncode, done.stderr) == (3, "focal-eval: the output cannot be written: No space left on device\n")


@FULL
def test_a_full_disk_under_stderr_leaves_the_exit_code(failing: Path) -> None:
    """Errors that cannot be told still refuse with 2."""
    assert shell("fe run bad.yaml --suite suite.yaml 2> /dev/full", failing).returncode == 2


def test_a_log_that_cannot_be_written_does_not_end_the_run() -> None:
    """Progress is told as long as somebody reads; then the run goes on in silence."""

    class Gone(io.StringIO):
        tried = 0

        def flush(self) -> None:
            self.tried += 1
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    stream = Gone()
    times = itertools.count(0.0, 2 * EVERY_S)
    lines = Lines(stream, replace(fixed_clock(), elapsed=lambda: next(times)))
    lines.started(3, 3)
    for _ in range(3):
        lines.case_done("a", "passed")
    assert stream.tried == 1


@pytest.mark.parametrize(
    "work",
    [
        "import atexit; atexit.register(print, 'done')",
        "threading.Thread(target=lambda: (threading.main_thread().join(), print('done'))).start()",
    ],
)
def test_the_process_ends_at_once_but_not_before_what_was_begun(work: str) -> None:
    """What others registered for the end is called, and a thread that still works is waited for."""
    code = (
        f"import sys, threading; from focal_eval.cli import command; sys.argv = ['focal-eval', '--version']; {work}; command()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "done"

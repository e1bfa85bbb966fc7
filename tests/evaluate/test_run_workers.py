"""A run played by several processes gives what one process gives, whatever happens to them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from focal_eval.clock import Clock
from focal_eval.errors import EngineError, UsageError
from focal_eval.evaluate import RunRequest, RunResult, run
from focal_eval.report.progress import Silence
from focal_eval.runner.journal import JOURNAL
from focal_eval.runner.nursery import ForkNursery
from focal_eval.runner.workers import Processes

ROOT = Path(__file__).resolve().parents[2]
VOLATILE = frozenset({"elapsed_ms", "first_token_ms", "latency_ms", "created_at", "crc"})

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are forked on POSIX only")


def canonical(folder: Path) -> dict[str, list[Any]]:
    """What the journal says of each case, without times."""
    out: dict[str, list[Any]] = {}
    for line in (folder / JOURNAL).read_bytes().splitlines():
        data = orjson.loads(line)
        if "case" in data:
            out.setdefault(data["case"], []).append(without_times(data))
    return out


def without_times(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: without_times(item) for name, item in data.items() if name not in VOLATILE}
    return [without_times(item) for item in data] if isinstance(data, list) else data


def shop(folder: Path, cases: int, desk: str, *, turns: str = "a refund", more: str = "") -> Path:
    """A suite of so many scripts on a function."""
    (folder / "scripts").mkdir(parents=True)
    for number in range(cases):
        text = f"turns:\n  - user: {turns} {number}\n    expect: {{response: {{contains: '{number}'}}}}\n"
        (folder / "scripts" / f"s{number:03d}.yaml").write_text(text)
    (folder / "desk.py").write_text(desk)
    suite = folder / "suite.yaml"
    suite.write_text(f"scripts: [scripts/*.yaml]\nengine: {{kind: callable, target: desk.py:answer}}\n{more}")
    return suite


ECHO = "def answer(message, conversation):\n    return message\n"
DEADLY = """\
import os, signal
def answer(message, conversation):
    if message.endswith(" 13"):
        os.kill(os.getpid(), signal.SIGKILL)
    return message
"""
ONCE = """\
import os, pathlib, signal
SEEN = pathlib.Path(__file__).with_name("seen")
def answer(message, conversation):
    if message.endswith(" 13") and not SEEN.exists():
        SEEN.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return message
"""


def go(suite: Path, folder: Path, workers: int, **more: Any) -> RunResult:
    return run(RunRequest((suite,), out=folder, workers=workers, reports=(), **more), Silence(), Clock())


def judged(result: RunResult) -> list[tuple[str, bool]]:
    """What became of each gate."""
    return [(gate["name"], gate["passed"]) for gate in result.model.gates]


def counts(result: RunResult) -> dict[str, int]:
    return {verdict: count for verdict, count in result.model.counts.items() if count}


def test_two_workers_record_what_one_process_records(tmp_path: Path) -> None:
    """All cases of the shipped suite: the same lines but for times, the same verdict, the same gates."""
    suite = ROOT / "evals" / "retail.yaml"
    alone, both = go(suite, tmp_path / "one", 1), go(suite, tmp_path / "two", 2)
    assert canonical(tmp_path / "one") == canonical(tmp_path / "two")
    assert alone.exit_code == both.exit_code
    assert counts(alone) == counts(both)
    assert [case.name for case in alone.model.cases] == [case.name for case in both.model.cases]
    assert judged(alone) == judged(both)


def test_a_worker_that_is_killed_is_replaced_and_nothing_is_lost(tmp_path: Path) -> None:
    """A case that killed its worker once is played again by another one, and so are those that were with it."""
    result = go(shop(tmp_path, 40, ONCE), tmp_path / "run", 2)
    assert (tmp_path / "seen").exists()
    assert counts(result) == {"passed": 40}
    assert {len(lines) for lines in canonical(tmp_path / "run").values()} == {3}  # case, turn, attempt: none twice


def test_a_case_that_kills_three_workers_errored_and_says_so(tmp_path: Path) -> None:
    """It is given up, with the way the last worker ended; no other case suffers."""
    result = go(shop(tmp_path, 40, DEADLY), tmp_path / "run", 2)
    assert counts(result) == {"errored": 1, "passed": 39}
    (bad,) = result.model.attention
    assert bad.script == "s013"
    assert bad.message == "worker-lost: 3 workers ended while they had this case; the last one was killed by SIGKILL"
    assert result.exit_code == 3


def test_workers_that_cannot_begin_end_the_run() -> None:
    """Where no worker ever gets as far as playing, that is said, and not tried for ever."""

    def dies(number: int) -> Any:
        os._exit(7)

    async def none() -> Any:
        await asyncio.sleep(60)
        yield None

    async def play() -> None:
        nursery = ForkNursery(dies)
        try:
            async for _ in Processes(nursery, (1,)).run(none(), asyncio.Event()):
                pass
        finally:
            nursery.close()

    with pytest.raises(EngineError, match="before they have played anything: the last one ended with code 7"):
        asyncio.run(play())


def test_a_run_stops_after_failures_with_workers_too(tmp_path: Path) -> None:
    """Nothing new is begun after the first failure; what was under way is in the journal."""
    result = go(shop(tmp_path, 300, "def answer(message, conversation):\n    return 'no'\n"), tmp_path / "run", 2, stop_after=1)
    assert result.model.header["state"] == "stopped"
    assert 1 <= counts(result)["failed"] < 300


def test_repeats_until_known_are_the_same_with_workers(tmp_path: Path) -> None:
    """Which repeats are needed does not hang on who plays them."""
    more = "repeats: {at_most: 20, until: stable}\n"
    suite = shop(
        tmp_path,
        6,
        "def answer(message, conversation):\n    return message if not message.endswith('3') else 'no'\n",
        more=more,
    )
    one, two = go(suite, tmp_path / "one", 1), go(suite, tmp_path / "two", 2)
    assert canonical(tmp_path / "one") == canonical(tmp_path / "two")
    assert one.model.header["spared"] == two.model.header["spared"] > 0
    assert one.model.header["statistics"] == two.model.header["statistics"]


def test_a_cassette_is_recorded_by_one_process(tmp_path: Path) -> None:
    """Several would each write their own; that is refused before anything is sent."""
    suite = shop(tmp_path, 4, ECHO)
    with pytest.raises(UsageError, match="is recorded by one process; leave out --workers, or replay it"):
        go(suite, tmp_path / "run", 2, cassette="record", cassette_file=tmp_path / "c")


SLOW = "import asyncio\nasync def answer(message, conversation):\n    await asyncio.sleep(0.4)\n    return message\n"


def started(suite: Path, folder: Path) -> subprocess.Popen[bytes]:
    """A run in a process of its own, with some cases over and others under way."""
    command = [sys.executable, "-m", "focal_eval", "run", str(suite), "--workers", "2", "--concurrency", "4"]
    process = subprocess.Popen(
        [*command, "--report", "none", "--out", str(folder)],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    end = time.monotonic() + 60
    while time.monotonic() < end and b'"t":"attempt"' not in _read(folder / JOURNAL):
        time.sleep(0.05)
    return process


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def test_an_interrupt_lets_workers_end_what_is_under_way_and_the_run_goes_on_later(tmp_path: Path) -> None:
    """Ctrl-C reaches all processes of a terminal: nothing new is begun, nothing is torn; `--resume` plays the rest."""
    suite = shop(tmp_path, 60, SLOW)
    process = started(suite, tmp_path / "run")
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    known = canonical(tmp_path / "run")
    assert 0 < len(known) < 60
    assert all(lines[-1]["t"] == "attempt" for lines in known.values())
    (tmp_path / "desk.py").write_text(ECHO)
    done = run(RunRequest((), resume=str(tmp_path / "run"), workers=2, reports=(), resume_anyway=True), Silence(), Clock())
    assert counts(done) == {"passed": 60}
    assert {len(lines) for lines in canonical(tmp_path / "run").values()} == {3}


def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    """A run that is killed leaves no process behind."""
    process = started(shop(tmp_path, 60, SLOW), tmp_path / "run")
    process.kill()
    process.wait()
    end = time.monotonic() + 20
    while time.monotonic() < end and _in_session(process.pid):
        time.sleep(0.1)
    assert _in_session(process.pid) == []


def _in_session(session: int) -> list[int]:
    """Processes of a session that are not over."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            _, _, rest = (path / "stat").read_text().rpartition(") ")
        except OSError:
            continue
        if int(rest.split()[3]) == session and rest[0] != "Z":
            found.append(int(path.name))
    return found


def test_workers_that_cannot_inherit_read_everything_anew(tmp_path: Path) -> None:
    """In a process with threads nothing is forked; workers prepare the run again, and record the same."""
    suite = shop(tmp_path, 12, ECHO)
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        result = go(suite, tmp_path / "two", 2)
    finally:
        over.set()
        thread.join()
    assert counts(result) == {"passed": 12}
    go(suite, tmp_path / "one", 1)
    assert canonical(tmp_path / "one") == canonical(tmp_path / "two")

"""Runs on a Ray cluster of real processes on loopback; only where Ray is installed, which `make test` does not ask for."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.evaluate.clusters import (
    children,
    closed,
    environment,
    header,
    records,
    run,
    said,
    slow_suite,
    started,
    until,
)

pytest.importorskip("ray", reason="Ray is not installed (the extra ray)")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
RAY = str(Path(sys.executable).parent / "ray")


@pytest.fixture(scope="module")
def url(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A node with two processors and its client server; nothing else of Ray may run on this machine meanwhile."""
    ports = ["--port", "6479", "--ray-client-server-port", "10001", "--num-cpus", "2"]
    options = ["--include-dashboard=false", "--disable-usage-stats", "--temp-dir", f"/tmp/ray-{os.getpid()}"]
    variables = environment(path, RAY_USAGE_STATS_ENABLED="0")
    folder = tmp_path_factory.mktemp("ray")
    with (folder / "ray.log").open("wb") as log:
        subprocess.run(
            [RAY, "start", "--head", *ports, *options], check=True, stdout=log, stderr=log, env=variables, cwd=folder
        )
    try:
        ready = [
            sys.executable,
            "-c",
            "import ray; ray.init('ray://127.0.0.1:10001')",
        ]
        until(lambda: subprocess.run(ready, check=False, capture_output=True, env=variables).returncode == 0, 240)
        yield "ray://127.0.0.1:10001"
    finally:
        subprocess.run([RAY, "stop", "--force"], check=False, capture_output=True, env=variables)


def _players() -> list[int]:
    """The processes of actors that play."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                told = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if re.search(rb"ray::RayPlayer", told):
                found.append(int(entry.name))
    return found


def test_ray_gives_the_records_of_one_process_although_one_is_killed(path: Path, url: str, tmp_path: Path) -> None:
    """A suite with Python of its own is played by two actors; one is killed in the middle, and each case is there once."""
    suite = slow_suite(tmp_path / "a", cases=160, wait_s=0.1)
    code, told = run(path, "run", "suite.yaml", "--out", "one", "--report", "none", cwd=suite.parent)
    assert code == 0, told
    out = suite.parent / "many"
    process = started(path, "run", "suite.yaml", "--out", "many", "--cluster", url, "--report", "none", cwd=suite.parent)
    until(lambda: len(closed(out)) >= 10, 120)
    os.kill(_players()[0], signal.SIGKILL)
    code, told = said(process)
    assert code == 0, told
    assert len(closed(out)) == len(set(closed(out))) == 160
    assert records(out) == records(suite.parent / "one")


def test_a_variable_that_a_node_lacks_is_named(path: Path, url: str, tmp_path: Path) -> None:
    """Nothing is run, and nothing of the variable's value is sent."""
    suite = slow_suite(tmp_path / "a", cases=2, wait_s=0.0)
    suite.write_text(suite.read_text().replace("bot.py:answer", "${BOT_FILE}:answer"))
    words = ("run", "suite.yaml", "--out", "out", "--cluster", url)
    code, told = run(path, *words, cwd=suite.parent, BOT_FILE="bot.py")
    assert code == 2, told
    assert "BOT_FILE is not set in its environment" in told


def test_a_case_that_kills_every_actor_errored_and_harms_no_other(path: Path, url: str, tmp_path: Path) -> None:
    """Ray starts actors again; the case is told as worker-lost, and each other one has its verdict, once."""
    suite = slow_suite(tmp_path / "a", cases=60, wait_s=0.0)
    (suite.parent / "bot.py").write_text(
        "import os\n\n\nasync def answer(message, conversation):\n    if message == 'number 13':\n        os._exit(9)\n"
        "    return 'you said ' + message\n"
    )
    words = ("run", "suite.yaml", "--out", "out", "--cluster", url, "--report", "none")
    code, told = run(path, *words, cwd=suite.parent)
    out = suite.parent / "out"
    assert code == 3, told
    assert len(closed(out)) == len(set(closed(out))) == 60
    (bad,) = [lines for lines in records(out).values() if b'"worker-lost"' in lines[-1]]
    assert b'"echo[n=13]"' in bad[0]
    assert header(out)["counts"]["passed"] == 59  # type: ignore[index]


def test_a_node_that_is_gone_is_given_nothing_more(path: Path, url: str, tmp_path: Path) -> None:
    """A second node is killed in the middle: its cases are played by the first, and none is blamed for it."""
    suite = slow_suite(tmp_path / "a", cases=160, wait_s=0.2)
    out = suite.parent / "out"
    command = [RAY, "start", "--address", "127.0.0.1:6479", "--num-cpus", "1", "--block", "--disable-usage-stats"]
    with (tmp_path / "node.log").open("wb") as log:
        node = subprocess.Popen(
            command, stdout=log, stderr=log, env=environment(path, RAY_USAGE_STATS_ENABLED="0"), cwd=tmp_path
        )
        try:
            until(lambda: b"Ray runtime started" in (tmp_path / "node.log").read_bytes(), 120)
            words = ("run", "suite.yaml", "--out", "out", "--cluster", url, "--report", "none", "--concurrency", "6")
            process = started(path, *words, cwd=suite.parent)
            until(lambda: len(closed(out)) >= 10, 120)
            for child in [*children(node.pid), node.pid]:
                os.kill(child, signal.SIGKILL)
            code, told = said(process)
        finally:
            node.kill()
            node.wait()
    assert code == 0, told
    assert len(closed(out)) == len(set(closed(out))) == 160


def test_a_cluster_that_goes_leaves_a_run_that_can_be_resumed(path: Path, url: str, tmp_path: Path) -> None:
    """The run ends with exit code 3 and says how it goes on."""
    suite = slow_suite(tmp_path / "a", cases=200, wait_s=0.2)
    out = suite.parent / "out"
    process = started(path, "run", "suite.yaml", "--out", "out", "--cluster", url, "--report", "none", cwd=suite.parent)
    until(lambda: len(closed(out)) >= 10, 120)
    subprocess.run([RAY, "stop", "--force"], check=False, capture_output=True)
    code, told = said(process)
    assert code == 3, told
    assert header(out)["state"] == "workers-lost"
    code, told = run(path, "run", "--resume", "out", "--report", "none", "--concurrency", "50", cwd=suite.parent)
    assert code == 0, told
    assert len(closed(out)) == len(set(closed(out))) == 200

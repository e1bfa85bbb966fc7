"""A run that is killed loses nothing that was over, and plays nothing twice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")


def proof(*words: str, seconds: float) -> dict[str, Any]:
    """The figures of a proof in which nothing was wrong."""
    command = [sys.executable, "-m", "tests.runner.killed", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=seconds)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    figures: dict[str, Any] = json.loads(done.stdout)["figures"]
    return figures


def test_a_killed_run_is_gone_on_with() -> None:
    """After six kills at random moments the records are those of runs nobody killed, byte for byte."""
    figures = proof("--kills", "6", "--cases", "20", "--engines", "embedded,slow", seconds=100)
    assert figures["kills"] >= 6
    assert figures["runs held against an unbroken one"] >= 2


@pytest.mark.slow  # two hundred processes that are killed, and as many that go on
@pytest.mark.timeout(1500)
def test_two_hundred_kills_lose_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Embedded, waiting and served runs, killed up to three times each: no case lost, none twice, the index is right."""
    figures = proof("--kills", "210", seconds=1400)
    with capsys.disabled():
        print(json.dumps(figures, indent=2))
    assert figures["kills"] >= 200
    assert min(figures[f"kills of {engine} runs"] for engine in ("embedded", "slow", "served")) >= 40
    assert figures["kills of a run that was resumed"] >= 40
    assert figures["cases cut off"] >= 40
    assert figures["tails torn by hand"] >= 20

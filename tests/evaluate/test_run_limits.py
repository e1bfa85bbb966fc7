"""What a run with several workers may ask of a server, and how it ends where there is none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from focal_eval.clock import Clock
from focal_eval.evaluate import RunRequest, run
from focal_eval.report.progress import Silence
from focal_eval.testing.hostile_server import refused
from tests.evaluate.endpoint import fullest, model

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are forked on POSIX only")


def _suite(folder: Path, url: str, *, cases: int, faults: str) -> Path:
    rows = "".join(f"    - {{n: {number}}}\n" for number in range(cases))
    (folder / "greet.yaml").write_text(
        f"title: Greet\nparams:\n  rows:\n{rows}turns:\n  - user: good morning number {{{{ n }}}}\n"
        "    expect: {response: {contains: token}}\n"
    )
    (folder / "suite.yaml").write_text(
        f"scripts: [greet.yaml]\nconcurrency: 8\nengine:\n  kind: openai\n  url: {url}\n  model: m\n  prompt: be short\n"
        f"  faults: {{{faults}}}\n"
    )
    return folder / "suite.yaml"


@pytest.mark.parametrize("workers", [2, 4])
def test_all_workers_together_keep_to_the_rate(tmp_path: Path, workers: int) -> None:
    """The server itself counts: no second has more requests than are allowed, and few of its slots are left unused."""
    with model() as endpoint:
        suite = _suite(tmp_path, endpoint.url, cases=36, faults="max_requests_per_s: 30")
        result = run(RunRequest((suite,), out=tmp_path / "run", workers=workers, reports=()), Silence(), Clock())
    assert result.model.counts["passed"] == len(endpoint.asked) == 36
    assert fullest(endpoint.asked) <= 31  # 30, and one that was late
    assert 1.1 <= max(endpoint.asked) - min(endpoint.asked) < 6


def test_a_server_that_is_gone_ends_a_large_run_of_two_workers_at_once(tmp_path: Path) -> None:
    """Ten thousand cases over a port where nobody listens: seconds, exit code 3, and the reason is said once."""
    with refused() as url:
        _suite(tmp_path, f"{url}/v1", cases=10_000, faults="")
        began = time.monotonic()
        command = [sys.executable, "-m", "focal_eval", "run", "suite.yaml", "--workers", "2", "--report", "none", "--out", "o"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=100)
    told = done.stdout + done.stderr
    assert done.returncode == 3, told
    assert time.monotonic() - began < 30  # three on a machine that is not busy
    assert told.count("ERRORED") == 1  # the cases in a block, as they end in the same words
    assert told.count(f"the engine gave no answer any more (cannot connect to {url}: connection refused)") == 1
    counts = json.loads((tmp_path / "o" / "run.json").read_text())["counts"]
    assert counts["errored"] < 60  # as many as were under way, and no worker played on what it had been given
    assert counts["errored"] + counts["not_run"] == 10_000

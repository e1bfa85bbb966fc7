"""Runs whose engine is gone, from the start or midway, over real sockets: they end soon, say it once, and lose nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from focal_eval.evaluate import RunRequest, RunResult, run
from focal_eval.evaluate.folders import read_folder
from focal_eval.testing.hostile_server import Heard, HostileServer, Said, Turn, hostile_server, refused
from tests.engines.focal_good import TENANT, GoodFocal
from tests.engines.four_ways import Silent

CASES, CONCURRENCY = 10_000, 50
TALK = "turns: [{user: hello, expect: {response: {contains: hello}}}, {user: again, expect: {response: {contains: again}}}]\n"


def written(folder: Path, url: str, more: str = "") -> Path:
    """A suite of ten thousand conversations with a focal engine at the URL."""
    (folder / "talk.yaml").write_text(TALK, encoding="utf-8")
    lines = ("scripts: [talk.yaml]", f"repeats: {CASES}", f"concurrency: {CONCURRENCY}", more)
    engine = f"engine: {{kind: focal, url: '{url}', tenant: {TENANT}}}"
    suite = folder / "suite.yaml"
    suite.write_text("\n".join((*lines, engine)) + "\n", encoding="utf-8")
    return suite


def held(suite: Path) -> tuple[RunResult, float]:
    """The run of the suite, and how long it took."""
    began = time.monotonic()
    out = suite.parent / "run"
    return run(RunRequest(paths=(suite,), out=out, reports=("html", "junit", "markdown")), Silent()), time.monotonic() - began


def commanded(suite: Path) -> tuple[int, str, str, float]:
    """The same by the command: its exit code, what it printed, and how long it took."""
    began = time.monotonic()
    command = [sys.executable, "-m", "focal_eval", "run", suite.name, "--out", "run"]
    environment = {key: value for key, value in os.environ.items() if key != "CI"} | {"NO_COLOR": "1"}
    done = subprocess.run(command, cwd=suite.parent, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr, time.monotonic() - began


def verdicts(folder: Path) -> list[str]:
    """The verdicts in the journal, one for each case that was over."""
    lines = (folder / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    return [line["verdict"] for line in map(json.loads, lines) if line["t"] == "attempt"]


def test_a_dead_server_ends_a_long_run_in_seconds(tmp_path: Path) -> None:
    """Ten thousand cases: exit code 3, one reason for all of them; what was not begun is counted as not run."""
    with refused() as url:
        result, took = held(written(tmp_path, url))
    counts, why = result.model.counts, f"cannot connect to {url}: connection refused"
    assert int(result.exit_code) == 3
    assert took < 20
    assert 10 <= counts["errored"] <= CONCURRENCY + 10
    assert counts["not_run"] == CASES - counts["errored"]
    assert result.reasons == {why: counts["errored"]}
    assert (result.model.header["state"], result.model.header["lost"]) == ("given-up", why)
    assert verdicts(tmp_path / "run") == ["errored"] * counts["errored"]


def test_the_command_says_a_dead_server_once(tmp_path: Path) -> None:
    """A page that a reader takes in at a glance: the reason at its case and in the note, and the number of cases not run."""
    with refused() as url:
        code, out, err, took = commanded(written(tmp_path, url))
    assert code == 3
    assert "refused" not in err
    assert len(err.splitlines()) < 5, "no more than how far it is, where the machine is slow"
    assert took < 20
    assert out.count("connection refused") == 2
    assert len(out.splitlines()) < 20
    *_, note, last = out.splitlines()
    assert note.startswith(
        f"Partial run: the engine gave no answer any more (cannot connect to {url}: connection refused), so 9,9"
    )
    assert note.endswith("cases were not run; only what was recorded is shown.")
    assert "No verdict: the engine was lost after " in last


def dying(after: int, server: list[HostileServer]) -> Callable[[Heard], Said]:
    """A good server that stops, connections and all, at the request of this number."""
    good, count = GoodFocal(), 0

    def answer(heard: Heard) -> Said:
        nonlocal count
        count += 1
        if count == after:
            server[0].stop()
        return good(heard)

    return answer


@pytest.mark.parametrize("by", ["run", "command"])
def test_a_server_that_dies_midway_ends_the_run_soon(tmp_path: Path, by: str) -> None:
    """What was answered before is judged and kept, conversations under way are errored, the others are not run."""
    running: list[HostileServer] = []
    with hostile_server(dying(1_000, running), {}) as server:
        running.append(server)
        suite = written(tmp_path, server.url)
        if by == "run":
            result, took = held(suite)
            code = int(result.exit_code)
        else:
            code, out, _, took = commanded(suite)
            assert "No verdict: the engine was lost after " in out.splitlines()[-1]
            assert len(out.splitlines()) < 60
    assert code == 3
    assert took < 20
    model = read_folder(str(tmp_path / "run"))
    counts = model.counts
    assert counts["passed"] > 100
    assert 1 <= counts["errored"] <= CONCURRENCY + 10
    assert counts["failed"] == 0
    assert counts["not_run"] == CASES - counts["passed"] - counts["errored"]
    assert sorted(verdicts(tmp_path / "run")) == ["errored"] * counts["errored"] + ["passed"] * counts["passed"]
    assert model.header["state"] == "given-up"
    assert all(case.message for case in model.attention)
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000
    assert "were not run" in (tmp_path / "run" / "summary.md").read_text(encoding="utf-8")
    assert "partial run" in (tmp_path / "run" / "junit.xml").read_text(encoding="utf-8").lower()


def test_a_server_that_falls_silent_ends_the_run_too(tmp_path: Path) -> None:
    """It takes every request and answers none: each wait ends at the turn's limit, and then it is given up."""
    good, count = GoodFocal(), 0

    async def silent(turn: Turn) -> None:
        nonlocal count
        count += 1
        await (turn.hang() if count > 200 else turn.say(turn.good))

    with hostile_server(good, {"silent": silent}) as server:
        suite = written(tmp_path, server.url, "timeout_s: 0.5")
        (tmp_path / "talk.yaml").write_text("turns: [{user: 'hostile:silent!', expect: {response: {contains: said}}}]\n")
        result, took = held(suite)
    counts = result.model.counts
    assert int(result.exit_code) == 3
    assert took < 15
    assert counts["passed"] > 10
    assert 10 <= counts["errored"] <= 2 * CONCURRENCY
    assert counts["not_run"] == CASES - counts["passed"] - counts["errored"]
    assert result.model.header["lost"] == f"{server.url} gives no answer"


def test_errors_that_a_gate_allows_do_not_pass_a_lost_run(tmp_path: Path) -> None:
    """Nine thousand cases were never asked: that is no verdict, whatever the gates say of the others."""
    running: list[HostileServer] = []
    with hostile_server(dying(500, running), {}) as server:
        running.append(server)
        suite = written(tmp_path, server.url, "gates: {pass_rate: {min: 0.9}, errored: {max: 1000}}")
        result, _ = held(suite)
    assert all(gate["passed"] for gate in result.model.gates)
    assert result.model.header["verdict"] == "no-verdict"
    assert int(result.exit_code) == 3

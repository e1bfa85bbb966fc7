"""`focal-eval run --resume`: what a run that was cut off goes on with, and when it is refused."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

import focal_eval.evaluate.running as running
from focal_eval.cli import main
from focal_eval.report.journal import read_run
from focal_eval.report.wording import facts
from focal_eval.runner.lock import held_by
from tests.cli.shop import AGENT

ENGINE = """
import asyncio, os
from pathlib import Path

async def answer(message, talk):
    with open("asked.txt", "a") as file:
        file.write(message + "\\n")
    await asyncio.sleep(float(os.environ.get("PAUSE_S", "0")))
    return f"you said {message}, thank you"
"""
TALKS = """
params: {n: [1, 2, 3, 4, 5, 6]}
turns:
  - {user: "one {{ n }}", expect: {response: {contains: one}}}
  - {user: "two {{ n }}", expect: {response: {contains: thank}}}
"""
SUITE = """
scripts: [talks.yaml]
concurrency: 1
engine: {kind: callable, target: engine.py:answer}
"""


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six conversations with a function that notes what it is asked, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    Path("engine.py").write_text(ENGINE)
    Path("talks.yaml").write_text(TALKS)
    Path("suite.yaml").write_text(SUITE)
    return Path("suite.yaml")


def run(*words: str) -> int:
    return main(["run", *words, "--report", "none", "--no-cache", "-q"])


def asked() -> list[str]:
    path = Path("asked.txt")
    lines = path.read_text().split("\n")[:-1]
    path.unlink()
    return lines


def cut(folder: str, attempts: int, *, torn: bytes = b"") -> None:
    """What is left of a run that was killed after so many attempts were closed."""
    path = Path(folder) / "journal.jsonl"
    kept: list[bytes] = []
    for line in path.read_bytes().splitlines(keepends=True):
        kind = orjson.loads(line)["t"]
        if kind == "attempt" and not attempts:
            break
        attempts -= kind == "attempt"
        kept.append(line)
    path.write_bytes(b"".join(kept) + torn)


def document(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """The document of a run, without what is new in every run."""
    capsys.readouterr()
    main(["run", *words, "--report", "none", "--no-cache", "--json"])
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    for case in data["cases"]:
        case.pop("elapsed_ms")
    return {key: data[key] for key in ("state", "counts", "verdict", "exit_code", "cases", "gates", "damaged_lines", "words")}


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a run that is refused says."""
    capsys.readouterr()
    assert run(*words) == 2
    return capsys.readouterr().err


def test_what_was_finished_is_kept_and_the_rest_is_played(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Cases that were over are not asked again, the one that was cut off is played anew, and the result is that of one run."""
    whole = document(capsys, "suite.yaml", "--out", "whole")
    assert run("suite.yaml", "--out", "out") == 0
    asked()
    cut("out", 2, torn='{"t":"turn","case":"x","user":"fü'.encode()[:-1])
    assert document(capsys, "--resume", "out") == whole
    again = asked()
    assert len(again) == 8
    assert max(Counter(again).values()) == 1
    header = json.loads(Path("out/run.json").read_text())
    assert header["resumed"] == [{"at": header["resumed"][0]["at"], "kept": 2, "took_ms": None}]
    told = dict(facts(read_run(Path("out"))))["Took"]
    assert re.fullmatch(r"at least [\d.]+ m?s: 1 of 2 parts ended without telling how long it took", told)
    assert header["started_at"] == read_run(Path("out")).header["started_at"]


def test_a_run_is_gone_on_with_again_and_again(suite: Path) -> None:
    """Each part adds to what the parts before it finished, until all of it is there."""
    assert run("suite.yaml", "--out", "out") == 0
    asked()
    for kept in (1, 3, 4, 5):
        cut("out", kept)
        assert run("--resume", "out") == 0
        assert len(asked()) == 2 * (6 - kept)
    header = json.loads(Path("out/run.json").read_text())
    assert [part["kept"] for part in header["resumed"]] == [1, 3, 4, 5]
    assert header["counts"]["passed"] == 6


def test_a_finished_run_is_not_resumed(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is nothing to go on with, and the way to its report is said."""
    assert run("suite.yaml", "--out", "out") == 0
    assert "is finished; focal-eval report out renders it" in refused(capsys, "--resume", "out")


def edit(path: str, old: str, new: str) -> Callable[[], None]:
    def go() -> None:
        text = Path(path).read_text()
        assert old in text
        Path(path).write_text(text.replace(old, new))

    return go


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (edit("talks.yaml", "two", "three"), "the script talks.yaml is not the one it began with (digest "),
        (edit("talks.yaml", "5, 6]", "5, 6, 7]"), "the script talks.yaml is not the one it began with (digest "),
        (edit("suite.yaml", "concurrency: 1", "concurrency: 2"), "the suite suite.yaml is not the one it began with"),
        (edit("suite.yaml", "engine.py:answer", "engine.py:answer, reports: [response]"), "the suite suite.yaml is not"),
    ],
)
def test_a_digest_that_differs_is_refused_and_named(
    suite: Path, capsys: pytest.CaptureFixture[str], change: Callable[[], None], told: str
) -> None:
    """Nothing is asked, the journal stays as it was; --resume-anyway goes on all the same."""
    assert run("suite.yaml", "--out", "out") == 0
    cut("out", 2)
    asked()
    before = Path("out/journal.jsonl").read_bytes()
    change()
    said = refused(capsys, "--resume", "out")
    assert told in said
    assert "--resume-anyway mixes both, or run it anew" in said
    assert not Path("asked.txt").exists()
    assert Path("out/journal.jsonl").read_bytes() == before
    assert held_by(Path("out")) is None
    assert run("--resume", "out", "--resume-anyway") == 0
    assert read_run(Path("out")).counts["not_run"] == 0


def test_a_server_may_have_moved(suite: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a server is comes from the environment, and is no part of what a run began with."""
    suite.write_text('scripts: [talks.yaml]\nengine: {kind: mix, url: "${WHERE}", faults: {attempts: 1, breaker_after: 1}}\n')
    monkeypatch.setenv("WHERE", "http://127.0.0.1:9")
    assert run(str(suite), "--out", "reports/moved") == 3
    monkeypatch.setenv("WHERE", "http://127.0.0.1:1")
    assert run("--resume", "reports/moved") == 3
    assert read_run(Path("reports/moved")).header["lost"] == "cannot connect to http://127.0.0.1:1: connection refused"
    assert "is not resumed" not in capsys.readouterr().err


def test_an_edited_agent_is_named(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The agent file's digest is part of what a run began with."""
    Path("agent.yaml").write_text(AGENT)
    words = ["talks.yaml", "--agent", "agent.yaml", "--out", "out"]
    run(*words)
    cut("out", 2)
    edit("agent.yaml", "Goodbye!", "Bye!")()
    assert "the agent agent.yaml is not the one it began with (digest " in refused(capsys, "--resume", "out")


def test_another_version_is_named(suite: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Two versions do not write one run by accident."""
    assert run("suite.yaml", "--out", "out") == 0
    cut("out", 2)
    monkeypatch.setattr(running, "__version__", "9.9.9")
    said = refused(capsys, "--resume", "out")
    assert "it was begun by focal-eval " in said
    assert "this is 9.9.9" in said


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["suite.yaml"], "a suite or script"),
        (["--suite", "suite.yaml"], "--suite"),
        (["--tag", "x"], "--tag"),
        (["-k", "x"], "-k"),
        (["--engine", "x"], "--engine"),
        (["--repeats", "2"], "--repeats"),
        (["--timeout", "9"], "--timeout"),
        (["--failed", "latest"], "--failed"),
        (["--out", "other"], "--out"),
    ],
)
def test_what_to_run_is_not_said_twice(suite: Path, capsys: pytest.CaptureFixture[str], words: list[str], named: str) -> None:
    """An option that the run has answered already is refused, not ignored."""
    assert run("suite.yaml", "--out", "out") == 0
    cut("out", 2)
    assert f"{named} cannot be given beside it" in refused(capsys, "--resume", "out", *words)


def test_what_a_run_was_asked_is_asked_again(suite: Path) -> None:
    """Selection, repeats and time limit come from the run."""
    words = ["suite.yaml", "--out", "out", "-k", "n=1 or n=2", "--repeats", "3", "--timeout", "7"]
    assert run(*words) == 0
    cut("out", 2)
    asked()
    assert run("--resume", "out") == 0
    assert len(asked()) == 2 * (2 * 3 - 2)
    options = json.loads(Path("out/run.json").read_text())["options"]
    assert (options["repeats"], options["timeout_s"], options["keyword"]) == (3, 7.0, "n=1 or n=2")


def test_repeats_that_end_early_end_as_early(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Repeats that were over count towards what is known of their case."""
    suite.write_text(SUITE + "repeats: {at_most: 20, until: stable}\n")
    whole = document(capsys, "suite.yaml", "--out", "whole")
    run("suite.yaml", "--out", "out")
    cut("out", 9)
    assert document(capsys, "--resume", "out") == whole


def test_the_failed_of_a_run_are_gone_on_with(suite: Path) -> None:
    """--failed latest means the run it meant at first, though the latest is the resumed one by now."""
    edit("talks.yaml", "contains: thank", "contains: nothing")()
    assert run("suite.yaml") == 1
    assert run("--failed", "latest", "suite.yaml", "--out", "reports/again") == 1
    cut("reports/again", 2)
    asked()
    assert run("--resume", "latest") == 1
    assert len(asked()) == 8


def test_the_baseline_stays_the_one_it_was(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--baseline latest means the run it meant at first, not the one that is gone on with."""
    assert run("suite.yaml") == 0
    (first,) = Path("reports").iterdir()
    edit("engine.py", "thank you", "thank you so much")()
    main(["run", "suite.yaml", "--baseline", "latest", "--out", "reports/second", "--report", "none", "-q"])
    cut("reports/second", 2)
    capsys.readouterr()
    main(["run", "--resume", "reports/second", "--report", "none", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert json.loads(Path("reports/second/run.json").read_text())["options"]["baseline"] == str(first)
    assert told["comparison"]["before"] != told["comparison"]["after"]
    assert str(first.name) in json.dumps(told["comparison"]["before"])


def test_a_damaged_conversation_is_played_again(suite: Path) -> None:
    """A turn whose checksum does not hold is no record: its case is played again, the others are kept."""
    assert run("suite.yaml", "--out", "out") == 0
    cut("out", 5)
    path = Path("out/journal.jsonl")
    data = bytearray(path.read_bytes())
    data[data.index(b"you said two")] ^= 1
    path.write_bytes(data)
    asked()
    assert run("--resume", "out") == 0
    assert len(asked()) == 2 * 2
    done = read_run(Path("out"))
    assert (done.counts["passed"], done.damaged) == (6, 1)


def test_a_finished_run_whose_records_are_gone_has_no_verdict(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A verdict is worth no more than the records it was given on: the run is cut off, and can be resumed."""
    assert run(str(suite), "--out", "reports/lost") == 0
    Path("reports/lost/journal.jsonl").write_bytes(b"")
    capsys.readouterr()
    assert main(["report", "reports/lost", "--report", "none"]) == 0
    said = capsys.readouterr().out
    assert "Cut off after 0 of 6 cases" in said
    assert "Partial run" in said
    assert "✓" not in said
    asked()
    assert run("--resume", "reports/lost") == 0
    assert len(asked()) == 12


def test_a_run_of_the_first_format_is_only_read(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that an earlier version left is rendered, and not written on."""
    assert run("suite.yaml", "--out", "out") == 0
    path = Path("out/journal.jsonl")
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines()][:-1]
    for line in lines:
        del line["crc"]
    lines[0]["format"] = 1
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    assert "was written in format 1; runs of format 2 can be resumed" in refused(capsys, "--resume", "out")
    assert main(["report", "out", "--json"]) == 0


def begin(*words: str, pause: float = 0.05) -> subprocess.Popen[str]:
    """A run in a process of its own, some cases of which are over."""
    command = [sys.executable, "-m", "focal_eval", "run", *words, "--report", "none", "--no-cache"]
    environment = {**os.environ, "PAUSE_S": str(pause), "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    process = subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until(lambda: Path("out/journal.jsonl").exists() and b'"t":"attempt"' in Path("out/journal.jsonl").read_bytes())
    return process


def until(true: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_run_that_is_going_on_is_not_resumed(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second process is refused with the first one's id, and the first goes on undisturbed."""
    first = begin("suite.yaml", "--out", "out")
    said = refused(capsys, "--resume", "out")
    assert f"process {first.pid} is writing the run folder out; wait for it, or give another --out" in said
    assert f"process {first.pid} is writing the run folder out" in refused(capsys, "suite.yaml", "--out", "out")
    out, _ = first.communicate(timeout=60)
    assert first.returncode == 0, out


def test_a_killed_run_that_recorded_a_cassette_leaves_a_whole_one(suite: Path) -> None:
    """What was recorded before the kill is in the cassette of the run that goes on: all of it replays without the engine."""
    words = ["suite.yaml", "--cassette", "record", "--cassette-file", "talks.jsonl"]
    first = begin(*words, "--out", "out")
    first.kill()
    first.communicate()
    kept = sum(case.verdict == "passed" for case in read_run(Path("out")).cases)
    assert 0 < kept < 6
    asked()
    assert run("--resume", "out") == 0
    assert len(asked()) == 2 * (6 - kept)
    assert run("suite.yaml", "--cassette", "replay", "--cassette-file", "talks.jsonl", "--out", "replayed") == 0
    assert not Path("asked.txt").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_what_is_under_way_and_is_gone_on_with(suite: Path, number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM begin nothing more, let what is under way end, exit with 130, and leave a run to be resumed."""
    first = begin("suite.yaml", "--out", "out", pause=0.2)
    first.send_signal(number)
    _, said = first.communicate(timeout=30)
    assert first.returncode == 130
    assert "interrupted: what is under way has 5 s to end, and nothing more is begun; Ctrl-C again stops at once\n" in said
    stopped = read_run(Path("out"))
    assert stopped.header["state"] == "interrupted"
    assert all(case.last.end is not None for case in stopped.cases)
    assert 0 < stopped.counts["passed"] < 6
    asked()
    assert run("--resume", "out") == 0
    assert len(asked()) == 2 * (6 - stopped.counts["passed"])
    done = read_run(Path("out"))
    assert done.header["resumed"][0]["took_ms"] == stopped.header["elapsed_ms"] > 100
    assert done.header["elapsed_ms"] > stopped.header["elapsed_ms"]
    assert dict(facts(done))["Took"].endswith(" in 2 parts")


@pytest.mark.slow  # it waits as long as a run does
def test_what_does_not_end_in_time_is_cut_off(suite: Path) -> None:
    """A turn that takes longer than the run waits is no record, and its case is played again."""
    first = begin("suite.yaml", "--out", "out", pause=0.2)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    asked()
    second = begin("--resume", "out", pause=60)
    until(lambda: Path("asked.txt").exists())
    start = time.monotonic()
    second.send_signal(signal.SIGTERM)
    second.communicate(timeout=30)
    assert second.returncode == 130
    assert 4.5 < time.monotonic() - start < 9
    assert read_run(Path("out")).header["state"] == "interrupted"


@pytest.mark.parametrize("stuck", ["await asyncio.sleep(60)", "import time; time.sleep(60)"])
def test_a_second_ctrl_c_ends_at_once(suite: Path, stuck: str) -> None:
    """Nobody is waited for, also not for a function that does not let go; the journal is whole, and the run can go on."""
    plain = "import time; time" in stuck
    text = ENGINE.replace("async def answer", "def answer") if plain else ENGINE
    text = text.replace('await asyncio.sleep(float(os.environ.get("PAUSE_S", "0")))', f"if '3' in message: {stuck}")
    Path("engine.py").write_text(text)
    first = begin("suite.yaml", "--out", "out")
    until(lambda: "one 3" in Path("asked.txt").read_text())
    first.send_signal(signal.SIGINT)
    time.sleep(0.3)
    start = time.monotonic()
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=30)
    assert time.monotonic() - start < 2
    assert first.returncode == 130
    assert held_by(Path("out")) is None
    Path("engine.py").write_text(ENGINE)
    asked()
    assert run("--resume", "out") == 0
    assert len(asked()) == 2 * 4


@pytest.mark.slow  # connections that are tried again and again
def test_a_run_whose_engine_came_back_is_gone_on_with(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Cases that found no engine are played again once there is one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    Path("agent.yaml").write_text(AGENT)
    Path("remote.yaml").write_text(
        "scripts: [talks.yaml]\nrepeats: 4\nengine:\n"
        f"  {{kind: focal, url: 'http://127.0.0.1:{port}', served: true, agent_file: agent.yaml}}\n"
    )
    assert run("remote.yaml", "--out", "out") == 3
    assert read_run(Path("out")).header["state"] == "given-up"
    server = subprocess.Popen(
        [sys.executable, "-m", "focal_eval", "serve", "agent.yaml", "--port", str(port)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        server.stdout.readline()
        assert run("--resume", "out") == 1  # it says nothing of what is expected
    finally:
        server.kill()
        server.communicate()
    done = read_run(Path("out"))
    assert done.header["state"] == "finished"
    assert (done.counts["errored"], done.counts["failed"]) == (0, 24)

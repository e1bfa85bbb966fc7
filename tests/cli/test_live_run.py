"""`run --live`: the address is told before the first case, and the page is there until the run is over."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from focal_eval.cli import main
from tests.cli.shop import build

SLOW = """
import asyncio

async def answer(message, conversation):
    await asyncio.sleep(0.2)
    return {"response": "Hello, I can help.", "rules": ["greet"]}
"""


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small suite, in the current folder."""
    monkeypatch.chdir(tmp_path)
    return build(tmp_path).relative_to(tmp_path)


def test_the_page_is_there_while_the_run_goes_on(suite: Path) -> None:
    """A slow run is watched from another process: cases come, then the end; the address is gone with the run."""
    Path("bot.py").write_text(SLOW)
    suite.write_text(
        "scripts: [scenarios/*.yaml]\nengine: {kind: callable, target: bot.py:answer, reports: [response, rules]}\n"
    )
    for number in range(4):
        Path(f"scenarios/more-{number}.yaml").write_text("turns: [{user: hello, expect: {rules: [greet]}}]\n")
    words = [sys.executable, "-m", "focal_eval", "run", str(suite), "--live", "--concurrency", "1", "--out", "out"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        told = next(line for line in run.stderr if line.startswith("live: "))
        url = told.removeprefix("live: ").strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", url)
        with urllib.request.urlopen(url + "events", timeout=100) as events:
            data = events.read().decode()
        run.communicate(timeout=100)
    assert data.count('"cases":[[') >= 2  # they came one after the other
    assert data.count("event: end") == 1
    assert run.returncode == 1  # the goodbye is not matched
    with pytest.raises((urllib.error.URLError, ConnectionError), match=r"refused|reset"):
        urllib.request.urlopen(url, timeout=5)


def test_nobody_looks_and_nothing_waits(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a reader the run ends as any other; with `-q` the address is told all the same."""
    assert main(["run", str(suite), "--live", "-q", "--out", "out"]) == 0
    assert re.search(r"^live: http://127\.0\.0\.1:\d+/", capsys.readouterr().err, re.M)

"""`focal-eval watch`: what an edit touches is played again, by real edits of files under a real process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lsp.shop import AGENT, HELLO, REFUND, make_shop

ROOT = Path(__file__).resolve().parents[2]


class Watcher:
    """A running `focal-eval watch --json`."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "focal_eval", "watch", "evals/shop.yaml", "--json", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "FOCAL_EVAL_CACHE": str(folder / "cache")}
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def line(self) -> dict[str, Any]:
        """The next line it prints."""
        assert self.process.stdout is not None
        text = self.process.stdout.readline()
        assert text, self.process.stderr and self.process.stderr.read()
        line: dict[str, Any] = json.loads(text)
        return line

    def save(self, name: str, text: str) -> dict[str, Any]:
        """Saves a file as editors do, by putting a new one in its place, and gives the line that follows."""
        path = self.folder / name
        beside = path.with_name(path.name + "~")
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
        return self.line()


@pytest.fixture
def watcher(tmp_path: Path) -> Iterator[Watcher]:
    made = Watcher(make_shop(tmp_path))
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()


def names(found: list[dict[str, Any]]) -> list[str]:
    return [one["case"] for one in found]


def test_edits_are_played_where_they_can_be_seen(watcher: Watcher) -> None:
    """A script's edit plays the script; an agent's edit the scripts it touches; broken text is told, and verdicts stand."""
    first = watcher.line()
    assert (first["played"], first["bad"], first["edited"]) == (2, 0, [])
    broken = watcher.save("scenarios/hello.yaml", HELLO.replace("Welcome", "Farewell"))
    assert (broken["played"], names(broken["broke"]), broken["edited"]) == (1, ["hello"], ["scenarios/hello.yaml"])
    assert broken["broke"][0]["why"].startswith("turn 1: response contains")
    half = watcher.save("scenarios/hello.yaml", HELLO.replace("[greet]", "[greet"))
    assert [one["code"] for one in half["problems"]] == ["yaml-syntax"]
    assert (half["played"], half["bad"]) == (0, 1)
    healed = watcher.save("scenarios/hello.yaml", HELLO)
    assert (names(healed["healed"]), healed["bad"]) == (["hello"], 0)
    unseen = watcher.save("evals/agents/shop.yaml", AGENT.replace("Goodbye!", "Bye!"))
    assert (unseen["played"], unseen["bad"]) == (0, 0)
    agent = watcher.save("evals/agents/shop.yaml", AGENT.replace("Welcome!", "Hey!"))
    assert (agent["played"], names(agent["broke"])) == (1, ["hello"])
    back = watcher.save("evals/agents/shop.yaml", AGENT)
    assert (names(back["healed"]), back["bad"]) == (["hello"], 0)
    (watcher.folder / "scenarios" / "refund.yaml").unlink()
    gone = watcher.line()
    assert (gone["gone"][0].startswith("refund"), gone["cases"]) == (True, 1)
    new = watcher.save("scenarios/again.yaml", REFUND)
    assert (new["played"], new["cases"]) == (1, 2)


def test_a_fragments_edit_plays_the_scripts_that_include_it(watcher: Watcher) -> None:
    """The script that splices a fragment in is played when the fragment is saved."""
    watcher.line()
    fragment = (watcher.folder / "scenarios/fragments/order.yaml").read_text()
    changed = watcher.save("scenarios/fragments/order.yaml", fragment.replace("number: A-1", "number: B-9"))
    assert (changed["played"], len(changed["broke"])) == (1, 1)


def test_ctrl_c_ends_it_cleanly(watcher: Watcher) -> None:
    """An interrupt is exit code 130, without a traceback."""
    watcher.line()
    watcher.process.send_signal(signal.SIGINT)
    _, said = watcher.process.communicate(timeout=30)
    assert (watcher.process.returncode, said.strip()) == (130, "interrupted")


def test_an_engine_of_others_is_not_asked(tmp_path: Path) -> None:
    """Where the suite's engine is remote, scripts are checked and nothing is played."""
    folder = make_shop(tmp_path)
    suite = "scripts: [../scenarios/*.yaml]\nengine: {kind: focal, url: 'http://127.0.0.1:9', agent_file: agents/shop.yaml}\n"
    (folder / "evals" / "shop.yaml").write_text(suite)
    watcher = Watcher(folder)
    try:
        assert "name it with --engine" in watcher.line()["refused"]
        line = watcher.save("scenarios/hello.yaml", HELLO.replace("[greet]", "[greeet]"))
        assert [one["code"] for one in line["problems"]] == ["unknown-rule"]
    finally:
        watcher.process.kill()
        watcher.process.wait()


def test_an_engine_that_is_named_is_asked(tmp_path: Path) -> None:
    """With --engine an edited script is played on an engine that is not played in this process."""
    folder = make_shop(tmp_path)
    (folder / "evals" / "bot.py").write_text("def answer(message, history):\n    return 'Welcome'\n")
    (folder / "evals" / "shop.yaml").write_text(
        "scripts: [../scenarios/*.yaml]\nengine: {kind: embedded, agent: agents/shop.yaml}\n"
        "engines: {bot: {kind: callable, target: 'bot.py:answer'}}\nunreported: skip\n"
    )
    watcher = Watcher(folder, "--engine", "bot", "-k", "hello")
    try:
        first = watcher.line()
        assert (first["played"], first["broke"]) == (1, [])
        broken = watcher.save("scenarios/hello.yaml", HELLO.replace("contains: Welcome", "contains: Farewell"))
        assert names(broken["broke"]) == ["hello"]
        assert not (folder / "reports").exists()
    finally:
        watcher.process.kill()
        watcher.process.wait()

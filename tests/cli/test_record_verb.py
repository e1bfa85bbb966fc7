"""`focal-eval record`: a conversation on a terminal or through a pipe becomes a script and a cassette."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from focal_eval.cli import main
from focal_eval.engines.base import Setting
from focal_eval.engines.embedded import Embedded
from focal_eval.server.app import make_app
from focal_eval.server.listen import in_background
from tests.cli.shop import AGENT

COMMAND = [sys.executable, "-m", "focal_eval"]
SUITE = "scripts: [scenarios/**/*.yaml]\nengine: {kind: embedded, agent: agents/kiosk.yaml}\n"
FAULTY = """\
import time
def answer(message, talk):
    if message == "break":
        raise RuntimeError("broken")
    if message == "hang":
        time.sleep(30)
    return {"response": f"You said {message}, with sk-abcdefghijklmnop1234.", "tools": [{"name": "echo", "arguments": {"{{ a }}": "{{ b }}"}}]}
"""  # noqa: E501  # one line of Python
SHOWN = """\
you> hello
agent> Hello! How can I help?
       rules greet · tools none · step none
you> I want a refund for A-7
agent> Your refund for A-7 is on its way.
       rules refund · tools lookup_order · step none
wrote evals/scenarios/refund.yaml (2 turns) and evals/scenarios/refund.jsonl
replay it: focal-eval run evals/scenarios/refund.yaml --suite evals/kiosk.yaml --cassette replay --cassette-file evals/scenarios/refund.jsonl
"""  # noqa: E501  # one line of output
DRAFT = """\
# Recorded from kiosk (embedded) by focal-eval record. The expectations are a draft: keep what matters, drop the rest.
title: A refund

turns:
  - user: hello
    agent: Hello! How can I help?
    expect:
      rules: [greet]
      tools: {none: true}

  - user: I want a refund for A-7
    agent: Your refund for A-7 is on its way.
    expect:
      rules: [refund]
      tools:
        - lookup_order: {order_id: A-7}
"""
OUT, TAPE = "evals/scenarios/t.yaml", "evals/scenarios/t.jsonl"


@pytest.fixture
def folder(tmp_path: Path, warmed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with an agent and a suite, as the current folder, and a `focal-eval` that is quick to start."""
    (tmp_path / "evals" / "agents").mkdir(parents=True)
    (tmp_path / "evals" / "agents" / "kiosk.yaml").write_text(AGENT, encoding="utf-8")
    (tmp_path / "evals" / "kiosk.yaml").write_text(SUITE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{warmed}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def record(*arguments: str, said: str | bytes) -> subprocess.CompletedProcess[str]:
    """The verb with what is said piped in."""
    data = said.encode() if isinstance(said, str) else said
    done = subprocess.run(["focal-eval", "record", *arguments], input=data, capture_output=True, check=False, timeout=60)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def run(*arguments: str) -> int:
    return main(["run", *arguments, "--report", "none", "-q"])


def test_piped_lines_become_a_script_that_passes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is shown what was said and observed; the script passes `check`, the engine and the cassette."""
    out = "evals/scenarios/refund.yaml"
    done = record("--out", out, "--title", "A refund", said="hello\nI want a refund for A-7\n\nnot said any more\n")
    assert done.returncode == 0, done.stderr
    assert done.stderr == "talking to kiosk (embedded); an empty line ends the conversation\n"
    assert done.stdout == SHOWN
    assert (folder / out).read_text(encoding="utf-8") == DRAFT
    assert main(["check", "evals", "--strict"]) == 0
    assert run(out, "--suite", "evals/kiosk.yaml") == 0
    replay = done.stdout.rpartition("replay it: focal-eval run ")[2].split()
    assert run(*replay) == 0
    capsys.readouterr()
    assert main(["run", *replay, "--report", "none"]) == 0
    assert "cassette evals/scenarios/refund.jsonl: 1 replayed" in capsys.readouterr().err


def test_an_agent_file_is_talked_to_without_a_suite(folder: Path) -> None:
    """And the script replays without one."""
    agent = "evals/agents/kiosk.yaml"
    done = record("--agent", agent, "--out", "talk.yaml", said="bye")
    assert done.returncode == 0, done.stderr
    assert run("talk.yaml", "--agent", agent, "--cassette", "replay", "--cassette-file", "talk.jsonl") == 0
    assert run("talk.yaml", "--agent", agent) == 0
    assert main(["check", "talk.yaml", "--agent", agent, "--strict"]) == 0


def test_the_engines_own_cassette_is_added_to(folder: Path) -> None:
    """A suite's cassette takes the conversation in, and the suite replays it with its other scripts."""
    suite = folder / "evals" / "kiosk.yaml"
    suite.write_text(SUITE.replace("kiosk.yaml}", "kiosk.yaml, cassette: tapes/}"), encoding="utf-8")
    for name in ("first", "more/second"):
        done = record("--out", f"evals/scenarios/{name}.yaml", said="hello\nbye\n")
        assert done.returncode == 0, done.stderr
    assert f"{name}.jsonl\n" in done.stdout
    assert (folder / "evals" / "tapes" / "more" / "second.jsonl").exists()
    assert run("evals/kiosk.yaml", "--cassette", "replay") == 0


def test_an_engine_over_http_is_recorded(folder: Path) -> None:
    """Focal's contract over a socket; the replay needs no server."""
    engine = Embedded("evals/agents/kiosk.yaml").connect(Setting(Path()))
    with in_background(make_app(engine)) as url:
        text = f"engines: {{live: {{kind: focal, url: '{url}', served: true, agent_file: agents/kiosk.yaml}}}}\n"
        (folder / "evals" / "kiosk.yaml").write_text(SUITE + text, encoding="utf-8")
        done = record("--engine", "live", "--out", "evals/scenarios/late.yaml", said="hello\nrefund A-7\n")
    assert done.returncode == 0, done.stderr
    assert "talking to live (focal)" in done.stderr
    assert "rules refund · tools lookup_order" in done.stdout
    assert run(*done.stdout.rpartition("replay it: focal-eval run ")[2].split()) == 0


def test_what_the_agent_says_first_is_the_first_turn(folder: Path) -> None:
    """A greeting is shown before anything is asked, and becomes a turn without a user."""
    agent = folder / "evals" / "agents" / "kiosk.yaml"
    agent.write_text(AGENT.replace("agent: kiosk", "agent: kiosk\ngreeting: greeting"), encoding="utf-8")
    done = record("--out", "evals/scenarios/talk.yaml", said="bye\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("agent> Hello! How can I help?\n")
    assert "turns:\n  - agent: Hello! How can I help?\n" in (folder / "evals/scenarios/talk.yaml").read_text()
    assert run("evals/kiosk.yaml") == 0
    assert run(*done.stdout.rpartition("replay it: focal-eval run ")[2].split()) == 0


def faulty(folder: Path) -> None:
    (folder / "evals" / "bot.py").write_text(FAULTY, encoding="utf-8")
    suite = "scripts: [scenarios/*.yaml]\nengine: {kind: callable, target: bot.py:answer, reports: [response, tools]}\n"
    (folder / "evals" / "kiosk.yaml").write_text(suite, encoding="utf-8")


def test_after_an_error_the_conversation_goes_on(folder: Path) -> None:
    """The error is shown, the turn left out; what was answered is written and replays. Nothing secret is in it."""
    faulty(folder)
    done = record("--out", "evals/scenarios/t.yaml", "--timeout", "0.5", said="one\nbreak\nhang\n{{ two }}\n")
    assert done.returncode == 0, done.stderr
    assert "error[engine-error]: bot.py:answer raised RuntimeError: broken; the turn is left out" in done.stderr
    assert "error[engine-timeout]: the turn took longer than 0.5 s; the turn is left out" in done.stderr
    assert "(2 turns)" in done.stdout
    written = [(folder / "evals" / "scenarios" / name).read_text() for name in ("t.yaml", "t.jsonl")]
    assert ["sk-abcdefghijklmnop1234" in text for text in written] == [False, False]
    assert run(*done.stdout.rpartition("replay it: focal-eval run ")[2].split()) == 0


def test_an_engine_that_is_not_there_is_said_with_its_exit_code(folder: Path) -> None:
    """Nothing was said, so nothing is written."""
    suite = (
        "scripts: [scenarios/*.yaml]\nengine: {kind: openai, url: 'http://127.0.0.1:9/v1', model: m, faults: {retry: 'off'}}\n"
    )
    (folder / "evals" / "kiosk.yaml").write_text(suite, encoding="utf-8")
    done = record("--out", "evals/scenarios/t.yaml", said="hello\n")
    assert done.returncode == 3
    assert "error[engine-unreachable]" in done.stderr
    assert not (folder / "evals" / "scenarios").exists() or list((folder / "evals" / "scenarios").iterdir()) == []


@pytest.mark.parametrize("said", ["", "\n", "   \nhello\n"])
def test_nothing_said_writes_nothing(said: str, folder: Path) -> None:
    """Not even an empty folder's worth."""
    done = record("--out", "evals/scenarios/t.yaml", said=said)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("nothing was said, so nothing was written\n")
    assert list(folder.rglob("t.*")) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "evals/kiosk.yaml"], "evals/kiosk.yaml is there already; give another --out"),
        (["--out", "talk.json"], "--out names a script to be written, a file that ends in .yaml; talk.json does not"),
        (["--out", "t.yaml", "--engine", "lvie"], "has no engine 'lvie'"),
        (["--out", "t.yaml", "evals/kiosk.yml"], "there is no suite evals/kiosk.yml; did you mean"),
        (["--out", "t.yaml", "evals/kiosk.yaml", "--agent", "evals/agents/kiosk.yaml"], "name one of the two"),
        (["--out", "t.yaml", "--agent", "evals/agents/kisok.yaml"], "there is no agent evals/agents/kisok.yaml"),
        (["--out", "t.yaml", "--cassette", "evals/kiosk.yaml"], "cassette-"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_said(arguments: list[str], said: str, folder: Path) -> None:
    """With exit code 2, the nearest fix, and no file touched."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    done = record(*arguments, said="hello\n")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_conversation_is_not_recorded_over_another_one(folder: Path) -> None:
    """The cassette has it already, though the script is gone."""
    assert record("--out", "t.yaml", said="hello\n").returncode == 0
    (folder / "t.yaml").unlink()
    done = record("--out", "t.yaml", said="hello\n")
    assert done.returncode == 2
    assert "t.jsonl holds a conversation 't' already; give another --out or --cassette" in done.stderr


def test_bytes_that_are_no_text_are_said_as_such(folder: Path) -> None:
    """Input in another encoding neither ends the conversation nor reaches the terminal raw."""
    done = record("--out", OUT, said=b"hello \xff\x1b[2J\nbye\n")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert run(*done.stdout.rpartition("replay it: focal-eval run ")[2].split()) == 0


class Terminal:
    """The verb on a terminal of its own."""

    def __init__(self, *arguments: str) -> None:
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "dumb"
            os.execv(sys.executable, [*COMMAND, "record", *arguments])
        self.shown, self._seen = "", 0

    def waits_for(self, text: str) -> None:
        """Reads until the text is shown, after what was waited for before."""
        deadline = time.monotonic() + 30
        while (at := self.shown.find(text, self._seen)) < 0:
            assert time.monotonic() < deadline, self.shown
            if select.select([self.file], [], [], 0.1)[0]:
                self._read()
        self._seen = at + len(text)

    def types(self, text: str) -> None:
        os.write(self.file, text.encode())

    def ends(self) -> int:
        """Reads to the end and gives the exit code."""
        while self._read():
            pass
        os.close(self.file)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _read(self) -> bool:
        try:
            data = os.read(self.file, 4096)
        except OSError:  # Linux's way to say that the other end is closed
            return False
        self.shown += data.decode().replace("\r\n", "\n")
        return bool(data)


@pytest.mark.parametrize("end", ["\n", "\x04"])
def test_a_conversation_on_a_terminal(end: str, folder: Path) -> None:
    """A prompt, the reply, and what was observed; an empty line or Ctrl-D ends it."""
    terminal = Terminal("--out", OUT)
    terminal.waits_for("you> ")
    terminal.types("hello\n")
    terminal.waits_for("agent> Hello! How can I help?\n       rules greet · tools none · step none\n")
    terminal.waits_for("you> ")
    terminal.types(end)
    assert terminal.ends() == 0, terminal.shown
    assert "wrote evals/scenarios/t.yaml (1 turn) and evals/scenarios/t.jsonl\n" in terminal.shown
    assert run(OUT, "--suite", "evals/kiosk.yaml", "--cassette", "replay", "--cassette-file", TAPE) == 0


@pytest.mark.parametrize("busy", [False, True])
def test_ctrl_c_keeps_what_was_said(busy: bool, folder: Path) -> None:
    """At the prompt, and while the engine is waited for; exit code 130."""
    faulty(folder)
    terminal = Terminal("--out", OUT)
    terminal.waits_for("you> ")
    terminal.types("one\n")
    terminal.waits_for("agent> You said one")
    terminal.waits_for("you> ")
    if busy:
        terminal.types("hang\n")
        terminal.waits_for("hang\n")
        time.sleep(0.3)
    time.sleep(0.3)  # a signal between the prompt and its waiting for keys would be seen at the next key
    terminal.types("\x03")
    assert terminal.ends() == 130, terminal.shown
    assert "wrote evals/scenarios/t.yaml (1 turn) and evals/scenarios/t.jsonl" in terminal.shown
    assert "Traceback" not in terminal.shown
    (talk,) = map(json.loads, (folder / TAPE).read_text().splitlines()[1:])
    assert [turn["user"] for turn in talk["turns"]] == ["one"]
    assert run(OUT, "--suite", "evals/kiosk.yaml", "--cassette", "replay", "--cassette-file", TAPE) == 0


def test_ctrl_c_before_a_word_writes_nothing(folder: Path) -> None:
    """Exit code 130, and no file."""
    terminal = Terminal("--out", OUT)
    terminal.waits_for("you> ")
    time.sleep(0.3)  # a signal between the prompt and its waiting for keys would be seen at the next key
    terminal.types("\x03")
    assert terminal.ends() == 130
    assert list(folder.rglob("t.*")) == []


def test_unfit_names_of_scenarios_are_said_apart() -> None:
    """A place with a slash in a name, or a scenario called `none`, is written so that it is not read as another one."""
    from focal_eval.evaluate.recording import drafted
    from focal_eval.records import Reply, ScenarioState

    def place(*states: ScenarioState | None) -> list[Any]:
        return [turn.get("expect", {}).get("scenario") for turn in drafted([("x", Reply("y", scenario=one)) for one in states])]

    assert place(ScenarioState("returns", "ask"), ScenarioState("returns"), None, None) == [
        "returns/ask",
        "returns",
        "none",
        None,
    ]
    assert place(ScenarioState("a/b", "c"), ScenarioState("none")) == [{"id": "a/b", "step": "c"}, {"id": "none"}]

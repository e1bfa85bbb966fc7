"""`focal-eval serve` as a process: what it prints, when it refuses, how it ends."""

from __future__ import annotations

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from focal_eval.cli.main import main
from focal_eval.cli.serve_verb import add
from tests.server.client import AGENT, body

COMMAND = [sys.executable, "-m", "focal_eval", "serve"]


Refused = Callable[..., str]


@pytest.fixture
def refused(shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """What a command that ends by itself says on stderr."""
    monkeypatch.chdir(shop)

    def said(*words: str) -> str:
        assert main(["serve", *words]) == 2
        return capsys.readouterr().err

    return said


@contextmanager
def serving(folder: Path, *words: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and the line it printed."""
    process = subprocess.Popen(
        [*COMMAND, *words],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "agent.yaml").write_text(AGENT, encoding="utf-8")
    return tmp_path


def test_it_says_where_it_listens_and_ends_with_ctrl_c(shop: Path) -> None:
    """The printed address answers at once; Ctrl-C is exit code 0 without a word."""
    with serving(shop, "agent.yaml", "--port", "0") as (process, line):
        found = re.fullmatch(r"serving shop at (http://127\.0\.0\.1:\d+) \(Ctrl-C ends it\)\n", line)
        assert found, line
        with httpx.Client(base_url=found.group(1)) as client:
            assert client.post("/v1/chat", json=body("thanks")).json()["response"] == "you are welcome"
            process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (0, "")


def test_an_open_stream_does_not_keep_it_from_ending(shop: Path) -> None:
    """Whoever still waits is cut off after a moment of grace."""
    with serving(shop, "agent.yaml", "--port", "0", "--latency-ms", "60000") as (process, line):
        url = line.split()[3]
        with httpx.Client(base_url=url) as client, client.stream("POST", "/v1/chat/stream", json=body("thanks")) as answer:
            assert answer.status_code == 200
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)
    assert process.returncode == 0


def test_options_reach_the_server(shop: Path) -> None:
    """Tokens, quirks and origins."""
    words = ["--jwt-secret-env", "SHOP_SECRET", "--focal-quirks", "--cors", "http://a.example", "--cors", "http://b.example"]
    with serving(shop, "agent.yaml", "--port", "0", *words, SHOP_SECRET="s" * 40) as (_, line):
        url = line.split()[3]
        assert httpx.post(f"{url}/v1/chat", json=body("thanks")).json() == {"detail": "Missing authentication token"}
        for origin in ("http://a.example", "http://b.example"):
            assert httpx.get(f"{url}/health", headers={"origin": origin}).headers["access-control-allow-origin"] == origin


def test_an_open_address_without_tokens_is_warned_of(shop: Path) -> None:
    """Everybody who reaches it can talk to the agent."""
    with serving(shop, "agent.yaml", "--port", "0", "--host", "0.0.0.0") as (process, _):
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert said.startswith("anybody who reaches this address can talk to the agent")


def test_a_secret_that_can_be_guessed_is_warned_of(shop: Path) -> None:
    """In one line of our own, when it starts and not with each request."""
    with serving(shop, "agent.yaml", "--port", "0", "--jwt-secret-env", "SHOP_SECRET", SHOP_SECRET="hush") as (process, line):
        headers = {"authorization": "Bearer a.b.c"}
        httpx.post(f"{line.split()[3]}/v1/chat", json=body("thanks"), headers=headers)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert said == "the secret in SHOP_SECRET is shorter than 32 bytes: it can be guessed from a token\n"


def test_a_broken_agent_is_refused_with_its_places(shop: Path, refused: Refused) -> None:
    """Nothing listens; the file's problems are shown as `check` shows them."""
    (shop / "agent.yaml").write_text(AGENT.replace("tools: lookup", "tools: look"), encoding="utf-8")
    said = refused("agent.yaml", "--port", "0")
    assert "agent.yaml:7:" in said
    assert "error[unknown-tool]" in said
    assert "did you mean 'lookup'" in said


def test_a_missing_agent_is_refused(refused: Refused) -> None:
    """The file is named, and the nearest one."""
    assert "there is no agent file agnet.yaml; did you mean 'agent.yaml'?" in refused("agnet.yaml")


def test_local_python_can_be_refused(shop: Path, refused: Refused) -> None:
    """--no-python refuses an agent whose tools run local code."""
    (shop / "agent.yaml").write_text("agent: a\ntools: {t: {python: 'tools.py:t'}}\n", encoding="utf-8")
    (shop / "tools.py").write_text("def t(): ...\n", encoding="utf-8")
    assert "error[python-refused]" in refused("agent.yaml", "--no-python")


def test_a_port_in_use_is_said(refused: Refused) -> None:
    """The place and the system's reason."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = refused("agent.yaml", "--port", port)
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port", "70000"], "a port is a number from 0 to 65535, not 70000"),
        (["--port", "http"], "a port is a number from 0 to 65535, not http"),
        (["--latency-ms", "-1"], "a latency is 0 to 600000 milliseconds, not -1"),
        (["--latency-ms", "soon"], "a latency is 0 to 600000 milliseconds, not soon"),
        (["--latency-ms", "nan"], "a latency is 0 to 600000 milliseconds, not nan"),
        (["--jwt-secret-env", "NO_SUCH_VARIABLE"], "the environment variable NO_SUCH_VARIABLE is not set"),
        (["--jwt-secret-env", "EMPTY_VARIABLE"], "the environment variable EMPTY_VARIABLE is empty"),
        (["--cors", "a.example"], "an origin is written https://host or http://host:8080, without a path, not 'a.example'"),
        (["--cors", "http://a.example/page"], "without a path, not 'http://a.example/page'"),
        (["--host", "no.such.host.invalid"], "cannot listen on no.such.host.invalid port 8787"),
        (["--focal-quirk"], "did you mean '--focal-quirks'"),
    ],
)
def test_wrong_words_are_refused(refused: Refused, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str) -> None:
    """With what is allowed."""
    monkeypatch.setenv("EMPTY_VARIABLE", "")
    assert said in refused("agent.yaml", *words)


def test_the_page_lists_every_option() -> None:
    """docs/reference/serve.md and the command know the same options."""
    parser = argparse.ArgumentParser()
    add(parser)
    known = {word for action in parser._actions for word in action.option_strings if word.startswith("--")} - {"--help"}
    page = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "serve.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(--[\w-]+)", page, re.MULTILINE)) == known


def test_the_missing_extra_is_named(shop: Path) -> None:
    """Without the libraries the command says how to get them."""
    code = (
        "import importlib.util, sys\n"
        "found = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *more: None if name == 'uvicorn' else found(name, *more)\n"
        "from focal_eval.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", code, "serve", "agent.yaml"]
    done = subprocess.run(command, cwd=shop, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert "pip install 'focal-eval[serve]'" in done.stderr

"""What reaches a cluster of an engine's secrets, and of what it may be asked in a second."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.evaluate.clusters import Cluster, header, run
from tests.evaluate.conftest import DESK_TOKEN as TOKEN
from tests.evaluate.endpoint import fullest, model

pytest.importorskip("distributed", reason="Dask distributed is not installed (the extra dask)")
pytestmark = pytest.mark.xdist_group("cluster")
FILED = "fd-77a0c1d2e3f4-kept-in-a-file"
LITERAL = "lt-0a9b8c7d6e5f-written-down"


@contextmanager
def tapped(address: str) -> Iterator[tuple[str, bytearray]]:
    """The address of a way to a scheduler, and every byte that goes that way, in both directions."""
    host, port = address.removeprefix("dask://").rsplit(":", 1)
    heard = bytearray()
    door = socket.create_server(("127.0.0.1", 0))

    def pass_on(come: socket.socket, go: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := come.recv(65536):
                heard.extend(data)
                go.sendall(data)
            go.shutdown(socket.SHUT_WR)

    def listen() -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = door.accept()
                far = socket.create_connection((host, int(port)))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=pass_on, args=pair, daemon=True).start()

    threading.Thread(target=listen, daemon=True).start()
    try:
        yield f"dask://127.0.0.1:{door.getsockname()[1]}", heard
    finally:
        door.close()


def _suite(folder: Path, url: str, engine: str, *, cases: int) -> Path:
    folder.mkdir()
    rows = "".join(f"    - {{n: {number}}}\n" for number in range(cases))
    (folder / "greet.yaml").write_text(
        f"title: Greet\nparams:\n  rows:\n{rows}turns:\n  - user: good morning number {{{{ n }}}}\n"
        "    expect: {response: {contains: your token}}\n"
    )
    (folder / "suite.yaml").write_text(
        f"scripts: [greet.yaml]\nengine:\n  kind: openai\n  url: {url}\n  model: m\n  prompt: be short\n  {engine}\n"
        "  faults: {max_requests_per_s: 20}\n"
    )
    return folder


def test_a_token_is_in_no_payload_no_log_and_no_journal(shared: Cluster, tmp_path: Path) -> None:
    """Workers take it from their own environment; what they send back does not hold it though the engine repeats it.

    The two together ask the engine no more often than one process may.
    """
    with model() as endpoint, tapped(shared.url) as (url, heard):
        folder = _suite(tmp_path / "a", endpoint.url, "token_env: DESK_TOKEN", cases=40)
        words = ("run", "suite.yaml", "--out", "out", "--cluster", url, "--report", "none")
        code, told = run(shared.path, *words, cwd=folder, DESK_TOKEN=TOKEN)
    assert code == 0, told
    assert header(folder / "out")["counts"]["passed"] == 40  # type: ignore[index]
    assert endpoint.tokens == {TOKEN}
    assert b"good morning number" in heard  # the texts are seen on their way, so the token would be
    assert b"your token is [redacted]" in heard
    for place in (bytes(heard), shared.logs().encode(), (folder / "out" / "journal.jsonl").read_bytes(), told.encode()):
        assert TOKEN.encode() not in place
    assert fullest(endpoint.asked) <= 22  # 20, and what was late


def test_a_token_in_a_file_stays_there(shared: Cluster, tmp_path: Path) -> None:
    """Workers read the file themselves: where they have it at its place the suite is played, and its content never travels."""
    with model() as endpoint, tapped(shared.url) as (url, heard):
        folder = _suite(tmp_path / "a", endpoint.url, "token_file: token.txt", cases=2)
        (folder / "token.txt").write_text(FILED)
        code, told = run(shared.path, "run", "suite.yaml", "--out", "out", "--cluster", url, "--report", "none", cwd=folder)
    assert code == 0, told
    assert endpoint.tokens == {FILED}
    assert FILED.encode() not in bytes(heard) + shared.logs().encode()


def test_a_variable_that_workers_lack_is_named(shared: Cluster, tmp_path: Path) -> None:
    """Nothing is run where a worker's environment lacks what the engine's entry names; both ways to name it count."""
    engine = "token_env: OTHER_TOKEN\n  headers: {x-key: '${OTHER_KEY}'}"
    folder = _suite(tmp_path / "a", "http://127.0.0.1:9/v1", engine, cases=2)
    words = ("run", "suite.yaml", "--out", "out", "--cluster", shared.url)
    code, told = run(shared.path, *words, cwd=folder, OTHER_TOKEN=TOKEN, OTHER_KEY=TOKEN)
    assert code == 2, told
    assert told.count("OTHER_KEY and OTHER_TOKEN are not set in its environment") == 2
    assert not (folder / "out").exists()


def test_a_secret_in_the_suite_itself_is_not_sent(shared: Cluster, tmp_path: Path) -> None:
    """A token that is written down in the suite is refused, and says what to write instead."""
    with tapped(shared.url) as (url, heard):
        folder = _suite(tmp_path / "a", "http://127.0.0.1:9/v1", f"token: {LITERAL}", cases=2)
        code, told = run(shared.path, "run", "suite.yaml", "--out", "out", "--cluster", url, cwd=folder)
    assert code == 2, told
    assert "suite.yaml holds a secret, and its text goes to the workers; write ${NAME} instead" in told
    assert LITERAL.encode() not in bytes(heard)

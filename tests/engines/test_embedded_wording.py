from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from focal_eval.clock import fixed_clock
from focal_eval.document import Reader, read_text, record_of
from focal_eval.engines.base import SessionStart, Setting
from focal_eval.engines.embedded import Embedded
from focal_eval.engines.wording import Generator
from focal_eval.errors import EngineError, EngineProtocol, EngineTimeout, EngineUnreachable, UsageError
from focal_eval.records import UNKNOWN, Reply, Tokens

AGENT = """\
agent: shop
rules:
  - {id: hi, when: the user greets, match: {any_words: [hi]}, then: greet back, template: hi}
  - {id: exact, match: {any_words: [exact]}, template: exact}
  - {id: polite, hard: true, forbid: 'rude\\w*'}
templates:
  hi: hello there
  exact: {mode: EXCLUSIVE, text: word for word}
  sorry: {mode: FALLBACK, text: pardon?}
"""


class Endpoint:
    """A chat-completions endpoint on this machine that answers what it is told to."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        self.answers: list[tuple[int, bytes, float]] = []
        self.url = ""

    def says(self, text: str, usage: Any = None) -> None:
        body = {"choices": [{"message": {"role": "assistant", "content": text}}]} | ({"usage": usage} if usage else {})
        self.answers.append((200, json.dumps(body).encode(), 0.0))


@contextmanager
def endpoint() -> Iterator[Endpoint]:
    told = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            told.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, json.loads(body)))
            status, answer, wait = told.answers.pop(0)
            time.sleep(wait)
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            """Keeps the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    told.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def talk(folder: Path, generator: Generator, *messages: str) -> list[Reply]:
    (folder / "shop.yaml").write_text(AGENT)
    engine = Embedded("shop.yaml", generator).connect(Setting(folder, fixed_clock()))

    async def run() -> list[Reply]:
        session = await engine.open(SessionStart("c1"))
        try:
            return [await session.send(message) for message in messages]
        finally:
            await engine.close()

    return asyncio.run(run())


def openai(url: str, **more: Any) -> Generator:
    return Generator("openai", url=url, model="small", token="s3cret", **more)


def test_the_endpoint_is_asked_for_what_may_be_reworded(tmp_path: Path) -> None:
    """The exact request: path, key, temperature 0, seed, instructions, history and the message; the answer is the reply."""
    with endpoint() as told:
        told.says("Good day!", {"total_tokens": 9, "prompt_tokens": 6, "completion_tokens": 3})
        told.says("Again!")
        replies = talk(tmp_path, openai(told.url + "/", seed=7, max_tokens=50), "hi", "hi hi")
    assert [reply.response for reply in replies] == ["Good day!", "Again!"]
    assert [reply.tokens for reply in replies] == [Tokens(9, 6, 3), Tokens(0, 0, 0)]
    path, headers, body = told.requests[0]
    assert (path, headers["authorization"], headers["content-type"]) == (
        "/v1/chat/completions", "Bearer s3cret", "application/json",
    )  # fmt: skip
    system = body["messages"][0]["content"]
    assert body == {
        "model": "small",
        "temperature": 0,
        "seed": 7,
        "max_tokens": 50,
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": "hi"}],
    }
    assert system.split("\n") == [
        "You are a support agent. Answer in the language with the code en. Keep to these rules.",
        "Rule: when the user greets; greet back",
        'Known: {"language": "en"}',
        "Say this, in your own words, without adding facts:",
        "hello there",
    ]
    assert told.requests[1][2]["messages"][1:] == [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "Good day!"},
        {"role": "user", "content": "hi hi"},
    ]


def test_exclusive_and_fallback_texts_are_not_sent(tmp_path: Path) -> None:
    """What must be said as it stands costs no request and no tokens."""
    with endpoint() as told:
        replies = talk(tmp_path, openai(told.url), "exact", "zzz")
    assert [reply.response for reply in replies] == ["word for word", "pardon?"]
    assert [reply.tokens for reply in replies] == [Tokens(0, 0, 0)] * 2
    assert told.requests == []


def test_a_violation_asks_once_more_and_says_why(tmp_path: Path) -> None:
    """The second request names the broken rule; a good second answer is said."""
    with endpoint() as told:
        told.says("how rude")
        told.says("how nice")
        (reply,) = talk(tmp_path, openai(told.url), "hi")
    assert reply.response == "how nice"
    assert reply.enforcement is not UNKNOWN
    assert [one.action for one in reply.enforcement] == ["regenerated"]
    assert "polite: the reply contains 'rude'" in told.requests[1][2]["messages"][0]["content"]


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (401, b'{"error": "bad key s3cret"}', EngineError, "the generator: the engine answered 401: bad key"),
        (429, b"slow down", EngineError, "the generator: the engine answered 429: Too Many Requests"),
        (500, b"", EngineError, "the generator: the engine answered 500: Internal Server Error"),
        (200, b"<html>", EngineProtocol, "the generator: the answer is of no type, not JSON"),
        (200, b"\xff\xfe", EngineProtocol, "not JSON"),
        (200, b"[]", EngineProtocol, "has no choices"),
        (200, b'{"choices": []}', EngineProtocol, "has no choices"),
        (200, b'{"choices": [{"message": {"content": null}}]}', EngineProtocol, "is empty"),
        (200, b'{"choices": [{"message": {"content": "  "}}]}', EngineProtocol, "is empty"),
        (200, b"[" * 100_000, EngineProtocol, "not JSON"),
        (200, b'"' + b"x" * 1_000_001 + b'"', EngineProtocol, "longer than 1,000,000 bytes"),
    ],
)
def test_a_broken_endpoint_is_the_engines_error(
    tmp_path: Path, status: int, body: bytes, kind: type[EngineError], message: str
) -> None:
    """Every wrong answer becomes an EngineError that never shows the key."""
    with endpoint() as told:
        told.answers.append((status, body, 0.0))
        with pytest.raises(kind, match=message) as broken:
            talk(tmp_path, openai(told.url), "hi")
    assert "s3cret" not in f"{broken.value} {broken.value.detail}"


def test_an_endpoint_that_is_slow_or_gone(tmp_path: Path) -> None:
    """Too slow is a timeout, nobody there is unreachable, an address that is none cannot be asked."""
    with endpoint() as told:
        told.answers.append((200, b"{}", 0.5))
        with pytest.raises(EngineTimeout, match=r"did not answer within 0\.1 s"):
            talk(tmp_path, openai(told.url, timeout_s=0.1), "hi")
        gone = told.url
    with pytest.raises(EngineUnreachable, match=r"the generator: cannot connect to http://.*: connection refused"):
        talk(tmp_path, openai(gone), "hi")
    with pytest.raises(UsageError, match="is not of the form http://host:port"):
        talk(tmp_path, openai("http://[nowhere"), "hi")


def test_odd_usage_is_not_counted(tmp_path: Path) -> None:
    """Counts that are no whole numbers are ignored rather than believed."""
    with endpoint() as told:
        told.says("Good day!", {"total_tokens": "many"})
        (reply,) = talk(tmp_path, openai(told.url), "hi")
    assert reply.tokens == Tokens(0, 0, 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{agent: a.yaml}", Generator()),
        ("{agent: a.yaml, generator: template}", Generator()),
        ("{agent: a.yaml, generator: {kind: openai, url: u, model: m}}", Generator("openai", "u", "m")),
        ("{agent: a.yaml, generator: openai}", "a generator of kind openai needs 'url' and 'model'"),
        ("{agent: a.yaml, generator: {model: m}}", "'url', 'model' and 'token' belong to a generator of kind openai"),
        (
            "{agent: a.yaml, generator: {kind: openai, url: u, model: m, timeout_s: 0}}",
            "'timeout_s' and 'max_tokens' must be above 0",
        ),
    ],
)
def test_the_configuration_is_read_from_the_suite(text: str, expected: Generator | str) -> None:
    """`generator` is a word or a mapping; contradictions are errors at their place."""
    document = read_text(text, "suite.yaml")
    assert document.root is not None
    read = record_of(Embedded).read(document.root, Reader(document))
    if isinstance(expected, str):
        assert [problem.message for problem in document.problems] == [expected]
    else:
        assert read == Embedded("a.yaml", expected)
        assert "s3cret" not in repr(Embedded("a.yaml", openai("http://host")))

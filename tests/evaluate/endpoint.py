"""An endpoint of chat completions on loopback that says when it was asked, and with which token."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Model:
    """An endpoint of chat completions that says which token it was shown."""

    url: str = ""
    asked: list[float] = field(default_factory=list)  # when
    tokens: set[str] = field(default_factory=set)


@contextmanager
def model() -> Iterator[Model]:
    told = Model()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:  # the name that the server looks for
            told.asked.append(time.monotonic())
            self.rfile.read(int(self.headers["content-length"]))
            token = self.headers.get("authorization", "").removeprefix("Bearer ")
            told.tokens.add(token)
            message = {"role": "assistant", "content": f"your token is {token}"}
            answer = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
            data = json.dumps({**answer, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *words: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    told.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()


def fullest(asked: list[float]) -> int:
    """How many requests came in the second in which most did."""
    return max(sum(1 for one in asked if at <= one < at + 1) for at in asked)

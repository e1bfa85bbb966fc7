"""Servers on this machine that speak as vendors' systems do, and conversations with them over real sockets."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the stubs need starlette and uvicorn: pip install 'focal-eval[serve]'")

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from focal_eval.clock import Clock
from focal_eval.document import Reader, read_text, record_of
from focal_eval.engines.base import EngineConfig, Session, SessionStart, Setting
from focal_eval.records import MessageRecord, Reply, UnknownType
from focal_eval.registry import find
from focal_eval.server.listen import in_background

_BESIDE = Path(__file__).resolve().parents[3] / "shared"
SAMPLES = Path(os.environ.get("FOCAL_EVAL_SAMPLES") or _BESIDE) / "wire"
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"there is no sample data in {SAMPLES}")

TOKEN = "s3cret"

Answering = Callable[["Heard"], Awaitable[Response]]


def sample(name: str) -> Any:
    """A sample beside the checkout, decoded."""
    return json.loads((SAMPLES / name).read_text(encoding="utf-8"))


def sample_events(name: str) -> Iterator[tuple[str, Any]]:
    """The events of a streamed sample."""
    for block in (SAMPLES / name).read_text(encoding="utf-8").split("\n\n"):
        found = dict(line.split(": ", 1) for line in block.strip().split("\n") if ": " in line)
        if found:
            yield found["event"], json.loads(found["data"])


@dataclass(frozen=True, slots=True)
class Heard:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    params: dict[str, str]


@dataclass(slots=True)
class Stub:
    """A server; `heard` is every request in order. `next` is answered once instead of what it would say."""

    url: str = ""
    heard: list[Heard] = field(default_factory=list)
    next: list[Response] = field(default_factory=list)

    def bodies(self, path: str) -> list[Any]:
        """What was sent to a path."""
        return [one.body for one in self.heard if one.path == path]


@contextmanager
def served(routes: Mapping[tuple[str, str], Answering], stub: Stub, *, token: str | None = TOKEN) -> Iterator[Stub]:
    """The stub on a free port; a request without the token is answered with 401."""

    def endpoint(answering: Answering) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            raw = await request.body()
            heard = Heard(
                request.method,
                request.url.path,
                dict(request.query_params),
                dict(request.headers),
                json.loads(raw) if raw else None,
                dict(request.path_params),
            )
            stub.heard.append(heard)
            if token is not None and heard.headers.get("authorization") != f"Bearer {token}":
                return Response("Invalid Secret\nNot allowed", 401, media_type="text/plain")
            return stub.next.pop(0) if stub.next else await answering(heard)

        return answer

    app = Starlette(routes=[Route(path, endpoint(answering), methods=[method]) for (method, path), answering in routes.items()])
    with in_background(app) as url:
        stub.url = url
        yield stub


def frame(name: str | None, data: Any, number: int | None = None) -> bytes:
    """One server-sent event."""
    lines = [] if name is None else [f"event: {name}"]
    lines += [] if number is None else [f"id: {number}"]
    lines.append(f"data: {data if isinstance(data, str) else json.dumps(data)}")
    return ("\n".join(lines) + "\n\n").encode()


def streamed(pieces: Iterable[bytes], media_type: str = "text/event-stream", pause_s: float = 0.0) -> Response:
    """Pieces that are sent one after another."""

    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece
            await asyncio.sleep(pause_s)

    return StreamingResponse(body(), media_type=media_type)


def as_json(payload: Any, status: int = 200) -> Response:
    """A JSON body."""
    return JSONResponse(payload, status)


@dataclass(slots=True)
class Talk:
    """A whole conversation: replies, and the messages stored of it."""

    replies: list[Reply]
    stored: tuple[MessageRecord, ...] | UnknownType


def talk(config: EngineConfig, *messages: str | None, start: SessionStart | None = None, root: Path | None = None) -> Talk:
    """Holds a conversation; an EngineError comes through."""

    async def all_of_it() -> Talk:
        engine = config.connect(Setting(root or Path(), Clock()))
        try:
            session: Session = await engine.open(start or SessionStart("case-1"))
            try:
                replies = [await session.send(message) for message in messages]
                return Talk(replies, await session.stored())
            finally:
                await session.close()
        finally:
            await engine.close()

    return asyncio.run(all_of_it())


def engine_of(kind: str, yaml: str) -> Any:
    """The configuration that a suite's `engine:` of this kind gives; fails the test with its problems."""
    document = read_text(yaml, "suite.yaml")
    assert document.root is not None
    reader = Reader(document)
    made = record_of(find("engines", kind)).read(document.root, reader)
    assert not document.problems.errors, "\n".join(map(str, document.problems))
    return made

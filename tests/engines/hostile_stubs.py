"""The stubs of vendors' systems as good servers that can be told to misbehave, and engines for them."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from starlette.responses import StreamingResponse

from focal_eval.engines.base import Engine, EngineConfig, Setting
from focal_eval.engines.focal import Focal
from focal_eval.engines.glean import Glean
from focal_eval.engines.mix import Mix
from focal_eval.engines.openai import OpenAI
from focal_eval.engines.pipeshub import PipesHub
from focal_eval.engines.wire import Faults
from focal_eval.errors import EngineError
from focal_eval.testing import hostile_conformance
from focal_eval.testing.hostile_server import Answering, Heard, Said, marked_by
from tests.engines import vendor_stub
from tests.engines.focal_good import TENANT, GoodFocal
from tests.engines.glean_stub import Assistant
from tests.engines.mix_stub import MixServer
from tests.engines.openai_stub import PATH, complete
from tests.engines.pipeshub_stub import Hub

FAULTS = Faults(attempts=2)


def said_by(routes: Mapping[tuple[str, str], vendor_stub.Answering]) -> Answering:
    """A stub's routes as a good server of the kit."""
    found = [(method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)), act) for (method, path), act in routes.items()]

    async def answer(heard: Heard) -> Said:
        url = urlsplit(heard.path)
        for method, pattern, act in found:
            if method == heard.method and (at := pattern.fullmatch(url.path)):
                body = json.loads(heard.body) if heard.body else None
                params = {name: unquote(text) for name, text in at.groupdict().items()}
                asked = vendor_stub.Heard(method, url.path, dict(parse_qsl(url.query)), dict(heard.headers), body, params)
                try:
                    response = await act(asked)
                except KeyError:  # an id that the stub does not know
                    break
                content = bytes(response.body) if not isinstance(response, StreamingResponse) else await joined(response)
                return Said(content, response.headers.get("content-type", "").partition(";")[0], response.status_code)
        return Said(b'{"detail":"Not Found"}', status=404)

    return answer


async def joined(response: StreamingResponse) -> bytes:
    """A stream that ends by itself, whole."""
    pieces: AsyncIterable[str | bytes | memoryview] = response.body_iterator
    return b"".join([piece.encode() if isinstance(piece, str) else bytes(piece) async for piece in pieces])


class MixAtOnce:
    """Mix as it once was: the reply comes as the answer to the message, and the stream of events says nothing of it."""

    def __init__(self) -> None:
        self._rest = said_by(MixServer(synchronous=True).routes())

    def __call__(self, heard: Heard) -> Said | Awaitable[Said]:
        if not heard.path.startswith("/stream"):
            return self._rest(heard)
        session = dict(parse_qsl(urlsplit(heard.path).query))["sessionId"]
        return Said(vendor_stub.frame("connected", {"sessionId": session}, 0), "text/event-stream")


class MixEvents(MixServer):
    """Mix whose stream of events holds the whole next turn at once; a message is only acknowledged."""

    def __init__(self) -> None:
        super().__init__()
        self.titles: dict[str, str] = {}
        self.turns: dict[str, int] = {}

    async def __call__(self, heard: Heard) -> Said:
        url = urlsplit(heard.path)
        if url.path == "/stream":
            return self._events(dict(parse_qsl(url.query))["sessionId"])
        if url.path.endswith("/messages") and heard.method == "POST":
            return Said(b'{"status":"processing"}', status=202)
        answer = said_by(self.routes())(heard)
        made = answer if isinstance(answer, Said) else await answer
        if url.path == "/api/sessions":
            self.titles[json.loads(made.body)["id"]] = json.loads(heard.body)["title"]
        return made

    def _events(self, session: str) -> Said:
        number = self.turns[session] = self.turns.get(session, 0) + 1
        user, agent = f"{session}-u{number}", f"{session}-a{number}"
        kept = self.sessions[session]
        kept.row("user", "hello")
        kept.row("assistant", "it is so")
        turn: list[tuple[str, dict[str, object]]] = [
            ("connected", {"sessionId": session}),
            ("user_message_created", {"messageId": user, "content": "hello"}),
            ("content", {"content": "it is ", "assistantMessageId": agent}),
            ("content", {"content": "so", "assistantMessageId": agent}),
            ("complete", {"done": True, "content": "it is so", "messageId": agent}),
        ]
        frames = [vendor_stub.frame(name, {"type": name, **data}, at) for at, (name, data) in enumerate(turn)]
        return Said(b"".join(frames), "text/event-stream")

    def mark(self, heard: Heard) -> bytes:
        """The misdeed that a stream's session was named for."""
        url = urlsplit(heard.path)
        if url.path != "/stream":
            return b""
        title = self.titles.get(dict(parse_qsl(url.query))["sessionId"], "")
        return re.sub(r"hostile-(.+)-\d+", r"hostile:\1!", title).encode()


def sent_to_mix(heard: Heard) -> bytes:
    """Mix names its sessions by the case, which is no message."""
    return b"" if heard.path == "/api/sessions" else marked_by(heard)


@dataclass(frozen=True)
class Trial:
    """One engine in one manner, and a good server for it; `unnoticed` are misdeeds its protocol cannot show."""

    name: str
    config: Callable[[str], EngineConfig]
    server: Callable[[], Answering]
    streams: bool = False
    unnoticed: Mapping[str, str] = field(default_factory=dict)  # with the reason
    mark: Callable[[Heard], bytes] | None = None

    def connect(self, url: str) -> Engine:
        return self.config(url).connect(Setting(Path()))

    def suffered(self) -> dict[str, EngineError]:
        """What each misdeed came to."""
        server = self.server()
        mark = server.mark if isinstance(server, MixEvents) else self.mark or marked_by
        return hostile_conformance(self.connect, server, streams=self.streams, unnoticed=self.unnoticed, mark=mark)


def _focal(stream: bool) -> Callable[[str], EngineConfig]:
    return lambda url: Focal(url, tenant=TENANT, stream=stream, faults=FAULTS)


def _openai(stream: bool) -> Callable[[str], EngineConfig]:
    return lambda url: OpenAI(url=f"{url}/v1", model="small", stream=stream, token=vendor_stub.TOKEN, faults=FAULTS)


def _glean(stream: bool) -> Callable[[str], EngineConfig]:
    return lambda url: Glean(url=url, token=vendor_stub.TOKEN, stream=stream, faults=FAULTS)


def _pipeshub(stream: bool) -> Callable[[str], EngineConfig]:
    return lambda url: PipesHub(url=f"{url}/api/v1", token=vendor_stub.TOKEN, stream=stream, faults=FAULTS)


def _mix(url: str) -> EngineConfig:
    return Mix(url=url, token=vendor_stub.TOKEN, faults=FAULTS)


AFTER = "what follows the end is not read"
WHOLE = "the last event holds the whole reply, and that is taken"
NO_SESSIONS = dict.fromkeys(("injects", "mixes-up"), "there are no sessions, and no id is ever sent back")

TRIALS = {
    trial.name: trial
    for trial in (
        Trial("focal", _focal(False), GoodFocal),
        Trial("focal, streamed", _focal(True), GoodFocal, streams=True),
        Trial("openai", _openai(False), lambda: said_by({("POST", PATH): complete}), unnoticed=NO_SESSIONS),
        Trial(
            "openai, streamed",
            _openai(True),
            lambda: said_by({("POST", PATH): complete}),
            streams=True,
            unnoticed={
                **NO_SESSIONS,
                "no-end": "a reply is whole with its `finish_reason`; some servers send no `[DONE]`",
                "after-end": AFTER,
                "twice": "a piece of text is like any other: nothing numbers the pieces",
            },
        ),
        Trial("glean", _glean(False), lambda: said_by(Assistant().routes())),
        Trial("glean, lines", _glean(True), lambda: said_by(Assistant().routes())),
        Trial("mix", _mix, MixAtOnce, mark=sent_to_mix, unnoticed={"mixes-up": "a reply at once names no session"}),
        Trial("mix, events", _mix, MixEvents, streams=True, unnoticed={"after-end": AFTER, "twice": WHOLE}),
        Trial("pipeshub", _pipeshub(False), lambda: said_by(Hub().routes())),
        Trial(
            "pipeshub, streamed",
            _pipeshub(True),
            lambda: said_by(Hub().routes()),
            streams=True,
            unnoticed={"after-end": AFTER, **dict.fromkeys(("only-end", "twice", "reordered"), WHOLE)},
        ),
    )
}

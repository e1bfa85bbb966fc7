"""The `pipeshub` engine: conversations with PipesHub's assistant or one of its agents, streamed or not."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from focal_eval.clock import Clock
from focal_eval.engines.auth import bearer
from focal_eval.engines.base import Abilities, Probe, Session, SessionStart, Setting
from focal_eval.engines.first_token import FirstToken
from focal_eval.engines.parts import parting, path_part
from focal_eval.engines.pipeshub_messages import MessagePage, in_order, page_of, reply_of
from focal_eval.engines.pipeshub_stream import StreamedTurn
from focal_eval.engines.probing import probed
from focal_eval.engines.wire import Faults, Wire
from focal_eval.errors import EngineError, EngineProtocol
from focal_eval.records import Json, MessageRecord, Reply, UnknownType

_REPORTS = frozenset(
    {"response", "tools", "citations", "follow_ups", "reasoning", "confidence", "type", "format", "metadata", "latency_ms"}
    | {"messages_stored"}
)
_OURS = frozenset({"query"})
_PAGE = 100
_MOST_PAGES = 100


@dataclass(frozen=True, slots=True)
class PipesHub:
    """PipesHub's assistant, or one of its agents."""

    url: str = field(metadata={"doc": "Where the server is, up to and including /api/v1."})
    token: str | None = field(default=None, repr=False, metadata={"doc": "A bearer token."})
    token_env: str | None = field(default=None, metadata={"doc": "The environment variable that holds the token."})
    token_file: str | None = field(default=None, metadata={"doc": "The file that holds the token."})
    agent_key: str | None = field(default=None, metadata={"doc": "The key of an agent; the assistant without one."})
    stream: bool = field(default=False, metadata={"doc": "Ask for replies as server-sent events."})
    chat_mode: Literal["agent", "internal_search", "web_search", "quick"] | None = field(
        default=None,
        metadata={"doc": "How it answers; streams need one, `internal_search` where nothing is said, `quick` for an agent."},
    )
    model_key: str | None = field(default=None, metadata={"doc": "The key of a model set up on the server."})
    model_name: str | None = field(default=None, metadata={"doc": "The name of that model."})
    timezone: str | None = field(default=None, metadata={"doc": "The user's, such as Europe/Berlin."})
    tools: tuple[str, ...] = field(default=(), metadata={"doc": "The tools that may be used, by their names."})
    apps: tuple[str, ...] | None = field(default=None, metadata={"doc": "Connectors that are searched."})
    knowledge_bases: tuple[str, ...] | None = field(default=None, metadata={"doc": "Knowledge bases that are searched."})
    delete_sessions: bool = field(default=False, metadata={"doc": "Delete each conversation when its case has ended."})
    extra: Mapping[str, Any] = field(default_factory=dict, metadata={"doc": "More keys of the request's body."})
    faults: Faults = field(default_factory=Faults, metadata={"doc": "Retries, limits and caps."})

    def __post_init__(self) -> None:
        if taken := sorted(_OURS & self.extra.keys()):
            raise ValueError(f"'extra' may not set '{taken[0]}': it is the engine's own")

    def connect(self, setting: Setting) -> PipesHubEngine:
        token = bearer(self, None, setting)
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return PipesHubEngine(self, Wire(self.url, headers=headers, faults=self.faults, clock=setting.clock), setting.clock)

    def agent_file(self, setting: Setting) -> Path | None:
        return None

    @property
    def base(self) -> str:
        """Where conversations are."""
        if self.agent_key is None:
            return "/conversations"
        return f"/agents/{path_part(self.agent_key, 'the agent')}/conversations"

    def body(self, text: str) -> dict[str, Json]:
        """The request that asks a question; the first one and later ones have the same keys."""
        needed = "internal_search" if self.agent_key is None else "quick"
        mode = self.chat_mode or (needed if self.stream else None)
        filters = {"apps": self.apps, "kb": self.knowledge_bases}
        found: dict[str, Json] = {
            "query": text,
            "chatMode": mode,
            "modelKey": self.model_key,
            "modelName": self.model_name,
            "timezone": self.timezone,
            "tools": list(self.tools) or None,
            "filters": {key: list(value) for key, value in filters.items() if value is not None} or None,
            "protocol": "agui" if self.stream else None,
        }
        return {**{key: value for key, value in found.items() if value is not None}, **self.extra}


class PipesHubEngine:
    """Opens conversations on one server."""

    def __init__(self, config: PipesHub, wire: Wire, clock: Clock) -> None:
        self.config, self.wire, self.clock = config, wire, clock
        self._abilities = Abilities(reports=_REPORTS)

    @property
    def abilities(self) -> Abilities:
        return self._abilities

    async def open(self, start: SessionStart) -> Session:
        await self.wire.ready()
        return PipesHubSession(self)

    async def probe(self) -> Probe:
        """Asks for the newest conversation, if there is one."""
        return await probed(self.wire, self.clock, "GET", "/conversations", params={"page": "1", "limit": "1"})

    async def close(self) -> None:
        await self.wire.close()


class PipesHubSession:
    """One conversation; the first question makes it."""

    def __init__(self, engine: PipesHubEngine) -> None:
        self._engine = engine
        self._id: str | None = None
        self._closed = False
        self._answers: list[str] = []

    async def send(self, message: str | None) -> Reply:
        if self._closed:
            raise EngineProtocol("the session is closed")
        if message is None:
            raise EngineError("PipesHub says nothing unasked")
        first = FirstToken(self._engine.clock)
        config = self._engine.config
        body = config.body(message)
        payload = await (self._streamed(body, first) if config.stream else self._asked(body))
        reply = reply_of(payload, wanted=self._id, known=self._answers)
        assert reply.session_id is not None
        self._id = reply.session_id
        if reply.turn_id is not None:
            self._answers.append(reply.turn_id)
        return replace(reply, first_token_ms=first.ms)

    def _path(self, *, streamed: bool) -> str:
        base = self._engine.config.base
        if self._id is None:
            return f"{base}/stream" if streamed else base if self._engine.config.agent_key else f"{base}/create"
        return f"{base}/{path_part(self._id, 'the conversation')}/messages" + ("/stream" if streamed else "")

    async def _asked(self, body: Mapping[str, Json]) -> Json:
        answer = await self._engine.wire.request("POST", self._path(streamed=False), body=body)
        return answer.json()

    async def _streamed(self, body: Mapping[str, Json], first: FirstToken) -> Json:
        turn = StreamedTurn(self._id)
        events = self._engine.wire.events("POST", self._path(streamed=True), body=body)
        async with contextlib.aclosing(events):
            async for event in events:
                if turn.take(event.name, event.json()):
                    first.heard()
                self._id = self._id or turn.conversation
                if turn.done:
                    break
        return turn.whole()

    async def stored(self) -> tuple[MessageRecord, ...] | UnknownType:
        if self._id is None:
            return ()
        path = f"{self._engine.config.base}/{path_part(self._id, 'the conversation')}"
        pages: list[MessagePage] = []
        for number in range(1, _MOST_PAGES + 1):
            params = {"page": str(number), "limit": str(_PAGE), "sortBy": "createdAt", "sortOrder": "asc"}
            answer = await self._engine.wire.request("GET", path, params=params, safe=True)
            pages.append(page_of(answer.json(), self._id))
            if not pages[-1].more:
                return in_order(pages)
        raise EngineProtocol(f"the conversation has more than {_MOST_PAGES} pages of messages")

    async def close(self) -> None:
        self._closed = True
        gone, self._id = self._id, None
        if gone is not None and self._engine.config.delete_sessions:
            with contextlib.suppress(EngineProtocol):  # an id that is none names nothing to delete
                path = f"{self._engine.config.base}/{path_part(gone, 'the conversation')}"
                await parting(self._engine.wire.request("DELETE", path, safe=True))

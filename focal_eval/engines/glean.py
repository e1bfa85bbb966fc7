"""The `glean` engine: Glean's assistant over its REST chat, streamed or not, with the chat saved or the history sent along."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import orjson

from focal_eval.clock import Clock
from focal_eval.engines.auth import bearer
from focal_eval.engines.base import Abilities, Probe, Session, SessionStart, Setting
from focal_eval.engines.first_token import FirstToken
from focal_eval.engines.glean_messages import StreamedChat, agent_message, records_of, reply_of, user_message
from focal_eval.engines.parts import parting
from focal_eval.engines.probing import probed
from focal_eval.engines.wire import Faults, Wire
from focal_eval.errors import EngineError, EngineProtocol
from focal_eval.records import UNKNOWN, Json, MessageRecord, Reply, UnknownType
from focal_eval.text import shorten

_REPORTS = frozenset({"response", "tools", "citations", "follow_ups", "progress", "type", "metadata", "latency_ms"})
_OURS = frozenset({"messages", "saveChat", "chatId", "stream"})
_CHAT, _SAVED, _DELETE = "/rest/api/v1/chat", "/rest/api/v1/getchat", "/rest/api/v1/deletechats"


@dataclass(frozen=True, slots=True)
class Glean:
    """Glean's assistant."""

    url: str = field(metadata={"doc": "The instance's backend, such as https://acme-be.glean.com, without /rest."})
    token: str | None = field(default=None, repr=False, metadata={"doc": "A bearer token."})
    token_env: str | None = field(default=None, metadata={"doc": "The environment variable that holds the token."})
    token_file: str | None = field(default=None, metadata={"doc": "The file that holds the token."})
    oauth: bool = field(default=False, metadata={"doc": "The token is one of OAuth, not one that Glean issued."})
    act_as: str | None = field(default=None, metadata={"doc": "The e-mail address of the user a global token speaks for."})
    stream: bool = field(default=False, metadata={"doc": "Ask for replies as lines of JSON."})
    save: bool = field(
        default=True, metadata={"doc": "Save the chat and go on in it; else all that was said is sent each time."}
    )
    assistant: str | None = field(default=None, metadata={"doc": "DEFAULT, GPT, UNIVERSAL, FAST, ADVANCED or AUTO."})
    mode: Literal["DEFAULT", "QUICK"] | None = field(default=None, metadata={"doc": "How thoroughly the assistant works."})
    application: str | None = field(default=None, metadata={"doc": "The application's id."})
    glean_agent: str | None = field(default=None, metadata={"doc": "The id of an agent made in Glean."})
    locale: str | None = field(default=None, metadata={"doc": "The user's language, such as en or fr-CA."})
    timezone_offset: int | None = field(default=None, metadata={"doc": "In minutes from UTC."})
    timeout_ms: int | None = field(default=None, metadata={"doc": "After which Glean itself gives up, with status 408."})
    delete_sessions: bool = field(default=False, metadata={"doc": "Delete each saved chat when its case has ended."})
    extra: Mapping[str, Any] = field(default_factory=dict, metadata={"doc": "More keys of the request's body."})
    faults: Faults = field(default_factory=Faults, metadata={"doc": "Retries, limits and caps."})

    def __post_init__(self) -> None:
        if self.act_as is not None and not (self.act_as.isascii() and self.act_as.isprintable()):
            raise ValueError("'act_as' is no e-mail address")
        if taken := sorted(_OURS & self.extra.keys()):
            raise ValueError(f"'extra' may not set '{taken[0]}': it is the engine's own")

    def connect(self, setting: Setting) -> GleanEngine:
        token = bearer(self, None, setting)
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        if self.oauth:
            headers["x-glean-auth-type"] = "OAUTH"
        if self.act_as is not None:
            headers["x-glean-actas"] = self.act_as
        return GleanEngine(self, Wire(self.url, headers=headers, faults=self.faults, clock=setting.clock), setting.clock)

    def agent_file(self, setting: Setting) -> Path | None:
        return None

    def settings(self) -> dict[str, Json]:
        """The keys of a request that are the same in every one."""
        config = {"agent": self.assistant, "mode": self.mode}
        found: dict[str, Json] = {
            "agentConfig": {key: value for key, value in config.items() if value is not None} or None,
            "applicationId": self.application,
            "agentId": self.glean_agent,
            "timeoutMillis": self.timeout_ms,
        }
        return {**{key: value for key, value in found.items() if value is not None}, **self.extra}

    def params(self) -> dict[str, str] | None:
        """The query of a request."""
        found = {"locale": self.locale, "timezoneOffset": self.timezone_offset}
        return {key: str(value) for key, value in found.items() if value is not None} or None


class GleanEngine:
    """Opens chats with one instance."""

    def __init__(self, config: Glean, wire: Wire, clock: Clock) -> None:
        self.config, self.wire, self.clock = config, wire, clock
        self._abilities = Abilities(
            reports=_REPORTS | ({"messages_stored"} if config.save else set()),
            seeds=frozenset() if config.save else frozenset({"history"}),
        )

    @property
    def abilities(self) -> Abilities:
        return self._abilities

    async def open(self, start: SessionStart) -> Session:
        await self.wire.ready()
        return GleanSession(self, start)

    async def probe(self) -> Probe:
        """Asks for the list of the user's chats."""
        return await probed(self.wire, self.clock, "POST", "/rest/api/v1/listchats", body={})

    async def close(self) -> None:
        await self.wire.close()


class GleanSession:
    """One chat."""

    def __init__(self, engine: GleanEngine, start: SessionStart) -> None:
        self._engine = engine
        self._chat: str | None = None
        self._closed = False
        self._said: list[dict[str, Json]] = []  # oldest first, sent newest first where the chat is not saved
        for turn in start.history:
            self._said += [user_message(turn.user)] if turn.user is not None else []
            self._said += [agent_message(turn.agent)] if turn.agent is not None else []

    async def send(self, message: str | None) -> Reply:
        if self._closed:
            raise EngineProtocol("the session is closed")
        if message is None:
            raise EngineError("Glean says nothing unasked")
        asked = user_message(message)
        config = self._engine.config
        body: dict[str, Json] = {
            **config.settings(),
            "messages": [asked] if config.save else [asked, *reversed(self._said)],
            "saveChat": config.save,
            "stream": config.stream,
        }
        if self._chat is not None:
            body["chatId"] = self._chat
        first = FirstToken(self._engine.clock)
        reply = reply_of(await (self._streamed(body, first) if config.stream else self._answered(body)), self._chat)
        self._follow(reply, asked)
        return replace(reply, first_token_ms=first.ms)

    async def _answered(self, body: Mapping[str, Json]) -> Json:
        answer = await self._engine.wire.request("POST", _CHAT, body=body, params=self._engine.config.params())
        return answer.json()

    async def _streamed(self, body: Mapping[str, Json], first: FirstToken) -> Json:
        """The reply put together from its lines; no line says that it is the last one."""
        chat = StreamedChat()
        params, headers = self._engine.config.params(), {"accept": "text/plain"}
        lines = self._engine.wire.lines("POST", _CHAT, body=body, params=params, headers=headers)
        async with contextlib.aclosing(lines):
            async for line in lines:
                if line.strip() and chat.take(_line(line)):
                    first.heard()
        return chat.whole()

    def _follow(self, reply: Reply, asked: dict[str, Json]) -> None:
        """Goes on in the chat the reply names, or keeps what was said."""
        if self._engine.config.save:
            if reply.session_id is None:
                raise EngineProtocol("the reply names no chat to go on in; set 'save: false' where chats are not saved")
            self._chat = reply.session_id
        else:
            assert reply.response is not UNKNOWN
            self._said += [asked, agent_message(reply.response)]

    async def stored(self) -> tuple[MessageRecord, ...] | UnknownType:
        if not self._engine.config.save:
            return UNKNOWN
        if self._chat is None:
            return ()
        answer = await self._engine.wire.request("POST", _SAVED, body={"id": self._chat}, safe=True)
        return records_of(answer.json(), self._chat)

    async def close(self) -> None:
        self._closed = True
        gone, self._chat = self._chat, None
        if gone is not None and self._engine.config.delete_sessions:
            await parting(self._engine.wire.request("POST", _DELETE, body={"ids": [gone]}, safe=True))


def _line(line: bytes) -> Json:
    try:
        return orjson.loads(line)
    except ValueError:
        said = shorten(line[:200].decode("utf-8", "replace"), 100)
        raise EngineProtocol(f"a line of the stream is not JSON: {said}") from None

"""The `mix` engine: a Mix server's sessions; the answer comes as events, what tools gave is read from the stored messages."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from focal_eval.clock import Clock
from focal_eval.engines.auth import bearer
from focal_eval.engines.base import Abilities, Probe, Session, SessionStart, Setting
from focal_eval.engines.first_token import FirstToken
from focal_eval.engines.mix_records import (
    Row,
    bare,
    merged,
    of_last_turn,
    records_of,
    rows_of,
    synchronous_reply,
    turn_cost,
    turn_model,
    turn_tokens,
    with_rows,
)
from focal_eval.engines.mix_stream import PermissionAsked, QuestionAsked, StreamedTurn, connected_session
from focal_eval.engines.parts import Part, parting, path_part
from focal_eval.engines.probing import probed
from focal_eval.engines.wire import Answer, Event, Faults, Wire
from focal_eval.errors import EngineError, EngineProtocol, EngineStatus
from focal_eval.records import UNKNOWN, Json, MessageRecord, Reply, UnknownType
from focal_eval.text import shorten

_REPORTS = frozenset({"response", "tools", "reasoning", "reasoning_ms", "metadata", "messages_stored"})
_COSTS = frozenset({"tokens", "cost"})


@dataclass(frozen=True, slots=True)
class Mix:
    """A Mix server."""

    url: str = field(metadata={"doc": "Where the server is, such as http://127.0.0.1:8088, without /api."})
    token: str | None = field(default=None, repr=False, metadata={"doc": "A bearer token, where a proxy asks for one."})
    token_env: str | None = field(default=None, metadata={"doc": "The environment variable that holds the token."})
    token_file: str | None = field(default=None, metadata={"doc": "The file that holds the token."})
    permissions: Literal["allow", "deny", "fail"] = field(
        default="fail", metadata={"doc": "The answer to a tool that asks; `fail` denies it and ends the turn as an error."}
    )
    allow: tuple[str, ...] = field(
        default=(), metadata={"doc": "Tools that are always allowed, by name; `permissions` is for the others."}
    )
    questions: Literal["acknowledge", "fail"] = field(
        default="acknowledge",
        metadata={"doc": "What becomes of a notification; one that waits for words always ends the turn."},
    )
    commands: Literal["refuse", "send"] = field(
        default="refuse", metadata={"doc": "Whether a message may begin with `/` or `!`, which a server may run as a command."}
    )
    read_back: bool = field(
        default=True, metadata={"doc": "Read the stored messages after each turn: only they tell results, tokens and costs."}
    )
    browser_mode: Literal["electron-embedded-browser", "local-browser-service", "remote-cdp-websocket"] = field(
        default="local-browser-service", metadata={"doc": "Which browser the session's tools use."}
    )
    cdp_url: str | None = field(default=None, metadata={"doc": "Where the remote browser is, ws:// or wss://."})
    prompt: str | None = field(default=None, metadata={"doc": "A system prompt of your own."})
    prompt_mode: Literal["default", "append", "replace"] | None = field(
        default=None, metadata={"doc": "What becomes of `prompt`; `append` where there is one."}
    )
    max_steps: int | None = field(default=None, metadata={"doc": "How many steps the agent may take in a turn."})
    plan_mode: bool | None = field(default=None, metadata={"doc": "Only plan, change nothing."})
    thinking: Literal["off", "basic", "medium", "maximum"] | None = field(
        default=None, metadata={"doc": "How much the model thinks."}
    )
    delete_sessions: bool = field(default=False, metadata={"doc": "Delete each session when its case has ended."})
    extra: Mapping[str, Any] = field(default_factory=dict, metadata={"doc": "More keys of the request that makes a session."})
    faults: Faults = field(default_factory=Faults, metadata={"doc": "Retries, limits and caps."})

    def __post_init__(self) -> None:
        if self.prompt is None and self.prompt_mode in ("append", "replace"):
            raise ValueError(f"'prompt_mode: {self.prompt_mode}' needs 'prompt'")
        if self.prompt is not None and self.prompt_mode == "default":
            raise ValueError("'prompt_mode: default' makes the server ignore 'prompt'; append it, or replace the server's")
        if (self.cdp_url is None) == (self.browser_mode == "remote-cdp-websocket"):
            raise ValueError("'cdp_url' and 'browser_mode: remote-cdp-websocket' go together")
        if self.max_steps is not None and self.max_steps < 1:
            raise ValueError("'max_steps' must be above 0")

    def connect(self, setting: Setting) -> MixEngine:
        token = bearer(self, None, setting)
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return MixEngine(self, Wire(self.url, headers=headers, faults=self.faults, clock=setting.clock), setting.clock)

    def agent_file(self, setting: Setting) -> Path | None:
        return None

    def session_body(self, title: str) -> dict[str, Json]:
        """The request that makes a session."""
        mode = self.prompt_mode or ("default" if self.prompt is None else "append")
        body: dict[str, Json] = {"title": title, "browserMode": self.browser_mode, "promptMode": mode, "sessionType": "main"}
        more = {"customSystemPrompt": self.prompt, "cdpUrl": self.cdp_url}
        return {**body, **{key: value for key, value in more.items() if value is not None}, **self.extra}

    def message_body(self, text: str) -> dict[str, Json]:
        """The request that sends a message; servers before SDK 0.4.5 read `content`, later ones read `text`."""
        options = {"max_steps": self.max_steps, "plan_mode": self.plan_mode, "thinking_level": self.thinking}
        return {"text": text, "content": text, **{key: value for key, value in options.items() if value is not None}}


class MixEngine:
    """Opens sessions on one server."""

    def __init__(self, config: Mix, wire: Wire, clock: Clock) -> None:
        self.config, self.wire, self.clock = config, wire, clock
        self._abilities = Abilities(reports=_REPORTS | _COSTS if config.read_back else _REPORTS)

    @property
    def abilities(self) -> Abilities:
        return self._abilities

    async def open(self, start: SessionStart) -> Session:
        try:
            answer = await self.wire.request("POST", "/api/sessions", body=self.config.session_body(start.case))
        except EngineStatus as problem:
            if problem.status in (404, 405):
                await self._check_dialect()
            raise
        made = Part(bare(answer.json()), "the session")
        return MixSession(self, made.text("id"))

    async def _check_dialect(self) -> None:
        """Raises EngineProtocol where the server is one of August 2025, which knows no sessions below /api."""
        try:
            answer = await self.wire.request("POST", "/rpc", body={"method": "sessions.list", "params": {}, "id": 1}, safe=True)
            told = answer.json()
        except EngineError:
            return
        if isinstance(told, dict) and "id" in told and ("result" in told or "error" in told):
            raise EngineProtocol(
                "this Mix server speaks the JSON-RPC dialect of August 2025 (POST /rpc), which this engine does not; "
                "servers from September 2025 on are spoken"
            )

    async def probe(self) -> Probe:
        """Asks for the list of sessions."""
        return await probed(self.wire, self.clock, "GET", "/api/sessions")

    async def close(self) -> None:
        await self.wire.close()


class MixSession:
    """One session; each turn listens to its events first and sends the message then, so that none is missed."""

    def __init__(self, engine: MixEngine, session: str) -> None:
        self._engine, self._id = engine, session
        self._path = f"/api/sessions/{path_part(session, 'the session')}"
        self._closed = False
        self._busy = False  # a turn began and did not end

    async def send(self, message: str | None) -> Reply:
        if self._closed:
            raise EngineProtocol("the session is closed")
        if message is None:
            raise EngineError("Mix says nothing unasked")
        if self._engine.config.commands == "refuse" and message.lstrip()[:1] in ("!", "/"):
            said = f"the message begins with '{message.lstrip()[0]}', which a Mix server may run as a command"
            raise EngineError(f"{said}; set 'commands: send' in the engine to send it all the same")
        turn, asked = StreamedTurn(self._id), list[Json]()
        events = self._engine.wire.events("GET", "/stream", params={"sessionId": self._id}, safe=True)
        async with contextlib.aclosing(events):
            await self._connected(events)
            first = FirstToken(self._engine.clock)
            answer = await self._exchanged(message, self._listened(events, turn, asked, first))
        if answer.status != 202:
            return await self._synchronous(answer, asked)
        if turn.done is None:
            said = f"after {shorten(turn.text, 60)!r}" if turn.words else "before any word"
            raise EngineProtocol(f"the stream ended before the turn was complete, {said}")
        return await self._reply(turn, asked, first)

    async def _exchanged(self, message: str, listening: Coroutine[Any, Any, None]) -> Answer:
        """Sends the message while its events are heard: early servers answer only when the turn is over, and ask meanwhile."""
        self._busy = True
        body = self._engine.config.message_body(message)
        sent = asyncio.ensure_future(self._engine.wire.request("POST", f"{self._path}/messages", body=body))
        heard = asyncio.ensure_future(listening)
        try:
            await asyncio.wait((sent, heard), return_when=asyncio.FIRST_COMPLETED)
            if heard.done() and (problem := heard.exception()) is not None:
                raise problem
            answer = await sent
            if answer.status == 202:
                await heard
            self._busy = False
            return answer
        finally:
            for task in (sent, heard):
                task.cancel()
            await asyncio.gather(sent, heard, return_exceptions=True)

    async def _listened(self, events: AsyncIterator[Event], turn: StreamedTurn, asked: list[Json], first: FirstToken) -> None:
        """Hears the turn to its end, and answers what is asked on the way."""
        async for event in events:
            words = len(turn.words)
            wants = turn.take(event.name, event.json())
            if len(turn.words) > words:
                first.heard()
            if isinstance(wants, PermissionAsked):
                asked.append({**wants.as_json(), "answer": await self._permit(wants)})
            elif isinstance(wants, QuestionAsked):
                await self._respond(wants)
            if turn.done is not None:
                return

    async def _connected(self, events: AsyncIterator[Event]) -> None:
        """Waits until the server listens: what it says before that is lost."""
        async for event in events:
            if event.name == "connected":
                return connected_session(event.json(), self._id)
            if event.name == "error":
                StreamedTurn(self._id).take(event.name, event.json())
        raise EngineProtocol("the stream ended before it was connected")

    async def _permit(self, wants: PermissionAsked) -> str:
        """Answers by the suite's policy, and returns it. Raises EngineError where that is to fail."""
        config = self._engine.config
        policy = "allow" if wants.tool in config.allow else config.permissions
        answer = "grant" if policy == "allow" else "deny"
        await self._engine.wire.request("POST", f"/api/permissions/{path_part(wants.id, 'the permission')}/{answer}")
        if policy == "fail":
            about = f" ({shorten(wants.about, 100)})" if wants.about else ""
            raise EngineError(f"{wants.tool} asked for a permission{about}; the engine's 'permissions' is 'fail'")
        return policy

    async def _respond(self, wants: QuestionAsked) -> None:
        """Acknowledges a notification; nobody is there to answer a question in words."""
        if wants.response == "acknowledge" and self._engine.config.questions == "acknowledge":
            path = f"/api/notifications/{path_part(wants.id, 'the notification')}/respond"
            await self._engine.wire.request("POST", path, body={"type": "acknowledge"})
            return
        raise EngineError(f"Mix asked something beside the conversation: {shorten(wants.title, 100)}")

    async def _reply(self, turn: StreamedTurn, asked: list[Json], first: FirstToken) -> Reply:
        rows: tuple[Row, ...] = ()
        if self._engine.config.read_back:
            rows = of_last_turn(await self._rows(), turn.user)
        stored = [call for row in rows for call in row.tools]
        texts = turn.messages
        return Reply(
            response="\n\n".join(texts),
            messages=texts if len(texts) > 1 else (),
            tools=merged(turn.tools(), stored),
            reasoning=turn.reasoning,
            reasoning_ms=turn.reasoning_ms,
            metadata={"permissions": asked} if asked else {},
            tokens=turn_tokens(rows),
            cost=turn_cost(rows),
            model=turn_model(rows),
            session_id=self._id,
            turn_id=turn.message or next((row.id for row in reversed(rows) if row.role == "assistant"), None),
            first_token_ms=first.ms,
            raw=None if turn.done is None else turn.done.data,
        )

    async def _synchronous(self, answer: Answer, asked: list[Json]) -> Reply:
        """The reply of an early server, with the calls of all the turn's rows where they are read back."""
        reply = synchronous_reply(answer.json(), self._id)
        if self._engine.config.read_back:
            reply = with_rows(reply, of_last_turn(await self._rows(), None))
        else:
            reply = replace(reply, tokens=UNKNOWN, cost=UNKNOWN)
        return replace(reply, metadata={"permissions": asked} if asked else {})

    async def _rows(self) -> tuple[Row, ...]:
        answer = await self._engine.wire.request("GET", f"{self._path}/messages", safe=True)
        return rows_of(answer.json(), self._id)

    async def stored(self) -> tuple[MessageRecord, ...] | UnknownType:
        return records_of(await self._rows(), self._id)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._busy:  # nobody hears the rest of the turn; the server need not go on with it
            await parting(self._engine.wire.request("POST", f"{self._path}/cancel", safe=True))
        if self._engine.config.delete_sessions:
            await parting(self._engine.wire.request("DELETE", self._path, safe=True))

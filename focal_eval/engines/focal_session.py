"""One conversation with a Focal server: its user is new, and every answer is held to belong to it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from focal_eval.clock import Clock
from focal_eval.engines.base import SessionStart
from focal_eval.engines.focal_catalogue import Meant, listing
from focal_eval.engines.focal_records import (
    EXTRA,
    ChatReply,
    SessionState,
    StoredTurn,
    chat_reply,
    messages_of,
    reply_of,
    session_state,
    stored_turn,
)
from focal_eval.engines.focal_served import UNASKED, ToolAsked, asked, tool_answer, tool_asked, whole_messages, whole_reply
from focal_eval.engines.focal_stream import StreamedTurn, StreamError, exact_text
from focal_eval.engines.wire import Wire
from focal_eval.engines.wire_answer import plain
from focal_eval.errors import EngineError, EngineProtocol, EngineStatus
from focal_eval.records import UNKNOWN, Json, MessageRecord, Reply, UnknownType
from focal_eval.value import value

MOST_CALLS = 1_000  # of tools in one turn


@value
class Manner:
    """How conversations are held: what the suite says of the engine, settled."""

    tenant: str
    channel: str | None
    served: bool
    stream: bool
    reads: frozenset[str]
    delete: bool
    stored: bool = True


@dataclass(slots=True)
class Opened:
    """The sessions of a run: an id that comes twice is a conversation that was not fresh."""

    ids: set[str] = field(default_factory=set)


class FocalSession:
    """One conversation."""

    def __init__(self, wire: Wire, manner: Manner, meant: Meant, start: SessionStart, opened: Opened, clock: Clock) -> None:
        self._wire, self._manner, self._meant, self._start, self._opened = wire, manner, meant, start, opened
        self._user = f"{start.case}-{clock.new_id()[:12]}"  # never an earlier one: Focal goes on with a known user's session
        self._id: str | None = None
        self._sent = 0
        self._clock = clock
        self._answered: set[str] = set()
        self._stored: list[StoredTurn] = []

    async def send(self, message: str | None) -> Reply:
        manner = self._manner
        if message is None and not manner.served:
            raise EngineError("Focal says nothing unasked")
        body = self._body(message)
        self._sent += 1
        chat = await (self._streamed(body) if manner.stream else self._asked(body))
        self._follow(chat)
        if manner.served:
            return self._whole(chat)
        stored: StoredTurn | None | UnknownType = UNKNOWN
        state: SessionState | UnknownType = UNKNOWN
        if "turns" in manner.reads and (manner.stream or not chat.tools):  # a list that is not empty says it all
            stored = await self._read_turn(chat.turn)
            if manner.stream:
                chat = exact_text(chat, None if stored is None else stored.agent, "that are stored")
        if "session" in manner.reads:
            state = await self._read_state()
        return reply_of(chat, self._meant.names, stored=stored, state=state)

    def _body(self, message: str | None) -> dict[str, Json]:
        manner, start = self._manner, self._start
        body: dict[str, Json] = {
            "tenant_id": manner.tenant,
            "agent_id": self._meant.id,
            "channel": manner.channel or start.channel,
            "user_channel_id": self._user,
            "message": UNASKED if message is None else message,
        }
        if self._id is not None:
            body["session_id"] = self._id
        metadata = dict(start.metadata)
        if manner.served:
            metadata[EXTRA] = asked(start, begins=self._id is None, unasked=message is None)
        if metadata:
            body["metadata"] = metadata
        return body

    async def _asked(self, body: Mapping[str, Json]) -> ChatReply:
        answer = await self._wire.request("POST", "/v1/chat", body=body)
        for _ in range(MOST_CALLS):
            if answer.status != 202:
                return chat_reply(answer.json())
            call = tool_asked(answer.json())
            answer = await self._wire.request("POST", _answers(call), body=self._stub(call))
        raise EngineProtocol(f"the turn asked for more than {MOST_CALLS:,} calls of tools")

    async def _streamed(self, body: Mapping[str, Json]) -> ChatReply:
        turn = StreamedTurn()
        elapsed = self._clock.elapsed
        began = elapsed()
        async with contextlib.aclosing(self._wire.events("POST", "/v1/chat/stream", body=body)) as events:
            async for event in events:
                told = turn.take(event.name, event.json())
                if turn.words and turn.first_ms is None:
                    turn.first_ms = (elapsed() - began) * 1000
                if isinstance(told, StreamError):
                    said = f"the engine broke off its stream ({plain(told.code, 60)}): {plain(told.message, 200)}"
                    raise EngineStatus(said, status=200, code=told.code)
                if isinstance(told, ToolAsked):
                    await self._wire.request("POST", _answers(told), body=self._stub(told))
        return turn.reply()

    def _stub(self, call: ToolAsked) -> dict[str, Json]:
        stubs = self._start.stubs
        return tool_answer(call, None if stubs is None else stubs(call.name, call.arguments))

    def _follow(self, chat: ChatReply) -> None:
        """Holds a reply to this conversation. Raises EngineProtocol where it belongs to another one."""
        if self._id is None:
            if chat.session in self._opened.ids:
                raise EngineProtocol(f"the session {chat.session} belongs to another case of this run; it was not fresh")
            self._opened.ids.add(chat.session)
            self._id = chat.session
        elif chat.session != self._id:
            raise EngineProtocol(f"the reply belongs to the session {chat.session}, not to {self._id}")
        if chat.turn in self._answered:
            raise EngineProtocol(f"the turn {chat.turn} was answered before")
        self._answered.add(chat.turn)

    def _whole(self, chat: ChatReply) -> Reply:
        reply = whole_reply(chat)
        text = reply.response
        if text is UNKNOWN:
            raise EngineProtocol(f"'{EXTRA}' of the reply has no 'response'")
        if self._manner.stream:
            exact_text(chat, text, "of the whole reply")
        elif text != chat.response:
            raise EngineProtocol(f"'{EXTRA}' of the reply has another text than the reply")
        return reply

    async def _read_turn(self, turn: str) -> StoredTurn | None:
        """The stored turn with this id, None where it is not stored; only what was not read before is asked for."""
        for item in await self._listed({}, len(self._stored)):
            self._stored.append(stored_turn(item))
        return next((one for one in reversed(self._stored) if one.id == turn), None)

    async def _listed(self, params: Mapping[str, str], offset: int = 0) -> list[Json]:
        path = f"/v1/sessions/{self._id}/turns"
        return await listing(self._wire, path, "the stored turns", {"sort": "asc", **params}, offset)

    async def _read_state(self) -> SessionState:
        assert self._id is not None
        answer = await self._wire.request("GET", f"/v1/sessions/{self._id}", safe=True)
        state = session_state(answer.json(), self._id)
        if state.turns > self._sent:
            said = f"it counts {state.turns} turns where {self._sent} were sent"
            raise EngineProtocol(f"the session {self._id} is not this conversation's alone: {said}")
        return state

    async def stored(self) -> tuple[MessageRecord, ...] | UnknownType:
        """The whole list, read anew: what was stored late or changed since must be seen."""
        if not self._manner.stored:
            return UNKNOWN
        if self._id is None:
            return ()
        if self._manner.served:
            return whole_messages([stored_turn(item) for item in await self._listed({EXTRA: "true"})])
        turns = [stored_turn(item) for item in await self._listed({})]
        return tuple(message for turn in turns for message in messages_of(turn, self._meant.names))

    async def close(self) -> None:
        if self._id is None or not self._manner.delete:
            return
        gone, self._id = self._id, None
        with contextlib.suppress(EngineError):
            await self._wire.request("DELETE", f"/v1/sessions/{gone}", safe=True)


def _answers(call: ToolAsked) -> str:
    return f"/v1/focal-eval/turns/{call.turn}"

"""The sessions a server keeps, and the turns of each."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from focal_eval.clock import Clock
from focal_eval.engines.base import HistoryTurn, SessionStart
from focal_eval.engines.embedded import EmbeddedEngine
from focal_eval.errors import EngineError
from focal_eval.records import MessageRecord, Reply, ScenarioState
from focal_eval.server.contract import EXTRA, ChatRequest, Start
from focal_eval.server.refusals import invalid, not_found
from focal_eval.server.turns import RunningTurn, ServedSession

MAX_SESSIONS = 20_000
CHANNELS = frozenset({"whatsapp", "slack", "webchat", "email", "voice", "sms", "api"})


@dataclass(frozen=True, slots=True)
class Filed:
    """A turn that happened."""

    id: str
    number: int
    user: str | None
    reply: Reply
    before: ScenarioState | None
    messages: tuple[MessageRecord, ...]  # as the agent keeps them
    latency_ms: int
    at: str

    @property
    def started(self) -> bool:
        """Whether it began a scenario."""
        moves: Any = self.reply.transitions
        return any(move.kind == "start" for move in moves)


@dataclass(slots=True, eq=False)
class Kept:
    """A session: who talks to the agent, and what was said."""

    id: str
    tenant: str
    agent: str
    channel: str
    user: str
    engine: ServedSession
    created: str
    last: str
    turns: list[Filed] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    running: RunningTurn | None = None

    def fires(self) -> dict[str, int]:
        """How often each rule matched, by name."""
        out: dict[str, int] = {}
        for turn in self.turns:
            rules: Any = turn.reply.rules
            for rule in rules:
                out[rule.name] = out.get(rule.name, 0) + 1
        return out

    def give_up(self) -> None:
        """Ends a turn that waits for the client; one that is being played goes on."""
        if self.running is not None and self.running.stands:
            self.running.give_up()


class Sessions:
    """Every session by its id and by who talks; the ones used last are kept."""

    def __init__(self, engine: EmbeddedEngine, clock: Clock, most: int) -> None:
        self._engine, self._clock, self._most = engine, clock, most
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._users: dict[tuple[str, str, str], str] = {}

    def of(self, chat: ChatRequest, start: Start | None) -> Kept:
        """The session a message belongs to, a new one where there is none. Raises Refusal."""
        if chat.session_id:
            kept = self.get(chat.session_id)
        else:
            known = self._users.get(_user(chat))
            if known is None:
                return self._begin(chat, start or Start())
            kept = self.get(known)
        if start is not None:
            said = f"The session {kept.id} has begun already; use a new user_channel_id"
            raise invalid(f"body.metadata.{EXTRA}.start", said)
        return kept

    def get(self, id: str) -> Kept:
        """The session with this id. Raises Refusal."""
        kept = self._kept.get(id.lower())
        if kept is None:
            raise not_found("SESSION", id)
        self._kept.move_to_end(kept.id)
        return kept

    def drop(self, kept: Kept) -> None:
        """Forgets a session."""
        kept.give_up()
        self._kept.pop(kept.id, None)
        self._users.pop((kept.tenant, kept.channel, kept.user), None)

    def _begin(self, chat: ChatRequest, start: Start) -> Kept:
        new, now = new_uuid(self._clock), timestamp(self._clock.now())
        given = SessionStart(
            case=new,
            channel=chat.channel,
            metadata={name: value for name, value in (chat.metadata or {}).items() if name != EXTRA},
            variables=start.variables,
            history=tuple(HistoryTurn(turn.user, turn.agent) for turn in start.history),
            scenario=start.scenario,
        )
        try:
            session = ServedSession(self._engine, given)
        except EngineError as problem:
            raise invalid(f"body.metadata.{EXTRA}.start", str(problem)) from None
        tenant, channel, user = _user(chat)
        kept = Kept(new, tenant, str(chat.agent_id), channel, user, session, now, now)
        self._kept[new] = kept
        self._users[tenant, channel, user] = new
        if len(self._kept) > self._most:
            self.drop(next(iter(self._kept.values())))
        return kept


def _user(chat: ChatRequest) -> tuple[str, str, str]:
    channel = chat.channel if chat.channel in CHANNELS else "api"
    return str(chat.tenant_id), channel, chat.user_channel_id


def new_uuid(clock: Clock) -> str:
    """A new id, spelled as a UUID."""
    made = clock.new_id()
    return "-".join((made[:8], made[8:12], made[12:16], made[16:20], made[20:32]))


def timestamp(moment: datetime) -> str:
    """RFC 3339 with microseconds and the suffix Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

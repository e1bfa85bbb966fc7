"""The `focal` engine: conversations with a live Focal over HTTP, streamed or not, or with an agent that this package serves."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import field
from pathlib import Path
from typing import Literal

from focal_eval.clock import Clock, named_uuid
from focal_eval.engines.auth import bearer
from focal_eval.engines.base import Abilities, Names, Probe, Session, SessionStart, Setting
from focal_eval.engines.focal_catalogue import Meant, catalogue, find_agent
from focal_eval.engines.focal_fields import is_uuid
from focal_eval.engines.focal_names import Aliases, read_aliases
from focal_eval.engines.focal_served import REPORTS as SERVED_REPORTS
from focal_eval.engines.focal_session import FocalSession, Manner, Opened
from focal_eval.engines.probing import ROUNDS, Rounds, address
from focal_eval.engines.wire import Faults, Wire
from focal_eval.errors import UsageError
from focal_eval.value import value

_REPORTS = frozenset({"response", "rules", "tokens", "latency_ms", "metadata", "messages_stored"})
_SEEDS = frozenset({"variables", "history", "scenario"})
_ANYBODY = named_uuid("tenant")  # of a served agent, which looks no tenant up


@value
class Focal:
    """A Focal server, or an agent that `focal-eval serve` serves."""

    url: str = field(metadata={"doc": "Where the server is, without /v1."})
    agent: str | None = field(default=None, metadata={"doc": "The agent's UUID or name; not needed where there is one only."})
    tenant: str | None = field(default=None, metadata={"doc": "The tenant's UUID; not needed where the token names it."})
    channel: str | None = field(default=None, metadata={"doc": "Sent instead of the script's channel."})
    token: str | None = field(default=None, repr=False, metadata={"doc": "A bearer token."})
    token_env: str | None = field(default=None, metadata={"doc": "The environment variable that holds the token."})
    token_file: str | None = field(default=None, metadata={"doc": "The file that holds the token."})
    dev_secret_env: str | None = field(
        default=None, metadata={"doc": "The environment variable with a secret to sign tokens with; for development."}
    )
    served: bool = field(default=False, metadata={"doc": "The server is `focal-eval serve`, and is asked for whole replies."})
    stream: bool = field(default=False, metadata={"doc": "Ask for replies as server-sent events."})
    reads: tuple[Literal["turns", "session"], ...] | None = field(
        default=None,
        metadata={"doc": "Read after each turn: `turns` for tools, `session` for variables and the scenario of a stream."},
    )
    agent_file_: str | None = field(
        default=None, metadata={"key": "agent_file", "doc": "An agent file that names in scripts are checked against."}
    )
    aliases: str | None = field(
        default=None, metadata={"doc": "A file that says what scripts call rules, scenarios, steps and tools."}
    )
    stored: bool = field(
        default=True, metadata={"doc": "Read the stored messages back when a case has ended: one request a case, at least."}
    )
    delete_sessions: bool = field(default=False, metadata={"doc": "Delete each session when its case has ended."})
    faults: Faults = field(default_factory=Faults, metadata={"doc": "Retries, limits and caps."})

    def __post_init__(self) -> None:
        if self.tenant is not None and not is_uuid(self.tenant):
            raise ValueError(f"'tenant' is '{self.tenant}'; a UUID is expected")
        for key in ("reads", "aliases"):
            if self.served and getattr(self, key) is not None:
                raise ValueError(f"'{key}' has no use with 'served: true': a whole reply tells everything by its name")

    def connect(self, setting: Setting) -> FocalEngine:
        token = bearer(self, self.tenant or (_ANYBODY if self.served else None), setting)
        tenant = self._tenant(token)
        manner = Manner(tenant, self.channel, self.served, self.stream, self._reads(), self.delete_sessions, self.stored)
        aliases = Aliases() if self.aliases is None else read_aliases(setting.root / self.aliases, self.aliases)
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        wire = Wire(self.url, headers=headers, faults=self.faults, clock=setting.clock)
        return FocalEngine(wire, manner, self.agent, aliases, self._abilities(setting), setting.clock)

    def agent_file(self, setting: Setting) -> Path | None:
        return None if self.agent_file_ is None else setting.root / self.agent_file_

    def _tenant(self, token: str | None) -> str:
        """The tenant of chats. Focal does not compare it with the token's, and then shows the session to nobody."""
        claimed = None if token is None else tenant_claim(token)
        if self.tenant is not None and claimed is not None and claimed.lower() != self.tenant.lower():
            raise UsageError(f"the engine's 'tenant' is {self.tenant}, but its token is of the tenant {claimed}")
        tenant = self.tenant or claimed or (_ANYBODY if self.served else None)
        if tenant is None:
            raise UsageError("the engine 'focal' needs 'tenant', or a token that names one")
        return tenant

    def _reads(self) -> frozenset[str]:
        if self.served:
            return frozenset()
        if self.reads is not None:
            return frozenset(self.reads)
        return frozenset({"turns", "session"} if self.stream else {"turns"})

    def _abilities(self, setting: Setting) -> Abilities:
        unread = frozenset() if self.stored else frozenset({"messages_stored"})
        if self.served:
            return Abilities(reports=SERVED_REPORTS - unread, speaks_first=self._greets(setting), seeds=_SEEDS, stubs=True)
        reads = self._reads()
        reports = set(_REPORTS - unread)
        if "turns" in reads:
            reports.add("tools")
        if "session" in reads:
            reports.add("variables")
        if "session" in reads or not self.stream:
            reports.add("scenario")
        return Abilities(reports=frozenset(reports))

    def _greets(self, setting: Setting) -> bool:
        """Whether a served agent speaks first, as far as its file tells; the server is asked nothing before a run."""
        path = self.agent_file(setting)
        if path is None:
            return True
        from focal_eval.agent.load import open_agent

        return open_agent(path, self.agent_file_).file.greeting is not None


class FocalEngine:
    """Opens conversations with one agent of one server; what the server lists is asked once."""

    def __init__(
        self, wire: Wire, manner: Manner, agent: str | None, aliases: Aliases, abilities: Abilities, clock: Clock
    ) -> None:
        self._wire, self._manner, self._agent, self._aliases = wire, manner, agent, aliases
        self._abilities, self._clock = abilities, clock
        self._opened = Opened()
        self._meant: Meant | None = None
        self._asking = asyncio.Lock()

    @property
    def abilities(self) -> Abilities:
        return self._abilities

    async def open(self, start: SessionStart) -> Session:
        await self._wire.ready()
        return FocalSession(self._wire, self._manner, await self._known(), start, self._opened, self._clock)

    async def _known(self) -> Meant:
        """The agent and its names, asked by the first conversation for all."""
        async with self._asking:
            if self._meant is None:
                self._meant = await find_agent(self._wire, self._agent, self._aliases, served=self._manner.served)
            return self._meant

    async def listed(self) -> Names:
        """Its rules and scenarios by the names that scripts use."""
        return await catalogue(self._wire, await self._known(), self._aliases)

    async def probe(self) -> Probe:
        """Its health, which needs no token, then what it lists, which does."""
        rounds = Rounds(self._wire, self._clock)
        for _ in range(ROUNDS):
            await rounds.ask("GET", "/health")
        meant, names = await self._known(), await self.listed()
        asked = ("GET /health", "GET /v1/agents")
        return Probe(address(self._wire.url), asked, tuple(rounds.times_ms), authorised=True, agent=meant.name, names=names)

    async def close(self) -> None:
        await self._wire.close()


def tenant_claim(token: str) -> str | None:
    """The tenant a token names, None where it cannot be told; its signature is the server's business."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        tenant = claims["tenant_id"]
    except (IndexError, KeyError, TypeError, ValueError, RecursionError):
        return None
    return tenant if isinstance(tenant, str) and is_uuid(tenant) else None

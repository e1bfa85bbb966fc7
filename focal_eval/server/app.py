"""The application: which path is answered by whom, who may ask, and what is said where that goes wrong."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from focal_eval import __version__
from focal_eval.clock import Clock
from focal_eval.engines.embedded import EmbeddedEngine
from focal_eval.server.catalogue import Catalogue, Ids, Item, page
from focal_eval.server.chat import Talk
from focal_eval.server.contract import EXTRA, is_uuid, paging_of, uuid_in_path
from focal_eval.server.refusals import Refusal, Unauthorised, as_json, broken, detail, not_found
from focal_eval.server.sessions import MAX_SESSIONS, Kept, Sessions, new_uuid, timestamp
from focal_eval.server.shown import Shown
from focal_eval.server.tokens import Gate

log = logging.getLogger(__name__)
Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Options:
    """How an agent is served; the defaults are the command's."""

    jwt_secret: str | None = field(default=None, repr=False)
    latency_ms: float = 0.0
    cors: tuple[str, ...] = ()
    focal_quirks: bool = False
    ping_s: float = 15.0
    max_sessions: int = MAX_SESSIONS


def make_app(engine: EmbeddedEngine, options: Options | None = None, clock: Clock | None = None) -> ASGIApp:
    """The agent behind Focal's contract, as an ASGI application. Raises UsageError where the secret cannot be used."""
    options, clock = options or Options(), clock or Clock()
    service = Service(engine, options, clock)
    cors = Middleware(
        CORSMiddleware, allow_origins=options.cors, allow_methods=["*"], allow_headers=["*"], allow_credentials=True
    )
    app = Starlette(
        routes=service.routes(),
        middleware=[cors] if options.cors else [],
        exception_handlers=_HANDLERS,
        lifespan=service.lifespan,
    )
    return Door(app, clock)


class Service:
    """The endpoints over one agent."""

    def __init__(self, engine: EmbeddedEngine, options: Options, clock: Clock) -> None:
        self._engine, self._clock = engine, clock
        self._gate = Gate(options.jwt_secret)
        ids = Ids(engine.agent.name)
        self._catalogue = Catalogue(engine.agent, ids, timestamp(clock.now()))
        self._sessions = Sessions(engine, clock, options.max_sessions)
        self._shown = Shown(ids, quirks=options.focal_quirks)
        self._talk = Talk(self._sessions, self._shown, clock, options.latency_ms / 1000, options.ping_s)

    def routes(self) -> list[Route]:
        """Every path; all but the health of the server ask for a token where there is a secret."""
        agent = "/v1/agents/{agent_id}"
        lists = {"rule": "rules", "scenario": "scenarios", "template": "templates"}
        return [
            Route("/health", self.health),
            self._route("/v1/chat", self._talk.chat, "POST"),
            self._route("/v1/chat/stream", self._talk.stream, "POST"),
            self._route("/v1/focal-eval/turns/{turn_id}", self._talk.tool, "POST"),
            self._route("/v1/sessions/{session_id}", self.session, "GET", "DELETE"),
            self._route("/v1/sessions/{session_id}/turns", self.turns, "GET"),
            self._route("/v1/agents", self.agents, "GET"),
            self._route(agent, self.agent, "GET"),
            *(self._route(f"{agent}/{many}", self._listed(many), "GET") for many in lists.values()),
            *(self._route(f"{agent}/{many}/{{id}}", self._one(one, many), "GET") for one, many in lists.items()),
        ]

    def _route(self, path: str, endpoint: Endpoint, *methods: str) -> Route:
        async def guarded(request: Request) -> Response:
            request.state.tenant = self._gate.tenant(request.headers)
            return await endpoint(request)

        return Route(path, guarded, methods=methods)

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Closes the engine when the server ends."""
        try:
            yield
        finally:
            await self._engine.close()

    async def health(self, request: Request) -> Response:
        """GET /health."""
        parts = [
            {"name": name, "status": "healthy", "latency_ms": None, "message": message}
            for name, message in (("agent", self._engine.agent.name), ("session_store", None))
        ]
        now = timestamp(self._clock.now())
        return as_json({"status": "healthy", "version": __version__, "components": parts, "timestamp": now})

    async def session(self, request: Request) -> Response:
        """GET and DELETE /v1/sessions/{id}."""
        kept = self._kept(request)
        if request.method == "DELETE":
            self._sessions.drop(kept)
            return Response(status_code=204)
        return as_json(self._shown.session(kept))

    async def turns(self, request: Request) -> Response:
        """GET /v1/sessions/{id}/turns."""
        part = paging_of(request)
        kept = self._kept(request)
        return as_json(self._shown.turns(kept, part.limit, part.offset, part.sort, extended=part.focal_eval))

    def _kept(self, request: Request) -> Kept:
        asked: str = request.path_params["session_id"]
        if not is_uuid(asked):
            raise Refusal(404, "SESSION_NOT_FOUND", f"Invalid session ID: {asked}")
        kept = self._sessions.get(asked)
        if request.state.tenant not in (None, kept.tenant):
            raise not_found("SESSION", asked)
        return kept

    async def agents(self, request: Request) -> Response:
        """GET /v1/agents."""
        part = paging_of(request)
        return as_json(page([self._about(extended=part.focal_eval)], part.limit, part.offset))

    async def agent(self, request: Request) -> Response:
        """GET /v1/agents/{id}."""
        self._check_agent(request)
        return as_json(self._about(extended=paging_of(request).focal_eval))

    def _about(self, *, extended: bool) -> Item:
        agent = self._catalogue.agent
        return {**agent, EXTRA: self._can()} if extended else agent

    def _can(self) -> Item:
        """What the engine can do, for clients that know this package."""
        can, agent = self._engine.abilities, self._engine.agent
        return {
            "digest": agent.digest,
            "reports": sorted(can.reports),
            "speaks_first": can.speaks_first,
            "seeds": sorted(can.seeds),
            "stubs": can.stubs,
            "deterministic": can.deterministic,
        }

    def _check_agent(self, request: Request) -> None:
        asked = uuid_in_path(request, "agent_id")
        if asked != self._catalogue.agent["id"]:
            raise Refusal(400, "AGENT_NOT_FOUND", f"Agent {asked} not found")

    def _listed(self, many: str) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            self._check_agent(request)
            part = paging_of(request)
            return as_json(page([*self._items(many).values()], part.limit, part.offset))

        return endpoint

    def _one(self, one: str, many: str) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            self._check_agent(request)
            asked = uuid_in_path(request, "id")
            if asked not in self._items(many):
                raise not_found(one.upper(), asked)
            return as_json(self._items(many)[asked])

        return endpoint

    def _items(self, many: str) -> Mapping[str, Item]:
        found: Mapping[str, Item] = getattr(self._catalogue, many)
        return found


class Door:
    """Gives every answer an id, and turns what goes wrong inside into an answer or a line in the log."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app, self._clock = app, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name = new_uuid(self._clock)
        ids = [(b"x-request-id", name.encode()), (b"x-trace-id", name.encode())]

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *ids]
            await send(message)

        try:
            await self._app(scope, receive, sent)
        except ClientDisconnect:
            log.debug("request %s: the client went away", name)
        except Exception:  # it was answered with 500 already; the connection stays good
            log.exception("request %s broke", name)


async def _refused(_: Request, problem: Any) -> Response:
    response: Response = problem.response()
    return response


async def _unauthorised(_: Request, problem: Exception) -> Response:
    return detail(401, str(problem), {"www-authenticate": "Bearer"})


async def _http(_: Request, problem: Any) -> Response:
    assert isinstance(problem, HTTPException)
    return detail(problem.status_code, problem.detail, dict(problem.headers or {}))


async def _broken(_: Request, __: Exception) -> Response:
    return broken().response()


_HANDLERS: Mapping[Any, Any] = {Refusal: _refused, Unauthorised: _unauthorised, HTTPException: _http, Exception: _broken}

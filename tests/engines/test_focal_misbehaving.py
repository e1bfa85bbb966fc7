"""The focal engine against servers that misbehave, over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from focal_eval.engines.base import Session, SessionStart
from focal_eval.errors import EngineProtocol, EngineStatus
from focal_eval.server.listen import in_background
from tests.engines.focal_talks import TENANT, connected, focal, talk

SESSION, TURN, OTHER = (f"{digit * 8}-2222-4222-8222-222222222222" for digit in "123")
ENTRY = {"id": SESSION, "name": "shop"}
LIST = {"items": [ENTRY], "total": 1, "limit": 100, "offset": 0, "has_more": False}
NONE: dict[str, Any] = {"items": [], "total": 0, "limit": 100, "offset": 0, "has_more": False}
ANSWER: dict[str, Any] = {
    "response": "ok",
    "session_id": SESSION,
    "turn_id": TURN,
    "scenario": None,
    "matched_rules": [],
    "tools_called": [],
    "tokens_used": 1,
    "latency_ms": 1,
}
Answering = Callable[[Request], Awaitable[Response]]


@contextmanager
def server(chat: Answering, turns: Any = NONE, state: Any = None) -> Iterator[str]:
    """A server whose chats are answered by a function, streamed or not."""

    def always(content: Any) -> Answering:
        async def answer(request: Request) -> Response:
            return JSONResponse(content)

        return answer

    routes = [
        Route("/v1/chat", chat, methods=["POST"]),
        Route("/v1/chat/stream", chat, methods=["POST"]),
        Route("/v1/agents", always(LIST)),
        Route(f"/v1/agents/{SESSION}/rules", always(NONE)),
        Route(f"/v1/agents/{SESSION}/scenarios", always(NONE)),
        Route("/v1/sessions/{id}/turns", always(turns)),
        Route("/v1/sessions/{id}", always(state)),
    ]
    with in_background(Starlette(routes=routes)) as url:
        yield url


def answering(*answers: Mapping[str, Any]) -> Answering:
    """Gives one answer after the other, the last one again and again."""
    left = list(answers)

    async def answer(request: Request) -> Response:
        return JSONResponse({**ANSWER, **(left.pop(0) if len(left) > 1 else left[0])})

    return answer


def streaming(*events: tuple[str, Any]) -> Answering:
    async def answer(request: Request) -> Response:
        text = "".join(f"event: {name}\r\ndata: {json.dumps({'type': name} | data)}\r\n\r\n" for name, data in events)
        return StreamingResponse(iter([": ping\r\n\r\n", text]), media_type="text/event-stream")

    return answer


DONE = ("done", {key: value for key, value in ANSWER.items() if key not in ("response", "scenario")})


def test_a_reply_of_another_session_is_refused() -> None:
    """A server that mixes sessions up is found out at the turn."""
    with (
        server(answering({}, {"session_id": OTHER, "turn_id": OTHER})) as url,
        pytest.raises(EngineProtocol, match=f"belongs to the session {OTHER}, not to {SESSION}"),
    ):
        talk(focal(url), "a", "b")


def test_a_turn_that_is_answered_twice_is_refused() -> None:
    """A cached answer is no answer."""
    with server(answering({})) as url, pytest.raises(EngineProtocol, match=f"the turn {TURN} was answered before"):
        talk(focal(url), "a", "b")


def test_a_session_that_two_cases_get_is_refused() -> None:
    """A conversation that goes on with another one's is not fresh."""

    async def both(url: str) -> None:
        engine = connected(focal(url))
        first, second = [await engine.open(SessionStart(name)) for name in ("a", "b")]
        await first.send("a")
        with pytest.raises(EngineProtocol, match=f"the session {SESSION} belongs to another case of this run"):
            await second.send("b")
        await engine.close()

    with server(answering({}, {"turn_id": OTHER})) as url:
        asyncio.run(both(url))


def test_a_session_with_older_turns_is_refused() -> None:
    """Seen where the session is read: it counts more turns than were sent."""
    state: Any = {"session_id": SESSION, "active_scenario_id": None, "active_step_id": None, "turn_count": 4, "variables": {}}
    with (
        server(answering({}), state=state) as url,
        pytest.raises(EngineProtocol, match="it counts 4 turns where 1 were sent"),
    ):
        talk(focal(url, reads=("session",)), "a")


def test_an_error_in_a_stream_is_the_engines() -> None:
    """Status 200, and yet no reply."""
    error = ("error", {"code": "INTERNAL_ERROR", "message": "An error occurred"})
    with server(streaming(error)) as url, pytest.raises(EngineStatus, match="An error occurred") as problem:
        talk(focal(url, stream=True), "a")
    assert (problem.value.status, problem.value.code) == (200, "INTERNAL_ERROR")


def token(text: str) -> tuple[str, Any]:
    return "token", {"content": text}


@pytest.mark.parametrize(
    ("events", "turns", "said"),
    [
        ([token("half ")], NONE, "the stream ended without 'done', after 'half'"),
        ([token("ok"), DONE, token("more")], NONE, "the event 'token' came after 'done'"),
        ([DONE], NONE, "the stream held no word, and the turn is not stored"),
    ],
)
def test_a_torn_stream_is_no_reply(events: list[tuple[str, Any]], turns: Any, said: str) -> None:
    """Each says what was wrong with it."""
    with server(streaming(*events), turns) as url, pytest.raises(EngineProtocol, match=said):
        talk(focal(url, stream=True, reads=("turns",)), "a")


def stored_as(text: str) -> Any:
    item: Any = {
        "turn_id": TURN,
        "user_message": "a",
        "agent_response": text,
        "matched_rules": [],
        "tools_called": [],
        "scenario_after": None,
        "timestamp": None,
    }
    return NONE | {"items": [item], "total": 1}


def test_a_stream_whose_words_are_not_the_stored_ones_is_refused() -> None:
    """A doubled word is found."""
    said = "the words of the stream are not those that are stored"
    doubled = [token("all "), token("all "), token("is well"), DONE]
    with server(streaming(*doubled), stored_as("all is well")) as url, pytest.raises(EngineProtocol, match=said):
        talk(focal(url, stream=True, reads=("turns",)), "a")


def test_an_empty_reply_is_believed_where_it_is_stored() -> None:
    """Nothing said is an answer of its own."""
    with server(streaming(DONE), stored_as("")) as url:
        (reply,), _ = talk(focal(url, stream=True, reads=("turns",)), "a")
    assert (reply.response, reply.tools) == ("", ())


def test_a_server_of_others_is_not_taken_for_ours() -> None:
    """`served: true` on a plain Focal is said at once, with the fix."""
    with (
        server(answering({})) as url,
        pytest.raises(EngineProtocol, match="so it is not focal-eval's; leave 'served: true' out"),
    ):
        talk(focal(url, served=True), "a")


def test_what_is_sent_is_focals_request() -> None:
    """Every key of the contract, the session's id from the second message on, metadata where the script has some."""
    seen: list[Any] = []

    async def chat(request: Request) -> Response:
        seen.append(await request.json())
        return JSONResponse(ANSWER | ({} if len(seen) == 1 else {"turn_id": OTHER}))

    with server(chat) as url:
        talk(focal(url), "a", "b", start=SessionStart("case-1", channel="webchat", metadata={"vip": True}))
        talk(focal(url, channel="sms"), "c")
    first, second, third = seen
    user = first.pop("user_channel_id")
    assert user.startswith("case-1-")
    assert first == {
        "tenant_id": TENANT,
        "agent_id": SESSION,
        "channel": "webchat",
        "message": "a",
        "metadata": {"vip": True},
    }
    assert (second["session_id"], second["user_channel_id"], second["message"]) == (SESSION, user, "b")
    assert (third["channel"], "session_id" in third, "metadata" in third) == ("sms", False, False)
    assert third["user_channel_id"] != user


def test_names_are_asked_once_for_all_conversations() -> None:
    """A run of many cases lists rules and scenarios one time."""
    count: dict[str, int] = {}

    async def counted(request: Request) -> Response:
        count[request.url.path] = count.get(request.url.path, 0) + 1
        return JSONResponse(LIST if request.url.path == "/v1/agents" else NONE)

    async def many(url: str) -> None:
        engine = connected(focal(url))
        await asyncio.gather(*(engine.open(SessionStart(str(number))) for number in range(20)))
        await engine.close()

    with in_background(Starlette(routes=[Route("/{path:path}", counted)])) as url:
        asyncio.run(many(url))
    assert count == {"/v1/agents": 1, f"/v1/agents/{SESSION}/rules": 1, f"/v1/agents/{SESSION}/scenarios": 1}


def test_a_500_is_followed_by_a_fresh_connection() -> None:
    """The server drops the connection after it without having said so; the next request must not meet the reset."""
    ports: list[int] = []

    async def chat(request: Request) -> Response:
        assert request.client is not None
        ports.append(request.client.port)
        if len(ports) == 1:
            error = {"code": "INTERNAL_ERROR", "message": "An unexpected error occurred", "details": None}
            return JSONResponse({"error": error}, 500)
        return JSONResponse(ANSWER)

    async def twice(url: str) -> None:
        engine = connected(focal(url, reads=()))
        session: Session = await engine.open(SessionStart("a"))
        with pytest.raises(EngineStatus, match="An unexpected error occurred"):
            await session.send("a")
        assert (await (await engine.open(SessionStart("b"))).send("b")).response == "ok"
        await engine.close()

    with server(chat) as url:
        asyncio.run(twice(url))
    assert ports[0] != ports[1]

"""Servers between our engines and the stubs: each asks the stub by the vendor's own SDK, and answers with what its models dump.

An engine that talks to a relay reads nothing but what the SDK understood, over a socket, streamed or not.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import pytest
from starlette.responses import Response, StreamingResponse

from tests.engines.glean_stub import CHAT, SAVED
from tests.engines.openai_stub import PATH
from tests.engines.pipeshub_stub import BASE
from tests.engines.vendor_stub import TOKEN, Answering, Heard, Stub, as_json, frame

Routes = dict[tuple[str, str], Answering]


def dumped(model: Any) -> Any:
    """What the SDK understood, as JSON in the names of the wire."""
    return json.loads(model.model_dump_json(by_alias=True, exclude_none=True))


def relayed(pieces: Callable[[], Iterable[bytes]], media_type: str = "text/event-stream") -> Response:
    """Pieces of a stream as the SDK gives them; it blocks, so that each is waited for in a thread."""

    async def body() -> AsyncIterator[bytes]:
        iterator = await asyncio.to_thread(lambda: iter(pieces()))
        while (piece := await asyncio.to_thread(next, iterator, None)) is not None:
            yield piece

    return StreamingResponse(body(), media_type=media_type)


def openai_relay(stub: Stub) -> Routes:
    sdk = pytest.importorskip("openai", reason="pip install openai")
    client = sdk.OpenAI(base_url=f"{stub.url}/v1", api_key=TOKEN, max_retries=0)

    async def complete(heard: Heard) -> Response:
        if not heard.body.get("stream"):
            return as_json(dumped(await asyncio.to_thread(lambda: client.chat.completions.create(**heard.body))))

        def chunks() -> Iterator[bytes]:
            for chunk in client.chat.completions.create(**heard.body):
                yield frame(None, dumped(chunk))
            yield frame(None, "[DONE]")

        return relayed(chunks)

    return {("POST", PATH): complete}


def glean_relay(stub: Stub) -> Routes:
    sdk = pytest.importorskip("glean.api_client", reason="pip install glean-api-client")
    models = pytest.importorskip("glean.api_client.models", reason="pip install glean-api-client")
    client = sdk.Glean(api_token=TOKEN, server_url=stub.url).client.chat

    async def chat(heard: Heard) -> Response:
        request = models.ChatRequest.model_validate(heard.body)
        asked = {"messages": request.messages, "save_chat": request.save_chat, "chat_id": request.chat_id}
        if not request.stream:
            return as_json(dumped(await asyncio.to_thread(lambda: client.create(**asked, stream=False))))

        def lines() -> Iterator[bytes]:
            for line in client.create_stream(**asked).splitlines():
                yield json.dumps(dumped(models.ChatResponse.model_validate_json(line))).encode() + b"\n"

        return relayed(lines, "text/plain")

    async def saved(heard: Heard) -> Response:
        return as_json(dumped(await asyncio.to_thread(lambda: client.retrieve(id=heard.body["id"]))))

    return {("POST", CHAT): chat, ("POST", SAVED): saved}


def mix_relay(stub: Stub) -> Routes:
    sdk = pytest.importorskip("mix_python_sdk", reason="pip install mix-python-sdk")
    client = sdk.Mix(server_url=stub.url, retry_config=None)

    async def create(heard: Heard) -> Response:
        asked = {"title": heard.body["title"], "browser_mode": heard.body["browserMode"]}
        return as_json(dumped(await asyncio.to_thread(lambda: client.sessions.create(**asked))), 201)

    async def send(heard: Heard) -> Response:
        sent = await asyncio.to_thread(lambda: client.messages.send(id=heard.params["id"], text=heard.body["text"]))
        return as_json(dumped(sent), 202)

    async def rows(heard: Heard) -> Response:
        found = await asyncio.to_thread(lambda: client.messages.list_session(id=heard.params["id"]))
        return as_json([dumped(row) for row in found])

    async def stream(heard: Heard) -> Response:
        def events() -> Iterator[bytes]:
            with client.streaming.stream_events(session_id=heard.query["sessionId"]).result as found:
                for event in found:
                    yield frame(event.event, dumped(event.data), int(event.id))
                    if event.event in ("complete", "error") and not getattr(event.data, "parent_tool_call_id", None):
                        return

        return relayed(events)

    async def permit(heard: Heard) -> Response:
        answer = getattr(client.permissions, heard.params["answer"])
        return as_json(dumped(await asyncio.to_thread(lambda: answer(id=heard.params["id"]))))

    return {
        ("POST", "/api/sessions"): create,
        ("POST", "/api/sessions/{id}/messages"): send,
        ("GET", "/api/sessions/{id}/messages"): rows,
        ("GET", "/stream"): stream,
        ("POST", "/api/permissions/{id}/{answer}"): permit,
    }


def pipeshub_relay(stub: Stub) -> Routes:
    sdk = pytest.importorskip("pipeshub_sdk", reason="pip install pipeshub-sdk")
    models = pytest.importorskip("pipeshub_sdk.models", reason="pip install pipeshub-sdk")
    client = sdk.Pipeshub(server_url=f"{stub.url}{BASE}", security=models.Security(bearer_auth=TOKEN)).conversations

    def told(answer: Any) -> Any:
        return getattr(answer, "result", answer)

    async def create(heard: Heard) -> Response:
        made = await asyncio.to_thread(lambda: client.create_conversation(query=heard.body["query"]))
        return as_json(dumped(told(made)), 201)

    async def add(heard: Heard) -> Response:
        key, query = heard.params["id"], heard.body["query"]
        return as_json(dumped(told(await asyncio.to_thread(lambda: client.add_message(conversation_id=key, query=query)))))

    async def stream(heard: Heard) -> Response:
        asked = {"query": heard.body["query"], "chat_mode": heard.body["chatMode"], "protocol": heard.body["protocol"]}

        def events() -> Iterator[bytes]:
            key = heard.params.get("id")
            answer = client.stream_chat(**asked) if key is None else client.add_message_stream(conversation_id=key, **asked)
            with told(answer) as found:
                for event in found:
                    data = event.data
                    yield frame(event.event, data if isinstance(data, (str, dict)) else dumped(data))

        return relayed(events)

    async def read(heard: Heard) -> Response:
        page = {"page": int(heard.query["page"]), "limit": int(heard.query["limit"])}
        order = {"sort_by": heard.query["sortBy"], "sort_order": heard.query["sortOrder"]}
        key = heard.params["id"]
        found = await asyncio.to_thread(lambda: client.get_conversation_by_id(conversation_id=key, **page, **order))
        return as_json(dumped(told(found)))

    base = f"{BASE}/conversations"
    return {
        ("POST", f"{base}/create"): create,
        ("POST", f"{base}/stream"): stream,
        ("POST", f"{base}/{{id}}/messages"): add,
        ("POST", f"{base}/{{id}}/messages/stream"): stream,
        ("GET", f"{base}/{{id}}"): read,
    }

"""The `pipeshub` engine on a stub, and the stub before PipesHub's own SDK: neither is merely consistent with itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from focal_eval.engines.pipeshub import PipesHub
from focal_eval.engines.pipeshub_messages import in_order, page_of, reply_of
from focal_eval.engines.pipeshub_stream import StreamedTurn
from focal_eval.errors import EngineError, EngineProtocol, EngineStatus, EngineUnauthorised
from focal_eval.records import UNKNOWN, Citation, ToolCall
from focal_eval.testing import engine_conformance
from focal_eval.testing.engines import settled
from tests.engines.pipeshub_stub import BASE, Hub
from tests.engines.vendor_stub import TOKEN, Stub, as_json, engine_of, frame, served, streamed, talk

HUB, EARLY = Hub(page=3), Hub(early=True)


@pytest.fixture(scope="module")
def server() -> Iterator[Stub]:
    with served(HUB.routes(), Stub()) as stub:
        yield stub


@pytest.fixture(scope="module")
def early() -> Iterator[Stub]:
    with served(EARLY.routes(), Stub()) as stub:
        yield stub


@pytest.fixture
def stub(server: Stub) -> Stub:
    server.heard.clear()
    server.next.clear()
    return server


def hub(stub: Stub, **keys: Any) -> PipesHub:
    return PipesHub(f"{stub.url}{BASE}", **{"token": TOKEN, **keys})


def paths(stub: Stub) -> list[str]:
    return [f"{one.method} {one.path.removeprefix(BASE)}" for one in stub.heard]


@pytest.mark.parametrize("stream", [False, True])
def test_a_conversation_goes_on_by_its_id(stub: Stub, stream: bool) -> None:
    """The first question makes it, later ones name it; the reply is whole, streamed or not, and all pages are read back."""
    found = talk(hub(stub, stream=stream), "the policy?", "open a ticket")
    first, second = found.replies
    assert (first.response, second.response) == ("1: the policy?", "2: open a ticket")
    assert first.citations == (
        Citation("Within 30 days.", "Policy.pdf", "https://drive.example.com/1", 1, "66f00000000000000000005a"),
    )
    assert second.tools == (ToolCall("jira.create", {"project": "SUP"}, {"key": "SUP-12"}, id="call_1", status="completed"),)
    assert (first.confidence, first.follow_ups, first.reasoning, first.tools) == ("High", ("And then?",), "A thought.", ())
    assert (first.latency_ms, first.model, first.first_token_ms is not None) == (12.5, "large", stream)
    key = first.session_id
    assert key == second.session_id
    way = "/stream" if stream else ""
    read = f"GET /conversations/{key}"
    assert paths(stub) == [
        f"POST /conversations{way or '/create'}",
        f"POST /conversations/{key}/messages{way}",
        read,
        read,
    ]
    assert [one.query["page"] for one in stub.heard[2:]] == ["1", "2"]
    assert found.stored is not UNKNOWN
    assert [(one.role, one.text) for one in found.stored] == [
        ("user", "the policy?"),
        ("assistant", "1: the policy?"),
        ("user", "open a ticket"),
        ("assistant", "2: open a ticket"),
    ]
    assert [one.id for one in found.stored if one.role == "assistant"] == [first.turn_id, second.turn_id]


@pytest.mark.parametrize("stream", [False, True])
def test_early_servers_are_spoken_to_too(early: Stub, stream: bool) -> None:
    """A bare conversation, and the first vocabulary of streams: told by their shape, not by the suite."""
    first, second = talk(hub(early, stream=stream), "the policy?", "and now?").replies
    assert (first.response, second.response) == ("1: the policy?", "2: and now?")
    assert first.citations == (
        Citation("30 days", "66f00000000000000000005a", None, 1, "66f00000000000000000005a", 0.9, "Section 2"),
    )
    assert (first.tools, first.reasoning, second.citations) == (UNKNOWN, UNKNOWN, UNKNOWN)


@pytest.mark.parametrize("stream", [False, True])
def test_an_agent_has_conversations_of_its_own(stub: Stub, stream: bool) -> None:
    """The same by the agent's key."""
    (reply,) = talk(hub(stub, agent_key="agent-1", stream=stream), "hi").replies
    assert reply.response == "1: hi"
    base = "/agents/agent-1/conversations"
    assert paths(stub) == [f"POST {base}/stream" if stream else f"POST {base}", f"GET {base}/{reply.session_id}"]
    assert stub.heard[0].body.get("chatMode") == ("quick" if stream else None)


def test_what_the_suite_says_decides_the_request(stub: Stub) -> None:
    """Every key of the request that the suite may set."""
    yaml = f"""\
url: {stub.url}{BASE}
token: {TOKEN}
stream: true
chat_mode: agent
model_key: k-1
model_name: large
timezone: UTC
tools: [jira.create]
apps: []
knowledge_bases: [kb-1]
delete_sessions: true
extra: {{recordIds: [rec-1]}}
"""
    (reply,) = talk(engine_of("pipeshub", yaml), "hi").replies
    assert stub.heard[0].body == {
        "query": "hi",
        "chatMode": "agent",
        "modelKey": "k-1",
        "modelName": "large",
        "timezone": "UTC",
        "tools": ["jira.create"],
        "filters": {"apps": [], "kb": ["kb-1"]},
        "protocol": "agui",
        "recordIds": ["rec-1"],
    }
    assert paths(stub)[-1] == f"DELETE /conversations/{reply.session_id}"
    talk(hub(stub), "hi")
    assert stub.bodies(f"{BASE}/conversations/create") == [{"query": "hi"}]


@pytest.mark.parametrize("stream", [False, True])
def test_a_failed_turn_is_an_engine_error(stub: Stub, early: Stub, stream: bool) -> None:
    """A failure comes as a stored message with a good status, or as an event."""
    with pytest.raises(EngineError, match="The model is unavailable"):
        talk(hub(stub, stream=stream), "break it")
    with pytest.raises(EngineError, match="The model is unavailable"):
        talk(hub(early), "break it")


def test_the_payload_is_that_of_the_turn(stub: Stub, early: Stub) -> None:
    """The whole conversation comes each time; what is kept beside a reply is its own turn, in the envelope it came in."""
    for config in (hub(stub), hub(early)):
        _, second = talk(config, "hello", "and now?").replies
        kept = second.raw.get("conversation", second.raw)
        assert [one["content"] for one in kept["messages"]] == ["and now?", "2: and now?"]
        assert kept["_id"] == second.session_id


def test_a_stream_of_another_conversation_is_refused(stub: Stub) -> None:
    """What the stream begins with must be what it is about."""
    turn = StreamedTurn("a" * 24)
    with pytest.raises(EngineProtocol, match="the stream is of conversation 'bbb"):
        turn.take("CUSTOM", {"type": "CUSTOM", "name": "conversation_created", "value": {"conversationId": "b" * 24}})


def test_what_a_broken_stream_began_is_deleted(stub: Stub) -> None:
    """A conversation that was announced and never answered is known by its id."""
    created = {"type": "CUSTOM", "name": "conversation_created", "value": {"conversationId": "c" * 24}}
    HUB.conversations["c" * 24] = {}
    stub.next = [streamed([frame("CUSTOM", created)])]
    with pytest.raises(EngineProtocol, match="the stream ended before the turn was finished"):
        talk(hub(stub, stream=True, delete_sessions=True), "hi")
    assert paths(stub)[-1] == f"DELETE /conversations/{'c' * 24}"


def test_errors_in_every_form_are_engine_errors(stub: Stub) -> None:
    """The envelope's words and code, a wrong token, another conversation, an answer that was given before, half a stream."""
    stub.next = [as_json({"error": {"code": "HTTP_BAD_REQUEST", "message": "Query is required", "requestId": "r"}}, 400)]
    with pytest.raises(EngineStatus, match=r"400 \(HTTP_BAD_REQUEST\): Query is required"):
        talk(hub(stub), "hi")
    with pytest.raises(EngineUnauthorised, match="401"):
        talk(hub(stub, token="wrong"), "hi")
    answer = [{"messageType": "user_query", "content": "a"}, {"_id": "m", "messageType": "bot_response", "content": "x"}]
    stub.next = [as_json({"_id": "c-1", "messages": answer}), as_json({"_id": "c-2", "messages": answer})]
    with pytest.raises(EngineProtocol, match="of conversation 'c-2', not of 'c-1'"):
        talk(hub(stub), "hi", "ho")
    stub.next = [as_json({"_id": "c-1", "messages": answer})] * 2
    with pytest.raises(EngineProtocol, match="an answer that was given before"):
        talk(hub(stub), "hi", "ho")
    stub.next = [streamed([Hub.event("TEXT_MESSAGE_CONTENT", delta="Hel")])]
    with pytest.raises(EngineProtocol, match="after 'Hel'"):
        talk(hub(stub, stream=True), "hi")
    stub.next = [as_json({"_id": "../x", "messages": answer})]
    with pytest.raises(EngineProtocol, match="is not an id"):
        talk(hub(stub), "hi", "ho")


def test_what_cannot_be_is_refused(stub: Stub) -> None:
    """Keys that are the engine's own, and a message nobody asked for."""
    with pytest.raises(ValueError, match="'extra' may not set 'query'"):
        hub(stub, extra={"query": "x"})
    with pytest.raises(EngineError, match="says nothing unasked"):
        talk(hub(stub), None)


@pytest.mark.parametrize("keys", [{}, {"stream": True}, {"agent_key": "agent-1"}], ids=str)
def test_the_engine_keeps_the_contract(stub: Stub, keys: dict[str, Any]) -> None:
    """The kit that every engine is held to."""
    engine_conformance(hub(stub, **keys), messages=("hello", "and now?"))


@pytest.mark.parametrize("stream", [False, True])
def test_early_servers_keep_the_contract(early: Stub, stream: bool) -> None:
    """The same with servers as SDK 1.0 knew them."""
    engine_conformance(hub(early, stream=stream), messages=("hello", "and now?"))


# PipesHub's own SDK, version 1.7, as the referee

REASON = "PipesHub's SDK is not installed: pip install pipeshub-sdk"


def client(stub: Stub) -> Any:
    sdk = pytest.importorskip("pipeshub_sdk", reason=REASON)
    models = pytest.importorskip("pipeshub_sdk.models", reason=REASON)
    return sdk.Pipeshub(server_url=f"{stub.url}{BASE}", security=models.Security(bearer_auth=TOKEN))


def dumped(model: Any) -> Any:
    """What the SDK understood, as JSON in the names of the wire."""
    return json.loads(model.model_dump_json(by_alias=True, exclude_none=True))


def test_the_sdk_reads_the_stub_as_the_engine_does(stub: Stub) -> None:
    """Two turns by the SDK's own models, dumped and read by our mapping, are the replies that our engine gives."""
    sdk = client(stub)
    ours = talk(hub(stub), "the policy?", "open a ticket").replies
    made = sdk.conversations.create_conversation(query="the policy?")
    first = reply_of(dumped(getattr(made, "result", made)))
    more = sdk.conversations.add_message(conversation_id=first.session_id, query="open a ticket")
    second = reply_of(dumped(getattr(more, "result", more)), wanted=first.session_id)
    assert [settled(reply) for reply in (first, second)] == [settled(reply) for reply in ours]


def test_the_sdk_reads_the_stubs_stream_as_the_engine_does(stub: Stub) -> None:
    """The events as the SDK gives them, put together by our mapping, are the streamed reply of our engine."""
    sdk = client(stub)
    (ours,) = talk(hub(stub, stream=True), "the policy?").replies
    answer = sdk.conversations.stream_chat(query="the policy?", chat_mode="internal_search")
    turn = StreamedTurn()
    with getattr(answer, "result", answer) as events:
        for event in events:
            data = event.data
            turn.take(event.event, json.loads(data) if isinstance(data, str) else data)
    theirs = reply_of(turn.whole())
    assert "".join(turn.words) == ours.response
    assert settled(theirs) == settled(ours)


def test_the_sdk_reads_the_stored_messages_as_the_engine_does(stub: Stub) -> None:
    """Pages dumped by the SDK's models are the records that our engine reads back."""
    sdk = client(stub)
    found = talk(hub(stub), "the policy?", "open a ticket")
    key = str(found.replies[0].session_id)
    pages = []
    for number in (1, 2):
        page = sdk.conversations.get_conversation_by_id(
            conversation_id=key, page=number, limit=100, sort_by="createdAt", sort_order="asc"
        )
        pages.append(page_of(dumped(getattr(page, "result", page)), key))
    assert found.stored is not UNKNOWN
    assert [(one.role, one.text, one.tools, one.citations, one.follow_ups) for one in in_order(pages)] == [
        (one.role, one.text, one.tools, one.citations, one.follow_ups) for one in found.stored
    ]


@pytest.mark.parametrize(
    ("keys", "first", "later"),
    [
        ({"chat_mode": "agent", "tools": ("a.b",), "timezone": "UTC"}, "CreateConversationRequest", "AddMessageRequest"),
        ({"stream": True}, "ConversationStreamRequest", "ConversationMessageStreamRequest"),
        ({"agent_key": "a", "model_key": "k"}, "AgentCreateConversationRequest", "AgentAddMessageRequest"),
        ({"agent_key": "a", "stream": True}, "AgentStreamCreateConversationRequest", "AgentAddMessageStreamRequest"),
    ],
    ids=["assistant", "assistant streamed", "agent", "agent streamed"],
)
def test_the_sdk_would_have_sent_what_the_engine_sends(stub: Stub, keys: dict[str, Any], first: str, later: str) -> None:
    """Our requests are valid by the SDK's models of each endpoint, and lose nothing in them."""
    models = pytest.importorskip("pipeshub_sdk.models", reason=REASON)
    talk(hub(stub, **keys), "hi", "ho")
    sent = [one.body for one in stub.heard if one.method == "POST"]
    for body, name in zip(sent, (first, later), strict=True):
        assert dumped(getattr(models, name).model_validate(body)) == body


def test_the_sdk_refuses_what_the_engine_refuses(stub: Stub) -> None:
    """An error envelope is an error to both, in the same words."""
    sdk = client(stub)
    errors = pytest.importorskip("pipeshub_sdk.errors", reason=REASON)
    stub.next = [as_json({"error": {"code": "HTTP_BAD_REQUEST", "message": "Query is required", "requestId": "r"}}, 400)]
    with pytest.raises(errors.ErrorResponse) as told:
        sdk.conversations.create_conversation(query="x")
    assert told.value.data.error.message == "Query is required"

"""The `glean` engine on a stub, and the stub before Glean's own SDK: neither is merely consistent with itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from focal_eval.engines.base import HistoryTurn, SessionStart
from focal_eval.engines.glean import Glean
from focal_eval.engines.glean_messages import StreamedChat, records_of, reply_of
from focal_eval.errors import EngineError, EngineProtocol, EngineStatus, EngineUnauthorised
from focal_eval.records import UNKNOWN, Citation, Reply, ToolCall
from focal_eval.testing import engine_conformance
from focal_eval.testing.engines import settled
from tests.engines.glean_stub import CHAT, DELETE, Assistant
from tests.engines.vendor_stub import TOKEN, Stub, as_json, engine_of, served, streamed, talk

ASSISTANT = Assistant()


@pytest.fixture(scope="module")
def server() -> Iterator[Stub]:
    with served(ASSISTANT.routes(), Stub()) as stub:
        yield stub


@pytest.fixture
def stub(server: Stub) -> Stub:
    server.heard.clear()
    server.next.clear()
    return server


def glean(stub: Stub, **keys: Any) -> Glean:
    return Glean(stub.url, **{"token": TOKEN, **keys})


@pytest.mark.parametrize("stream", [False, True])
def test_a_chat_goes_on_by_its_id(stub: Stub, stream: bool) -> None:
    """The first message begins a saved chat, later ones name it; the reply is whole, streamed or not, and is stored."""
    found = talk(glean(stub, stream=stream), "the policy?", "open a ticket")
    first, second = found.replies
    assert (first.response, second.response) == ("1: the policy?", "2: open a ticket")
    assert first.citations == (Citation("30 days", "Refund policy", "https://wiki.example.com/1", id="d-1"),)
    assert second.tools == (ToolCall("jira_create", {"summary": "Refund"}, type="ACTION"),)
    assert (first.progress, first.follow_ups, first.latency_ms) == (("Searching",), ("And then?",), 12)
    assert first.session_id == second.session_id
    assert (first.first_token_ms is not None) == stream
    assert [body.get("chatId") for body in stub.bodies(CHAT)] == [None, first.session_id]
    assert stub.bodies(CHAT)[0] == {
        "messages": [{"author": "USER", "messageType": "CONTENT", "fragments": [{"text": "the policy?"}]}],
        "saveChat": True,
        "stream": stream,
    }
    assert found.stored is not UNKNOWN
    assert [(one.role, one.text) for one in found.stored if one.role != "system"] == [
        ("user", "the policy?"),
        ("assistant", "1: the policy?"),
        ("user", "open a ticket"),
        ("assistant", "2: open a ticket"),
    ]


def test_an_unsaved_chat_is_sent_whole_with_the_newest_first(stub: Stub) -> None:
    """Glean keeps nothing then, so that history can be given too; nothing can be read back."""
    start = SessionStart("c", history=(HistoryTurn("before", "yes"),))
    found = talk(glean(stub, save=False), "hello", "and now?", start=start)
    assert [reply.response for reply in found.replies] == ["2: hello", "3: and now?"]
    assert found.stored is UNKNOWN
    sent = stub.bodies(CHAT)[1]["messages"]
    assert [(one["author"], one["fragments"][0]["text"]) for one in sent] == [
        ("USER", "and now?"),
        ("GLEAN_AI", "2: hello"),
        ("USER", "hello"),
        ("GLEAN_AI", "yes"),
        ("USER", "before"),
    ]


def test_what_the_suite_says_decides_the_request(stub: Stub) -> None:
    """Every key of the request that the suite may set, its query and its headers."""
    yaml = f"""\
url: {stub.url}/
token: {TOKEN}
oauth: true
act_as: ada@example.com
assistant: FAST
mode: QUICK
application: app
glean_agent: a-1
locale: de
timezone_offset: 60
timeout_ms: 9000
extra: {{inclusions: {{datasourceInstances: [jira]}}}}
"""
    talk(engine_of("glean", yaml), "hi")
    heard = stub.heard[0]
    assert heard.query == {"locale": "de", "timezoneOffset": "60"}
    assert (heard.headers["x-glean-auth-type"], heard.headers["x-glean-actas"]) == ("OAUTH", "ada@example.com")
    assert {key: value for key, value in heard.body.items() if key not in ("messages", "saveChat", "stream")} == {
        "agentConfig": {"agent": "FAST", "mode": "QUICK"},
        "applicationId": "app",
        "agentId": "a-1",
        "timeoutMillis": 9000,
        "inclusions": {"datasourceInstances": ["jira"]},
    }


def test_chats_are_deleted_where_the_suite_says_so(stub: Stub) -> None:
    """The chat of a case does not stay behind; a failing deletion does not break the case."""
    (reply,) = talk(glean(stub, delete_sessions=True), "hi").replies
    assert stub.bodies(DELETE) == [{"ids": [reply.session_id]}]
    assert reply.session_id not in ASSISTANT.chats


def test_errors_in_every_form_are_engine_errors(stub: Stub) -> None:
    """A message of type ERROR, a status with any body, no body at all, and a line of a stream that is no JSON."""
    with pytest.raises(EngineError, match="Glean answered with an error: 1: break"):
        talk(glean(stub), "break")
    with pytest.raises(EngineUnauthorised, match="401"):
        talk(glean(stub, token="wrong"), "hi")
    stub.next = [as_json({"message": "gave up"}, 408)]
    with pytest.raises(EngineStatus, match=r"408.*gave up"):
        talk(glean(stub), "hi")
    stub.next = [as_json({}, 202)]
    with pytest.raises(EngineProtocol, match="no message of the agent"):
        talk(glean(stub), "hi")
    stub.next = [streamed([b'{"messages": []}\n', b'{"mess'], "text/plain")]
    with pytest.raises(EngineProtocol, match=r'a line of the stream is not JSON: \{"mess'):
        talk(glean(stub, stream=True), "hi")


def test_a_chat_that_was_not_saved_cannot_go_on(stub: Stub) -> None:
    """A reply without a chat's id says what to set."""
    message = {"author": "GLEAN_AI", "fragments": [{"text": "x"}]}
    stub.next = [as_json({"messages": [message]})]
    with pytest.raises(EngineProtocol, match="names no chat to go on in; set 'save: false'"):
        talk(glean(stub), "hi")


def test_what_cannot_be_is_refused(stub: Stub) -> None:
    """Keys that are the engine's own, and a header that is none."""
    with pytest.raises(ValueError, match="'extra' may not set 'saveChat'"):
        glean(stub, extra={"saveChat": False})
    with pytest.raises(ValueError, match="'act_as' is no e-mail address"):
        glean(stub, act_as="ada\r\nx: y")
    with pytest.raises(EngineError, match="says nothing unasked"):
        talk(glean(stub), None)


@pytest.mark.parametrize("keys", [{}, {"stream": True}, {"save": False}, {"save": False, "stream": True}], ids=str)
def test_the_engine_keeps_the_contract(stub: Stub, keys: dict[str, Any]) -> None:
    """The kit that every engine is held to."""
    engine_conformance(glean(stub, **keys), messages=("hello", "and now?"))


# Glean's own SDK, version 0.17, as the referee

REASON = "Glean's SDK is not installed: pip install glean-api-client"


def client(stub: Stub) -> Any:
    sdk = pytest.importorskip("glean.api_client", reason=REASON)
    return sdk.Glean(api_token=TOKEN, server_url=stub.url)


def dumped(model: Any) -> Any:
    """What the SDK understood, as JSON in the names of the wire."""
    return json.loads(model.model_dump_json(by_alias=True, exclude_none=True))


def seen(reply: Reply) -> Reply:
    return settled(reply)


def test_the_sdk_reads_the_stub_as_the_engine_does(stub: Stub) -> None:
    """Two turns by the SDK's own models, dumped and read by our mapping, are the replies that our engine gives."""
    sdk = client(stub)
    ours = talk(glean(stub), "the policy?", "open a ticket").replies
    chat = None
    theirs = []
    for words in ("the policy?", "open a ticket"):
        asked = [{"author": "USER", "messageType": "CONTENT", "fragments": [{"text": words}]}]
        response = sdk.client.chat.create(messages=asked, save_chat=True, stream=False, chat_id=chat)
        chat = response.chat_id
        theirs.append(reply_of(dumped(response), chat))
    assert [seen(reply) for reply in theirs] == [seen(reply) for reply in ours]


def test_the_sdk_reads_the_stubs_stream(stub: Stub) -> None:
    """Each line of the stream is a reply to the SDK's models; dumped and put together they are our engine's reply."""
    sdk = client(stub)
    models = pytest.importorskip("glean.api_client.models", reason=REASON)
    asked = [{"author": "USER", "messageType": "CONTENT", "fragments": [{"text": "the policy?"}]}]
    whole = sdk.client.chat.create_stream(messages=asked, save_chat=True)
    lines = [models.ChatResponse.model_validate_json(line) for line in whole.splitlines() if line.strip()]
    chat = StreamedChat()
    for line in lines:
        chat.take(dumped(line))
    (ours,) = talk(glean(stub, stream=True), "the policy?").replies
    assert settled(reply_of(chat.whole())) == settled(ours)
    said = [part.text for line in lines for message in line.messages or [] for part in message.fragments or [] if part.text]
    assert "".join(said) == "Searching1: the policy?"


def test_the_sdk_reads_the_saved_chat_as_the_engine_does(stub: Stub) -> None:
    """The stored messages, dumped by the SDK's models, are those that our engine reads back."""
    sdk = client(stub)
    found = talk(glean(stub), "the policy?", "open a ticket")
    chat = str(found.replies[0].session_id)
    theirs = records_of(dumped(sdk.client.chat.retrieve(id=chat)), chat)
    assert found.stored is not UNKNOWN
    assert [(one.role, one.text, one.tools, one.citations) for one in theirs] == [
        (one.role, one.text, one.tools, one.citations) for one in found.stored
    ]


def test_the_sdk_would_have_sent_what_the_engine_sends(stub: Stub) -> None:
    """Our requests are valid by the SDK's model of a request, and lose nothing in it."""
    models = pytest.importorskip("glean.api_client.models", reason=REASON)
    talk(glean(stub, assistant="FAST", mode="QUICK", timeout_ms=9000, application="app"), "the policy?", "open a ticket")
    for body in stub.bodies(CHAT):
        assert dumped(models.ChatRequest.model_validate(body)) == body


def test_the_sdk_refuses_what_the_engine_refuses(stub: Stub) -> None:
    """An error status is an error to both."""
    sdk = client(stub)
    errors = pytest.importorskip("glean.api_client.errors", reason=REASON)
    stub.next = [as_json({"message": "rate limited"}, 429)]
    asked = [{"author": "USER", "fragments": [{"text": "hi"}]}]
    with pytest.raises(errors.GleanError, match="429"):
        sdk.client.chat.create(messages=asked)

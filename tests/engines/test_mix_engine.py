"""The `mix` engine on a stub, and the stub before Mix's own SDK: neither is merely consistent with itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from focal_eval.engines.base import SessionStart, Setting
from focal_eval.engines.mix import Mix
from focal_eval.engines.mix_records import records_of, rows_of
from focal_eval.engines.mix_stream import StreamedTurn
from focal_eval.errors import EngineError, EngineProtocol, EngineStatus, EngineUnauthorised
from focal_eval.records import UNKNOWN, Tokens, ToolCall
from focal_eval.testing import engine_conformance
from tests.engines.mix_stub import MixServer
from tests.engines.vendor_stub import TOKEN, Heard, Stub, as_json, engine_of, frame, served, streamed, talk

SERVER = MixServer()
EARLY = MixServer(synchronous=True)


@pytest.fixture(scope="module")
def server() -> Iterator[Stub]:
    with served(SERVER.routes(), Stub(), token=None) as stub:
        yield stub


@pytest.fixture(scope="module")
def early() -> Iterator[Stub]:
    with served(EARLY.routes(), Stub(), token=None) as stub:
        yield stub


@pytest.fixture
def stub(server: Stub) -> Stub:
    server.heard.clear()
    server.next.clear()
    return server


def mix(stub: Stub, **keys: Any) -> Mix:
    return Mix(stub.url, **keys)


def paths(stub: Stub) -> list[str]:
    return [f"{one.method} {one.path}" for one in stub.heard]


def test_a_conversation_is_one_session(stub: Stub) -> None:
    """Each turn listens first and sends then; text, reasoning, tokens, cost and model are told, and the messages are kept."""
    found = talk(mix(stub), "hello", "and now?")
    first, second = found.replies
    assert (first.response, second.response) == ("1: hello", "2: and now?")
    assert (first.reasoning, first.reasoning_ms, first.model) == ("I should answer.", 40, "large")
    assert (first.tokens, second.tokens, first.cost) == (Tokens(12, 10, 2), Tokens(22, 20, 2), 0.001)
    assert (first.tools, first.first_token_ms is not None, first.latency_ms) == ((), True, UNKNOWN)
    session = first.session_id
    assert session == second.session_id
    one_turn = ["GET /stream", f"POST /api/sessions/{session}/messages", f"GET /api/sessions/{session}/messages"]
    assert paths(stub) == ["POST /api/sessions", *one_turn, *one_turn, one_turn[-1]]
    assert found.stored is not UNKNOWN
    assert [(one.role, one.text) for one in found.stored] == [
        ("user", "hello"), ("assistant", "1: hello"), ("user", "and now?"), ("assistant", "2: and now?"),
    ]  # fmt: skip
    assert first.turn_id == found.stored[1].id


def test_tools_are_heard_and_their_results_read(stub: Stub) -> None:
    """A permission that the policy allows: the call has arguments from the stream and the result that is stored."""
    (reply,) = talk(mix(stub, permissions="allow"), "grep it").replies
    assert reply.tools is not UNKNOWN
    (call,) = reply.tools
    assert (call.name, call.arguments, call.result, call.error, call.status) == (
        "Grep", {"pattern": "open"}, "3 matches", None, "completed",
    )  # fmt: skip
    assert reply.metadata == {"permissions": [{"tool": "Grep", "about": "Search orders.csv", "answer": "allow"}]}
    assert any(path.endswith("/grant") for path in paths(stub))
    assert reply.response == "1: grep it"


def test_what_is_said_before_a_call_is_said(stub: Stub) -> None:
    """Both messages are the response, as they are stored; the journal keeps them apart."""
    found = talk(mix(stub, permissions="allow"), "look: grep it")
    (reply,) = found.replies
    assert reply.messages == ("Let me look.", "1: look: grep it")
    assert reply.response == "Let me look.\n\n1: look: grep it"
    assert found.stored is not UNKNOWN
    assert tuple(one.text for one in found.stored if one.role == "assistant") == reply.messages


def test_a_denied_permission_is_a_failed_call(stub: Stub) -> None:
    """The turn goes on, as the server's agent does."""
    (reply,) = talk(mix(stub, permissions="deny"), "grep it").replies
    assert reply.tools is not UNKNOWN
    assert [(call.error, call.result, call.status) for call in reply.tools] == [("permission denied", UNKNOWN, "failed")]


def test_a_permission_nobody_foresaw_ends_the_turn(stub: Stub) -> None:
    """The default: it is denied, so that the server does not wait, and the turn is an error that says what to set."""
    with pytest.raises(EngineError, match=r"Grep asked for a permission \(Search orders.csv\); the engine's 'permissions' is"):
        talk(mix(stub), "grep it")
    assert any(path.endswith("/deny") for path in paths(stub))


def test_single_tools_are_allowed_by_name(stub: Stub) -> None:
    """Those a suite needs run, all others are met as `permissions` says."""
    (reply,) = talk(mix(stub, allow=("Glob", "Grep")), "grep it").replies
    assert reply.metadata == {"permissions": [{"tool": "Grep", "about": "Search orders.csv", "answer": "allow"}]}
    with pytest.raises(EngineError, match="Grep asked for a permission"):
        talk(mix(stub, allow=("Glob",)), "grep it")


def test_without_reading_back_results_and_costs_are_unknown(stub: Stub) -> None:
    """The stream alone tells that a call was made, never what it gave; the engine says before the run what it reports."""
    config = mix(stub, permissions="allow", read_back=False)
    (reply,) = talk(config, "grep it").replies
    assert reply.tools is not UNKNOWN
    assert (reply.tools[0].arguments, reply.tools[0].result) == ({"pattern": "open"}, UNKNOWN)
    assert (reply.tokens, reply.cost) == (UNKNOWN, UNKNOWN)


def test_a_sub_agents_end_does_not_end_the_turn(stub: Stub) -> None:
    """Its words are not the answer."""
    (reply,) = talk(mix(stub), "ask an agent").replies
    assert reply.response == "1: ask an agent"


def test_notifications_are_acknowledged_and_questions_are_not_answered(stub: Stub) -> None:
    """Nobody is there to answer in words."""
    (reply,) = talk(mix(stub), "note it").replies
    assert reply.response == "1: note it"
    assert [body for path, body in ((one.path, one.body) for one in stub.heard) if "notifications" in path] == [
        {"type": "acknowledge"}
    ]
    with pytest.raises(EngineError, match=r"asked something beside the conversation: Ready\?"):
        talk(mix(stub), "a question")
    with pytest.raises(EngineError, match="asked something beside"):
        talk(mix(stub, questions="fail"), "note it")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("break it", "overloaded, attempt 1 of 8, to be tried again after 60000 ms"),
        ("hang up", "the stream ended before the turn was complete, after 'I was ab'"),
        ("!rm -rf", "begins with '!', which a Mix server may run as a command"),
        (" /clear", "begins with '/', which"),
    ],
)
def test_a_turn_that_cannot_be_is_an_error(stub: Stub, words: str, said: str) -> None:
    """A failure of the server, a stream that breaks off, and words that would be a command to some servers."""
    with pytest.raises(EngineError, match=said):
        talk(mix(stub), words)


def test_commands_are_sent_where_the_suite_says_so(stub: Stub) -> None:
    """Servers that run none take the words as they are."""
    assert talk(mix(stub, commands="send"), "/clear").replies[0].response == "1: /clear"


def test_early_servers_answer_at_once(early: Stub) -> None:
    """A record instead of 202 is the reply; the same suite runs on both."""
    found = talk(mix(early), "hello", "and now?")
    assert [reply.response for reply in found.replies] == ["1: hello", "2: and now?"]
    assert found.stored is not UNKNOWN
    assert [one.text for one in found.stored] == ["hello", "1: hello", "and now?", "2: and now?"]


def test_early_servers_ask_while_they_answer(early: Stub) -> None:
    """The message's answer comes when the turn is over, so that a permission is answered meanwhile; rows tell the calls."""
    (reply,) = talk(mix(early, permissions="allow"), "look: grep it").replies
    assert reply.messages == ("Let me look.", "1: look: grep it")
    assert reply.tools is not UNKNOWN
    assert [(call.name, call.arguments, call.result) for call in reply.tools] == [("Grep", {"pattern": "open"}, "3 matches")]
    assert reply.metadata == {"permissions": [{"tool": "Grep", "about": "Search orders.csv", "answer": "allow"}]}
    with pytest.raises(EngineError, match="the engine's 'permissions' is 'fail'"):
        talk(mix(early), "grep it")


def test_a_turn_nobody_hears_is_cancelled(stub: Stub) -> None:
    """Where a turn was given up, the server's agent need not go on; a turn that ended is not cancelled."""

    async def given_up() -> str:
        engine = mix(stub).connect(Setting(Path()))
        session = await engine.open(SessionStart("case-1"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await session.send("think forever")
        await session.close()
        await session.close()
        await engine.close()
        return stub.heard[-1].path

    assert asyncio.run(given_up()).endswith("/cancel")
    stub.heard.clear()
    talk(mix(stub), "hello")
    assert not any(path.endswith("/cancel") for path in paths(stub))
    with pytest.raises(EngineError, match="overloaded"):
        talk(mix(stub), "break it")


def test_error_envelopes_are_engine_errors(stub: Stub) -> None:
    """What the server says of it is in the message, wherever it stands."""
    stub.next = [as_json({"error": {"code": 400, "message": "browserMode is wrong", "type": "validation_error"}}, 400)]
    with pytest.raises(EngineStatus, match="browserMode is wrong"):
        talk(mix(stub), "hi")
    stub.next = [as_json({"error": {"code": 401, "message": "log in", "type": "unauthorized"}}, 401)]
    with pytest.raises(EngineUnauthorised, match="log in"):
        talk(mix(stub), "hi")
    created = {"id": "ses-x"}
    stub.next = [as_json(created), streamed([frame("error", {"error": "no such session"})])]
    with pytest.raises(EngineError, match="no such session"):
        talk(mix(stub), "hi")
    stub.next = [as_json(created), streamed([frame("connected", {"sessionId": "ses-y"})])]
    with pytest.raises(EngineProtocol, match="of session 'ses-y', not of 'ses-x'"):
        talk(mix(stub), "hi")
    stub.next = [as_json(created), streamed([b": nothing\n\n"])]
    with pytest.raises(EngineProtocol, match="ended before it was connected"):
        talk(mix(stub), "hi")


@pytest.mark.parametrize("key", ["../x", "a/b", "", "a b", "..", "x" * 300])
def test_an_id_that_is_none_is_not_asked_for(stub: Stub, key: str) -> None:
    """Whatever a server calls a session never becomes another path."""
    stub.next = [as_json({"id": key})]
    with pytest.raises(EngineProtocol, match="is not an id"):
        talk(mix(stub), "hi")


def test_what_the_suite_says_decides_the_requests(stub: Stub) -> None:
    """Every key of the two requests that the suite may set, and the token for a proxy."""
    yaml = f"""\
url: {stub.url}
token: {TOKEN}
prompt: Be kind.
prompt_mode: replace
browser_mode: remote-cdp-websocket
cdp_url: ws://127.0.0.1:9
max_steps: 5
plan_mode: true
thinking: basic
delete_sessions: true
extra: {{callbacks: []}}
"""
    (reply,) = talk(engine_of("mix", yaml), "hi").replies
    assert stub.heard[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert stub.heard[0].body == {
        "title": "case-1",
        "browserMode": "remote-cdp-websocket",
        "cdpUrl": "ws://127.0.0.1:9",
        "promptMode": "replace",
        "customSystemPrompt": "Be kind.",
        "sessionType": "main",
        "callbacks": [],
    }
    (sent,) = stub.bodies(f"/api/sessions/{reply.session_id}/messages")[:1]
    assert sent == {"text": "hi", "content": "hi", "max_steps": 5, "plan_mode": True, "thinking_level": "basic"}
    assert paths(stub)[-1] == f"DELETE /api/sessions/{reply.session_id}"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"prompt_mode": "append"}, "'prompt_mode: append' needs 'prompt'"),
        ({"prompt": "x", "prompt_mode": "default"}, "makes the server ignore 'prompt'"),
        ({"cdp_url": "ws://x"}, "go together"),
        ({"browser_mode": "remote-cdp-websocket"}, "go together"),
        ({"max_steps": 0}, "'max_steps' must be above 0"),
    ],
)
def test_what_cannot_be_is_refused(stub: Stub, keys: dict[str, Any], said: str) -> None:
    """Settings that a server would take in silence and not follow."""
    with pytest.raises(ValueError, match=said):
        mix(stub, **keys)


def test_nothing_is_said_unasked(stub: Stub) -> None:
    """The engine speaks only when spoken to."""
    with pytest.raises(EngineError, match="says nothing unasked"):
        talk(mix(stub), None)


@pytest.mark.parametrize("synchronous", [False, True])
def test_the_engine_keeps_the_contract(stub: Stub, early: Stub, synchronous: bool) -> None:
    """The kit that every engine is held to."""
    for read_back in (True, False):
        engine_conformance(mix(early if synchronous else stub, read_back=read_back), messages=("hello", "and now?"))


# Mix's own SDK, version 0.8, as the referee

REASON = "Mix's SDK is not installed: pip install mix-python-sdk"


def client(stub: Stub) -> Any:
    sdk = pytest.importorskip("mix_python_sdk", reason=REASON)
    return sdk.Mix(server_url=stub.url, retry_config=None)


def dumped(model: Any) -> Any:
    """What the SDK understood, as JSON in the names of the wire."""
    return json.loads(model.model_dump_json(by_alias=True, exclude_none=True))


def test_the_sdk_reads_the_stub_as_the_engine_does(stub: Stub) -> None:
    """A turn by the SDK, its events and messages dumped by its models and read by our mapping, is our engine's turn."""
    sdk = client(stub)
    (ours,) = talk(mix(stub, permissions="allow"), "look: grep it").replies
    session = sdk.sessions.create(title="t", browser_mode="local-browser-service").id
    turn = StreamedTurn(session)
    with sdk.streaming.stream_events(session_id=session).result as events:
        for event in events:
            if event.event == "connected":
                sent = sdk.messages.send(id=session, text="look: grep it")
                assert (sent.session_id, str(sent.status)) == (session, "processing")
            asked = turn.take(event.event, dumped(event.data))
            if asked is not None:
                sdk.permissions.grant(id=asked.id)
            if turn.done is not None:
                break
    assert (turn.messages, turn.reasoning, turn.reasoning_ms) == (ours.messages, ours.reasoning, ours.reasoning_ms)
    heard = turn.tools()
    assert ours.tools is not UNKNOWN
    assert [(call.name, call.arguments) for call in heard] == [(call.name, call.arguments) for call in ours.tools]
    rows = rows_of([dumped(row) for row in sdk.messages.list_session(id=session)], session)
    assert [call.result for row in rows for call in row.tools] == [call.result for call in ours.tools]


def test_the_sdk_reads_the_stored_messages_as_the_engine_does(stub: Stub) -> None:
    """Rows dumped by the SDK's model of a message are the records that our engine reads back."""
    sdk = client(stub)
    found = talk(mix(stub, permissions="allow"), "grep it", "thanks")
    session = str(found.replies[0].session_id)
    theirs = records_of(rows_of([dumped(row) for row in sdk.messages.list_session(id=session)], session), session)
    assert found.stored is not UNKNOWN
    assert [(one.role, one.text, one.tools, one.tokens, one.cost) for one in theirs] == [
        (one.role, one.text, one.tools, one.tokens, one.cost) for one in found.stored
    ]
    assert [call for one in theirs if one.tools is not UNKNOWN for call in one.tools] == [
        ToolCall(
            "Grep",
            {"pattern": "open"},
            "3 matches",
            id=found.replies[0].tools[0].id,  # type: ignore[index]  # the stub's call
            type="function",
            status="completed",
        )
    ]


def test_the_sdk_would_have_sent_what_the_engine_sends(stub: Stub) -> None:
    """Our requests are valid by the SDK's models and lose nothing in them but `content`, which is for earlier servers."""
    models = pytest.importorskip("mix_python_sdk.models", reason=REASON)
    (reply,) = talk(mix(stub, prompt="Be kind.", max_steps=5, plan_mode=True, thinking="off"), "hi").replies
    made = stub.heard[0].body
    assert dumped(models.CreateSessionRequest.model_validate(made)) == made
    sent = stub.bodies(f"/api/sessions/{reply.session_id}/messages")[0]
    assert dumped(models.SendMessageRequestBody.model_validate(sent)) == {key: sent[key] for key in sent if key != "content"}


def test_the_sdk_knows_what_ends_a_session(stub: Stub) -> None:
    """The stub cancels and deletes as the SDK expects, and answers questions as it asks for it."""
    sdk = client(stub)
    models = pytest.importorskip("mix_python_sdk.models", reason=REASON)
    session = sdk.sessions.create(title="t", browser_mode="local-browser-service").id
    assert sdk.sessions.cancel_processing(id=session).cancelled is True
    sdk.sessions.delete(id=session)
    talk(mix(stub), "note it")
    (said,) = (one.body for one in stub.heard if "notifications" in one.path)
    assert dumped(models.RespondToNotificationRequestBody.model_validate(said)) == said


def test_the_sdk_refuses_what_the_engine_refuses(stub: Stub) -> None:
    """A session that is not there is an error to both."""
    sdk = client(stub)
    errors = pytest.importorskip("mix_python_sdk.errors", reason=REASON)
    with pytest.raises(errors.ErrorResponse) as told:
        sdk.messages.send(id="nope", text="hi")
    assert told.value.data.error.message == "Session with ID 'nope' not found"


def test_the_dialect_of_august_2025_is_named() -> None:
    """A server that knows no sessions and answers JSON-RPC is said to be of a version this engine does not speak."""

    async def rpc(heard: Heard) -> Response:
        return as_json({"result": [], "id": heard.body["id"]})

    with served({("POST", "/rpc"): rpc}, Stub(), token=None) as old:
        with pytest.raises(EngineProtocol, match="speaks the JSON-RPC dialect of August 2025"):
            talk(mix(old), "hi")
        assert old.bodies("/rpc") == [{"method": "sessions.list", "params": {}, "id": 1}]


@pytest.mark.parametrize("payload", [{"hello": "there"}, ["result", "id"], {"id": 1}])
def test_another_server_is_no_dialect(payload: Any) -> None:
    """What knows no sessions and answers something else keeps its own error."""

    async def other(_: Heard) -> Response:
        return as_json(payload)

    with served({("POST", "/rpc"): other}, Stub(), token=None) as stub, pytest.raises(EngineStatus, match="404"):
        talk(mix(stub), "hi")

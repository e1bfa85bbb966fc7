"""What Focal's contract cannot carry: sent to clients that ask, and taken from them where they say how a session begins."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from focal_eval.engines.base import SessionStart
from focal_eval.server.app import make_app
from focal_eval.server.listen import in_background
from tests.server.client import ServedEngine, body, engine_of, events_of, served


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with served(engine_of(tmp_path_factory.mktemp("agent"))) as client:
        yield client


def ask(client: httpx.Client, message: str, user: str, extras: Any = True, **more: Any) -> httpx.Response:
    return client.post("/v1/chat", json=body(message, user, metadata={"focal_eval": extras}, **more))


def reply_of(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["focal_eval"]
    return found


def refused(answer: httpx.Response) -> tuple[str, str]:
    """Field and message of a 400."""
    assert answer.status_code == 400, answer.text
    (detail,) = answer.json()["error"]["details"]
    return detail["field"], detail["message"]


def at(extras: dict[str, Any]) -> dict[str, Any]:
    return {"start": extras}


@pytest.mark.parametrize("metadata", [None, {}, {"focal_eval": False}, {"focal_eval": None}, {"locale": "de"}])
def test_nobody_gets_what_they_did_not_ask_for(client: httpx.Client, metadata: Any) -> None:
    """The key is absent from replies, streams and lists."""
    request = body("thanks", f"plain {metadata}", metadata=metadata)
    reply = client.post("/v1/chat", json=request).json()
    assert "focal_eval" not in reply
    assert "focal_eval" not in events_of(client.post("/v1/chat/stream", json=request).text)[-1][1]
    (turn, _) = client.get(f"/v1/sessions/{reply['session_id']}/turns").json()["items"]
    assert "focal_eval" not in turn
    assert "focal_eval" not in client.get("/v1/agents").json()["items"][0]


def test_the_whole_reply_is_sent_to_whoever_asks(client: httpx.Client) -> None:
    """With names instead of ids, and the ids of the reply around it; the same at the end of a stream."""
    answer = ask(client, "it is broken", "whole").json()
    reply = answer.pop("focal_eval")
    assert reply["rules"] == [{"name": "damaged", "score": 1.0}]
    assert reply["candidates"] == [{"name": "damaged", "score": 1.0, "reason": "'broken'"}]
    assert reply["tools"] == [{"name": "lookup", "arguments": {}, "result": {"total": 20}, "duration_ms": 30.0}]
    assert (reply["scenario"], reply["outcome"]) == ({"id": "refund", "step": "which"}, "awaiting-user")
    assert reply["variables"]["tier"] == "basic"
    assert [reply[key] for key in ("response", "session_id", "turn_id")] == [
        answer[key] for key in ("response", "session_id", "turn_id")
    ]
    streamed = client.post("/v1/chat/stream", json=body("it is broken", "whole 2", metadata={"focal_eval": True}))
    done = events_of(streamed.text)[-1][1]
    new = ("session_id", "turn_id", "latency_ms")
    assert {**done["focal_eval"], **dict.fromkeys(new)} == {**reply, **dict.fromkeys(new)}


def test_lists_say_more_to_whoever_asks(client: httpx.Client) -> None:
    """Stored messages with each turn, and what the engine can do with the agent."""
    session = ask(client, "it is broken", "lists").json()["session_id"]
    (turn,) = client.get(f"/v1/sessions/{session}/turns", params={"focal_eval": "true"}).json()["items"]
    user, agent = turn["focal_eval"]
    assert (user["role"], user["text"], user["turn_id"]) == ("user", "it is broken", turn["turn_id"])
    assert (agent["role"], agent["text"], agent["tools"][0]["result"]) == ("assistant", "which order?", {"total": 20})
    (listed,) = client.get("/v1/agents", params={"focal_eval": "true"}).json()["items"]
    assert client.get(f"/v1/agents/{listed['id']}", params={"focal_eval": "1"}).json() == listed
    can = listed["focal_eval"]
    assert (can["speaks_first"], can["stubs"], can["deterministic"]) == (True, True, True)
    assert can["seeds"] == ["history", "scenario", "variables"]
    assert {"candidates", "messages_stored"} <= set(can["reports"])


def test_a_session_begins_as_the_client_says(client: httpx.Client) -> None:
    """Variables, scenario and step, history; metadata beside it is the agent's."""
    start = {
        "variables": {"tier": "gold", "order": "B-2"},
        "history": [{"user": "hello", "agent": "hi"}, {"user": None, "agent": "still there?"}],
        "scenario": "refund/sure",
    }
    first = reply_of(ask(client, "hm", "begun", at(start)))
    assert first["response"] == "B-2 for a gold\ncustomer,  ☕?"
    assert reply_of(ask(client, "yes", "begun"))["scenario"] == {"id": "refund", "step": "done"}
    page = client.get(f"/v1/sessions/{first['session_id']}/turns", params={"sort": "asc"}).json()
    assert page["total"] == 2, "the history is no turn of this session"
    assert page["items"][0]["scenario_before"] == page["items"][0]["scenario_after"]
    assert page["items"][0]["scenario_before"] is not None


def test_metadata_of_the_first_message_is_the_agents(tmp_path: Path) -> None:
    """The agent reads it; the key of this package is not in it."""
    match = "{if: metadata.vip and not metadata.focal_eval}"
    text = f"agent: a\nrules: [{{id: vip, match: {match}, template: hi}}]\ntemplates: {{hi: hello vip}}\n"
    with served(engine_of(tmp_path, text)) as client:
        request = body("x", metadata={"vip": True, "focal_eval": True})
        assert client.post("/v1/chat", json=request).json()["response"] == "hello vip"
        assert client.post("/v1/chat", json=body("x")).json()["response"] == "hello vip", "later metadata is not read"


def test_a_start_on_a_session_that_has_begun_is_refused(client: httpx.Client) -> None:
    """Whoever means to begin afresh is told that the user is known, plain and streamed; nothing is said to the agent."""
    session = ask(client, "hi", "twice", at({})).json()["session_id"]
    field, message = refused(ask(client, "hi", "twice", at({})))
    assert field == "body.metadata.focal_eval.start"
    assert message == f"The session {session} has begun already; use a new user_channel_id"
    again = body("hi", "twice", metadata={"focal_eval": at({})})
    assert refused(client.post("/v1/chat/stream", json=again)) == (field, message)
    assert refused(client.post("/v1/chat", json={**again, "session_id": session}))[0] == field
    assert client.get(f"/v1/sessions/{session}").json()["turn_count"] == 1


@pytest.mark.parametrize(
    ("extras", "field", "message"),
    [
        ("yes", "", "Input should be a valid dictionary"),
        ([], "", "Input should be a valid dictionary"),
        ({"strat": {}}, ".strat", "Extra inputs are not permitted"),
        ({"stubs": "true"}, ".stubs", "Input should be a valid boolean"),
        ({"start": {"variables": []}}, ".start.variables", "Input should be a valid dictionary"),
        ({"start": {"history": [{"user": 1}]}}, ".start.history.0.user", "Input should be a valid string"),
        ({"start": {"scenario": "refunds"}}, ".start", "agent shop has no scenario 'refunds'"),
        ({"start": {"scenario": "refund/where"}}, ".start", "scenario refund has no step 'where'"),
    ],
)
def test_wrong_wishes_are_refused_at_their_place(client: httpx.Client, extras: Any, field: str, message: str) -> None:
    """A key nobody knows or a wrong type is 400; no session is begun."""
    found, said = refused(ask(client, "hi", "wishes", extras))
    assert (found, said[: len(message)]) == ("body.metadata.focal_eval" + field, message)
    assert ask(client, "hi", "wishes", at({})).status_code == 200, "the user is still new"
    session = ask(client, "hi", "wishes").json()["session_id"]
    client.delete(f"/v1/sessions/{session}")


def test_the_agent_speaks_first_when_asked_to(client: httpx.Client) -> None:
    """The message is not read, the turn has no user message, and the next turn is an ordinary one."""
    reply = reply_of(ask(client, "it is broken", "first", {"unasked": True}))
    assert (reply["response"], reply["rules"]) == ("hi there", [])
    ask(client, "thanks", "first")
    path = f"/v1/sessions/{reply['session_id']}/turns"
    turns = client.get(path, params={"sort": "asc", "focal_eval": "true"}).json()["items"]
    assert [turn["user_message"] for turn in turns] == ["", "thanks"]
    assert [one["role"] for one in turns[0]["focal_eval"]] == ["assistant"]


def asked(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    assert list(found) == ["type", "session_id", "turn_id", "call", "name", "arguments"]
    return found


def tell(client: httpx.Client, call: dict[str, Any], stub: Any, **more: Any) -> httpx.Response:
    return client.post(f"/v1/focal-eval/turns/{call['turn_id']}", json={"call": call["call"], "stub": stub, **more})


def test_the_client_answers_for_tools(client: httpx.Client) -> None:
    """Each call comes with its arguments; a result, an error and nothing to say are what the tool then does."""
    stubs = {"stubs": True}
    call = asked(ask(client, "it is broken", "stubs", {**stubs, **at({"variables": {"order": "A-1"}})}))
    assert (call["type"], call["call"], call["name"], call["arguments"]) == ("tool", 1, "lookup", {})
    reply = reply_of(tell(client, call, {"result": {"total": 7}, "delay_ms": 5}))
    assert reply["tools"] == [{"name": "lookup", "arguments": {}, "result": {"total": 7}, "duration_ms": 5.0}]
    assert reply["turn_id"] == call["turn_id"]
    call = asked(ask(client, "yes", "stubs", stubs))
    assert (call["call"], call["name"], call["arguments"]) == (1, "pay", {"id": "A-1"})
    assert reply_of(tell(client, call, {"error": "no money"}))["tools"][0]["error"] == "no money"
    call = asked(ask(client, "it is broken", "stubs", stubs))
    assert reply_of(tell(client, call, None))["tools"][0]["result"] == {"total": 20}
    assert [turn["user_message"] for turn in client.get(f"/v1/sessions/{call['session_id']}/turns").json()["items"]] == [
        "it is broken", "yes", "it is broken",
    ]  # fmt: skip


def test_a_result_of_null_is_a_result(client: httpx.Client) -> None:
    """The tool answers null, which is not the same as having nothing to say."""
    call = asked(ask(client, "it is broken", "null", {"stubs": True}))
    tool = reply_of(tell(client, call, {"result": None}))["tools"][0]
    assert (tool["result"], "error" in tool) == (None, False)


@pytest.mark.parametrize(
    ("answer", "field"),
    [
        ({}, "body.call"),
        ({"call": 1}, "body.stub"),
        ({"call": 1, "stub": {}}, "body.stub"),
        ({"call": 1, "stub": {"result": 1, "error": "x"}}, "body.stub"),
        ({"call": 1, "stub": {"result": 1, "delay_ms": -1}}, "body.stub.delay_ms"),
        ({"call": 1, "stub": {"error": None}}, "body.stub"),
        ({"call": "1", "stub": None}, "body.call"),
        ({"call": 2, "stub": None}, "body.call"),
        ({"call": 1, "stub": None, "reslt": 1}, "body.reslt"),
    ],
)
def test_wrong_answers_are_refused_and_the_turn_goes_on_waiting(client: httpx.Client, answer: Any, field: str) -> None:
    """400 with the place; the right answer is taken after it."""
    call = asked(ask(client, "it is broken", f"wrong {answer}", {"stubs": True}))
    error = client.post(f"/v1/focal-eval/turns/{call['turn_id']}", json=answer)
    assert field in [one["field"] for one in error.json()["error"]["details"]]
    assert tell(client, call, None).status_code == 200


def test_an_answer_is_taken_once(client: httpx.Client) -> None:
    """The second one, and one to a turn that never was, is 404."""
    call = asked(ask(client, "it is broken", "once", {"stubs": True}))
    assert tell(client, call, None).status_code == 200
    again = tell(client, call, None)
    assert (again.status_code, again.json()["error"]["code"]) == (404, "TURN_NOT_FOUND")


def test_a_new_message_gives_a_waiting_turn_up(client: httpx.Client) -> None:
    """It has then not happened; so with a deletion."""
    call = asked(ask(client, "it is broken", "given up", {"stubs": True}))
    reply = reply_of(ask(client, "thanks", "given up"))
    assert reply["session_id"] == call["session_id"]
    assert reply["scenario"] is None
    assert tell(client, call, None).status_code == 404
    assert client.get(f"/v1/sessions/{call['session_id']}").json()["turn_count"] == 1
    call = asked(ask(client, "it is broken", "given up", {"stubs": True}))
    client.delete(f"/v1/sessions/{call['session_id']}")
    assert tell(client, call, None).status_code == 404


def test_a_stream_stays_open_for_the_answers(client: httpx.Client) -> None:
    """A call is an event, its answer 204, and the stream goes on; each turn has both kinds of events in order."""
    request = body("it is broken", "open stream", metadata={"focal_eval": {"stubs": True}})
    seen, raw = [], ""
    with client.stream("POST", "/v1/chat/stream", json=request) as answer:
        for text in answer.iter_text():
            raw += text
            if "event: tool" in text:
                call = events_of(text)[0][1]
                assert tell(client, call, {"result": {"total": 3}}).status_code == 204
    seen = [name for name, _ in events_of(raw)]
    assert seen == ["tool", "token", "token", "done"]
    assert events_of(raw)[-1][1]["focal_eval"]["tools"][0]["result"] == {"total": 3}


def test_a_stream_that_is_closed_gives_the_turn_up(client: httpx.Client) -> None:
    """The session then stands where it stood, and answers the next message."""
    request = body("it is broken", "closed stream", metadata={"focal_eval": {"stubs": True}})
    with client.stream("POST", "/v1/chat/stream", json=request) as answer:
        call = events_of(next(answer.iter_text()))[0][1]
    time.sleep(0.3)  # until the server has noticed
    assert tell(client, call, None).status_code == 404
    reply = reply_of(ask(client, "thanks", "closed stream"))
    assert reply["session_id"] == call["session_id"]
    assert reply["scenario"] is None
    assert client.get(f"/v1/sessions/{reply['session_id']}").json()["turn_count"] == 1


def test_a_stream_whose_turn_is_given_up_ends_with_an_error(client: httpx.Client) -> None:
    """Whoever reads it is told why."""
    request = body("it is broken", "ended stream", metadata={"focal_eval": {"stubs": True}})
    raw = ""
    with client.stream("POST", "/v1/chat/stream", json=request) as answer:
        for text in answer.iter_text():
            raw += text
            if "event: tool" in text:
                client.delete(f"/v1/sessions/{events_of(text)[0][1]['session_id']}")
    name, data = events_of(raw)[-1]
    assert (name, data["code"]) == ("error", "TURN_NOT_FOUND")


@pytest.mark.parametrize("stream", [False, True])
def test_an_engine_over_it_opens_fresh_sessions(tmp_path: Path, stream: bool) -> None:
    """Two conversations side by side do not mix, and each can be read back."""
    engine = engine_of(tmp_path)

    async def converse(url: str) -> None:
        remote = ServedEngine(url, engine.abilities, stream=stream)
        one, other = await remote.open(SessionStart("one")), await remote.open(SessionStart("other", scenario="refund"))
        await one.send(None)
        await one.send("thanks")
        assert (await other.send("A-1")).response == "A-1 for a basic\ncustomer,  ☕?"
        assert [message.text for message in await one.stored()] == ["hi there", "thanks", "you are welcome"]
        assert [message.text for message in await other.stored()] == ["A-1", "A-1 for a basic\ncustomer,  ☕?"]
        await one.close()
        await remote.close()

    with in_background(make_app(engine)) as url:
        asyncio.run(converse(url))

from __future__ import annotations

import json
from typing import Any

import pytest

from focal_eval.engines.glean_messages import StreamedChat, records_of, reply_of, user_message
from focal_eval.errors import EngineError, EngineProtocol
from focal_eval.records import UNKNOWN, Citation, ToolCall
from tests.engines.vendor_stub import SAMPLES, needs_samples, sample


def message(type: str | None = "CONTENT", *fragments: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A message of Glean's."""
    kind = {} if type is None else {"messageType": type}
    return {"author": "GLEAN_AI", "fragments": list(fragments), **kind, **more}


def text(words: str) -> dict[str, Any]:
    return {"text": words}


def source(id: str, title: str = "Handbook", **more: Any) -> dict[str, Any]:
    """A citation of a document."""
    snippets = [{"text": "within 30 days", "mimeType": "text/plain"}]
    document = {"id": id, "title": title, "url": f"https://wiki.example.com/{id}", "metadata": {}}
    return {"sourceDocument": document, "referenceRanges": [{"snippets": snippets}], **more}


def action(name: str = "jira_create", shown: str = "Create issue", **values: str) -> dict[str, Any]:
    """A fragment that tells of a tool."""
    about = {"type": "ACTION", "name": name, "displayName": shown, "displayDescription": "x"}
    parameters = {key: {"type": "STRING", "value": value} for key, value in values.items()}
    return {"action": {"metadata": about, "parameters": parameters}}


def request(shown: str = "Create issue", id: str = "r-1") -> dict[str, Any]:
    """A fragment that asks for a permission."""
    asked = {
        "requestType": "EXECUTION",
        "requestId": id,
        "toolDisplayName": shown,
        "actionPreview": {"description": "an issue"},
    }
    return {"serverToolRequest": asked}


def body(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"messages": list(messages), "chatId": "c-1", **more}


def test_only_what_is_said_to_the_user_is_the_response() -> None:
    """Fragments are stitched together, messages are apart; progress, control, debug and the user's own words are not said."""
    reply = reply_of(
        body(
            {"fragments": [text("How long?")]},
            message("UPDATE", text("Searching ")),
            message("CONTENT", text("Within "), text("30 days."), messageId="m-1", ts="t1"),
            message("CONTROL_FINISH", text("x")),
            message("DEBUG", text("x")),
            message("NEVER_HEARD_OF", text("x")),
            message(None, text("Anything else?"), messageId="m-2", ts="t2"),
            message("WARNING", text("Old source")),
            followUpPrompts=["Who pays?"],
            backendTimeMillis=1100,
            chatSessionTrackingToken="tok",
        )
    )
    assert (reply.response, reply.messages) == ("Within 30 days.\n\nAnything else?", ("Within 30 days.", "Anything else?"))
    assert (reply.progress, reply.metadata, reply.type) == (("Searching",), {"warnings": ["Old source"]}, "CONTENT")
    assert (reply.follow_ups, reply.latency_ms, reply.tracking_token) == (("Who pays?",), 1100, "tok")
    assert (reply.session_id, reply.turn_id, reply.created_at) == ("c-1", "m-2", "t2")
    assert (reply.tools, reply.citations) == ((), ())


def test_what_glean_does_not_tell_is_unknown_and_never_empty() -> None:
    """Rules, scenarios, tokens and confidence; and follow-ups and latency where the keys are left out."""
    reply = reply_of({"messages": [message("CONTENT", text("Hi"))]})
    fields = ("rules", "candidates", "scenario", "transitions", "template", "tokens", "confidence", "reasoning", "variables")
    assert {getattr(reply, name) for name in (*fields, "follow_ups", "latency_ms")} == {UNKNOWN}
    assert (reply.session_id, reply.turn_id) == (None, None)


def test_citations_are_counted_once() -> None:
    """Those inside the text come first, then those of the older list; a source stands once; every kind of source is read."""
    skill = {"sourceSkill": {"id": "s-1", "name": "Refunds", "url": "https://s.example.com"}}
    person = {"sourcePerson": {"name": "Ada"}}
    reply = reply_of(
        body(
            message(
                "CONTENT", text("a"), {"citation": source("d-2")}, {"citation": skill}, citations=[source("d-1"), source("d-2")]
            ),
            message("CONTENT", text("b"), citations=[person, person]),
        )
    )
    assert reply.citations == (
        Citation("within 30 days", "Handbook", "https://wiki.example.com/d-2", id="d-2"),
        Citation(None, "Refunds", "https://s.example.com", id="s-1"),
        Citation("within 30 days", "Handbook", "https://wiki.example.com/d-1", id="d-1"),
        Citation(None, "Ada"),
    )


def test_a_call_that_waits_for_a_permission_is_one_call() -> None:
    """The request and the action that goes with it are told as one, pending; a request alone is a call without arguments."""
    reply = reply_of(body(message("SERVER_TOOL", request()), message("CONTENT", text("Ready."), action(summary="Refund"))))
    assert reply.tools == (ToolCall("jira_create", {"summary": "Refund"}, id="r-1", type="ACTION", status="pending"),)
    assert reply.metadata is not UNKNOWN
    assert reply.metadata["permissions"] == [{"tool": "Create issue", "type": "EXECUTION", "id": "r-1", "about": "an issue"}]
    alone = reply_of(body(message("SERVER_TOOL", request("Send mail", "r-2"))))
    assert (alone.response, alone.tools) == ("", (ToolCall("Send mail", id="r-2", type="EXECUTION", status="pending"),))


def test_the_result_of_a_call_is_never_told() -> None:
    """Arguments are known, what came of it is not; values of parameters are text, and may be missing."""
    bare = {"action": {"parameters": {"q": {"type": "STRING"}}}}
    reply = reply_of(body(message("CONTENT", text("x"), action(q="1"), bare)))
    assert reply.tools == (ToolCall("jira_create", {"q": "1"}, type="ACTION"), ToolCall("unnamed", {"q": None}))


def test_what_was_found_on_the_way_is_not_cited() -> None:
    """Retrieval hits are kept apart."""
    hits = {
        "structuredResults": [{"document": {"title": "Handbook"}}, {"person": {"name": "Ada"}}, {"document": {"id": "d-3"}}]
    }
    reply = reply_of(body(message("UPDATE", text("Reading"), hits), message("CONTENT", text("x"))))
    assert (reply.metadata, reply.citations) == ({"retrieved": ["Handbook", "Ada", "d-3"]}, ())


def test_an_error_in_a_good_answer_is_an_error() -> None:
    """A message of type ERROR breaks the turn, whatever else was said."""
    with pytest.raises(EngineError, match="Glean answered with an error: no access"):
        reply_of(body(message("CONTENT", text("x")), message("ERROR", text("no access"))))


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ([], "the reply is a list"),
        (body(), "no message of the agent"),
        ({"chatId": "c-1"}, "no message of the agent"),
        (body(message("UPDATE", text("x"))), "no message of the agent"),
        ({"messages": {}}, "'messages' of the reply is a mapping"),
        ({"messages": ["x"]}, r"messages of the reply\[0\] is the text"),
        (body(message("CONTENT", text("x")), chatId=7), "'chatId' of the reply is 7, text is expected"),
        (body(message("CONTENT", {"text": []})), "text is expected"),
        (body(message("CONTENT", text("x")), followUpPrompts=[1]), "a list of texts"),
        (body(message("CONTENT", text("x")), backendTimeMillis=-1), "a number from 0"),
        (body(message("CONTENT", text("x"), {"citation": "x"})), "a mapping is expected"),
    ],
)
def test_another_shape_is_the_engines_fault(payload: Any, said: str) -> None:
    """A reply that the contract does not allow names the place."""
    with pytest.raises(EngineProtocol, match=said):
        reply_of(payload)


def test_a_reply_of_another_chat_is_refused() -> None:
    """Two conversations never mix."""
    with pytest.raises(EngineProtocol, match="belongs to the chat 'c-1', not to 'c-2'"):
        reply_of(body(message("CONTENT", text("x"))), "c-2")


def test_a_stream_gives_the_same_as_the_whole_reply() -> None:
    """Lines are put together by the messages' ids, those without one by their type; what comes late counts."""
    lines = [
        body(message("UPDATE", text("Searching"), messageId="m-1")),
        body(message("CONTENT", text("Within "), messageId="m-2", ts="t")),
        body(message("CONTENT", text("30 days."), messageId="m-2"), message("UPDATE", text("Read"))),
        body(message("CONTENT", {"citation": source("d-1")}, messageId="m-2", citations=[source("d-2")])),
        {"messages": [], "followUpPrompts": ["More?"], "backendTimeMillis": 9, "chatId": None},
        {"messages": None},
    ]
    chat = StreamedChat()
    assert [chat.take(line) for line in lines] == [False, True, True, False, False, False]
    reply = reply_of(chat.whole(), "c-1")
    assert (reply.response, reply.progress, reply.turn_id) == ("Within 30 days.", ("Searching", "Read"), "m-2")
    assert (reply.follow_ups, reply.latency_ms, reply.session_id) == (("More?",), 9, "c-1")
    assert reply.citations is not UNKNOWN
    assert [one.id for one in reply.citations] == ["d-1", "d-2"]


def test_an_empty_stream_is_no_answer() -> None:
    """A connection that says nothing is the engine's fault."""
    with pytest.raises(EngineProtocol, match="no message of the agent"):
        reply_of(StreamedChat().whole())


def saved(*messages: dict[str, Any], id: str = "c-1") -> dict[str, Any]:
    return {"chatResult": {"chat": {"id": id, "messages": list(messages)}}}


def test_a_saved_chat_is_read_back() -> None:
    """Who said what; what is no message of the conversation is the system's; a turn's calls stand with its last words."""
    records = records_of(
        saved(
            {**user_message("Open a ticket"), "messageId": "m-0", "ts": "t0"},
            message("UPDATE", text("Searching")),
            message("SERVER_TOOL", request()),
            message("CONTENT", text("One moment.")),
            message("CONTENT", text("Done."), action(), {"citation": source("d-1")}, messageId="m-2", messageTrackingToken="k"),
            user_message("Thanks"),
            message("CONTENT", text("Sure.")),
        ),
        "c-1",
    )
    assert [(one.role, one.text) for one in records] == [
        ("user", "Open a ticket"),
        ("system", "Searching"),
        ("system", ""),
        ("assistant", "One moment."),
        ("assistant", "Done."),
        ("user", "Thanks"),
        ("assistant", "Sure."),
    ]
    assert [one.tools if one.tools is UNKNOWN else len(one.tools) for one in records] == [
        UNKNOWN,
        UNKNOWN,
        UNKNOWN,
        0,
        1,
        UNKNOWN,
        0,
    ]
    done = records[4]
    assert (done.id, done.type, done.session_id, done.tracking_token) == ("m-2", "CONTENT", "c-1", "k")
    assert (records[0].created_at, records[0].id) == ("t0", "m-0")
    assert done.citations is not UNKNOWN
    assert [one.id for one in done.citations] == ["d-1"]


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ({}, "has no 'chatResult'"),
        ({"chatResult": {}}, "has no 'chat'"),
        (saved(id="c-2"), "'c-1' was asked for, 'c-2' was sent"),
    ],
)
def test_a_wrong_saved_chat_is_refused(payload: Any, said: str) -> None:
    """What is read back is the chat that was asked for."""
    with pytest.raises(EngineProtocol, match=said):
        records_of(payload, "c-1")


@needs_samples
def test_the_samples_are_read() -> None:
    """What the vendor's models made is read: an answer, calls, an error, a stream, a saved chat."""
    reply = reply_of(sample("glean/response_single.json"))
    assert (reply.response, reply.latency_ms) == ("Refunds are issued within 30 days of purchase.", 1100)
    assert reply.citations == (
        Citation(
            "Refunds are issued within 30 days.", "Refund policy", "https://wiki.example.com/refunds", id="CONFLUENCE_812"
        ),
    )
    second = reply_of(sample("glean/response_turn2_tools.json"), "chat-7f3a")
    assert second.tools == (
        ToolCall(
            "jira_create_issue", {"project": "SUP", "summary": "Refund order 4411"}, id="req-1", type="ACTION", status="pending"
        ),
    )
    assert second.follow_ups == ()
    with pytest.raises(EngineError, match="I ran into a problem"):
        reply_of(sample("glean/response_error_message.json"))
    chat = StreamedChat()
    for line in (SAMPLES / "glean/stream.ndjson.txt").read_text(encoding="utf-8").splitlines():
        chat.take(json.loads(line))
    streamed = reply_of(chat.whole())
    assert (streamed.response, streamed.citations) == (reply.response, reply.citations)
    records = records_of(sample("glean/getchat_response.json"), "chat-7f3a")
    assert [(one.role, one.text) for one in records] == [
        ("user", "How long do refunds take?"),
        ("assistant", reply.response),
    ]

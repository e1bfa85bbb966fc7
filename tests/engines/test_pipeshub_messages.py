from __future__ import annotations

from typing import Any

import pytest

from focal_eval.engines.pipeshub_messages import in_order, page_of, reply_of
from focal_eval.engines.pipeshub_stream import StreamedTurn
from focal_eval.errors import EngineError, EngineProtocol
from focal_eval.records import UNKNOWN, Citation, ToolCall
from tests.engines.vendor_stub import needs_samples, sample, sample_events

KNOWLEDGE = {
    "_id": "cit-1",
    "content": "Within 30 days.",
    "metadata": {"recordName": "Policy.pdf", "webUrl": "https://drive.example.com/1"},
}


def message(kind: str, content: str, **more: Any) -> dict[str, Any]:
    return {"messageType": kind, "content": content, **more}


def asked(content: str, **more: Any) -> dict[str, Any]:
    return message("user_query", content, **more)


def answered(content: str, **more: Any) -> dict[str, Any]:
    return message("bot_response", content, **{"_id": "m-1", **more})


def conversation(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"_id": "conv-1", "messages": list(messages), "status": "Complete", **more}


def wrapped(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"conversation": conversation(*messages, **more), "meta": {"duration": 1500, "requestId": "r-1"}}


def part(name: str = "jira.create", **more: Any) -> dict[str, Any]:
    return {"type": "tool_call", "toolCallId": "t-1", "toolName": name, "status": "completed", **more}


def test_the_turn_is_what_follows_the_last_question() -> None:
    """The whole conversation comes each time; the last answer behind the last question is the reply."""
    reply = reply_of(
        wrapped(
            asked("a"),
            answered("old", _id="m-0"),
            asked("b"),
            answered("draft", _id="m-1"),
            message("system", "x"),
            answered(
                "Within 30 days [1].",
                _id="m-2",
                contentFormat="MARKDOWN",
                confidence="Very High",
                followUpQuestions=[{"question": "Who pays?", "confidence": "High"}, {}],
                citations=[{"citationId": "cit-1", "citationData": KNOWLEDGE}, {"citationId": "cit-2"}],
                metadata={"processingTimeMs": 1432.5, "reason": "context", "aiTransactionId": "tx"},
                modelInfo={"modelName": "large"},
                referenceData=[{"name": "SUP-12"}],
                reasoning=[{"content": "A"}, {"content": "B"}],
                createdAt="2026-03-02T10:00:00Z",
            ),
        )
    )
    assert (reply.response, reply.session_id, reply.turn_id) == ("Within 30 days [1].", "conv-1", "m-2")
    assert (reply.confidence, reply.follow_ups, reply.reasoning) == ("Very High", ("Who pays?",), "A\n\nB")
    assert reply.citations == (
        Citation("Within 30 days.", "Policy.pdf", "https://drive.example.com/1", 1, "cit-1"),
        Citation(None, "cit-2", None, 2, "cit-2"),
    )
    assert (reply.latency_ms, reply.model, reply.format, reply.type) == (1432.5, "large", "MARKDOWN", "bot_response")
    assert reply.metadata == {"reason": "context", "transaction": "tx", "references": ["SUP-12"]}
    assert reply.created_at == "2026-03-02T10:00:00Z"


def test_what_a_version_does_not_tell_is_unknown_and_never_empty() -> None:
    """A bare conversation of SDK 1.0: no calls, no reasoning; a confidence that is missing is known to be none."""
    reply = reply_of(conversation(asked("a"), answered("x"), status="COMPLETED"))
    assert {reply.tools, reply.reasoning, reply.citations, reply.follow_ups, reply.latency_ms, reply.format} == {UNKNOWN}
    assert (reply.confidence, reply.model, reply.metadata) == (None, None, {})
    assert {reply.rules, reply.tokens, reply.scenario} == {UNKNOWN}
    empty = reply_of(wrapped(asked("a"), answered("x", parts=[], citations=[], followUpQuestions=[])))
    assert (empty.tools, empty.citations, empty.follow_ups, empty.latency_ms) == ((), (), (), 1500)


def test_early_citations_are_read() -> None:
    """SDK 1.0 tells an excerpt, its surroundings and a score."""
    cited = {"citationId": "cit-1", "relevanceScore": 0.93, "excerpt": "30 days", "context": "Section 2"}
    reply = reply_of(conversation(asked("a"), answered("x", citations=[cited], metadata={"modelVersion": "small"})))
    assert reply.citations == (Citation("30 days", "cit-1", None, 1, "cit-1", 0.93, "Section 2"),)
    assert reply.model == "small"


def test_calls_are_read_from_the_transcript() -> None:
    """Arguments, results, failures and what did not finish; those of sub-agents at their place, with whose they are."""
    parts = [
        {"type": "reasoning", "content": "x"},
        part(args='{"a":1}', resultPreview='{"key":"SUP-12"}'),
        part("slack.post", toolCallId="t-2", args="no json", status="failed", resultPreview="channel_not_found"),
        part("mail.send", toolCallId="t-3", status="blocked"),
        {"type": "sub_agent", "runId": "run-2", "parts": [part("web.search", toolCallId="t-4", status="running", args="")]},
        {"type": "tool_call", "displayName": "Look up"},
    ]
    assert reply_of(wrapped(asked("a"), answered("x", parts=parts))).tools == (
        ToolCall("jira.create", {"a": 1}, {"key": "SUP-12"}, id="t-1", status="completed"),
        ToolCall("slack.post", error="channel_not_found", id="t-2", status="failed"),
        ToolCall("mail.send", error="the call was blocked", id="t-3", status="blocked"),
        ToolCall("web.search", {}, error="the call did not finish", id="t-4", status="running", parent="run-2"),
        ToolCall("Look up"),
    )


def test_calls_of_the_older_list_have_names_and_results() -> None:
    """It has no arguments; a result that is left out is not known."""
    tools = [{"toolName": "jira.create", "toolResult": {"key": 1}}, {"toolName": "x", "toolResult": None}, {}]
    assert reply_of(wrapped(asked("a"), answered("x", tools=tools))).tools == (
        ToolCall("jira.create", result={"key": 1}),
        ToolCall("x", result=None),
        ToolCall("unnamed"),
    )


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (conversation(asked("a"), message("error", "no model"), status="Failed"), "failed: no model"),
        (conversation(asked("a"), status="FAILED", failReason="quota"), "failed: quota"),
        (conversation(asked("a"), answered("x"), status="Stopped"), "no reason is told"),
        (conversation(asked("a"), message("error", "no model")), "failed: no model"),
    ],
)
def test_a_failed_turn_is_an_error(payload: Any, said: str) -> None:
    """It is told by the status, in either spelling, or by a message, with a good status of the answer."""
    with pytest.raises(EngineError, match=said):
        reply_of(payload)


def test_an_old_failure_does_not_break_a_later_turn() -> None:
    """Only what follows the last question counts."""
    payload = conversation(asked("a"), message("error", "no model"), asked("b"), answered("x"))
    assert reply_of(payload).response == "x"


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ([], "the reply is a list"),
        ({}, "has no '_id'"),
        ({"conversation": {}}, "has no '_id'"),
        (conversation(), "no answer to the last question; its status is 'complete'"),
        ({"_id": "conv-1", "messages": [asked("a")]}, "its status is not told"),
        (conversation(answered("x")), "no answer to the last question"),
        (conversation(asked("a"), status="Inprogress"), "its status is 'inprogress'"),
        (conversation(asked("a"), answered("x", citations=[7])), "a mapping is expected"),
        (conversation(asked("a"), answered("x", confidence=0.9)), "'confidence' of"),
        (conversation(asked("a"), answered("x", metadata={"processingTimeMs": "fast"})), "a number from 0"),
        ({"_id": "conv-2", "messages": []}, "of conversation 'conv-2', not of 'conv-1'"),
    ],
)
def test_another_shape_is_the_engines_fault(payload: Any, said: str) -> None:
    """What the contract does not allow names the place; another conversation is none of ours."""
    with pytest.raises(EngineProtocol, match=said):
        reply_of(payload, wanted="conv-1")


def test_an_answer_never_counts_twice() -> None:
    """A server that repeats the answer to the question before is told off."""
    with pytest.raises(EngineProtocol, match="an answer that was given before: 'm-1'"):
        reply_of(conversation(asked("a"), answered("x")), known=["m-1"])


def test_transcripts_that_nest_without_end_are_refused() -> None:
    """The depth is bounded."""
    nested: dict[str, Any] = part()
    for _ in range(20):
        nested = {"type": "sub_agent", "parts": [nested]}
    with pytest.raises(EngineProtocol, match="nested more than 16 deep"):
        reply_of(wrapped(asked("a"), answered("x", parts=[nested])))


def page(*messages: dict[str, Any], start: int | None = None, more: bool = False) -> dict[str, Any]:
    reach = {} if start is None else {"messageRange": {"start": start, "end": start + len(messages) - 1}}
    body = {"id": "conv-1", "messages": list(messages), "pagination": {"page": 1, "hasNextPage": more, **reach}}
    return {"conversation": body, "meta": {}}


@pytest.mark.parametrize("told", [True, False], ids=["positions told", "newest page first"])
@pytest.mark.parametrize("turned", [True, False], ids=["newest message first", "oldest message first"])
def test_pages_are_put_in_the_order_that_was_said(told: bool, turned: bool) -> None:
    """Whatever order pages and their messages come in, and where a message stands on two of them."""
    said = [
        (asked if at % 2 == 0 else answered)(str(at), _id=f"m-{at}", createdAt=f"2026-03-02T10:00:0{at}Z") for at in range(5)
    ]
    newest, oldest = said[2:], said[:3]
    if turned:
        newest, oldest = newest[::-1], oldest[::-1]
    pages = [
        page_of(page(*newest, start=3 if told else None, more=True), "conv-1"),
        page_of(page(*oldest, start=1 if told else None), "conv-1"),
    ]
    assert [one.more for one in pages] == [True, False]
    assert [record.text for record in in_order(pages)] == ["0", "1", "2", "3", "4"]


def test_stored_messages_keep_what_belongs_to_them() -> None:
    """Roles, feedback, and what only an answer has; feedback that nobody gave is known to be none."""
    given = {"isHelpful": True, "ratings": {"accuracy": 5}}
    records = in_order(
        [
            page_of(
                page(
                    asked("a", _id="1", updatedAt="u"),
                    answered("x", _id="2", feedback=[given], parts=[part()], confidence="Low", contentFormat="HTML"),
                    answered("y", _id="3"),
                    message("error", "broken", _id="4"),
                    message("feedback", "good", _id="5"),
                    message("never_heard_of", "z", _id="6"),
                ),
                "conv-1",
            )
        ]
    )
    assert [(one.role, one.type) for one in records] == [
        ("user", "user_query"),
        ("assistant", "bot_response"),
        ("assistant", "bot_response"),
        ("assistant", "error"),
        ("system", "feedback"),
        ("system", "never_heard_of"),
    ]
    assert [one.feedback for one in records] == [UNKNOWN, [given], None, UNKNOWN, UNKNOWN, UNKNOWN]
    assert (records[1].confidence, records[1].format, records[0].updated_at) == ("Low", "HTML", "u")
    assert records[1].tools == (ToolCall("jira.create", id="t-1", status="completed"),)
    assert {one.session_id for one in records} == {"conv-1"}


def heard(*events: tuple[str, Any]) -> StreamedTurn:
    turn = StreamedTurn()
    for name, data in events:
        turn.take(name, data)
    return turn


def test_a_stream_of_today_ends_in_the_conversation() -> None:
    """Only the words of the root run are the user's; the end of a sub-agent's run, or its error, is not the turn's."""
    finished = {"type": "RUN_FINISHED", "result": wrapped(asked("a"), answered("Hello"))}
    events = [
        ("CUSTOM", {"name": "conversation_created", "value": {"conversationId": "conv-1"}}),
        ("RUN_STARTED", {"runId": "r-1"}),
        ("RUN_STARTED", {"runId": "r-2", "parentRunId": "r-1"}),
        ("TEXT_MESSAGE_CONTENT", {"runId": "r-2", "delta": "inner"}),
        ("RUN_ERROR", {"runId": "r-2", "parentRunId": "r-1", "message": "inner"}),
        ("RUN_FINISHED", {"runId": "r-2", "parentRunId": "r-1"}),
        ("HEARTBEAT", {}),
        ("NEVER_HEARD_OF", {"x": 1}),
        ("TEXT_MESSAGE_CONTENT", {"runId": "r-1", "delta": "Hel"}),
        ("", {"type": "TEXT_MESSAGE_CONTENT", "delta": "lo"}),
        ("RUN_FINISHED", finished),
    ]
    turn = StreamedTurn()
    spoke = [turn.take(name, data) for name, data in events]
    assert (spoke.index(True), spoke.count(True), turn.words) == (8, 2, ["Hel", "lo"])
    assert (turn.conversation, turn.done) == ("conv-1", True)
    assert reply_of(turn.whole()).response == "Hello"


@pytest.mark.parametrize(
    "words",
    [
        [("chunk", {"chunk": "Hel", "accumulated": "Hel"}), ("chunk", {"chunk": "lo"})],
        [
            ("answer_chunk", {"accumulated": "Hel"}),
            ("answer_chunk", {"accumulated": "Hello"}),
            ("answer_chunk", {"accumulated": "x"}),
        ],
    ],
    ids=["1.0", "between"],
)
def test_earlier_vocabularies_are_read(words: list[tuple[str, Any]]) -> None:
    """Chunks alone or with all that was said so far; the end is named otherwise."""
    end = ("complete", wrapped(asked("a"), answered("Hello")))
    turn = heard(("connected", {"message": "x"}), *words, ("tool_call", {"tool_name": "x"}), ("connected", "plain text"), end)
    assert ("".join(turn.words), reply_of(turn.whole()).response) == ("Hello", "Hello")


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([("RUN_ERROR", {"message": "no model", "code": "agent_error"})], r"no model \(agent_error\)"),
        ([("error", {"error": {"message": "no model"}})], "no model"),
        ([("error", {"error": "no model"})], "no model"),
        ([("error", "no model")], "no model"),
        ([("error", {})], "no reason is told"),
    ],
)
def test_an_error_event_is_an_error(events: list[tuple[str, Any]], said: str) -> None:
    """In every vocabulary."""
    with pytest.raises(EngineError, match=said):
        heard(*events)


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([], "before any word"),
        ([("TEXT_MESSAGE_CONTENT", {"delta": "Hel"})], "after 'Hel'"),
        ([("RUN_FINISHED", {})], "without the conversation"),
        ([("complete", "done")], "holds no conversation"),
        ([("TEXT_MESSAGE_CONTENT", {"delta": 7})], "text is expected"),
        ([("CUSTOM", {"name": "conversation_created"})], "has no 'value'"),
    ],
)
def test_a_stream_that_breaks_off_is_no_answer(events: list[tuple[str, Any]], said: str) -> None:
    """Half an answer is never taken for a whole one."""
    with pytest.raises(EngineProtocol, match=said):
        heard(*events).whole()


@needs_samples
def test_the_samples_are_read() -> None:
    """What the vendor's models made is read: both envelopes, calls, failures, and each vocabulary of streams."""
    first = reply_of(sample("pipeshub/create_201.json"))
    assert (first.response, first.confidence) == ("Refunds are issued within 30 days [1].", "High")
    assert first.citations is not UNKNOWN
    assert [(one.source, one.url) for one in first.citations] == [("Refund policy.pdf", "https://drive.example.com/f/1")]
    second = reply_of(sample("pipeshub/add_message_200_tools.json"), wanted=first.session_id, known=[str(first.turn_id)])
    assert second.tools == (
        ToolCall(
            "jira.create_issue",
            {"project": "SUP", "summary": "Refund order 4411"},
            {"key": "SUP-12"},
            id="call_1",
            status="completed",
        ),
        ToolCall("slack.post_message", {"channel": "#sup"}, error="channel_not_found", id="call_2", status="failed"),
    )
    assert (second.reasoning, second.latency_ms) == ("A ticket is needed.", 3100)
    assert reply_of(heard(*sample_events("pipeshub/stream_agui.txt")).whole()).tools == second.tools
    assert reply_of(sample("pipeshub/v1.0_conversation_single.json")).latency_ms == 1432.5
    for name in ("conversation_failed", "v1.0_conversation_multi_error"):
        with pytest.raises(EngineError, match="The model is unavailable"):
            reply_of(sample(f"pipeshub/{name}.json"))
    with pytest.raises(EngineError, match=r"The model is unavailable. \(agent_error\)"):
        heard(*sample_events("pipeshub/stream_agui_error.txt"))
    with pytest.raises(EngineError, match="The model is unavailable"):
        reply_of(heard(*sample_events("pipeshub/v1.0_stream.txt")).whole())

from __future__ import annotations

from typing import Any

import pytest

from focal_eval.engines.mix_records import (
    UNFINISHED,
    merged,
    of_last_turn,
    records_of,
    rows_of,
    synchronous_reply,
    turn_cost,
    turn_model,
    turn_tokens,
)
from focal_eval.engines.mix_stream import PermissionAsked, QuestionAsked, StreamedTurn, connected_session
from focal_eval.errors import EngineError, EngineProtocol
from focal_eval.records import UNKNOWN, Tokens, ToolCall
from tests.engines.vendor_stub import needs_samples, sample, sample_events


def row(id: str, role: str, text: str = "", **more: Any) -> dict[str, Any]:
    """A stored message; every row has its text in `userInput`, those that are not the user's repeat it."""
    answer = {} if role == "user" else {"assistantResponse": text}
    return {"id": id, "sessionId": "s-1", "role": role, "userInput": text, **answer, **more}


def call(id: str = "t-1", **more: Any) -> dict[str, Any]:
    return {"id": id, "name": "Grep", "type": "function", "finished": True, "input": '{"pattern":"x"}', **more}


TALK = [
    row("m1", "user", "How many?"),
    row("m2", "assistant", "", toolCalls=[call(result="3 matches"), call("t-2", isError=True, result="refused")]),
    row("m3", "tool"),
    row("m4", "assistant", "Three.", inputTokens=900, outputTokens=14, cacheReadTokens=5, cost=0.003, model="large"),
    row("m5", "user", "Thanks"),
    row("m6", "assistant", "Sure.", inputTokens=10, outputTokens=2, cost=0.001, model="small"),
]


def test_rows_are_told_apart_by_their_role() -> None:
    """The text of a row is the user's or the agent's by `role` alone, though every row has `userInput`."""
    records = records_of(rows_of(TALK, "s-1"), "s-1")
    assert [(one.role, one.text) for one in records] == [
        ("user", "How many?"),
        ("assistant", ""),
        ("tool", ""),
        ("assistant", "Three."),
        ("user", "Thanks"),
        ("assistant", "Sure."),
    ]
    assert (records[0].tools, records[3].tools) == (UNKNOWN, ())
    assert (records[3].tokens, records[3].cost, records[3].model) == (Tokens(914, 900, 14, cached=5), 0.003, "large")
    assert {one.session_id for one in records} == {"s-1"}


def test_calls_have_results_errors_and_states() -> None:
    """A result is a value where it is JSON, an error where it failed, and not known where no row tells it."""
    calls = [
        call(result='{"n": 3}', parentToolCallId="t-0"),
        call("t-2", isError=True),
        call("t-3", finished=False),
        call("t-4", input="not json"),
        call("t-5", input=""),
    ]
    (only,) = rows_of([row("m1", "assistant", toolCalls=calls)], "s-1")
    assert only.tools == (
        ToolCall("Grep", {"pattern": "x"}, {"n": 3}, id="t-1", type="function", status="completed", parent="t-0"),
        ToolCall("Grep", {"pattern": "x"}, error="the tool failed", id="t-2", type="function", status="failed"),
        ToolCall("Grep", {"pattern": "x"}, error=UNFINISHED, id="t-3", type="function", status="running"),
        ToolCall("Grep", id="t-4", type="function", status="completed"),
        ToolCall("Grep", {}, id="t-5", type="function", status="completed"),
    )


def test_a_turn_is_what_follows_the_users_message() -> None:
    """The last one, or the one that was sent; what it cost is added up, and unknown where nothing tells it."""
    rows = rows_of(TALK, "s-1")
    assert [one.id for one in of_last_turn(rows, None)] == ["m6"]
    assert [one.id for one in of_last_turn(rows[:4], "m1")] == ["m2", "m3", "m4"]
    assert of_last_turn(rows, "m9") == ()
    assert (turn_tokens(rows), turn_cost(rows), turn_model(rows)) == (Tokens(926, 910, 16), 0.004, "small")
    assert (turn_tokens(rows[:3]), turn_cost(rows[:3]), turn_model(rows[:3])) == (UNKNOWN, UNKNOWN, None)


def test_what_was_heard_and_what_is_stored_make_one_call() -> None:
    """The stored call tells the result, the stream tells arguments that are not readable there; none counts twice."""
    heard = (
        ToolCall("Grep", {"a": 1}, id="t-1", status="completed"),
        ToolCall("Bash", {"b": 1}, id="t-2", error="the tool failed"),
    )
    stored = (ToolCall("Grep", result="3", id="t-1", type="function"), ToolCall("Glob", id="t-3"))
    assert merged(heard, stored) == (
        ToolCall("Grep", {"a": 1}, "3", id="t-1", type="function", status="completed"),
        ToolCall("Bash", {"b": 1}, id="t-2", error="the tool failed"),
        ToolCall("Glob", id="t-3"),
    )
    assert merged(heard, ()) == heard


@pytest.mark.parametrize("wrap", [lambda body: body, lambda body: {"data": body, "error": None}], ids=["bare", "wrapped"])
def test_early_servers_answer_with_a_record(wrap: Any) -> None:
    """A record is the reply, whatever its role says; its session may be empty; the earliest servers wrap it."""
    record = row("m1", "user", "How many?", reasoning="Search.", reasoningDuration=820, toolCalls=[call(result="3")])
    reply = synchronous_reply(wrap({**record, "assistantResponse": "Three.", "sessionId": ""}), "s-1")
    assert (reply.response, reply.reasoning, reply.reasoning_ms) == ("Three.", "Search.", 820)
    assert (reply.tools, reply.tokens, reply.session_id, reply.turn_id) == (
        (ToolCall("Grep", {"pattern": "x"}, "3", id="t-1", type="function", status="completed"),), UNKNOWN, "s-1", "m1",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (row("system-auth-prompt", "assistant", "Log in"), "asks for a login"),
        (row("cmd-help", "assistant", "Commands"), "as a command"),
        ({**row("m1", "assistant", "x"), "sessionId": "s-2"}, "belongs to session 's-2'"),
        (row("m1", "user", "x"), "has no 'assistantResponse'"),
        ([], "the reply is a list"),
        ({"id": "m1"}, "has no 'role'|assistantResponse"),
    ],
)
def test_what_is_no_answer_is_not_taken_for_one(record: Any, said: str) -> None:
    """A login prompt, a command's output, another session's record, another shape."""
    with pytest.raises(EngineProtocol, match=said):
        synchronous_reply(record, "s-1")


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ({}, "is no list"),
        (["x"], "a mapping is expected"),
        ([{}], "has no 'role'"),
        ([row("m1", "user") | {"sessionId": "s-2"}], "one of 's-2' was sent"),
        ([row("m1", "assistant", inputTokens=True)], "'inputTokens'"),
        ([row("m1", "assistant", toolCalls=[{"id": "x"}])], "has no 'name'"),
        ([row("m1", "assistant")] * 10_001, "10,001 items"),
    ],
)
def test_another_shape_of_records_is_the_engines_fault(payload: Any, said: str) -> None:
    """What the contract does not allow names the place."""
    with pytest.raises(EngineProtocol, match=said):
        rows_of(payload, "s-1")


def heard(*events: tuple[str, dict[str, Any]]) -> StreamedTurn:
    turn = StreamedTurn("s-1")
    for name, data in events:
        turn.take(name, data)
    return turn


def test_a_turn_is_put_together_from_its_events() -> None:
    """Words, thoughts and calls in pieces; unknown events and heartbeats are passed over; the end tells the whole."""
    turn = heard(
        ("user_message_created", {"messageId": "m1", "content": "hi"}),
        ("heartbeat", {"type": "ping"}),
        ("never_heard_of", {"x": 1}),
        ("thinking", {"content": "I should "}),
        ("thinking", {"content": "search."}),
        ("tool_use_start", {"id": "t-1", "name": "Grep"}),
        ("tool_use_parameter_delta", {"toolCallId": "t-1", "input": '{"a":'}),
        ("tool_use_parameter_delta", {"toolCallId": "t-1", "input": "1}"}),
        ("tool_execution_start", {"toolCallId": "t-1", "toolName": "Grep", "progress": "x"}),
        ("tool_execution_complete", {"toolCallId": "t-1", "toolName": "Grep", "progress": "x", "success": True}),
        ("tool_use_parameter_streaming_complete", {"id": "t-2", "name": "Bash", "input": '{"b":2}'}),
        ("tool_execution_complete", {"toolCallId": "t-2", "toolName": "Bash", "progress": "x", "success": False}),
        ("tool_use_start", {"id": "t-3", "name": "Glob"}),
        ("content", {"content": "It is "}),
        ("content", {"content": "three."}),
    )
    assert (turn.text, turn.reasoning, turn.user, turn.done) == ("It is three.", "I should search.", "m1", None)
    assert turn.tools() == (
        ToolCall("Grep", {"a": 1}, id="t-1", status="completed"),
        ToolCall("Bash", {"b": 2}, error="the tool failed", id="t-2", status="failed"),
        ToolCall("Glob", error=UNFINISHED, id="t-3", status="running"),
    )
    turn.take("complete", {"done": True, "content": "Three.", "messageId": "m2", "reasoning": "Why.", "reasoningDuration": 5})
    assert (turn.messages, turn.reasoning, turn.reasoning_ms, turn.message) == (("Three.",), "Why.", 5, "m2")


@pytest.mark.parametrize(
    ("said", "end", "messages"),
    [
        ([("m1", "Let me look."), ("m2", "It is three.")], ("m2", "It is three."), ("Let me look.", "It is three.")),
        ([("m1", "Let me look."), ("m2", "It is th")], ("m2", "It is three."), ("Let me look.", "It is three.")),
        ([("m1", "Let me look.")], ("m2", "It is three."), ("Let me look.", "It is three.")),
        ([("m1", "Let me "), ("m1", "look."), ("m2", "Three.")], ("m2", "Let me look. Three."), ("Let me look.", "Three.")),
        ([("m1", "It is three.")], ("m2", "It is three."), ("It is three.",)),
        ([(None, "It is th")], ("m2", "It is three."), ("It is three.",)),
        ([("m1", "It is three.")], (None, None), ("It is three.",)),
        ([], ("m2", "It is three."), ("It is three.",)),
        ([], (None, ""), ()),
    ],
)
def test_a_turn_may_say_several_messages(
    said: list[tuple[str | None, str]], end: tuple[str | None, str | None], messages: tuple[str, ...]
) -> None:
    """What is said before a tool is called is said to the user too; the end tells the last message, or all of them."""
    events = [("content", {"content": text, "assistantMessageId": key}) for key, text in said]
    turn = heard(*events, ("complete", {"done": True, "messageId": end[0], "content": end[1]}))
    assert turn.messages == messages


def test_a_sub_agent_does_not_end_or_fill_the_turn() -> None:
    """Its words, calls, errors and end are its own; its questions must be answered all the same."""
    inner = {"parentToolCallId": "t-0"}
    turn = heard(
        ("content", {"content": "inner", **inner}),
        ("tool_use_start", {"id": "t-9", "name": "Bash", **inner}),
        ("error", {"error": "inner", **inner}),
        ("complete", {"done": True, "content": "inner", **inner}),
    )
    assert (turn.text, turn.tools(), turn.done) == ("", (), None)
    asked = turn.take("permission", {"id": "p-1", "toolName": "Bash", "action": "run", **inner})
    assert asked == PermissionAsked("p-1", "Bash", "run")


@pytest.mark.parametrize(
    ("kind", "response"), [("acknowledge", "acknowledge"), ("text", "text"), ("choice", "choice"), ("new", "acknowledge")]
)
def test_what_waits_for_an_answer_comes_back(kind: str, response: str) -> None:
    """A permission and a notification each with what they ask for."""
    turn = StreamedTurn("s-1")
    asked = turn.take("notification", {"id": "n-1", "title": "Sure?", "responseType": kind})
    assert asked == QuestionAsked("n-1", "Sure?", response)  # type: ignore[arg-type]  # one of the three
    permission = turn.take("permission", {"id": "p-1", "toolName": "Grep", "description": "Search a.csv"})
    assert permission == PermissionAsked("p-1", "Grep", "Search a.csv")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"error": "overloaded"}, "Mix answered with an error: overloaded$"),
        ({"error": {"message": "overloaded"}}, "overloaded$"),
        (
            {"error": "slow down", "type": "rate_limit_error", "attempt": 1, "maxAttempts": 8, "retryAfter": 60000},
            r"slow down \(rate_limit_error\), attempt 1 of 8, to be tried again after 60000 ms",
        ),
    ],
)
def test_an_error_event_ends_the_turn(data: dict[str, Any], said: str) -> None:
    """What the server says of it, and what it does about it, is in the message."""
    with pytest.raises(EngineError, match=said):
        heard(("error", data))


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("content", {}, "'content' of|has no 'content'"),
        ("content", [], "the event 'content' is a list"),
        ("tool_use_parameter_delta", {"toolCallId": "t-7", "input": "x"}, "belongs to no call that began"),
        ("permission", {}, "has no 'id'"),
        ("tool_execution_complete", {"toolCallId": "t-7", "toolName": "x", "success": "yes"}, "true or false"),
    ],
)
def test_another_shape_of_events_is_the_engines_fault(name: str, data: Any, said: str) -> None:
    """What the contract does not allow names the event."""
    with pytest.raises(EngineProtocol, match=said):
        heard((name, data))


def test_the_stream_of_another_session_is_refused() -> None:
    """Two conversations never mix."""
    connected_session({"sessionId": "s-1"}, "s-1")
    connected_session({}, "s-1")
    with pytest.raises(EngineProtocol, match="of session 's-2', not of 's-1'"):
        connected_session({"sessionId": "s-2"}, "s-1")


@needs_samples
def test_the_samples_are_read() -> None:
    """What the vendor's models made is read: records of both shapes, a stream, an error."""
    rows = rows_of(sample("mix/messages_multi_tools.json"), "ses-1")
    turn = StreamedTurn("ses-1")
    asked = [wants for name, data in sample_events("mix/stream.txt") if (wants := turn.take(name, data)) is not None]
    assert asked == [PermissionAsked("perm-1", "Grep", "Search orders.csv")]
    assert (turn.text, turn.reasoning, turn.reasoning_ms, turn.message) == (
        "There are 3 open orders.", "I should search orders.csv.", 820, "m6",
    )  # fmt: skip
    first = of_last_turn(rows[:4], "m3")
    assert merged(turn.tools(), [one for row in first for one in row.tools]) == (
        ToolCall(
            "Grep", {"pattern": "OPEN", "path": "orders.csv"}, "3 matches", id="toolu_1", type="function", status="completed"
        ),
        ToolCall(
            "crm_lookup_order",
            {"order_id": "4411"},
            error="connection refused",
            id="toolu_2",
            type="function",
            status="failed",
        ),
    )
    assert turn_tokens(first) == Tokens(924, 910, 14)
    for name in ("seed_messagedata_v0.4.3", "seed_backendmessage_v0.6.5"):
        assert synchronous_reply(sample(f"mix/{name}.json"), "ses-1").response == "There are 3 open orders."
    with pytest.raises(EngineError, match="rate limited"):
        heard(*sample_events("mix/stream_error.txt"))

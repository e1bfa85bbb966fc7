from __future__ import annotations

from typing import Any

import pytest

from focal_eval.engines.focal_served import ToolAsked
from focal_eval.engines.focal_stream import StreamedTurn, StreamError, exact_text
from focal_eval.errors import EngineProtocol

SESSION, TURN = (f"{digit * 8}-2222-4222-8222-222222222222" for digit in "12")
DONE = {
    "type": "done",
    "turn_id": TURN,
    "session_id": SESSION,
    "matched_rules": [],
    "tools_called": [],
    "tokens_used": 3,
    "latency_ms": 4,
}


def heard(*events: tuple[str, Any]) -> StreamedTurn:
    turn = StreamedTurn()
    for name, data in events:
        turn.take(name, data)
    return turn


def token(text: str) -> tuple[str, Any]:
    return "token", {"type": "token", "content": text}


def test_words_make_the_reply() -> None:
    """The words are joined as they come."""
    turn = heard(token("two "), token("words ☕"), ("done", DONE)).reply()
    assert (turn.response, turn.session, turn.turn, turn.tokens) == ("two words ☕", SESSION, TURN, 3)


def test_events_of_other_names_are_passed_over() -> None:
    """A later version may send more."""
    assert heard(("thought", {"text": "hm"}), token("ok"), ("done", DONE)).reply().response == "ok"


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([], "the stream ended without 'done', before any word"),
        ([token("half ")], "the stream ended without 'done', after 'half'"),
    ],
)
def test_a_stream_without_done_is_torn(events: list[tuple[str, Any]], said: str) -> None:
    """A connection that closes early is no reply."""
    with pytest.raises(EngineProtocol, match=said):
        heard(*events).reply()


@pytest.mark.parametrize("late", [token("more"), ("done", DONE), ("error", {"code": "X", "message": "y"})])
def test_nothing_may_follow_done(late: tuple[str, Any]) -> None:
    """Words after the end, or a second end, are not the contract's."""
    with pytest.raises(EngineProtocol, match=f"the event '{late[0]}' came after 'done'"):
        heard(token("ok"), ("done", DONE), late)


def test_an_error_in_the_stream_is_told_with_its_code() -> None:
    """The status was 200 already, so the event alone says what is wrong."""
    told = StreamedTurn().take("error", {"type": "error", "code": "SESSION_NOT_FOUND", "message": "Session 1 not found"})
    assert told == StreamError("SESSION_NOT_FOUND", "Session 1 not found")


def test_a_call_of_a_tool_comes_back_to_be_answered() -> None:
    """The script's stub answers it while the stream waits."""
    data = {"type": "tool", "session_id": SESSION, "turn_id": TURN, "call": 1, "name": "look", "arguments": {"id": 1}}
    assert StreamedTurn().take("tool", data) == ToolAsked(SESSION, TURN, 1, "look", {"id": 1})


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (("token", {"type": "token"}), "the event 'token' has no 'content'"),
        (("token", {"content": 4}), "'content' of the event 'token' is 4, text is expected"),
        (("token", "word"), "the event 'token' is the text 'word', a mapping is expected"),
        (("done", {"type": "done"}), "the event 'done' has no 'session_id'"),
        (("error", {}), "the event 'error' has no 'code'"),
    ],
)
def test_events_of_another_shape_are_refused(event: tuple[str, Any], said: str) -> None:
    """The message names the event and the key."""
    with pytest.raises(EngineProtocol, match=said):
        heard(event)


def test_the_stored_text_stands_where_only_white_space_differs() -> None:
    """A stream folds white space; the text with its lines is the stored one."""
    streamed = heard(token("two "), token("spaces "), token("☕"), ("done", DONE)).reply()
    assert exact_text(streamed, " two  spaces\n☕", "that are stored").response == " two  spaces\n☕"


@pytest.mark.parametrize("words", [["one ", "three"], ["one ", "two ", "two ", "three"], ["two ", "one ", "three"]])
def test_words_lost_doubled_or_mixed_are_found(words: list[str]) -> None:
    """The text is cut into words after it was stored, so that both have the same."""
    streamed = heard(*map(token, words), ("done", DONE)).reply()
    with pytest.raises(EngineProtocol, match="the words of the stream are not those that are stored") as problem:
        exact_text(streamed, "one two three", "that are stored")
    assert "one two three" in str(problem.value.detail)


def test_a_stream_without_words_must_be_an_empty_reply() -> None:
    """Nothing said is believed only where the stored turn says nothing too."""
    streamed = heard(("done", DONE)).reply()
    assert exact_text(streamed, "", "that are stored").response == ""
    with pytest.raises(EngineProtocol, match="the stream held no word, and the turn is not stored"):
        exact_text(streamed, None, "that are stored")


def test_a_turn_that_is_not_stored_keeps_the_streams_text() -> None:
    """The turn that starts a scenario is missing from the list; its words are all there is."""
    assert exact_text(heard(token("ok"), ("done", DONE)).reply(), None, "that are stored").response == "ok"

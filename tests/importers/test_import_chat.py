"""Chat messages become exchanges: who said what, with which calls in between."""

from __future__ import annotations

import json
from typing import Any

import pytest

from focal_eval.errors import Problems
from focal_eval.importers.chat import SENTENCES, Conversation, Exchange, Message
from focal_eval.importers.foreign import Placed, Source, conform, read_json
from focal_eval.importers.losses import Losses
from focal_eval.records import UNKNOWN, Reply, ToolCall
from tests.importers.told_runs import agent, result, user


def read(*messages: dict[str, Any], shown: bool = True) -> tuple[tuple[Exchange, ...], dict[str, int]]:
    """The exchanges, and how much of what was left behind."""
    problems = Problems()
    losses = Losses(SENTENCES)
    source = Source("chat.json", json.dumps(list(messages)).encode())
    found = read_json(source, list[Message], problems)
    assert found is not None, [str(problem) for problem in problems]
    exchanges = Conversation(found[1], (), losses, shown_beside_calls=shown).exchanges(found[0])
    return exchanges, {loss.kind: loss.count for loss in losses.listed()}


def test_calls_between_two_user_messages_belong_to_the_first() -> None:
    """A turn holds all calls made before the next user message, with their results, and what was said at last."""
    exchanges, lost = read(
        user("Where is A-7?"),
        agent(None, ("1", "find", {"id": "A-7"})),
        result("1", '{"state": "sent"}'),
        agent(None, ("2", "track", '{"id": "A-7"}')),
        result("2", "Error: no carrier"),
        agent("It was sent."),
        user("thanks"),
        agent("Bye."),
    )
    assert lost == {}
    assert exchanges == (
        Exchange(
            "Where is A-7?",
            Reply(
                "It was sent.",
                tools=(
                    ToolCall("find", {"id": "A-7"}, {"state": "sent"}, id="1"),
                    ToolCall("track", {"id": "A-7"}, error="no carrier", id="2"),
                ),
            ),
        ),
        Exchange("thanks", Reply("Bye.", tools=())),
    )


def test_an_agent_that_speaks_first_has_a_turn_without_user() -> None:
    """What is said before any user message is a turn of its own."""
    exchanges, _ = read(agent("Welcome!"), agent("I am Pat."), user("hi"), agent("Hello."))
    assert [exchange.user for exchange in exchanges] == [None, "hi"]
    assert exchanges[0].reply.response == "Welcome!\n\nI am Pat."
    assert exchanges[0].reply.messages == ("Welcome!", "I am Pat.")
    assert exchanges[1].reply.messages == ()


def test_user_messages_in_a_row_are_one_turn() -> None:
    """Nothing was answered in between, so they are said together, and that is told."""
    exchanges, lost = read(user("hi"), user("are you there?"), agent("Yes."))
    assert [exchange.user for exchange in exchanges] == ["hi\n\nare you there?"]
    assert lost == {"joined-messages": 1}


def test_last_words_that_nothing_answered_are_no_turn() -> None:
    """A turn needs an answer to expect; the closing thanks are counted as left behind."""
    exchanges, lost = read(user("hi"), agent("Hello."), user("thanks, bye"))
    assert len(exchanges) == 1
    assert lost == {"unanswered-message": 1}


def test_an_empty_user_message_starts_no_turn() -> None:
    """The agent simply went on, so it is still the turn before."""
    exchanges, _ = read(user("hi"), agent("One moment."), user(""), agent("Here I am."), user(None), agent("Well?"))
    assert [exchange.reply.response for exchange in exchanges] == ["One moment.\n\nHere I am.\n\nWell?"]


def test_a_conversation_cut_off_after_a_call_has_an_unknown_reply() -> None:
    """What the agent would have said is not known; in the middle of a conversation silence is a fact."""
    exchanges, lost = read(
        user("hi"), agent(None, ("1", "wave", {})), result("1", ""), user("hello?"), agent(None, ("2", "transfer", {}))
    )
    assert exchanges[0].reply.response == ""
    assert exchanges[1].reply.response is UNKNOWN
    assert lost == {"missing-result": 1}


def test_parallel_calls_have_one_group_and_their_own_results() -> None:
    """Calls of one message carry no order among themselves; results find their call by id, whatever their order."""
    (exchange,), _ = read(
        user("both"),
        agent(None, ("1", "find", {"n": 1}), ("2", "find", {"n": 2})),
        result("2", "second"),
        result("1", "first"),
        agent(None, ("3", "find", {"n": 3})),
        result("3", "third"),
    )
    assert exchange.reply.tools is not UNKNOWN
    assert [(call.result, call.group) for call in exchange.reply.tools] == [("first", 0), ("second", 0), ("third", None)]


def test_results_without_ids_go_to_calls_in_order() -> None:
    """Transcripts without ids still have an order; a result too many belongs to no call."""
    first: dict[str, Any] = {"function": {"name": "a", "arguments": "{}"}}
    (exchange,), lost = read(
        user("x"),
        {"role": "assistant", "content": None, "tool_calls": [first, first]},
        result(None, "one"),
        result(None, "two"),
        result(None, "three"),
        agent("y"),
    )
    assert exchange.reply.tools is not UNKNOWN
    assert [call.result for call in exchange.reply.tools] == ["one", "two"]
    assert lost == {"orphan-result": 1}


@pytest.mark.parametrize("given", ["{", "[1]", '"text"', "5", '{"a":' * 60 + "1" + "}" * 60, [1], 7])
def test_arguments_that_are_no_object_are_unknown(given: Any) -> None:
    """The call is kept, its arguments are not guessed, and the loss is told."""
    message = {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "a", "arguments": given}}]}
    (exchange,), lost = read(user("x"), message, result("1", ""), agent("y"))
    assert exchange.reply.tools is not UNKNOWN
    assert exchange.reply.tools[0].arguments is UNKNOWN
    assert lost == {"unreadable-arguments": 1}


@pytest.mark.parametrize("given", ["", None, "{}", {}])
def test_no_arguments_are_known_to_be_none(given: Any) -> None:
    """An empty text and a missing value are how calls without arguments are written."""
    message = {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "a", "arguments": given}}]}
    (exchange,), lost = read(user("x"), message, result("1", ""), agent("y"))
    assert exchange.reply.tools is not UNKNOWN
    assert exchange.reply.tools[0].arguments == {}
    assert lost == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("327.0", "327.0"), ("", ""), ("[1, 2]", [1, 2]), ("{broken", "{broken"), ('{"a": null}', {"a": None}), ("true", "true")],
)
def test_results_are_data_where_they_are_json_collections(text: str, expected: Any) -> None:
    """A text that only looks like a number stays text: nobody knows what the tool meant."""
    (exchange,), _ = read(user("x"), agent(None, ("1", "a", {})), result("1", text), agent("y"))
    assert exchange.reply.tools is not UNKNOWN
    assert exchange.reply.tools[0].result == expected


def test_text_beside_a_call_is_said_or_thought() -> None:
    """Where the user did not see it, it is reasoning and no part of the response."""
    messages = (user("x"), agent("Let me see.", ("1", "a", {})), result("1", ""), agent("Done."))
    (said,), lost = read(*messages)
    assert said.reply.response == "Let me see.\n\nDone."
    assert lost == {}
    (thought,), lost = read(*messages, shown=False)
    assert (thought.reply.response, thought.reply.reasoning) == ("Done.", "Let me see.")
    assert lost == {"aside": 1}


def test_parts_that_are_not_text_are_counted() -> None:
    """Texts of a message in parts are joined; an image cannot be said in a script."""
    parts = [
        {"type": "text", "text": "Look:"},
        {"type": "image_url", "image_url": {"url": "x"}},
        {"type": "text", "text": "red"},
    ]
    exchanges, lost = read({"role": "user", "content": parts}, agent("Nice."))
    assert exchanges[0].user == "Look:\nred"
    assert lost == {"not-text": 1}


def test_roles_that_nobody_knows_are_counted() -> None:
    """Instructions and strangers are two kinds of loss."""
    others = ({"role": "system", "content": "s"}, {"role": "developer", "content": "d"}, {"role": "critic", "content": "c"})
    exchanges, lost = read(*others, user("x"), agent("y"))
    assert len(exchanges) == 1
    assert lost == {"system-prompt": 2, "unknown-role": 1}


def test_another_shape_is_reported_where_it_stands() -> None:
    """Every message that is no message gives a diagnostic at its own line."""
    problems = Problems()
    text = '[\n {"role": "user"},\n {"content": "x"},\n {"role": 5}\n]'
    assert conform(json.loads(text), list[Message], Placed("chat.json", text), problems) is None
    assert [str(problem) for problem in problems] == [
        "chat.json:3:2: error[import-shape]: [1].role: the key is missing",
        "chat.json:4:11: error[import-shape]: [2].role: expected a valid string",
    ]

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from focal_eval.agent.load import open_agent
from focal_eval.engines.base import HistoryTurn, ToolAnswer
from focal_eval.engines.openai_agent import Declared, Toolbox, agent_prompt, agent_tools, known_facts
from focal_eval.engines.openai_messages import (
    Completion,
    ModelCall,
    StreamedCompletion,
    answered,
    completion_of,
    history_messages,
    summed,
)
from focal_eval.errors import EngineError, EngineProtocol, UsageError
from focal_eval.records import Tokens

USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 4,
    "total_tokens": 15,
    "prompt_tokens_details": {"cached_tokens": 8},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
AGENT = """\
agent: shop
title: The shop's agent
description: Helps with returns.
rules:
  - {id: damaged, when: it is broken, then: offer a refund, match: {any_words: [broken]}, tools: lookup.order, priority: 5}
  - {id: polite, when: always, then: stay polite, hard: true, forbid: rude}
  - {id: exact, match: {any_words: [terms]}, template: terms}
  - {id: off, enabled: false, when: never, match: {any_words: [x]}, then: nothing}
  - {id: late, when: it is late, then: say sorry, match: {any_words: [late]}, scope: {kind: global, scenario: refund}}
slots:
  order: {pattern: '[A-Z]-\\d+', listen: always, ask: ask}
  days: {kind: number, ask: ask}
  colour: {values: {red: [rosso], blue: [blu]}, ask: ask}
scenarios:
  refund:
    title: Money back
    enter: {rules: damaged}
    steps:
      - {id: which, collect: order, go: [{to: done}]}
      - {id: done, terminal: true, template: paid}
tools:
  lookup.order:
    description: Finds an order
    args: {id: order, n: days, c: colour, kind: {value: fast}, note: {variable: channel, optional: true}}
templates:
  ask: which order?
  paid: paid
  terms: {text: "These are the terms.", mode: EXCLUSIVE}
  sorry: {text: pardon?, mode: FALLBACK}
"""


def completion(message: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A body of `POST /chat/completions`."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": more.pop("finish", "stop")}
    return {"id": "c-1", "object": "chat.completion", "model": "small-1", "choices": [choice], **more}


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """One chunk of a stream."""
    choices = [] if delta is None and finish is None else [{"index": 0, "delta": delta or {}, "finish_reason": finish}]
    return {"id": "c-1", "object": "chat.completion.chunk", "model": "small-1", "choices": choices, **more}


def heard(*chunks: dict[str, Any]) -> Completion:
    turn = StreamedCompletion()
    for one in chunks:
        turn.take(one)
    return turn.whole()


CALL = {"id": "call_a", "type": "function", "function": {"name": "lookup", "arguments": '{"id": "A-1"}'}}


def test_words_tokens_and_the_model_are_read() -> None:
    """A plain answer: text, why it ended, what it cost with its details, and which model it was."""
    body = completion({"content": "Hello"}, usage=USAGE)
    assert completion_of(body) == Completion(
        "Hello", (), "stop", None, False, Tokens(15, 11, 4, cached=8, reasoning=2), "c-1", "small-1"
    )


@pytest.mark.parametrize(
    ("message", "text", "refused"),
    [
        ({"content": None, "refusal": "I cannot."}, "I cannot.", True),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "ab", False),
        ({"content": None, "tool_calls": [CALL]}, "", False),
        ({}, "", False),
    ],
)
def test_the_text_is_found_in_every_form(message: dict[str, Any], text: str, refused: bool) -> None:
    """A refusal is what was said, a list of parts is one text, a call of a tool needs none."""
    found = completion_of(completion(message))
    assert (found.text, found.refused) == (text, refused)


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_reasoning_is_read_by_both_its_names(key: str) -> None:
    """Compatible endpoints spell it in two ways."""
    assert completion_of(completion({"content": "x", key: "Think."})).reasoning == "Think."
    assert heard(chunk({key: "Thi"}), chunk({key: "nk."}), chunk({"content": "x"}, "stop")).reasoning == "Think."


def test_a_stream_gives_the_same_as_the_whole_answer() -> None:
    """Words and calls in pieces, usage in a chunk without choices: the completion is that of the unstreamed body."""
    whole = completion_of(completion({"content": "Hello", "tool_calls": [CALL]}, usage=USAGE, finish="tool_calls"))
    function = {"name": "lookup", "arguments": '{"id"'}
    pieces = heard(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "Hel"}),
        chunk({"content": "lo"}),
        chunk({"tool_calls": [{"index": 0, "id": "call_a", "type": "function", "function": function}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": ': "A-1"}'}}]}),
        chunk(finish="tool_calls"),
        chunk(usage=USAGE),
    )
    assert pieces == whole


def test_parallel_calls_in_a_stream_are_told_apart() -> None:
    """Two calls whose pieces come by turns, and two of an endpoint that leaves the index out."""
    first = {"index": 0, "id": "a", "function": {"name": "one", "arguments": "{"}}
    second = {"index": 1, "id": "b", "function": {"name": "two", "arguments": "{}"}}
    found = heard(
        chunk({"tool_calls": [first, second]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}, "tool_calls"),
    )
    assert found.calls == (ModelCall("a", "one", "{}"), ModelCall("b", "two", "{}"))
    bare = [{key: value for key, value in call.items() if key != "index"} for call in (first, second)]
    rest = {"function": {"arguments": " }"}}
    found = heard(chunk({"tool_calls": bare[:1]}), chunk({"tool_calls": [rest]}), chunk({"tool_calls": bare[1:]}, "tool_calls"))
    assert found.calls == (ModelCall("a", "one", "{ }"), ModelCall("b", "two", "{}"))


def test_calls_without_ids_get_ids_of_their_own() -> None:
    """Answers are told apart by ids, so that one that is missing or comes twice is made up."""
    calls = [{"function": {"name": "a", "arguments": "{}"}}, CALL, CALL]
    ids = [call.id for call in completion_of(completion({"tool_calls": calls})).calls]
    assert ids == ["call_1", "call_a", "call_3"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "the completion is a list"),
        ({}, "has no choices"),
        ({"choices": [{}]}, "has no 'message'"),
        ({"choices": "x"}, "'choices' of the completion"),
        (completion({"content": 7}), "text is expected"),
        (completion({"tool_calls": [{}]}), "has no 'function'"),
        (completion({"tool_calls": [CALL] * 65}), "65 tools in one answer"),
        (completion({"content": "x"}, usage={"total_tokens": -1}), "a number from 0"),
        (completion({"content": "x"}, usage={"total_tokens": 1.5}), "a whole number"),
    ],
)
def test_another_shape_is_the_engines_fault(body: Any, said: str) -> None:
    """A body that the contract does not allow names the place."""
    with pytest.raises(EngineProtocol, match=said):
        completion_of(body)


@pytest.mark.parametrize("error", [{"message": "overloaded", "type": "server_error"}, "overloaded"])
def test_an_error_in_a_good_answer_is_an_error(error: Any) -> None:
    """Some endpoints tell an error with status 200, some in the middle of a stream."""
    with pytest.raises(EngineError, match="overloaded"):
        completion_of({"error": error})
    with pytest.raises(EngineError, match="overloaded"):
        heard(chunk({"content": "Hel"}), {"error": error})


@pytest.mark.parametrize(
    ("chunks", "said"),
    [
        ([], "before any word"),
        ([chunk({"content": "Hel"})], "after 'Hel'"),
        ([chunk({"tool_calls": [{"index": 0, "id": "a"}]}, "tool_calls")], "without a name"),
        ([chunk({"content": "Hel"}, "stop"), chunk({"content": "lo"})], "goes on after its finish_reason 'stop'"),
        ([chunk({}, "stop"), chunk({"tool_calls": [{"index": 0, "function": {"name": "f"}}]})], "goes on after"),
    ],
)
def test_a_stream_that_breaks_off_is_no_answer(chunks: list[dict[str, Any]], said: str) -> None:
    """Half an answer is never taken for a whole one."""
    with pytest.raises(EngineProtocol, match=said):
        heard(*chunks)


def test_an_answer_goes_back_as_it_came() -> None:
    """The next request holds the calls with their ids, and what the tools said."""
    found = completion_of(completion({"content": None, "tool_calls": [CALL]}))
    assert found.as_message() == {"role": "assistant", "content": None, "tool_calls": [CALL]}
    call = found.calls[0]
    assert answered(call, ToolAnswer({"état": 1})) == {"role": "tool", "tool_call_id": "call_a", "content": '{"état":1}'}
    assert answered(call, ToolAnswer("plain"))["content"] == "plain"
    assert json.loads(answered(call, ToolAnswer(error="down"))["content"]) == {"error": "down"}


def test_history_is_what_was_said() -> None:
    """One side of a turn may be missing."""
    said = history_messages([HistoryTurn("hi", "hello"), HistoryTurn(None, "still there?")])
    assert [(one["role"], one["content"]) for one in said] == [
        ("user", "hi"), ("assistant", "hello"), ("assistant", "still there?"),
    ]  # fmt: skip


def test_tokens_of_a_turn_are_added_up_or_unknown() -> None:
    """One answer that does not tell its cost makes the sum unknown: a smaller figure would be wrong."""
    assert summed([Tokens(3, 2, 1), Tokens(5, 4, 1, cached=1)]) == Tokens(8, 6, 2)
    assert summed([Tokens(3, 2, 1), None]) is None
    assert summed([]) is None


def test_the_prompt_says_what_the_agent_file_says(tmp_path: Path) -> None:
    """Rules with their conditions, priorities and scopes, exact texts, and the steps of scenarios; no disabled rule."""
    path = tmp_path / "shop.yaml"
    path.write_text(AGENT, encoding="utf-8")
    prompt = agent_prompt(open_agent(path).file)
    assert prompt.split("\n") == [
        "You are The shop's agent.",
        "Helps with returns.",
        "Answer in the user's language. Do not invent facts: what you need to know, ask the user or a tool.",
        "",
        "# Rules",
        "Follow every rule whose condition holds. Of rules that contradict, the one with the higher priority counts.",
        "- damaged (priority 5): when it is broken; offer a refund; use lookup.order",
        "- polite: always: when always; stay polite",
        "- exact: say exactly: These are the terms.",
        "- late (only in refund): when it is late; say sorry",
        "",
        "# Scenario refund: Money back",
        "- which: ask for order; then done",
        "- done: say: paid; the scenario ends here",
        "",
        "Where nothing of this fits, say: pardon?",
    ]


def test_tools_are_declared_as_their_slots_say(tmp_path: Path) -> None:
    """Names the endpoint allows, types from slots, constants, and only what is needed is required."""
    path = tmp_path / "shop.yaml"
    path.write_text(AGENT, encoding="utf-8")
    toolbox = Toolbox(agent_tools(open_agent(path).file))
    assert toolbox.as_json() == [
        {
            "type": "function",
            "function": {
                "name": "lookup_order",
                "description": "Finds an order",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "id": {"type": "string"},
                        "n": {"type": "number"},
                        "c": {"type": "string", "enum": ["red", "blue"]},
                        "kind": {"enum": ["fast"]},
                        "note": {},
                    },
                    "required": ["id", "n", "c", "kind"],
                },
            },
        }
    ]
    assert (toolbox.called("lookup_order"), toolbox.called("other")) == ("lookup.order", "other")


def test_two_tools_with_one_name_for_the_model_are_refused() -> None:
    """The model could not say which it means."""
    with pytest.raises(UsageError, match=r"'a\.b' and 'a-b!'|are both"):
        Toolbox(iter([Declared("a.b"), Declared("a!b")]))


def test_known_facts_are_one_line() -> None:
    """What a conversation starts with is told sorted; nothing is told of nothing."""
    assert known_facts({"tier": "gold", "age": 3, "x": None}) == 'Known of this user: {"age":3,"tier":"gold"}'
    assert known_facts({"x": None}) == ""

"""The mapping of Focal's traffic, held to what a real Focal sent."""

from __future__ import annotations

import pytest

from focal_eval.engines.focal_names import Aliases, Names, names_of
from focal_eval.engines.focal_records import chat_reply, messages_of, page_of, reply_of, session_state, stored_turn
from focal_eval.engines.focal_stream import StreamedTurn, StreamError, exact_text
from focal_eval.errors import EngineProtocol
from focal_eval.records import UNKNOWN, ScenarioState
from tests.engines.focal_samples import body, events, exchange, names, needs_samples

pytestmark = needs_samples
NAMES = Names()


def chats() -> list[str]:
    found = [*names("chat_*_200"), *names("stockmock_chat_*"), *names("err_*200_chat*"), *names("ratelimit_chat_200*")]
    return [name for name in found if exchange(name)[1]["status"] == 200]


def test_every_captured_chat_reply_is_read() -> None:
    """Some forty replies of both LLMs: text, ids, rules, tokens and place come through as they were sent."""
    found = chats()
    assert len(found) > 35
    for name in found:
        sent = body(name)
        reply = reply_of(chat_reply(sent), NAMES)
        assert (reply.response, reply.session_id, reply.turn_id) == (sent["response"], sent["session_id"], sent["turn_id"])
        assert reply.rules is not UNKNOWN
        assert [rule.id for rule in reply.rules] == sent["matched_rules"]
        assert (reply.scenario is None) == (sent["scenario"] is None)
        assert reply.tokens is not UNKNOWN
        assert reply.tokens.total == sent["tokens_used"]


def test_no_captured_reply_names_a_tool() -> None:
    """Quirk T1: the list is empty whatever ran, so the mapping may not believe it."""
    assert {tuple(body(name)["tools_called"]) for name in chats()} == {()}


def test_tools_are_in_the_stored_turn() -> None:
    """Quirk T1: the stored turn lists what ran, what failed and what nobody knows."""
    turns = [stored_turn(item) for item in body("turns_asc_page_200")["items"]]
    assert [turn.tools for turn in turns] == [(), ("lookup_order", "broken_tool", "missing_tool")]


@pytest.mark.parametrize("name", ["chat_loop_5_200", "chat_scenario_exit_200"])
def test_a_scenario_without_step_is_read(name: str) -> None:
    """Quirk R8: after the loop check, and on the turn that leaves, there is an id and no step."""
    place = reply_of(chat_reply(body(name)), NAMES).scenario
    assert place == ScenarioState(body(name)["scenario"]["id"])


def test_a_turn_is_found_by_its_id_where_another_one_is_missing() -> None:
    """Quirk T2: the turn that began the scenario is not stored, so positions are off by one."""
    started = body("chat_scenario_entry_200")["turn_id"]
    second, third = body("chat_scenario_continue_200")["turn_id"], body("chat_scenario_third_200")["turn_id"]
    payload = body("turns_in_scenario_200")
    listed = [stored_turn(item).id for item in payload["items"]]
    assert payload["total"] == 3
    assert started not in listed
    assert listed == [second, third]


@pytest.mark.parametrize("name", [*names("turns_*"), *names("*_turns_200"), "err_after_500_turns"])
def test_captured_lists_of_turns_are_read(name: str) -> None:
    """Every item gives two messages of one turn; the scenario is never filled, and so stored as none."""
    payload = body(name)
    page = page_of(payload, "the turns", payload["limit"])
    for item in page.items:
        user, agent = messages_of(stored_turn(item), NAMES)
        assert (user.text, agent.text) == (item["user_message"], item["agent_response"])
        assert user.turn_id == agent.turn_id == item["turn_id"]
        assert agent.scenario is None
        assert agent.metadata == {"turn_number": item["turn_number"]}


def test_a_page_of_the_newest_turns_is_not_what_desc_gives() -> None:
    """Quirk T4: of 14 turns `desc` with limit 2 gave the oldest two, so turns are read ascending by offset."""
    items = body("turns_desc_limit2_of14_200")["items"]
    assert items[0]["timestamp"] > items[1]["timestamp"]
    assert page_of(body("turns_desc_limit2_of14_200"), "the turns", 2).last is False


@pytest.mark.parametrize("name", names("session_*") + names("stockmock_session_200"))
def test_captured_sessions_are_read(name: str) -> None:
    """Place, variables and the number of turns, of the session that was asked for."""
    sent = body(name)
    state = session_state(sent, sent["session_id"])
    assert state.turns == sent["turn_count"]
    assert (state.place is None) == (sent["active_scenario_id"] is None)


def test_captured_rules_and_scenarios_give_names() -> None:
    """Ids of a reply are named by the lists that the same server sent."""
    known = names_of(body("crud_rule_list_200")["items"], [body("crud_scenario_get_200")], Aliases())
    entry = chat_reply(body("chat_scenario_entry_200"))
    assert reply_of(entry, known).scenario == ScenarioState("Order return", "Ask order id")
    tracked = stored_turn(body("turns_asc_page_200")["items"][1])
    rules = messages_of(tracked, known)[1].rules
    assert rules is not UNKNOWN
    assert [rule.name for rule in rules] == ["Order tracking"]
    assert page_of(body("crud_rule_list_200"), "the rules", 2).last is False


@pytest.mark.parametrize("name", ["stream_new_session", "stream_tool_turn", "stream_scenario_turn", "stream_ping_comment"])
def test_captured_streams_are_put_together(name: str) -> None:
    """Words, CRLF, raw UTF-8 and ping comments: the reply is whole, its scenario is not told."""
    turn = StreamedTurn()
    for event, data in events(name):
        assert turn.take(event, data) is None
    reply = turn.reply()
    assert reply.response == turn.text
    assert len(turn.words) > 2
    assert reply.place is UNKNOWN


def test_a_streams_white_space_is_folded() -> None:
    """What the user wrote with two spaces and a line end came back with single spaces; the stored text has them."""
    turn = StreamedTurn()
    for event, data in events("stream_whitespace"):
        turn.take(event, data)
    message = exchange_message("stream_whitespace")
    assert turn.text == "You said: two spaces and newline ☕"
    stored = f"You said: {message}"
    assert exact_text(turn.reply(), stored, "that are stored").response == stored


def exchange_message(name: str) -> str:
    import json

    from tests.engines.focal_samples import FOLDER

    meta = json.loads((FOLDER / f"{name}.meta.json").read_text(encoding="utf-8"))
    message: str = meta["request"]["body"]["message"]
    return message


@pytest.mark.parametrize(
    ("name", "code"), [("stream_error_internal", "INTERNAL_ERROR"), ("stream_error_session_not_found", "SESSION_NOT_FOUND")]
)
def test_captured_errors_in_a_stream_are_told(name: str, code: str) -> None:
    """Status 200, one event, and no `done`."""
    turn = StreamedTurn()
    told = [turn.take(event, data) for event, data in events(name)]
    assert [one.code for one in told if isinstance(one, StreamError)] == [code]
    with pytest.raises(EngineProtocol, match="ended without 'done'"):
        turn.reply()


@pytest.mark.parametrize("name", [*names("err_40*"), "err_500_engine_failure", "ratelimit_exceeded_0", "stock_chat_new"])
def test_no_captured_error_is_read_as_a_reply(name: str) -> None:
    """Both envelopes lack every key of a reply."""
    with pytest.raises(EngineProtocol, match="the reply"):
        chat_reply(body(name))

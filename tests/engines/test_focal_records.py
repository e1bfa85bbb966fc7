from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from focal_eval.engines.focal_names import Aliases, Names, names_of
from focal_eval.engines.focal_records import (
    chat_reply,
    done_reply,
    messages_of,
    page_of,
    reply_of,
    session_state,
    stored_turn,
)
from focal_eval.errors import EngineProtocol
from focal_eval.records import UNKNOWN, RuleMatch, ScenarioState, Tokens, ToolCall

RULE, OTHER, FLOW, STEP = (f"{digit * 8}-1111-4111-8111-111111111111" for digit in "abcd")
SESSION, TURN = (f"{digit * 8}-2222-4222-8222-222222222222" for digit in "12")
NAMES = Names(rules={RULE: "refund-policy"}, scenarios={FLOW: "returns"}, steps={STEP: "confirm"})

REPLY = {
    "response": "Which order is it about?",
    "session_id": SESSION,
    "turn_id": TURN,
    "scenario": {"id": FLOW, "step": STEP},
    "matched_rules": [OTHER, RULE],
    "tools_called": [],
    "tokens_used": 94,
    "latency_ms": 10,
}
TURN_ITEM = {
    "turn_id": TURN,
    "turn_number": 1,
    "user_message": "where is it?",
    "agent_response": "Which order is it about?",
    "matched_rules": [RULE],
    "tools_called": ["lookup_order", "broken_tool"],
    "scenario_before": None,
    "scenario_after": None,
    "latency_ms": 9,
    "tokens_used": 94,
    "timestamp": "2026-11-21T01:49:40.746931Z",
}
STATE = {
    "session_id": SESSION,
    "active_scenario_id": FLOW,
    "active_step_id": STEP,
    "turn_count": 1,
    "variables": {"order": "A-1"},
    "rule_fires": {},
}


def test_a_reply_speaks_in_names_and_keeps_ids() -> None:
    """Rules keep their order of relevance; an id no list holds is shown as it is."""
    reply = reply_of(chat_reply(REPLY), NAMES)
    assert reply.response == "Which order is it about?"
    assert reply.rules == (RuleMatch(OTHER, id=OTHER), RuleMatch("refund-policy", id=RULE))
    assert reply.scenario == ScenarioState("returns", "confirm")
    assert reply.tokens == Tokens(total=94)
    assert (reply.latency_ms, reply.session_id, reply.turn_id, reply.raw) == (10, SESSION, TURN, REPLY)
    for name in ("candidates", "transitions", "template", "enforcement", "outcome", "variables", "citations", "confidence"):
        assert getattr(reply, name) is UNKNOWN


def test_tools_are_unknown_until_the_stored_turn_is_read() -> None:
    """The list in a reply is always empty, so that it says nothing."""
    assert reply_of(chat_reply(REPLY), NAMES).tools is UNKNOWN


def test_tools_come_from_the_stored_turn() -> None:
    """The stored turn lists them by name, failed ones too; the reply says which hole that fills."""
    reply = reply_of(chat_reply(REPLY), NAMES, stored=stored_turn(TURN_ITEM))
    assert reply.tools == (ToolCall("lookup_order"), ToolCall("broken_tool"))
    assert reply.metadata == {"provider_error": None, "holes": ["tools-not-in-reply"]}


def test_a_turn_without_tools_has_none() -> None:
    """Once the stored turn was read, an empty list is an answer and no hole."""
    reply = reply_of(chat_reply(REPLY), NAMES, stored=stored_turn(TURN_ITEM | {"tools_called": []}))
    assert (reply.tools, reply.metadata) == ((), {"provider_error": None, "holes": []})


def test_tools_of_a_turn_that_is_not_stored_stay_unknown() -> None:
    """A turn that is missing from the list leaves its tools unknown, not none."""
    reply = reply_of(chat_reply(REPLY), NAMES, stored=None)
    assert reply.tools is UNKNOWN
    assert reply.metadata == {"provider_error": None, "holes": ["turn-not-stored"]}


def test_tools_in_the_reply_are_believed() -> None:
    """A server that names tools in the reply is taken at its word."""
    reply = reply_of(chat_reply(REPLY | {"tools_called": ["lookup_order"]}), NAMES, stored=None)
    assert reply.tools == (ToolCall("lookup_order"),)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (None, None),
        ({"id": FLOW, "step": None}, ScenarioState("returns")),
        ({"id": None, "step": None}, None),
        ({"id": OTHER, "step": OTHER}, ScenarioState(OTHER, OTHER)),
    ],
)
def test_a_scenario_may_lack_its_step(sent: Any, expected: ScenarioState | None) -> None:
    """On the turn that leaves a scenario, and after the loop check, the step is null."""
    assert reply_of(chat_reply(REPLY | {"scenario": sent}), NAMES).scenario == expected


def test_a_stream_ends_without_text_and_scenario() -> None:
    """Both are unknown in `done`; the session's state gives the scenario and the variables."""
    done = done_reply({key: value for key, value in REPLY.items() if key not in ("response", "scenario")} | {"type": "done"})
    assert (done.response, done.place) == (UNKNOWN, UNKNOWN)
    reply = reply_of(replace(done, response="Which order?"), NAMES, state=session_state(STATE, SESSION))
    assert (reply.scenario, reply.variables) == (ScenarioState("returns", "confirm"), {"order": "A-1"})


def test_a_session_in_no_scenario_is_known_to_be_in_none() -> None:
    """Null ids of the session are an answer."""
    state = session_state(STATE | {"active_scenario_id": None, "active_step_id": None}, SESSION)
    assert (state.place, state.turns) == (None, 1)


def test_the_state_of_another_session_is_refused() -> None:
    """A server that mixes sessions up is found out."""
    with pytest.raises(EngineProtocol, match=r"was asked for, .* was sent"):
        session_state(STATE, TURN)


def test_a_providers_error_is_flagged() -> None:
    """A reply that is the model library's complaint says so in its metadata."""
    reply = reply_of(chat_reply(REPLY | {"response": "OPENAI_API_KEY not set. Please set the environment variable."}), NAMES)
    assert isinstance(reply.metadata, dict)
    assert reply.metadata["provider_error"].startswith("openai_api_key not set")


def test_a_stored_turn_is_two_messages() -> None:
    """Both carry the turn's id; the scenario, which is never filled, is stored as none, and its number beside it."""
    user, agent = messages_of(stored_turn(TURN_ITEM), NAMES)
    assert (user.role, user.text, user.turn_id) == ("user", "where is it?", TURN)
    assert (agent.role, agent.text, agent.turn_id) == ("assistant", "Which order is it about?", TURN)
    assert agent.rules == (RuleMatch("refund-policy", id=RULE),)
    assert agent.tools == (ToolCall("lookup_order"), ToolCall("broken_tool"))
    assert agent.scenario is None
    assert agent.metadata == {"turn_number": TURN_ITEM["turn_number"]}
    assert agent.created_at == "2026-11-21T01:49:40.746931Z"


def test_a_stored_scenario_is_read_where_a_server_fills_it() -> None:
    """What a later version may tell is not thrown away."""
    turn = stored_turn(TURN_ITEM | {"scenario_after": {"id": FLOW, "step": STEP}})
    assert messages_of(turn, NAMES)[1].scenario == ScenarioState("returns", "confirm")
    silent = stored_turn({key: value for key, value in TURN_ITEM.items() if key != "scenario_after"})
    assert messages_of(silent, NAMES)[1].scenario is UNKNOWN


@pytest.mark.parametrize(
    ("count", "more", "limit", "last"),
    [(2, True, 2, False), (2, False, 2, True), (1, True, 2, True), (0, True, 2, True)],
)
def test_a_page_that_is_not_full_is_the_last(count: int, more: bool, limit: int, last: bool) -> None:
    """A list that always promises more does not keep the reader busy."""
    page = {"items": [{}] * count, "total": 99, "limit": limit, "offset": 0, "has_more": more}
    assert page_of(page, "the rules", limit).last is last


def test_a_page_larger_than_asked_is_refused() -> None:
    """A server that ignores the limit is not read on."""
    with pytest.raises(EngineProtocol, match="the rules holds 3 items where at most 2 were asked for"):
        page_of({"items": [1, 2, 3], "has_more": False}, "the rules", 2)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"response": None}, "'response' of the reply is null, text is expected"),
    ({"session_id": "x\r\nSet-Cookie: a=b"}, "'session_id' of the reply is the text .*, a UUID is expected"),
    ({"turn_id": 7}, "'turn_id' of the reply is 7, text is expected"),
    ({"scenario": []}, "the scenario is a list, a mapping is expected"),
    ({"scenario": {"id": FLOW}}, "the scenario has no 'step'"),
    ({"matched_rules": "all"}, "'matched_rules' of the reply is the text 'all', a list of texts is expected"),
    ({"matched_rules": [1]}, "'matched_rules' of the reply is a list, a list of texts is expected"),
    ({"tools_called": None}, "'tools_called' of the reply is null"),
    ({"tokens_used": -1}, "'tokens_used' of the reply is -1, a whole number from 0 is expected"),
    ({"tokens_used": True}, "'tokens_used' of the reply is True"),
    ({"tokens_used": 10**30}, "'tokens_used' of the reply is 1000"),
    ({"latency_ms": float("nan")}, "'latency_ms' of the reply is nan, a number from 0 is expected"),
    ({"latency_ms": float("inf")}, "'latency_ms' of the reply is inf"),
]


@pytest.mark.parametrize(("change", "said"), WRONG, ids=[f"{next(iter(change))}-{i}" for i, (change, _) in enumerate(WRONG)])
def test_a_reply_of_another_shape_is_refused_with_the_place(change: dict[str, Any], said: str) -> None:
    """The message names the key, what was sent and what is expected."""
    with pytest.raises(EngineProtocol, match=said):
        chat_reply(REPLY | change)


@pytest.mark.parametrize("key", sorted(REPLY))
def test_every_key_of_a_reply_must_be_there(key: str) -> None:
    """Focal always sends all of them, so a missing one is no answer of Focal's."""
    with pytest.raises(EngineProtocol, match=f"the reply has no '{key}'"):
        chat_reply({name: value for name, value in REPLY.items() if name != key})


@pytest.mark.parametrize("payload", [None, [], "ok", 3])
def test_a_reply_that_is_no_mapping_is_refused(payload: Any) -> None:
    """JSON that is no object is no reply."""
    with pytest.raises(EngineProtocol, match=r"the reply is .*, a mapping is expected"):
        chat_reply(payload)


RULES = [{"id": RULE.upper(), "name": "Refund policy"}, {"id": OTHER, "name": "Order tracking"}]
FLOWS = [{"id": FLOW, "name": "Order return", "steps": [{"id": STEP, "name": "Ask order id"}]}]


def test_names_are_what_the_lists_say() -> None:
    """Ids are looked up without regard to case."""
    names = names_of(RULES, FLOWS, Aliases())
    assert (names.rule(RULE), names.scenario(FLOW.upper()), names.step(FLOW, STEP)) == (
        "Refund policy",
        "Order return",
        "Ask order id",
    )
    assert names.rule("not-listed") == "not-listed"


def test_aliases_rename_by_id_or_name() -> None:
    """A step is also found below its scenario, where two scenarios have a step of the same name."""
    aliases = Aliases(
        rules={"Refund policy": "refund-policy", OTHER: "tracking"},
        scenarios={"Order return": "returns"},
        steps={"Order return/Ask order id": "ask-order"},
        tools={"lookup_order_v2": "lookup_order"},
    )
    names = names_of(RULES, FLOWS, aliases)
    assert (names.rule(RULE), names.rule(OTHER)) == ("refund-policy", "tracking")
    assert (names.scenario(FLOW), names.step(FLOW, STEP)) == ("returns", "ask-order")
    assert (names.tool("lookup_order_v2"), names.tool("other")) == ("lookup_order", "other")


@pytest.mark.parametrize(
    ("rules", "flows", "said"),
    [
        ([{"name": "x"}], [], "a rule has no 'id'"),
        ([{"id": "x", "name": "x"}], [], "'id' of a rule is the text 'x', a UUID is expected"),
        ([{"id": RULE, "name": None}], [], "'name' of a rule is null, text is expected"),
        ([], [{"id": FLOW, "name": "x"}], "a scenario has no 'steps'"),
        ([], [{"id": FLOW, "name": "x", "steps": [3]}], "a step is 3, a mapping is expected"),
    ],
)
def test_lists_of_another_shape_are_refused(rules: list[Any], flows: list[Any], said: str) -> None:
    """What cannot be read as a list of names is the engine's fault, with the place."""
    with pytest.raises(EngineProtocol, match=said):
        names_of(rules, flows, Aliases())

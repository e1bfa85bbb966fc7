"""Whole conversations of the focal engine with what a real Focal sent, over real sockets."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from focal_eval.engines.base import SessionStart
from focal_eval.errors import EngineProtocol, EngineStatus, EngineUnauthorised
from focal_eval.records import UNKNOWN, Reply, ScenarioState, ToolCall
from focal_eval.testing.hostile_server import HostileServer, Turn, hostile_server
from tests.engines.captured_focal import CapturedFocal
from tests.engines.focal_samples import FOLDER, body, exchange, names, needs_samples
from tests.engines.focal_talks import connected, focal, talk

pytestmark = needs_samples


def chats_of(server: HostileServer) -> list[Any]:
    """The bodies of the chats it heard."""
    return [heard.json() for heard in server.heard if heard.method == "POST"]


def holes_of(reply: Reply) -> Any:
    assert reply.metadata is not UNKNOWN
    return reply.metadata["holes"]


def test_a_scenario_whose_first_turn_is_not_stored() -> None:
    """Quirks T2, T3 and R7: turns are found by id; only the lost one's tools are unknown; names are those of the lists."""
    talked = ("chat_scenario_entry_200", "chat_scenario_continue_200", "chat_scenario_third_200")
    said = [exchange(name)[0]["body"]["message"] for name in talked]
    with hostile_server(CapturedFocal(*talked, stored=body("turns_in_scenario_200")["items"]), {}) as server:
        replies, stored = talk(focal(server.url), *said)
    assert [reply.scenario for reply in replies] == [ScenarioState("Order return", "Ask order id")] * 3
    assert [reply.tools for reply in replies] == [UNKNOWN, (), ()]
    assert [holes_of(reply) for reply in replies] == [["turn-not-stored"], [], []]
    assert [(one.text, one.turn_id) for one in stored if one.role == "user"] == [
        (text, reply.turn_id) for text, reply in zip(said[1:], replies[1:], strict=True)
    ]


def test_tools_come_from_the_stored_turn() -> None:
    """Quirk T1: the failed one and the one nobody knows among them; the rule has its name."""
    talked = ("chat_new_session_200", "chat_continue_by_channel_200", "chat_continue_by_session_id_200")
    turns = body("turns_desc_200")["items"][::-1]
    with hostile_server(CapturedFocal(*talked, stored=turns), {}) as server:
        replies, _ = talk(focal(server.url), *(turn["user_message"] for turn in turns))
    ran = tuple(map(ToolCall, ("lookup_order", "broken_tool", "missing_tool")))
    assert [reply.tools for reply in replies] == [(), (), ran]
    assert [holes_of(reply) for reply in replies] == [[], [], ["tools-not-in-reply"]]
    assert replies[2].rules is not UNKNOWN
    assert [rule.name for rule in replies[2].rules] == ["Order tracking"]


def test_lists_are_asked_for_in_ascending_order_by_offset() -> None:
    """Quirk T4: a descending page would be that of the oldest turns."""
    turns = body("turns_loop_200")["items"]
    with hostile_server(CapturedFocal(*names("chat_loop_?_200"), stored=turns), {}) as server:
        replies, stored = talk(focal(server.url), "alpha", "beta", "next", "then", "after")
    asked = [parse_qs(urlsplit(heard.path).query) for heard in server.heard if "/turns" in heard.path]
    assert {(one["sort"][0], one["limit"][0]) for one in asked} == {("asc", "100")}
    kept = [turn["turn_id"] for turn in turns]
    assert [int(one["offset"][0]) for one in asked[:-1]] == [
        sum(reply.turn_id in kept for reply in replies[:at]) for at in range(5)
    ], "what was read is not read again; the last time all of it is"
    assert [message.turn_id for message in stored[::2]] == kept
    assert replies[4].scenario == ScenarioState("Order return"), "quirk R8: the loop check leaves no step"


def test_each_case_is_a_user_of_its_own() -> None:
    """Quirks S1 and S2: within a case the session is named, and no other case has its user."""
    with hostile_server(CapturedFocal("chat_new_session_200", "chat_continue_by_channel_200", "chat_loop_1_200"), {}) as server:
        config = focal(server.url, reads=())
        talk(config, "good morning", "tell me about a refund")
        talk(config, "alpha")
    first, second, other = chats_of(server)
    assert (first["user_channel_id"], "session_id" in first) == (second["user_channel_id"], False)
    assert second["session_id"] == body("chat_new_session_200")["session_id"]
    assert other["user_channel_id"] != first["user_channel_id"]


@pytest.mark.parametrize("resumed", ["chat_continue_by_channel_200", "chat_other_agent_same_user_200"])
def test_a_session_that_is_resumed_is_found_out(resumed: str) -> None:
    """Quirks S1 and S2: should a server go on with another case's session all the same, no verdict comes of it."""

    async def two(url: str) -> None:
        engine = connected(focal(url, reads=()))
        first, second = await engine.open(SessionStart("a")), await engine.open(SessionStart("b"))
        await first.send("good morning")
        try:
            await second.send("hi")
        finally:
            await engine.close()

    with (
        hostile_server(CapturedFocal("chat_new_session_200", resumed), {}) as server,
        pytest.raises(EngineProtocol, match="belongs to another case of this run; it was not fresh"),
    ):
        asyncio.run(two(server.url))


REFUSED = [
    name for name in [*names("err_4*"), *names("err_500_*"), "ratelimit_exceeded_0", "stock_chat_new"] if FOLDER.is_dir()
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", REFUSED)
def test_both_envelopes_of_errors_are_told(name: str, stream: bool) -> None:
    """Status, code and words of each captured error are the error's, and the message was sent once."""
    answer = exchange(name)[1]
    error = answer["body"].get("error") or {"message": answer["body"]["detail"]}
    with hostile_server(CapturedFocal(name), {}) as server, pytest.raises(EngineStatus) as problem:
        talk(focal(server.url, stream=stream), "hi")
    assert (problem.value.status, problem.value.code) == (answer["status"], error.get("code"))
    assert error["message"] in str(problem.value)
    assert isinstance(problem.value, EngineUnauthorised) == (answer["status"] == 401)
    if error.get("details"):
        assert orjson.dumps(error["details"]).decode()[:500] in str(problem.value.detail)
    assert len(chats_of(server)) == 1


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("stream_error_missing_jwt", 401, "Missing authentication token"),
        ("stream_error_validation", 400, "Request validation failed"),
        ("stream_error_internal", 200, "An error occurred"),
        ("stream_error_session_not_found", 200, "Session .* not found"),
    ],
)
def test_errors_of_streams_before_and_after_they_began(name: str, status: int, said: str) -> None:
    """Some are an ordinary answer with a status, some an event in a stream that began with 200."""
    with hostile_server(CapturedFocal(name), {}) as server, pytest.raises(EngineStatus, match=said) as problem:
        talk(focal(server.url, stream=True), "hi")
    assert problem.value.status == status


@pytest.mark.parametrize("name", [path for path in names("stream_*.meta") if "error" not in path])
def test_captured_streams_are_read_as_they_were_sent(name: str) -> None:
    """CRLF, pings and raw UTF-8 over the wire: every word comes, white space folded, placeholders unfilled (quirk R9)."""
    message = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["request"]["body"]["message"]
    with hostile_server(CapturedFocal(name.removesuffix(".meta")), {}) as server:
        (reply,), _ = talk(focal(server.url, stream=True, reads=()), message)
    refund = "Refunds take 5 business days for order {order_id}."
    assert reply.response == (refund if "refund" in message else f"You said: {' '.join(message.split())}")
    assert (reply.scenario, reply.tools) == (UNKNOWN, UNKNOWN)
    assert reply.first_token_ms is not None


def test_the_connection_is_fresh_after_a_500() -> None:
    """Quirk E1: the server drops it without a word, the next conversation does not meet that, nothing is repeated."""

    async def drops(turn: Turn) -> None:
        await turn.say(turn.good)
        turn.drop()

    async def two(url: str) -> None:
        engine = connected(focal(url, reads=()))
        with pytest.raises(EngineStatus, match=r"500 \(INTERNAL_ERROR\): An unexpected error occurred"):
            await (await engine.open(SessionStart("a"))).send("hostile:drops!")
        reply = await (await engine.open(SessionStart("b"))).send("alive?")
        assert reply.response == "You said: alive?"
        await engine.close()

    answers = CapturedFocal("err_500_engine_failure", "err_after_500_session_exists")
    with hostile_server(answers, {"drops": drops}) as server:
        asyncio.run(two(server.url))
    assert [chat["message"] for chat in chats_of(server)] == ["hostile:drops!", "alive?"]
    assert server.ports[-2] != server.ports[-1]

"""What a served agent answers, over real sockets: the shapes of Focal's contract, written by hand."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from focal_eval import __version__
from focal_eval.clock import Clock, fixed_clock
from focal_eval.engines.base import Setting
from focal_eval.engines.embedded import Embedded, EmbeddedEngine
from focal_eval.engines.wording import Generator
from focal_eval.server.app import Options, make_app
from focal_eval.server.listen import in_background
from tests.server.client import AGENT, SOME_AGENT, TENANT, body, engine_of, events_of, served

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with served(engine_of(tmp_path_factory.mktemp("agent"))) as client:
        yield client


def chat(client: httpx.Client, message: str, user: str, **more: Any) -> dict[str, Any]:
    answer = client.post("/v1/chat", json=body(message, user, **more))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def error_of(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The main envelope's content, its five keys checked."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    error: dict[str, Any] = answer.json()["error"]
    assert answer.json() == {"error": error}
    assert list(error) == ["code", "message", "details", "turn_id", "rule_id"]
    assert error["turn_id"] is error["rule_id"] is None
    return error


def names(client: httpx.Client, many: str) -> dict[str, str]:
    """Id → name of a list, as an adapter reads it."""
    agent = client.get("/v1/agents").json()["items"][0]["id"]
    listed = client.get(f"/v1/agents/{agent}/{many}", params={"limit": 100}).json()["items"]
    return {item["id"]: item["name"] for item in listed}


def test_a_reply_has_every_key_always(client: httpx.Client) -> None:
    """Eight keys in Focal's order; ids are UUIDs, lists are lists, no scenario is null."""
    reply = chat(client, "thanks", "shape")
    assert list(reply) == [
        "response", "session_id", "turn_id", "scenario", "matched_rules", "tools_called", "tokens_used", "latency_ms",
    ]  # fmt: skip
    assert (reply["response"], reply["scenario"], reply["tools_called"]) == ("you are welcome", None, [])
    assert (reply["tokens_used"], type(reply["latency_ms"])) == (0, int)
    assert [names(client, "rules")[rule] for rule in reply["matched_rules"]] == ["thanks"]
    assert str(UUID(reply["session_id"])) == reply["session_id"] != reply["turn_id"] == str(UUID(reply["turn_id"]))


def test_scenario_and_step_are_ids_that_the_lists_name(client: httpx.Client) -> None:
    """The id of the scenario and that of the step are found in /scenarios."""
    reply = chat(client, "it is broken", "place")
    agent = client.get("/v1/agents").json()["items"][0]["id"]
    (flow,) = client.get(f"/v1/agents/{agent}/scenarios").json()["items"]
    assert reply["scenario"] == {"id": flow["id"], "step": flow["entry_step_id"]}
    assert [(step["name"], step["is_entry"], step["is_terminal"]) for step in flow["steps"]] == [
        ("which", True, False), ("sure", False, False), ("done", False, True),
    ]  # fmt: skip
    assert [go["to_step_id"] for step in flow["steps"] for go in step["transitions"]] == [
        step["id"] for step in flow["steps"][1:]
    ]


def test_without_a_session_id_the_same_user_goes_on(client: httpx.Client) -> None:
    """Tenant, channel and user find the session, whatever the agent id; an unknown channel is one of `api`."""
    first = chat(client, "it is broken", "again")
    second = chat(client, "A-1", "again", agent_id=UNKNOWN_ID)
    assert second["session_id"] == first["session_id"]
    assert second["response"] == "A-1 for a basic\ncustomer,  ☕?"
    for other in ({"channel": "sms"}, {"tenant_id": UNKNOWN_ID}, {"user_channel_id": "someone else"}):
        assert chat(client, "hi", "again", **other)["session_id"] != first["session_id"]
    unknown = chat(client, "hi", "again", channel="carrier-pigeon")
    assert chat(client, "hi", "again", channel="api")["session_id"] == unknown["session_id"]
    assert client.get(f"/v1/sessions/{unknown['session_id']}").json()["channel"] == "api"


def test_a_session_id_is_the_servers_to_choose(client: httpx.Client) -> None:
    """A known id goes on, an empty one counts as none, any other is 404."""
    first = chat(client, "hi", "ids")
    assert chat(client, "hi", "nobody", session_id=first["session_id"])["session_id"] == first["session_id"]
    assert chat(client, "hi", "ids", session_id="")["session_id"] == first["session_id"]
    for unknown in (UNKNOWN_ID, "sess_abc123", "\r\nx: y"):
        error = error_of(client.post("/v1/chat", json=body("hi", session_id=unknown)), 404)
        assert (error["code"], error["message"]) == ("SESSION_NOT_FOUND", f"Session {unknown} not found")


def test_a_session_tells_its_state(client: httpx.Client) -> None:
    """Variables, where it stands, which rules matched how often, and when."""
    for message in ("thanks", "thanks", "it is broken", "A-1"):
        reply = chat(client, message, "state")
    state = client.get(f"/v1/sessions/{reply['session_id']}").json()
    assert list(state) == [
        "session_id", "tenant_id", "agent_id", "channel", "user_channel_id", "active_scenario_id", "active_step_id",
        "turn_count", "variables", "rule_fires", "config_version", "created_at", "last_activity_at",
    ]  # fmt: skip
    assert (state["tenant_id"], state["agent_id"], state["user_channel_id"]) == (TENANT, SOME_AGENT, "state")
    assert {"id": state["active_scenario_id"], "step": state["active_step_id"]} == reply["scenario"]
    assert (state["turn_count"], state["config_version"], state["variables"]["order"]) == (4, 1, "A-1")
    assert {names(client, "rules")[rule]: count for rule, count in state["rule_fires"].items()} == {"thanks": 2, "damaged": 1}
    assert MOMENT.fullmatch(state["created_at"])
    assert MOMENT.fullmatch(state["last_activity_at"])
    assert state["created_at"] < state["last_activity_at"]


def test_a_deleted_session_is_gone(client: httpx.Client) -> None:
    """204 without a body, then 404 everywhere; the user begins anew."""
    session = chat(client, "hi", "gone")["session_id"]
    gone = client.delete(f"/v1/sessions/{session}")
    assert (gone.status_code, gone.content) == (204, b"")
    for answer in (
        client.get(f"/v1/sessions/{session}"),
        client.get(f"/v1/sessions/{session}/turns"),
        client.delete(f"/v1/sessions/{session}"),
        client.post("/v1/chat", json=body("hi", "gone", session_id=session)),
    ):
        assert error_of(answer, 404)["message"] == f"Session {session} not found"
    assert chat(client, "hi", "gone")["session_id"] != session
    assert error_of(client.get("/v1/sessions/sess_1"), 404)["message"] == "Invalid session ID: sess_1"


def test_turns_are_listed_as_they_happened(client: httpx.Client) -> None:
    """Exact texts, tools by name, the scenario before and after, the newest first unless asked otherwise."""
    replies = [chat(client, text, "turns") for text in ("it is  broken\n☕", "A-1", "yes")]
    page = client.get(f"/v1/sessions/{replies[0]['session_id']}/turns", params={"sort": "asc"}).json()
    assert {key: page[key] for key in page if key != "items"} == {"total": 3, "limit": 20, "offset": 0, "has_more": False}
    first, second, third = page["items"]
    assert list(first) == [
        "turn_id", "turn_number", "user_message", "agent_response", "matched_rules", "tools_called",
        "scenario_before", "scenario_after", "latency_ms", "tokens_used", "timestamp",
    ]  # fmt: skip
    assert (first["user_message"], first["tools_called"], first["scenario_before"]) == ("it is  broken\n☕", ["lookup"], None)
    assert first["scenario_after"] == second["scenario_before"] == replies[0]["scenario"]
    assert (second["agent_response"], third["tools_called"]) == ("A-1 for a basic\ncustomer,  ☕?", ["pay"])
    assert [turn["turn_id"] for turn in page["items"]] == [reply["turn_id"] for reply in replies]
    newest = client.get(f"/v1/sessions/{replies[0]['session_id']}/turns").json()["items"]
    assert newest == page["items"][::-1]


def test_turns_are_paged(client: httpx.Client) -> None:
    """Pages follow each other without a gap, and the last says so."""
    replies = [chat(client, f"m{number}", "paged") for number in range(5)]
    path = f"/v1/sessions/{replies[0]['session_id']}/turns"
    pages = [client.get(path, params={"sort": "asc", "limit": 2, "offset": offset}).json() for offset in (0, 2, 4, 6)]
    assert [[turn["user_message"] for turn in page["items"]] for page in pages] == [["m0", "m1"], ["m2", "m3"], ["m4"], []]
    assert [page["has_more"] for page in pages] == [True, True, False, False]
    newest = client.get(path, params={"limit": 2}).json()["items"]
    assert [(turn["turn_number"], turn["user_message"]) for turn in newest] == [(5, "m4"), (4, "m3")]


def test_the_sessions_used_last_are_kept(tmp_path: Path) -> None:
    """Of too many, the one that was not used for longest is forgotten, and its user begins anew."""
    with served(engine_of(tmp_path), Options(max_sessions=2)) as client:
        first, second = (chat(client, "hi", user)["session_id"] for user in ("a", "b"))
        assert client.get(f"/v1/sessions/{first}").status_code == 200
        chat(client, "hi", "c")
        assert client.get(f"/v1/sessions/{second}").status_code == 404
        assert chat(client, "hi", "a")["session_id"] == first
        assert chat(client, "hi", "b")["session_id"] != second


def test_a_stream_is_the_reply_word_by_word(client: httpx.Client) -> None:
    """One token a word, then done with the reply's keys; blanks are folded, characters stand as they are."""
    chat(client, "it is broken", "stream")
    answer = client.post("/v1/chat/stream", json=body("A-1", "stream"))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-store", "no")
    *tokens, (last, done) = events_of(answer.text)
    assert [name for name, _ in tokens] == ["token"] * len(tokens)
    assert [data for _, data in tokens][:2] == [{"type": "token", "content": "A-1 "}, {"type": "token", "content": "for "}]
    assert "".join(data["content"] for _, data in tokens) == "A-1 for a basic customer, ☕?"
    assert "☕?".encode() in answer.content
    assert last == "done"
    assert list(done) == ["type", "turn_id", "session_id", "matched_rules", "tools_called", "tokens_used", "latency_ms"]
    turns = client.get(f"/v1/sessions/{done['session_id']}/turns").json()["items"]
    assert turns[0]["turn_id"] == done["turn_id"]


def test_a_stream_to_no_session_is_an_error_event(client: httpx.Client) -> None:
    """It is said in the stream, with status 200."""
    answer = client.post("/v1/chat/stream", json=body("hi", session_id=UNKNOWN_ID))
    assert answer.status_code == 200
    said = {"type": "error", "code": "SESSION_NOT_FOUND", "message": f"Session {UNKNOWN_ID} not found"}
    assert events_of(answer.text) == [("error", said)]


def test_a_wrong_stream_request_is_refused_before_the_stream(client: httpx.Client) -> None:
    """It is the same 400 that a plain chat gets."""
    wrong = {"message": ""}
    error = error_of(client.post("/v1/chat/stream", json=wrong), 400)
    assert error == error_of(client.post("/v1/chat", json=wrong), 400)
    assert [one["field"] for one in error["details"]] == [
        "body.tenant_id", "body.agent_id", "body.channel", "body.user_channel_id", "body.message",
    ]  # fmt: skip


def test_a_silent_stream_is_kept_alive(tmp_path: Path) -> None:
    """Comments are sent while the agent is silent, before the first token."""
    with served(engine_of(tmp_path), Options(latency_ms=500, ping_s=0.1)) as client:
        raw = client.post("/v1/chat/stream", json=body("thanks")).text
    first = raw.split("\r\n\r\n")[0]
    assert re.fullmatch(r": ping - \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+\+00:00", first), first
    assert [name for name, _ in events_of(raw)] == ["token", "token", "token", "done"]


@pytest.mark.parametrize("many", ["rules", "scenarios", "templates"])
def test_lists_of_the_agent_are_paged_and_each_item_has_its_own_path(client: httpx.Client, many: str) -> None:
    """A page of one after the other gives the whole list; an item's path gives the item."""
    agent = client.get("/v1/agents").json()["items"][0]["id"]
    path = f"/v1/agents/{agent}/{many}"
    whole = client.get(path, params={"limit": 100}).json()
    items = [client.get(path, params={"limit": 1, "offset": at}).json()["items"][0] for at in range(whole["total"])]
    assert items == whole["items"]
    assert [client.get(f"{path}/{item['id']}").json() for item in items] == items
    error = error_of(client.get(f"{path}/{UNKNOWN_ID}"), 404)
    kind = many.removesuffix("s")
    assert (error["code"], error["message"]) == (f"{kind.upper()}_NOT_FOUND", f"{kind.capitalize()} {UNKNOWN_ID} not found")
    assert error_of(client.get(f"/v1/agents/{UNKNOWN_ID}/{many}"), 400)["code"] == "AGENT_NOT_FOUND"
    assert error_of(client.get(f"/v1/agents/nope/{many}"), 400)["details"][0]["field"] == "path.agent_id"


def test_rules_are_listed_with_their_words_and_scopes(client: httpx.Client) -> None:
    """Conditions, actions, tools, limits and scopes are what the agent file says."""
    agent = client.get("/v1/agents").json()["items"][0]["id"]
    rules = {rule["name"]: rule for rule in client.get(f"/v1/agents/{agent}/rules").json()["items"]}
    flow = client.get(f"/v1/agents/{agent}/scenarios").json()["items"][0]
    damaged, hurry = rules["damaged"], rules["hurry"]
    assert (damaged["condition_text"], damaged["action_text"], damaged["scope"]) == ("it is broken", "offer a refund", "GLOBAL")
    assert (damaged["priority"], damaged["attached_tool_ids"]) == (1, ["lookup"])
    assert (hurry["scope"], hurry["scope_id"]) == ("STEP", flow["steps"][1]["id"])
    assert [names(client, "templates")[one] for one in hurry["attached_template_ids"]] == ["soon"]
    assert (rules["thanks"]["max_fires_per_session"], rules["limit"]["is_hard_constraint"]) == (2, True)
    templates = {one["name"]: one for one in client.get(f"/v1/agents/{agent}/templates").json()["items"]}
    assert (templates["sure"]["mode"], templates["sure"]["variables_used"]) == ("EXCLUSIVE", ["order", "tier"])


def test_transitions_name_the_step_they_lead_to(tmp_path: Path) -> None:
    """In the same scenario, in another one, and where another one starts; the end is no step."""
    text = """\
agent: a
scenarios:
  one: {steps: [{id: first, go: [{to: second}, {to: two/third}, {to: two/}, {to: end}]}, {id: second, terminal: true}]}
  two: {start: fourth, steps: [{id: third, terminal: true}, {id: fourth, terminal: true}]}
"""
    with served(engine_of(tmp_path, text)) as client:
        agent = client.get("/v1/agents").json()["items"][0]["id"]
        flows = client.get(f"/v1/agents/{agent}/scenarios").json()["items"]
    steps = {step["id"]: step["name"] for flow in flows for step in flow["steps"]}
    assert [steps[go["to_step_id"]] for go in flows[0]["steps"][0]["transitions"]] == ["second", "third", "fourth"]
    assert steps[flows[1]["entry_step_id"]] == "fourth"


def test_ids_are_the_same_after_every_start(client: httpx.Client, tmp_path: Path) -> None:
    """They come from names alone, so a changed text keeps them."""
    changed = AGENT.replace("you are welcome", "my pleasure")
    with served(engine_of(tmp_path, changed)) as other:
        for many in ("rules", "scenarios", "templates"):
            assert names(other, many) == names(client, many)
        assert other.get("/v1/agents").json()["items"][0]["id"] == client.get("/v1/agents").json()["items"][0]["id"]
    assert all(UUID(rule).version == 5 for rule in names(client, "rules"))


def test_the_agent_is_read_only(client: httpx.Client) -> None:
    """What would change it is 405 in the other envelope."""
    agent = client.get("/v1/agents").json()["items"][0]["id"]
    for method, path in (("POST", "/v1/agents"), ("PUT", f"/v1/agents/{agent}"), ("DELETE", f"/v1/agents/{agent}/rules")):
        answer = client.request(method, path, json={"name": "x"})
        assert (answer.status_code, answer.json()) == (405, {"detail": "Method Not Allowed"})
        assert "GET" in answer.headers["allow"]


def test_unknown_paths_and_methods_have_the_other_envelope(client: httpx.Client) -> None:
    """404 and 405 are a detail, and 405 names what is allowed."""
    assert client.get("/v1/nothing").json() == {"detail": "Not Found"}
    wrong = client.get("/v1/chat")
    assert (wrong.status_code, wrong.headers["allow"], wrong.json()) == (405, "POST", {"detail": "Method Not Allowed"})


def test_every_answer_has_an_id_of_its_own(client: httpx.Client) -> None:
    """Request and trace id are equal in one answer and differ between two."""
    seen = {client.get(path).headers["x-request-id"] for path in ("/health", "/v1/nothing", "/v1/chat", "/v1/sessions/x")}
    assert len(seen) == 4
    answer = client.get("/health")
    assert answer.headers["x-request-id"] == answer.headers["x-trace-id"]


def test_health_says_what_is_served(client: httpx.Client) -> None:
    """Status, version, components and the time."""
    health = client.get("/health").json()
    assert (health["status"], health["version"]) == ("healthy", __version__)
    assert MOMENT.fullmatch(health["timestamp"])
    assert [list(part) for part in health["components"]] == [["name", "status", "latency_ms", "message"]] * 2
    assert health["components"][0]["message"] == "shop"


def test_a_broken_agent_is_500_and_the_connection_stays_good(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Plain and streamed; the reason is in the log, not in the answer, and the failed turn has not happened."""
    engine_of(tmp_path)
    wording = Generator("openai", url="http://127.0.0.1:9/v1", model="none", timeout_s=2)
    with served(Embedded("agent.yaml", generator=wording).connect(Setting(tmp_path))) as client:
        for _ in range(2):
            error = error_of(client.post("/v1/chat", json=body("thanks")), 500)
            assert (error["code"], error["message"]) == ("INTERNAL_ERROR", "An unexpected error occurred")
        raw = client.post("/v1/chat/stream", json=body("thanks")).text
        assert events_of(raw) == [("error", {"type": "error", "code": "INTERNAL_ERROR", "message": "An error occurred"})]
        session = chat(client, "it is broken, A-1", "u1")  # an exclusive template is not reworded
        turns = client.get(f"/v1/sessions/{session['session_id']}/turns").json()
    assert [turn["user_message"] for turn in turns["items"]] == ["it is broken, A-1"]
    assert "cannot connect to" in caplog.text


class Crashing:
    """A scorer with a bug."""

    def scores(self, *_: Any) -> Any:
        raise RuntimeError("a bug in the scorer")


def test_a_bug_is_500_too_and_is_logged_with_its_trace(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing of it reaches the client, and the next request on the same connection is served."""
    agent = engine_of(tmp_path, AGENT.replace("match: {any_words: [thanks]}", "when: the customer says thanks")).agent
    with served(EmbeddedEngine(agent, {}, None, Crashing(), Clock())) as client:
        assert error_of(client.post("/v1/chat", json=body("thanks")), 500)["message"] == "An unexpected error occurred"
        assert client.get("/health").status_code == 200
        raw = client.post("/v1/chat/stream", json=body("thanks")).text
    assert events_of(raw)[-1][1]["code"] == "INTERNAL_ERROR"
    assert caplog.text.count("RuntimeError: a bug in the scorer") == 2


def test_latency_is_waited_for_each_reply(tmp_path: Path) -> None:
    """The reply takes that long and says so; other requests do not."""
    with served(engine_of(tmp_path), Options(latency_ms=150)) as client:
        began = time.perf_counter()
        reply = chat(client, "thanks", "slow")
        assert time.perf_counter() - began >= 0.15
        assert reply["latency_ms"] >= 149
        began = time.perf_counter()
        client.get("/health")
        assert time.perf_counter() - began < 0.14


def test_replies_on_one_connection_are_not_held_back(client: httpx.Client) -> None:
    """The system does not wait 40 ms to send the second small packet together with the first."""

    def took(path: str) -> float:
        began = time.perf_counter()
        assert client.post(path, json=body("hi", "quick")).status_code == 200
        return time.perf_counter() - began

    for path in ("/v1/chat", "/v1/chat/stream"):
        assert min(took(path) for _ in range(10)) < 0.03


def test_messages_to_one_session_are_answered_one_after_another(tmp_path: Path) -> None:
    """Five at once give five turns in a row; five sessions do not wait for each other."""

    async def at_once(url: str, users: list[str]) -> list[dict[str, Any]]:
        async with httpx.AsyncClient(base_url=url, timeout=20) as client:
            answers = await asyncio.gather(*(client.post("/v1/chat", json=body("thanks", user)) for user in users))
        return [answer.json() for answer in answers]

    with in_background(make_app(engine_of(tmp_path), Options(latency_ms=100))) as url:
        began = time.perf_counter()
        replies = asyncio.run(at_once(url, ["one"] * 5))
        assert time.perf_counter() - began >= 0.5
        assert sum(len(reply["matched_rules"]) for reply in replies) == 2, "the rule may fire twice in a session"
        began = time.perf_counter()
        asyncio.run(at_once(url, list("abcde")))
        assert time.perf_counter() - began < 0.5


def test_pages_of_other_origins_may_call_only_where_they_are_named(tmp_path: Path) -> None:
    """Without --cors no header lets a page in; with it, the origin that is named."""
    asks = {"origin": "http://example.com", "access-control-request-method": "POST"}
    with served(engine_of(tmp_path)) as client:
        assert client.options("/v1/chat", headers=asks).status_code == 405
        assert "access-control-allow-origin" not in client.get("/health", headers=asks).headers
    with served(engine_of(tmp_path), Options(cors=("http://example.com",))) as client:
        assert client.options("/v1/chat", headers=asks).headers["access-control-allow-origin"] == "http://example.com"
        other = client.options("/v1/chat", headers={**asks, "origin": "http://other.example"})
        assert "access-control-allow-origin" not in other.headers
        assert client.get("/health").headers["vary"] == "Origin"


def test_a_fixed_clock_gives_the_same_bytes(tmp_path: Path) -> None:
    """Ids and times come from the clock alone."""

    def answers() -> list[bytes]:
        with served(engine_of(tmp_path), clock=fixed_clock()) as client:
            return [client.post("/v1/chat", json=body("it is broken", user)).content for user in ("a", "b")]

    first = answers()
    assert first == answers()
    assert first[0] != first[1]

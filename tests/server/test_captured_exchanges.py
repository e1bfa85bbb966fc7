"""Every captured exchange of the real server, sent to a served agent as a request of the same kind.

The captures lie in the sample data beside the checkout; what is compared is status, keys, types, and the headers that matter.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from focal_eval.engines.base import Setting
from focal_eval.engines.embedded import Embedded
from focal_eval.engines.wording import Generator
from focal_eval.server.app import Options
from tests.server.client import SOME_AGENT, TENANT, engine_of, events_of, served

SAMPLES = Path(os.environ.get("FOCAL_EVAL_SAMPLES") or Path(__file__).resolve().parents[3] / "shared") / "wire" / "focal"
SECRET = "a secret of more than thirty-two bytes, for tests"
OTHER_TENANT = "11111111-1111-4111-8111-111111111111"
PAGE = "http://example.com"

AGENT = """\
agent: demo-support-agent
variables: {name: null}
title: Demo support agent
description: Demo
rules:
  - {id: refund-policy, when: User asks about a refund, match: {any_words: [refund, refunds]}, template: refunds, priority: 10}
  - {id: order-tracking, match: {any_words: [track]}, tools: [lookup_order, broken_tool], template: echo}
  - {id: greeting, match: {any_words: [hello]}, template: echo, max_fires: 1}
  - {id: deep, scope: {step: order-return/ask}, match: {any_words: [order]}, template: echo}
scenarios:
  order-return:
    title: Return flow
    enter: {match: {any_words: [return]}}
    exit: {any_words: [cancel]}
    steps:
      - {id: ask, title: Collect the order id, collect: order, go: [{to: reason}]}
      - {id: reason, terminal: true, template: echo}
slots: {order: {pattern: '[A-Z]-\\d+', ask: echo}}
tools:
  lookup_order: {returns: {order_status: shipped}, sets: {order_status: "{{ result.lookup_order.order_status }}"}}
  broken_tool: {fails: broken}
templates:
  refunds: {mode: EXCLUSIVE, text: "Refunds take 5 business days for order {order_id}, {{ name or 'friend' }}."}
  echo: "You said: {{ message }}"
  FALLBACK: {mode: FALLBACK, text: "You said: {{ message }}"}
"""

BREAKING = """\
agent: demo-support-agent
rules: [{id: any, match: {pattern: '.'}, template: echo}]
templates: {echo: "You said: {{ message }}"}
"""

NULLABLE = frozenset(
    {"scenario", "step", "active_scenario_id", "active_step_id", "details", "turn_id", "rule_id", "scenario_before"}
    | {"scenario_after", "latency_ms", "message", "description", "scope_id", "conditions", "stats", "model"}
)
HEADERS = ("content-type", "www-authenticate", "allow", "cache-control", "x-accel-buffering", "vary")
FREE = frozenset({"variables", "rule_fires"})  # keys come from the conversation

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no sample data beside the checkout (or at FOCAL_EVAL_SAMPLES)")


def captures() -> list[str]:
    return sorted(file.name for file in SAMPLES.glob("*.json")) if SAMPLES.is_dir() else []


def exchange(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SAMPLES / name).read_text(encoding="utf-8"))
    return found


def token(name: str) -> str | None:
    """The authorization header that a capture of this name was made with."""
    claims: dict[str, Any] = {"tenant_id": OTHER_TENANT if "xtenant" in name and "session_after" not in name else TENANT}
    secret = SECRET
    if "missing" in name and ("token" in name or "jwt" in name):
        return None
    if "basic_scheme" in name:
        return "Basic abc"
    if "bad_signature" in name:
        secret = SECRET[::-1]
    claims |= {"exp": int(time.time()) - 60} if "expired" in name else {}
    claims |= {"tier": "gold"} if "bad_tier" in name else {}
    claims |= {"tenant_id": "acme"} if "bad_tenant" in name else {}
    if "no_tenant" in name:
        claims = {"sub": "me"}
    return f"Bearer {jwt.encode(claims, secret, 'HS256')}"


class Replaying:
    """Sends captured requests to a served agent, with its ids in the place of the captured ones."""

    def __init__(self, bare: httpx.Client, client: httpx.Client) -> None:
        self.bare, self.client = bare, client
        client.headers["authorization"] = str(token(""))
        self.agent = client.get("/v1/agents").json()["items"][0]["id"]
        self.sessions: dict[str, str] = {}

    def session(self, captured: str) -> str:
        """A session of ours for a captured one, with a few turns."""
        if captured not in self.sessions:
            said = ["track it", "I want to return an order", "A-1", "thanks", "and now a refund"]
            base = {"tenant_id": TENANT, "agent_id": SOME_AGENT, "channel": "webchat", "user_channel_id": f"for {captured}"}
            for text in said:
                answer = self.client.post("/v1/chat", json={**base, "message": text})
                assert answer.status_code == 200, answer.text
            self.sessions[captured] = answer.json()["session_id"]
        return self.sessions[captured]

    def path(self, name: str, path: str, status: int) -> str:
        if status != 400:
            path = re.sub(r"/v1/agents/[0-9a-f-]{36}", f"/v1/agents/{self.agent}", path)
        if (found := re.search(r"/v1/sessions/([^/?]+)", path)) and (status < 300 or "xtenant" in name or status == 400):
            path = path.replace(found.group(1), self.session(found.group(1) + (name if status == 204 else "")))
        for many in ("rules", "scenarios", "templates"):
            if status == 200 and (found := re.search(rf"/{many}/([^/?]+)$", path)):
                listed = self.client.get(f"/v1/agents/{self.agent}/{many}").json()["items"]
                path = path.replace(found.group(1), listed[0]["id"])
        return path

    def send(self, name: str, captured: dict[str, Any]) -> httpx.Response:
        request, status = captured["request"], captured["response"]["status"]
        headers = {key: value for key, value in request["headers"] if key in ("content-type", "origin")}
        headers |= {key: value for key, value in request["headers"] if key.startswith("access-control")}
        if (bearer := token(name)) is not None:
            headers["authorization"] = bearer
        content = request.get("raw_body")
        if content is None and request["body"] is not None:
            sent = dict(request["body"])
            if sent.get("session_id") and status == 200 and "not_found" not in name:
                sent["session_id"] = self.session(sent["session_id"])
            content = json.dumps(sent)
        path = self.path(name, request["path"], status)
        return self.bare.request(request["method"], path, content=content, headers=headers)


@pytest.fixture(scope="module")
def replaying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replaying]:
    options = Options(jwt_secret=SECRET, cors=(PAGE,), focal_quirks=True)
    with (
        served(engine_of(tmp_path_factory.mktemp("demo"), AGENT), options) as client,
        httpx.Client(base_url=client.base_url, verify=False, timeout=20) as bare,
    ):
        yield Replaying(bare, client)


@pytest.fixture(scope="module")
def breaking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replaying]:
    """An agent whose every reply is to be worded by a model that cannot be reached."""
    folder = tmp_path_factory.mktemp("breaking")
    engine_of(folder, BREAKING)
    wording = Generator("openai", url="http://127.0.0.1:9/v1", model="none", timeout_s=2)
    engine = Embedded("agent.yaml", generator=wording).connect(Setting(folder))
    with (
        served(engine, Options(jwt_secret=SECRET, cors=(PAGE,))) as client,
        httpx.Client(base_url=client.base_url, verify=False, timeout=20) as bare,
    ):
        yield Replaying(bare, client)


def fits(theirs: Any, ours: Any, key: str = "") -> str | None:
    """What differs in keys or types, None where nothing does."""
    if theirs is None or ours is None:
        return None if theirs is ours or key in NULLABLE else f"{key}: {theirs!r} became {ours!r}"
    if isinstance(theirs, bool) or type(theirs) is not type(ours):
        return None if type(theirs) is type(ours) else f"{key}: {theirs!r} became {ours!r}"
    if isinstance(theirs, dict) and key not in FREE:
        if list(theirs) != list(ours):
            return f"{key}: keys {list(theirs)} became {list(ours)}"
        return next((said for name in theirs if (said := fits(theirs[name], ours[name], name))), None)
    if isinstance(theirs, list) and theirs and ours:
        return next((said for item in ours if (said := fits(theirs[0], item, key))), None)
    return None


def headers_of(pairs: Any) -> dict[str, str]:
    return {key.lower(): value for key, value in pairs if key.lower() in HEADERS}


WRITES = re.compile(r"^(POST|PUT|DELETE) /v1/agents")
UNSERVED = re.compile(r"/(variables|tools|publish)\b")


@pytest.mark.parametrize("name", [name for name in captures() if not name.endswith(".meta.json")])
def test_a_captured_request_gets_an_answer_of_the_same_kind(replaying: Replaying, breaking: Replaying, name: str) -> None:
    """Status, keys in order, types and headers are those of the capture; what would change the agent is refused."""
    captured = exchange(name)
    request, theirs = captured["request"], captured["response"]
    ours = (breaking if theirs["status"] == 500 else replaying).send(name, captured)
    if WRITES.match(f"{request['method']} {request['path']}") or UNSERVED.search(request["path"]):
        assert ours.status_code in (404, 405)
        assert list(ours.json()) == ["detail"]
        return
    assert ours.status_code == theirs["status"], ours.text
    if theirs["status"] in (200, 201) and request["method"] != "OPTIONS":
        assert fits(theirs["body"], ours.json()) is None
    elif theirs["status"] >= 400:
        assert kind_of(theirs["body"]) == kind_of(ours.json())
    wanted, got = headers_of(theirs["headers"]), headers_of(ours.headers.items())
    if theirs["status"] == 500:  # theirs comes from outside of all that adds headers
        del got["vary"]
    if request["method"] == "OPTIONS":
        assert ours.headers["access-control-allow-origin"] == PAGE
    assert got == wanted
    assert {"x-request-id", "x-trace-id"} <= set(ours.headers)


def kind_of(error: Any) -> Any:
    """An error without the ids in its message."""
    text = json.dumps(error)
    return json.loads(re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID", text))


@pytest.mark.parametrize("name", [name for name in captures() if name.endswith(".meta.json")])
def test_a_captured_stream_is_answered_by_one_of_the_same_kind(replaying: Replaying, breaking: Replaying, name: str) -> None:
    """Status, headers, framing, the order of events, and keys and types in each."""
    captured = exchange(name)
    theirs = captured["response"]
    raw = (SAMPLES / name.replace(".meta.json", ".txt")).read_bytes().decode()
    ours = (breaking if "internal" in name else replaying).send(name, captured)
    assert ours.status_code == theirs["status"], ours.text
    assert headers_of(ours.headers.items()) == headers_of(theirs["headers"])
    if theirs["status"] != 200:
        assert kind_of(json.loads(raw)) == kind_of(ours.json())
        return
    wanted, got = events_of(raw), events_of(ours.text)
    assert re.fullmatch("(token )*(done|error) ", "".join(f"{event} " for event, _ in got))
    assert {event for event, _ in got} == {event for event, _ in wanted}
    examples = dict(wanted)
    assert [said for event, data in got if (said := fits(examples[event], data))] == []
    if wanted[-1][0] == "error":
        assert kind_of(got) == kind_of(wanted)


def test_every_kind_of_capture_is_there() -> None:
    """The folder holds what these tests were written for: chats, sessions, turns, errors, lists and streams."""
    kinds = {name.split("_")[0] for name in captures()}
    assert {"chat", "crud", "err", "session", "stream", "turns", "stockmock"} <= kinds
    assert len(captures()) > 130

"""Whatever is sent, the server answers it or hangs up, never with 500, and goes on serving."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from focal_eval.server.contract import MAX_BODY, MAX_DEPTH
from tests.server.client import body, engine_of, served
from tests.thorough import examples

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with served(engine_of(tmp_path_factory.mktemp("agent"))) as client:
        yield client


@pytest.fixture(autouse=True)
def nothing_breaks(client: httpx.Client, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """After each test the server answers, and nothing was logged as broken."""
    with caplog.at_level(logging.WARNING):
        yield
    assert client.post("/v1/chat", json=body("thanks", "witness")).status_code == 200
    assert [record.getMessage() for record in caplog.records if record.name.startswith(("focal_eval", "uvicorn"))] == []


def details(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert (error["code"], error["message"]) == ("INVALID_REQUEST", "Request validation failed")
    found: list[dict[str, str]] = error["details"]
    return found


NO_OBJECT = {"field": "body", "message": "Input should be a valid dictionary or object to extract fields from"}
ABSENT = {"field": "body", "message": "Field required"}


@pytest.mark.parametrize("path", ["/v1/chat", "/v1/chat/stream"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"tenant_id": ', {"field": "body.14", "message": "JSON decode error"}),
        (b"{'a': 1}", {"field": "body.1", "message": "JSON decode error"}),
        (b'{"message": NaN}', {"field": "body.12", "message": "JSON decode error"}),
        (b"[]", NO_OBJECT),
        (b'"text"', NO_OBJECT),
        (b"12", NO_OBJECT),
        (b"null", ABSENT),
        (b"", ABSENT),
    ],
)
def test_what_is_no_object_is_refused_with_its_place(client: httpx.Client, path: str, content: bytes, said: Any) -> None:
    """Broken JSON tells its offset; anything but an object says so."""
    assert details(client.post(path, content=content, headers=JSON)) == [said]


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00",
        b'"\\ud800"',
        b'{"message": "\\udfff"}',
        b"[" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"message": "\xc3\x28"}',
        b"\x00" * 100,
        b"1" * 100_000,
    ],
)
def test_bytes_that_are_no_json_are_refused(client: httpx.Client, content: bytes) -> None:
    """Invalid UTF-8, lone surrogates, endless nesting, giant numbers."""
    details(client.post("/v1/chat", content=content, headers=JSON))


def test_a_body_that_is_not_said_to_be_json_is_not_read_as_such(client: httpx.Client) -> None:
    """So that a form of another page cannot talk to the agent; a JSON type with parameters is fine."""
    data = json.dumps(body("hi")).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        assert details(client.post("/v1/chat", content=data, headers={"content-type": kind})) == [NO_OBJECT]
    for kind in ("application/json; charset=utf-8", "Application/JSON", "application/vnd.chat+json"):
        assert client.post("/v1/chat", content=data, headers={"content-type": kind}).status_code == 200


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("agent_id", "nope", "Input should be a valid UUID, invalid character: found `n` at 0"),
        ("tenant_id", 5, "UUID input should be a string, bytes or UUID object"),
        ("channel", "", "String should have at least 1 character"),
        ("user_channel_id", None, "Input should be a valid string"),
        ("message", "", "String should have at least 1 character"),
        ("message", "x" * 10_001, "String should have at most 10000 characters"),
        ("message", ["hi"], "Input should be a valid string"),
        ("session_id", 5, "Input should be a valid string"),
        ("metadata", "x", "Input should be a valid dictionary"),
    ],
)
def test_a_wrong_field_is_named(client: httpx.Client, field: str, value: Any, message: str) -> None:
    """One detail with the field and what is expected there."""
    request = {**body("hi", "fields"), field: value}
    assert details(client.post("/v1/chat", json=request)) == [{"field": f"body.{field}", "message": message}]


def test_fields_nobody_knows_are_passed_over(client: httpx.Client) -> None:
    """As Focal does."""
    assert client.post("/v1/chat", json=body("hi", bogus={"a": 1})).status_code == 200


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        ("limit=500", "limit", "Input should be less than or equal to 100"),
        ("limit=0", "limit", "Input should be greater than or equal to 1"),
        ("limit=x", "limit", "Input should be a valid integer, unable to parse string as an integer"),
        ("offset=-1", "offset", "Input should be greater than or equal to 0"),
        ("sort=up", "sort", "Input should be 'asc' or 'desc'"),
        ("limit=" + "9" * 5000, "limit", "Unable to parse input string as an integer, exceeded maximum size"),
        ("focal_eval=maybe", "focal_eval", "Input should be a valid boolean, unable to interpret input"),
    ],
)
def test_a_wrong_query_is_named(client: httpx.Client, query: str, field: str, message: str) -> None:
    """The parameter and what is expected of it."""
    session = client.post("/v1/chat", json=body("hi", "query")).json()["session_id"]
    answer = client.get(f"/v1/sessions/{session}/turns?{query}")
    assert details(answer) == [{"field": f"query.{field}", "message": message}]


def test_an_offset_far_away_is_an_empty_page(client: httpx.Client) -> None:
    """However far."""
    session = client.post("/v1/chat", json=body("hi", "far")).json()["session_id"]
    page = client.get(f"/v1/sessions/{session}/turns?offset={10**30}").json()
    assert (page["items"], page["has_more"]) == ([], False)


def test_a_huge_body_is_refused_without_being_kept(client: httpx.Client) -> None:
    """One that says its size, and one that only goes on and on; the largest that is allowed is read."""
    big = b'{"message": "' + b"x" * MAX_BODY + b'"}'

    def drip() -> Iterator[bytes]:
        for _ in range(80):
            yield b"x" * 65_536

    for content in (big, drip()):
        try:
            answer = client.post("/v1/chat", content=content, headers=JSON)
        except httpx.TransportError:
            continue  # hung up on while it was still sending
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "INVALID_REQUEST")
    assert details(client.post("/v1/chat", content=big[13:MAX_BODY], headers=JSON))


def test_nesting_is_bounded(client: httpx.Client) -> None:
    """What is deeper than the limit is 400, also where the contract looks away; what is not is taken."""

    def nested(levels: int) -> Any:
        value: Any = 1
        for _ in range(levels):
            value = [value]
        return value

    start = {"start": {"variables": {"deep": nested(MAX_DEPTH - 6)}}}
    fine = client.post("/v1/chat", json=body("hi", "deep", metadata={"focal_eval": start}))
    assert fine.status_code == 200
    assert fine.json()["focal_eval"]["variables"]["deep"] == nested(MAX_DEPTH - 6)
    for request in (body("hi", metadata={"x": nested(MAX_DEPTH)}), body("hi", bogus=nested(900))):
        assert details(client.post("/v1/chat", json=request))[0]["message"].startswith("The body is nested deeper")


@pytest.mark.parametrize(
    "variables",
    [
        {"tier": {"a": [1]}, "order": ["A-1"]},
        {"tier": 1e308, "order": -1},
        {"language": 5},
        {"language": ["de"]},
        {"result": "x"},
        {"result": {"lookup": None}},
        {"message": {}, "turn": "x", "fires": 1, "scenario": []},
        {"x" * 100_000: "y" * 100_000},
        {"": None, "a.b": 1, "{{ x }}": "{{ 1/0 }}"},
    ],
)
def test_strange_variables_break_nothing(client: httpx.Client, variables: dict[str, Any]) -> None:
    """They are only data, whatever their names and types."""
    user = f"strange {next(iter(variables))[:20]} {len(str(variables))}"
    start = {"start": {"variables": variables, "scenario": "refund"}}
    answers = [client.post("/v1/chat", json=body("hi", user, metadata={"focal_eval": start}))]
    answers += [client.post("/v1/chat", json=body(text, user)) for text in ("it is broken", "A-1 now", "yes")]
    session = answers[0].json().get("session_id")
    answers += [client.get(f"/v1/sessions/{session}"), client.get(f"/v1/sessions/{session}/turns?focal_eval=1")]
    assert [answer.status_code for answer in answers] == [200] * 6


@pytest.mark.parametrize("path", ["sessions", "agents", "sessions/x/turns/y", "focal-eval/turns"])
@pytest.mark.parametrize("name", ["..%2f..%2fetc", "%00", "%0d%0aset-cookie:x", "%ff", "x" * 5000, "{id}", "☕", "%"])
def test_strange_ids_in_paths_are_not_found(client: httpx.Client, path: str, name: str) -> None:
    """400, 404 or 405, and nothing of them in a header."""
    for method in ("GET", "POST", "DELETE"):
        answer = client.request(method, f"/v1/{path}/{name}")
        assert answer.status_code in (400, 404, 405), answer.text
        assert "set-cookie" not in answer.headers


RAW = [
    b"\r\n\r\n",
    b"GARBAGE\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"POST /v1/chat HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
    b"POST /v1/chat HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    b"POST /v1/chat HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
    b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
    b"GET /health HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 200_000 + b"\r\n\r\n",
]


@pytest.mark.parametrize("raw", RAW, ids=range(len(RAW)))
def test_what_is_no_http_is_hung_up_on(client: httpx.Client, raw: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Nonsense on the socket gets 400 at most."""
    url = urlsplit(str(client.base_url))
    with socket.create_connection((url.hostname, url.port or 80), timeout=5) as line:
        said = b""
        with contextlib.suppress(OSError):  # hung up on before all was sent; a socket that is closed then cannot be shut down
            line.sendall(raw)
            line.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            said = line.recv(65_536)
    assert said == b"" or said.split(b" ")[1] in (b"400", b"404", b"431")
    caplog.clear()  # the HTTP library warns of such requests


@pytest.mark.parametrize("path", ["/v1/chat", "/v1/chat/stream"])
def test_a_client_that_goes_away_is_forgotten(client: httpx.Client, path: str) -> None:
    """In the middle of its body, and right after it."""
    data = json.dumps(body("thanks", "leaves")).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
    url = urlsplit(str(client.base_url))
    for sent in (data[:20], data):
        with socket.create_connection((url.hostname, url.port or 80), timeout=5) as line:
            line.sendall(head.encode() + sent)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(["tenant_id", "agent_id", "channel", "user_channel_id", "message", "session_id", "metadata"])
EXTRAS = st.fixed_dictionaries(
    {},
    optional={
        "start": VALUES | st.fixed_dictionaries({}, optional={"variables": VALUES, "history": VALUES, "scenario": VALUES}),
        "unasked": VALUES,
        "stubs": VALUES,
    },
)


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changed=st.dictionaries(FIELDS, VALUES, max_size=3), extras=VALUES | EXTRAS, stream=st.booleans())
def test_any_values_in_a_request_are_answered(client: httpx.Client, changed: dict[str, Any], extras: Any, stream: bool) -> None:
    """200, 202, 400 or 404, whatever the values are."""
    request = {**body("thanks", "any", metadata={"focal_eval": extras}), **changed}
    path = "/v1/chat/stream" if stream else "/v1/chat"
    content = json.dumps(request).encode("utf-8", "surrogatepass")
    with client.stream("POST", path, content=content, headers=JSON) as answer:
        if not stream:
            answer.read()
        assert answer.status_code in (200, 202, 400, 404)

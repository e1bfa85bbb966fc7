"""Bearer tokens: who is let in, and what the others are told."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest

from focal_eval.errors import UsageError
from focal_eval.server.app import Options
from focal_eval.server.tokens import Gate
from tests.server.client import TENANT, body, engine_of, served

SECRET = "a secret of more than thirty-two bytes, for tests"
OTHER = "11111111-1111-4111-8111-111111111111"


def token(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    return jwt.encode({"tenant_id": TENANT, **claims}, secret, algorithm)


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


def unsigned(claims: Any) -> str:
    """A token that says it needs no signature."""
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with served(engine_of(tmp_path_factory.mktemp("agent")), Options(jwt_secret=SECRET)) as client:
        yield client


REFUSED = {
    "no header": ({}, "Missing authentication token"),
    "another scheme": ({"authorization": "Basic abc"}, "Missing authentication token"),
    "an empty token": ({"authorization": "Bearer"}, "Missing authentication token"),
    "no token at all": (bearer("x"), "Invalid or expired token"),
    "another secret": (bearer(token("another secret of more than thirty-two bytes")), "Invalid or expired token"),
    "another algorithm": (bearer(token(algorithm="HS384")), "Invalid or expired token"),
    "no signature": (bearer(unsigned({"tenant_id": TENANT})), "Invalid or expired token"),
    "expired": (bearer(token(exp=int(time.time()) - 1)), "Invalid or expired token"),
    "not yet": (bearer(token(nbf=int(time.time()) + 86_400)), "Invalid or expired token"),
    "a wrong expiry": (bearer(token(exp="soon")), "Invalid or expired token"),
    "a deeply nested header": (
        bearer(base64.urlsafe_b64encode(b"[" * 20_000).decode() + ".e30.x"),
        "Invalid or expired token",
    ),
    "no tenant": (bearer(jwt.encode({"sub": "me"}, SECRET)), "Token missing tenant_id claim"),
    "a tenant that is no UUID": (bearer(token(tenant_id="acme")), "Invalid token claims"),
    "an unknown tier": (bearer(token(tier="gold")), "Invalid token claims"),
    "roles that are no list": (bearer(token(roles="admin")), "Invalid token claims"),
    "a subject that is no text": (bearer(token(sub=5)), "Invalid token claims"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_who_is_not_let_in_is_told_why(client: httpx.Client, case: str) -> None:
    """401 in the second envelope, plain and streamed, before the body is looked at."""
    headers, said = REFUSED[case]
    for answer in (
        client.post("/v1/chat", json=body("hi"), headers=headers),
        client.post("/v1/chat/stream", json={}, headers=headers),
        client.get("/v1/agents", headers=headers),
    ):
        assert (answer.status_code, answer.json()) == (401, {"detail": said})
        assert (answer.headers["www-authenticate"], answer.headers["content-type"]) == ("Bearer", "application/json")


@pytest.mark.parametrize(
    "claims",
    [{}, {"tier": "enterprise"}, {"sub": "me", "roles": ["a"], "aud": "x", "iss": "y"}, {"exp": int(time.time()) + 86_400}],
)
def test_a_good_token_is_let_in(client: httpx.Client, claims: dict[str, Any]) -> None:
    """Claims nobody asks for do not matter; the scheme's letters neither."""
    headers = {"authorization": f"bearer {token(**claims)}"}
    assert client.post("/v1/chat", json=body("hi"), headers=headers).status_code == 200


def test_health_and_unknown_paths_need_no_token(client: httpx.Client) -> None:
    """A probe has no token."""
    assert client.get("/health").status_code == 200
    assert client.get("/v1/nothing").status_code == 404


def test_sessions_of_another_tenant_are_not_there(client: httpx.Client) -> None:
    """Reading and deleting is 404; a chat is not compared with its token, as with Focal."""
    mine, other = bearer(token()), bearer(token(tenant_id=OTHER))
    session = client.post("/v1/chat", json=body("hi", "mine"), headers=mine).json()["session_id"]
    for path in (f"/v1/sessions/{session}", f"/v1/sessions/{session}/turns"):
        assert client.get(path, headers=mine).status_code == 200
        assert client.get(path, headers=other).json()["error"]["message"] == f"Session {session} not found"
    assert client.delete(f"/v1/sessions/{session}", headers=other).status_code == 404
    hijack = client.post("/v1/chat", json=body("hi", session_id=session), headers=other)
    assert (hijack.status_code, hijack.json()["session_id"]) == (200, session)


def test_without_a_secret_nobody_is_asked() -> None:
    """The header is not looked at, and names no tenant."""
    assert Gate().tenant({"authorization": "Bearer nonsense"}) is None


def test_a_secret_that_cannot_sign_is_refused_at_the_start() -> None:
    """A public key is no secret."""
    with pytest.raises(UsageError, match="cannot be signed with this secret"):
        Gate("-----BEGIN PUBLIC KEY-----\nabc\n-----END PUBLIC KEY-----")

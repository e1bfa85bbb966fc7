"""The token of a remote engine: where it comes from, what is refused, and that it is written nowhere."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from focal_eval.clock import fixed_clock
from focal_eval.engines.auth import bearer
from focal_eval.engines.base import Setting
from focal_eval.errors import UsageError
from focal_eval.evaluate import RunRequest, run
from focal_eval.testing.hostile_server import Heard, Said, hostile_server
from tests.engines.focal_good import TENANT, GoodFocal
from tests.engines.four_ways import Silent

TOKEN = "s3cr3t-t0ken/of+a=kind"
SECRET = "a development secret of thirty-two bytes"


@dataclass(frozen=True)
class Entry:
    """An engine's entry, as far as tokens are concerned."""

    token: str | None = None
    token_env: str | None = None
    token_file: str | None = None
    dev_secret_env: str | None = None


def given(entry: Entry, root: Path = Path(), tenant: str | None = TENANT) -> tuple[str | None, list[str]]:
    """The token an entry gives, and what is to be written nowhere."""
    setting = Setting(root, fixed_clock())
    return bearer(entry, tenant, setting), setting.secrets


@pytest.mark.parametrize("text", [TOKEN, f"  {TOKEN}\n", f"Bearer {TOKEN}", f"Bearer   {TOKEN} \r\n"])
def test_a_token_comes_from_the_entry_the_environment_or_a_file(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As people keep it: with the word before it, with a line end after it."""
    monkeypatch.setenv("SHOP_TOKEN", text)
    (tmp_path / "token").write_text(text, encoding="utf-8")
    for entry in (Entry(token=text), Entry(token_env="SHOP_TOKEN"), Entry(token_file="token")):
        assert given(entry, tmp_path) == (TOKEN, [TOKEN])
    assert given(Entry()) == (None, [])


def test_a_token_is_signed_with_a_development_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """HS256, for the tenant, for a day; checked here by hand, byte for byte."""
    monkeypatch.setenv("SHOP_SECRET", SECRET)
    token, secrets = given(Entry(dev_secret_env="SHOP_SECRET"))
    assert token is not None
    assert secrets == [SECRET, token]
    signed, _, signature = token.rpartition(".")
    wanted = base64.urlsafe_b64encode(hmac.digest(SECRET.encode(), signed.encode(), hashlib.sha256)).rstrip(b"=")
    assert signature.encode() == wanted
    header, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in signed.split("."))
    assert header == {"alg": "HS256", "typ": "JWT"}
    expires = int((fixed_clock().now() + timedelta(days=1)).timestamp())
    assert claims == {"tenant_id": TENANT, "sub": "focal-eval", "roles": [], "exp": expires}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (Entry(token=TOKEN, token_env="SHOP_TOKEN"), "the engine has 'token' and 'token_env'; give one of them"),
        (Entry(token_env="NOT_THERE"), "the environment variable NOT_THERE of the engine's 'token_env' is not set"),
        (Entry(token_env="EMPTY"), "the environment variable EMPTY of the engine's 'token_env' is empty"),
        (Entry(dev_secret_env="EMPTY"), "the environment variable EMPTY of the engine's 'dev_secret_env' is empty"),
        (Entry(token=""), "what the engine's 'token' gives is not a token: it is empty"),
        (Entry(token="Bearer "), "what the engine's 'token' gives is not a token: it is empty"),
        (Entry(token="s3cr3t two"), "what the engine's 'token' gives is not a token: it holds characters that no token holds"),
        (Entry(token_file="lines"), "what the engine's 'token_file' gives is not a token: it holds characters"),
        (Entry(token_file="bytes"), "the engine's 'token_file' bytes is not text"),
        (Entry(token_file="none"), "the engine's 'token_file' none cannot be read: No such file or directory"),
        (Entry(token_file="."), "the engine's 'token_file' . cannot be read: Is a directory"),
    ],
)
def test_what_is_no_token_is_refused_before_anything_is_sent(
    entry: Entry, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key and the reason are told, the value never."""
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("NOT_THERE", raising=False)
    (tmp_path / "lines").write_text("s3cr3t\nx-evil: 1\n", encoding="utf-8")
    (tmp_path / "bytes").write_bytes(b"s3cr3t\xff")
    with pytest.raises(UsageError) as problem:  # the text is compared below, and holds signs of patterns
        given(entry, tmp_path)
    assert str(problem.value).startswith(said)
    assert "s3cr3t" not in str(problem.value)


def test_a_development_secret_needs_a_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    """The token names it."""
    monkeypatch.setenv("SHOP_SECRET", SECRET)
    with pytest.raises(UsageError, match="'dev_secret_env' needs 'tenant': the token names it"):
        given(Entry(dev_secret_env="SHOP_SECRET"), tenant=None)


def tattling(tell: str, good: GoodFocal, heard_tokens: list[str]) -> Callable[[Heard], Said]:
    """A server that repeats the token it was sent: in its reply, in an error, or in something that is no reply."""

    def answer(heard: Heard) -> Said:
        said = good(heard)
        token = heard.headers["authorization"]
        heard_tokens.append(token.removeprefix("Bearer "))
        if not heard.path.startswith("/v1/chat"):
            return said
        if tell == "reply":
            reply = orjson.loads(said.body)
            return Said(orjson.dumps({**reply, "response": f"I know {token} and {SECRET}"}))
        if tell == "error":
            return Said(orjson.dumps({"error": {"code": "AUTH", "message": f"bad {token}"}}), status=403)
        return Said(f"<title>{token.removeprefix('Bearer ')}</title>".encode(), "text/html")

    return answer


@pytest.mark.parametrize("tell", ["reply", "error", "page"])
@pytest.mark.parametrize("key", ["token", "token_env", "token_file", "dev_secret_env"])
def test_a_token_is_written_nowhere(
    key: str,
    tell: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Not in the journal, the header, a report, a reason or a log, whatever the server repeats and however it was given."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("SHOP_TOKEN", TOKEN)
    monkeypatch.setenv("SHOP_SECRET", SECRET)
    (tmp_path / "token").write_text(TOKEN, encoding="utf-8")
    value = {"token": TOKEN, "token_env": "SHOP_TOKEN", "token_file": "token", "dev_secret_env": "SHOP_SECRET"}[key]
    (tmp_path / "talk.yaml").write_text("turns: [{user: hello, expect: {response: {contains: hello}}}]\n", encoding="utf-8")
    tokens: list[str] = []
    with hostile_server(tattling(tell, GoodFocal(), tokens), {}) as server:
        engine = f"engine: {{kind: focal, url: '{server.url}', tenant: {TENANT}, reads: [], {key}: '{value}'}}"
        (tmp_path / "suite.yaml").write_text(f"scripts: [talk.yaml]\n{engine}\n", encoding="utf-8")
        reports = ("html", "junit", "markdown", "jsonl", "json", "github")
        result = run(RunRequest(paths=(tmp_path / "suite.yaml",), out=tmp_path / "run", reports=reports), Silent())
    (token,) = set(tokens)
    assert len(token) >= len(TOKEN)
    assert result.model.counts["failed" if tell == "reply" else "errored"] == 1
    printed = capfd.readouterr()
    texts = {file.name: file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file()}
    texts |= {"reasons": str(result.reasons).encode(), "log": caplog.text.encode(), "out": "".join(printed).encode()}
    hidden = [SECRET, token] if key == "dev_secret_env" else [token]
    for name, text in texts.items():
        for secret in hidden:
            assert secret.encode() not in text, name
    assert b"[redacted]" in texts["journal.jsonl"]

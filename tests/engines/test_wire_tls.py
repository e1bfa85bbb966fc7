"""TLS of remote engines over real sockets: whom a wire trusts, and what it says where it does not."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

pytest.importorskip("trustme", reason="certificates are made by trustme: pip install 'focal-eval[dev]'")

import trustme

from focal_eval.clock import Clock
from focal_eval.engines.wire import Answer, Faults, Wire
from focal_eval.errors import EngineUnreachable
from focal_eval.testing.hostile_server import hostile_server
from tests.engines.test_wire import GOOD, answering, asked, get, post


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who signs; trusted only where a test says so."""
    return trustme.CA()


@contextmanager
def secured(leaf: trustme.LeafCert) -> Iterator[str]:
    """A good server behind this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    with hostile_server(answering(GOOD), {}, tls=context) as server:
        yield server.url


def trusted(authority: trustme.CA, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the environment name the authority, as a user of one's own certificates does."""
    authority.cert_pem.write_to_path(folder / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))


def test_an_authority_that_the_environment_names_is_trusted(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`SSL_CERT_FILE` is enough, and requests share the connection as those without TLS do."""
    trusted(authority, tmp_path, monkeypatch)
    with secured(authority.issue_cert("127.0.0.1")) as url:

        async def use(wire: Wire) -> list[Answer]:
            return [await post(wire) for _ in range(3)]

        assert [answer.json() for answer in asked(url, use)] == [{"ok": True}] * 3


@pytest.mark.parametrize(
    ("identity", "age", "trust", "said"),
    [
        ("127.0.0.1", 0, False, "its certificate is not trusted: unable to get local issuer certificate"),
        ("127.0.0.1", 2, True, "its certificate is not trusted: certificate has expired"),
        ("engine.example.com", 0, True, "its certificate is not trusted: IP address mismatch, certificate is not valid for"),
    ],
    ids=["signed by nobody known", "expired", "of another host"],
)
def test_a_certificate_that_proves_nothing_is_refused(
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    identity: str,
    age: int,
    trust: bool,
    said: str,
) -> None:
    """The message says which certificate and why; nothing was sent, and there is no way to look away."""
    if trust:
        trusted(authority, tmp_path, monkeypatch)
    until = datetime.now(UTC) - timedelta(days=age) if age else None
    since = None if until is None else until - timedelta(days=1)
    with (
        secured(authority.issue_cert(identity, not_before=since, not_after=until)) as url,
        pytest.raises(EngineUnreachable, match="cannot connect to https") as problem,
    ):
        asked(url, post, Faults(attempts=1))
    assert said in str(problem.value)


def test_plain_http_behind_an_https_url_is_said() -> None:
    """The usual slip: the server speaks no TLS at all."""

    async def refusing() -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        wire = Wire(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", faults=Faults(attempts=1), clock=Clock())
        with pytest.raises(EngineUnreachable, match=r"cannot connect to https://127\.0\.0\.1:\d+: no TLS: "):
            await post(wire)
        await wire.close()
        server.close()

    asyncio.run(refusing())


def test_https_behind_an_http_url_is_said(authority: trustme.CA) -> None:
    """The other way round: it ends at once, as a connection that broke."""
    with secured(authority.issue_cert("127.0.0.1")) as url, pytest.raises(EngineUnreachable, match="closed the connection"):
        asked(url.replace("https:", "http:"), get, Faults(attempts=1))


def test_a_handshake_that_never_ends_is_cut_off() -> None:
    """The limit of a connection holds for TLS too."""

    async def silent() -> float:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        wire = Wire(url, faults=Faults(attempts=1, connect_timeout_s=0.3), clock=Clock())
        began = time.monotonic()
        with pytest.raises(EngineUnreachable, match=r"no connection within 0\.3 s"):
            await get(wire)
        await wire.close()
        server.close()
        return time.monotonic() - began

    assert asyncio.run(silent()) < 2

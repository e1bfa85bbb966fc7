"""https through a proxy, over real sockets: what the proxy is asked, and that it sees nothing of what is said."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("trustme", reason="certificates are made by trustme: pip install 'focal-eval[dev]'")

import trustme

from focal_eval.clock import Clock
from focal_eval.engines.wire import Answer, Faults, Wire
from focal_eval.engines.wire_dial import way_to
from focal_eval.errors import EngineUnreachable
from tests.engines.raw_server import Raw, heard, raw_server

JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
ONCE = Faults(attempts=1)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who signs, for these tests."""
    return trustme.CA()


@pytest.fixture(autouse=True)
def _trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The authority is trusted, and nothing of the machine's own environment counts."""
    for scheme in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme.upper()}_PROXY", raising=False)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))


def server_side(authority: trustme.CA, identity: str) -> ssl.SSLContext:
    """TLS of a server with a certificate for this host."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(identity).configure_cert(context)
    return context


@contextlib.asynccontextmanager
async def engine(authority: trustme.CA, identity: str) -> AsyncIterator[Raw]:
    """A server with TLS that answers every request; `noticed` are their first lines."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await heard(reader)
            server.noticed.append(head.decode())
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0))
            writer.write(JSON)

    async with raw_server(talk, tls=server_side(authority, identity)) as server:
        yield server


@contextlib.asynccontextmanager
async def relay(target: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Raw]:
    """A proxy that connects to this one server, whatever it is asked for; `noticed` is what it was asked and all it relayed."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, keep: bool) -> None:
        while part := await reader.read(65_536):
            if keep:
                proxy.noticed.append(part.decode("latin-1"))
            writer.write(part)
        writer.close()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        proxy.noticed.append((await heard(reader)).decode())
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", urlsplit(target).port)
        writer.write(b"HTTP/1.1 200 Connection established\r\nx-proxy: 1\r\n\r\n")
        await asyncio.gather(pump(reader, far_writer, True), pump(far_reader, writer, False), return_exceptions=True)

    async with raw_server(talk, tls=tls) as proxy:
        yield proxy


async def talked(url: str, times: int = 1) -> list[Answer]:
    """What so many messages to an engine are answered by."""
    wire = Wire(url, headers={"authorization": "Bearer t0ken-t0ken"}, faults=ONCE, clock=Clock())
    try:
        return [await wire.request("POST", "/v1/chat", body={"message": "a secret word"}) for _ in range(times)]
    finally:
        await wire.close()


@pytest.mark.parametrize(
    ("host", "identity", "where"),
    [
        ("engine.invalid", "engine.invalid", "engine.invalid:443"),
        ("engine.invalid:8443", "engine.invalid", "engine.invalid:8443"),
        ("[2001:db8::1]", "2001:db8::1", "[2001:db8::1]:443"),
        ("[2001:db8::1]:8443", "2001:db8::1", "[2001:db8::1]:8443"),
    ],
)
@pytest.mark.parametrize("secure_proxy", [False, True], ids=["http proxy", "https proxy"])
def test_a_server_is_reached_by_a_tunnel(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, host: str, identity: str, where: str, secure_proxy: bool
) -> None:
    """The proxy hears where to, with its own password, and then sees TLS; requests share the tunnel."""

    async def use() -> tuple[list[str], list[str]]:
        tls = server_side(authority, "127.0.0.1") if secure_proxy else None
        async with engine(authority, identity) as server, relay(server.url, tls) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//me:s3cr3t%20word@"))
            assert [answer.json() for answer in await talked(f"https://{host}", 3)] == [{}] * 3
            assert (server.connections, proxy.connections) == (1, 1)
            return server.noticed, proxy.noticed

    requests, (connect, *relayed) = asyncio.run(use())
    told = base64.b64encode(b"me:s3cr3t word").decode()
    assert connect == f"CONNECT {where} HTTP/1.1\r\nhost: {where}\r\nproxy-authorization: Basic {told}\r\n\r\n"
    assert not any(word in "".join(relayed) for word in ("t0ken", "secret", "POST"))
    assert [request.startswith("POST /v1/chat HTTP/1.1\r\n") for request in requests] == [True] * 3
    assert not any("proxy-authorization" in request.lower() for request in requests)
    assert all(f"host: {host}\r\n" in request for request in requests)


def test_a_server_behind_a_tunnel_proves_who_it_is(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that connects to somebody else's server is found out before anything is said."""

    async def use() -> list[str]:
        async with engine(authority, "somebody.example") as server, relay(server.url) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            with pytest.raises(EngineUnreachable, match="its certificate is not trusted: Hostname mismatch"):
                await talked("https://engine.invalid")
            return server.noticed

    assert asyncio.run(use()) == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 403 Forbidden\r\ncontent-length: 6\r\n\r\nno way", "it answered 403"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", r"through the proxy 127\.0\.0\.1:\d+: "),
        (b"", "the connection was closed"),
    ],
    ids=["refused", "not http", "closed"],
)
def test_a_proxy_that_opens_no_tunnel_is_said(monkeypatch: pytest.MonkeyPatch, answer: bytes, said: str) -> None:
    """Nothing was sent to the server, so it is asked again as after any failed connection."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(answer)

    async def use() -> int:
        async with raw_server(talk) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            wire = Wire("https://engine.invalid", faults=Faults(attempts=2), clock=Clock())
            with pytest.raises(EngineUnreachable, match=said) as problem:
                await wire.request("POST", "/v1/chat", body={})
            await wire.close()
            assert "asked 2 times" in (problem.value.detail or "")
            return proxy.connections

    assert asyncio.run(use()) == 2


def test_a_server_that_is_to_be_asked_itself_is(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    """`NO_PROXY` holds for https too, and this machine's own servers never go through a proxy."""

    async def use() -> None:
        async with engine(authority, "127.0.0.1") as server, relay(server.url) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            assert [answer.json() for answer in await talked(server.url)] == [{}]
            monkeypatch.setenv("NO_PROXY", ".invalid")
            with pytest.raises(EngineUnreachable, match="there is no host of this name"):
                await talked("https://engine.invalid")
            assert proxy.connections == 0

    asyncio.run(use())


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the name of a certificate's file is told by openssl")
def test_a_folder_of_authorities_is_trusted_too(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`SSL_CERT_DIR` as OpenSSL has it: files named by the hash of whose they are."""
    hashed = ["openssl", "x509", "-noout", "-hash", "-in", str(tmp_path / "ca.pem")]
    name = subprocess.run(hashed, capture_output=True, text=True, check=True).stdout.strip()
    folders = tmp_path / "empty", tmp_path / "full"
    for folder in folders:
        folder.mkdir()
    authority.cert_pem.write_to_path(folders[1] / f"{name}.0")
    monkeypatch.delenv("SSL_CERT_FILE")

    async def use() -> None:
        async with engine(authority, "127.0.0.1") as server:
            monkeypatch.setenv("SSL_CERT_DIR", str(folders[0]))
            with pytest.raises(EngineUnreachable, match="unable to get local issuer certificate"):
                await talked(server.url)
            monkeypatch.setenv("SSL_CERT_DIR", str(folders[1]))
            assert [answer.json() for answer in await talked(server.url)] == [{}]

    asyncio.run(use())


def test_engines_share_what_they_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Certificates are read once, not for each engine; where the environment names others, those are read."""
    first, second = (way_to(urlsplit(url)).context for url in ("https://one.invalid", "https://two.invalid"))
    assert first is second is not None
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    monkeypatch.delenv("SSL_CERT_FILE")
    assert way_to(urlsplit("https://one.invalid")).context is not first
    assert way_to(urlsplit("http://one.invalid")).context is None

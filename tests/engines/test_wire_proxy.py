"""Proxies that the environment names, over real sockets: who is asked, and what is said where a proxy is in the way."""

from __future__ import annotations

import asyncio
import base64

import pytest

from focal_eval.clock import Clock
from focal_eval.engines.wire import Faults, Wire
from focal_eval.errors import EngineStatus, EngineUnreachable
from focal_eval.testing.hostile_server import Said, hostile_server, refused
from tests.engines.test_wire import GOOD, answering, asked, get, post

FAR = "http://engine.invalid:8000"
ONCE = Faults(attempts=1)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's own environment."""
    for scheme in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme.upper()}_PROXY", raising=False)


def test_a_proxy_is_asked_for_servers_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the whole address, with the proxy's own password to the proxy alone; a server on this machine is asked itself."""
    with hostile_server(answering(GOOD), {}) as proxy, hostile_server(answering(GOOD), {}) as near:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("//", "//me:s3cr3t-word@"))
        assert asked(FAR, post).json() == {"ok": True}
        assert asked(near.url, post).json() == {"ok": True}
    (through,), (direct,) = proxy.heard, near.heard
    assert through.path == f"{FAR}/x"
    assert through.headers["proxy-authorization"] == "Basic " + base64.b64encode(b"me:s3cr3t-word").decode()
    assert (direct.path, "proxy-authorization" in direct.headers) == ("/x", False)


def test_a_host_that_is_to_be_asked_itself_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """`NO_PROXY` is honoured: here the host is then not found, and the proxy hears nothing."""
    with hostile_server(answering(GOOD), {}) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "other.example,.invalid")
        with pytest.raises(EngineUnreachable, match="there is no host of this name"):
            asked(FAR, get, ONCE)
    assert proxy.heard == []


def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the server is refused but the way to it; the proxy's password is not shown."""
    with refused() as url:
        monkeypatch.setenv("http_proxy", url.replace("//", "//me:s3cr3t-word@"))
        with pytest.raises(EngineUnreachable, match="through the proxy") as problem:
            asked(FAR, post, ONCE)
    where = url.removeprefix("http://")
    assert str(problem.value) == f"cannot connect to {FAR} through the proxy {where}: connection refused"
    assert "s3cr3t" not in f"{problem.value}{problem.value.detail}"


def test_a_proxy_that_finds_no_server_answers_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its 502 is an answer, so it is told as it is."""
    with hostile_server(answering(Said(b"no such host", "text/plain", 502)), {}) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        with pytest.raises(EngineStatus, match="the engine answered 502: Bad Gateway"):
            asked(FAR, post)


def test_a_tunnel_that_is_not_opened_is_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """For https the proxy is asked for a tunnel; where it says no, nothing was sent, and its reason is told."""

    async def denied() -> list[bytes]:
        heard: list[bytes] = []

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        wire = Wire(FAR.replace("http:", "https:"), headers={"authorization": "Bearer t0ken-t0ken"}, clock=Clock())
        with pytest.raises(EngineUnreachable, match=r"through the proxy 127\.0\.0\.1:\d+: .*407") as problem:
            await post(wire)
        assert "t0ken" not in f"{problem.value}{problem.value.detail}"
        await wire.close()
        server.close()
        return heard

    heard = asyncio.run(denied())
    assert heard == [b"CONNECT engine.invalid:8000 HTTP/1.1"] * 3


@pytest.mark.parametrize("value", ["socks5://127.0.0.1:1080", "http://[::1", "http://", "http://me:s3cr3t@:99999"])
def test_a_proxy_that_is_none_is_said(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """The environment's mistake ends in plain words, without the value, which may hold a password."""
    monkeypatch.setenv("HTTP_PROXY", value)
    said = r"the proxy that the environment names \(HTTP_PROXY\) is not of the form http://host:port"
    with pytest.raises(EngineUnreachable, match=said) as problem:
        asked(FAR, post, ONCE)
    assert "s3cr3t" not in str(problem.value)

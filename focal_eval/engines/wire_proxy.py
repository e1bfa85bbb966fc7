"""The proxy that the environment names for a server, and the tunnel that it is asked for."""

from __future__ import annotations

import os
import sys
from base64 import b64encode
from urllib.parse import SplitResult, unquote, urlsplit

from focal_eval.errors import EngineUnreachable

PORTS = {"http": 80, "https": 443}
_ASKED = ("darwin", "win32", "cygwin")  # systems that know of proxies outside the environment
_HERE = ("localhost", "127.0.0.1", "::1")


def proxy_for(origin: SplitResult) -> SplitResult | None:
    """The proxy to be asked; None where the server is. Raises EngineUnreachable, without the proxy's password."""
    if sys.platform not in _ASKED and not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies, proxy_bypass  # slow to import

    host = origin.hostname or ""
    url = None if host in _HERE or proxy_bypass(host) else getproxies().get(origin.scheme)
    if not url:
        return None
    try:
        proxy = urlsplit(url if "://" in url else f"http://{url}")
        sound = proxy.scheme in PORTS and bool(proxy.hostname) and (proxy.port is None or proxy.port > 0)
    except ValueError:
        sound = False
    if not sound:
        name = f"{origin.scheme.upper()}_PROXY"
        raise EngineUnreachable(f"the proxy that the environment names ({name}) is not of the form http://host:port")
    return proxy


def place(url: SplitResult) -> str:
    """host:port, whatever the URL leaves out."""
    host = url.hostname or ""
    return f"{f'[{host}]' if ':' in host else host}:{url.port or PORTS[url.scheme]}"


def authorisation(proxy: SplitResult | None) -> bytes:
    """The header that the proxy asks for; nothing where there is no user."""
    if proxy is None or proxy.username is None:
        return b""
    told = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
    return b"proxy-authorization: Basic " + b64encode(told) + b"\r\n"


def tunnel(origin: SplitResult, proxy: SplitResult) -> bytes:
    """The request for a connection to a server."""
    where = place(origin).encode("ascii")
    return b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (where, where, authorisation(proxy))

"""`focal-eval serve`."""

from __future__ import annotations

import argparse
import ipaddress
import math
import os
import re
import warnings
from importlib.util import find_spec
from pathlib import Path

LIBRARIES = ("jwt", "sse_starlette", "starlette", "uvicorn")
KEY_BYTES = 32  # of a secret for HS256, at least (RFC 7518, 3.2)
_ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^\s/?#@]+")


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("agent", metavar="AGENT", help="an agent file")
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen (default 127.0.0.1)")
    parser.add_argument("--port", type=_port, default=8787, metavar="N", help="0 takes a free one (default 8787)")
    parser.add_argument("--jwt-secret-env", metavar="NAME", help="ask for tokens signed with the secret in this variable")
    parser.add_argument("--latency-ms", type=_latency, default=0.0, metavar="N", help="wait this long before each reply")
    parser.add_argument(
        "--cors", type=_origin, action="append", default=[], metavar="ORIGIN", help="let pages of this origin call; repeatable"
    )
    parser.add_argument("--focal-quirks", action="store_true", help="answer with the named faults of real Focal")
    parser.add_argument("--no-python", action="store_true", help="refuse an agent whose tools are local Python")


def call(arguments: argparse.Namespace) -> int:
    """Serves until Ctrl-C, and returns 0."""
    from focal_eval.errors import ExitCode, UsageError

    if any(find_spec(name) is None for name in LIBRARIES):
        raise UsageError("serving needs an extra that is not installed; install it with: pip install 'focal-eval[serve]'")
    from focal_eval.engines import Setting
    from focal_eval.engines.embedded import Embedded
    from focal_eval.script.load import nearest_file
    from focal_eval.server.app import Options, make_app
    from focal_eval.server.listen import address_of, bind, serve

    path = Path(arguments.agent)
    if not path.exists():
        near = nearest_file(path)
        raise UsageError(f"there is no agent file {path}" + (f"; {near}" if near else ""))
    warnings.filterwarnings("ignore", message="The HMAC key is ")  # PyJWT's: `_say` tells it in a line of our own
    options = Options(
        jwt_secret=None if arguments.jwt_secret_env is None else _secret(arguments.jwt_secret_env),
        latency_ms=arguments.latency_ms,
        cors=tuple(arguments.cors),
        focal_quirks=arguments.focal_quirks,
    )
    engine = Embedded(arguments.agent).connect(Setting(Path.cwd(), allow_python=not arguments.no_python))
    app = make_app(engine, options)
    listening = bind(arguments.host, arguments.port)
    serve(app, listening, lambda: _say(engine.agent.name, address_of(listening), arguments))
    return ExitCode.OK


def _secret(name: str) -> str:
    from focal_eval.errors import UsageError

    secret = os.environ.get(name)
    if not secret:
        raise UsageError(f"--jwt-secret-env: the environment variable {name} is " + ("not set" if secret is None else "empty"))
    return secret


def _say(agent: str, address: str, arguments: argparse.Namespace) -> None:
    import sys

    from focal_eval.cli.output import printing

    if arguments.jwt_secret_env is None and not _local(address):
        with printing(sys.stderr):
            print("anybody who reaches this address can talk to the agent; --jwt-secret-env asks for tokens", file=sys.stderr)
    name = arguments.jwt_secret_env
    if name is not None and len(_secret(name).encode()) < KEY_BYTES:
        with printing(sys.stderr):
            print(f"the secret in {name} is shorter than {KEY_BYTES} bytes: it can be guessed from a token", file=sys.stderr)
    with printing(sys.stdout):
        print(f"serving {agent} at {address} (Ctrl-C ends it)")


def _local(address: str) -> bool:
    from urllib.parse import urlsplit

    return ipaddress.ip_address(urlsplit(address).hostname or "").is_loopback


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text}")
    return int(text)


def _origin(text: str) -> str:
    if _ORIGIN.fullmatch(text) is None:
        raise argparse.ArgumentTypeError(f"an origin is written https://host or http://host:8080, without a path, not '{text}'")
    return text


def _latency(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 600_000:
        raise argparse.ArgumentTypeError(f"a latency is 0 to 600000 milliseconds, not {text}")
    return value

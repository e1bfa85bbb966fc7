"""`focal-eval lsp`."""

from __future__ import annotations

import argparse
import contextlib
import sys
from importlib.util import find_spec


def add(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("--stdio", action="store_true", help="speak over standard input and output, which it always does")


def call(_: argparse.Namespace) -> int:
    """Serves one editor until it leaves, and returns 0."""
    from focal_eval.errors import ExitCode, UsageError

    if any(find_spec(name) is None for name in ("lsprotocol", "pygls")):
        raise UsageError(
            "the language server needs an extra that is not installed; install it with: pip install 'focal-eval[lsp]'"
        )
    from focal_eval.lsp.server import make_server

    output = sys.stdout.buffer
    with contextlib.redirect_stdout(sys.stderr):  # standard output belongs to the protocol alone
        make_server().start_io(sys.stdin.buffer, output)
    return ExitCode.OK

"""Whether this process may open as many files as its conversations have connections."""

from __future__ import annotations

import contextlib
import sys

from focal_eval.errors import UsageError

OWN = 48  # of the process itself: its journal, its event loop, its workers' pipes, modules being read
LOCAL = frozenset({"embedded", "callable", "cassette", "rivescript"})  # kinds of engine that need no connection


def check_open_files(kind: str, concurrency: int) -> None:
    """Lifts the soft limit as far as is needed and allowed. Raises UsageError where that is too little."""
    if sys.platform == "win32" or kind in LOCAL:
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * concurrency + OWN  # two, while the addresses of a host are tried side by side
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    if soft < concurrency + OWN:
        fix = f"--concurrency {soft - OWN} fits" if soft > OWN else "raise it"
        raise UsageError(
            f"{concurrency:,} conversations at a time need about {concurrency + OWN:,} open files, and this process may have "
            f"{soft:,}; {fix}, or raise the limit with `ulimit -n`"
        )

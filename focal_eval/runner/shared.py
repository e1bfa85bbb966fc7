"""What is large and repeated in a journal stands there once, in a line of its own, and other lines name its digest.

A line that does so has `"shared": [[path, digest], ...]`: what belongs at each path (names and positions in turn), where null
stands. The line with the content comes before the first one that names it: `{"t":"shared","digest":...,"data":...}`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from focal_eval.clock import content_id
from focal_eval.runner.encoded import dumps
from focal_eval.runner.reading import SHARED

LARGE = 1024  # bytes of JSON: what is smaller is repeated where it is said
NAMES = "shared"  # the member of a line that tells what it takes from others

Path = tuple[str | int, ...]


def set_apart(data: dict[str, Any], paths: Iterable[Path]) -> tuple[list[tuple[Path, str]], list[bytes]]:
    """Takes what is large at these paths out of `data`: where it belongs and its digest, and the lines that hold it."""
    names: list[tuple[Path, str]] = []
    lines: list[bytes] = []
    for path in paths:
        holder: Any = data
        for step in path[:-1]:
            holder = holder[step]
        blob = dumps(holder[path[-1]])
        if len(blob) < LARGE:
            continue
        digest = content_id(blob, length=32)
        names.append((path, digest))
        lines.append(SHARED + digest.encode() + b'","data":' + blob + b"}")
        holder[path[-1]] = None
    return names, lines


def put_back(data: dict[str, Any], content: Callable[[str], Any]) -> None:
    """Puts into a line's document what it takes from others; null stays where that is lost or makes no sense."""
    for entry in data.pop(NAMES, None) or ():
        try:
            path, digest = entry
            holder: Any = data
            for step in path[:-1]:
                holder = holder[step]
            if holder[path[-1]] is None:
                holder[path[-1]] = content(digest)
        except (KeyError, IndexError, TypeError, ValueError):
            continue

"""The file of a model's answers, a line of JSON each: what is appended to it, and what is read of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from focal_eval.errors import StorageError

MAX_BYTES = 512_000_000


def append_line(path: Path, whose: str, told: dict[str, Any]) -> None:
    """Appends one answer; `whose` cassette it is stands in a message: "the judge's". Raises StorageError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(file, orjson.dumps(told) + b"\n")
        finally:
            os.close(file)
    except OSError as problem:
        raise StorageError(f"{whose} cassette {path} cannot be written: {problem.strerror or problem}") from None


def lines_of(path: Path, whose: str) -> Iterator[Any]:
    """What its lines say, none where there is no file; a line that is no JSON is passed over. Raises StorageError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise StorageError(f"{whose} cassette {path} is larger than {MAX_BYTES:,} bytes")
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return
    except OSError as problem:
        raise StorageError(f"{whose} cassette {path} cannot be read: {problem.strerror or problem}") from None
    for line in lines:
        try:
            yield orjson.loads(line)
        except ValueError:
            continue

"""Time, ids and randomness: the only room that asks the machine for them, so that all else is repeatable."""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID


@dataclass(frozen=True, slots=True)
class Clock:
    """What a run takes from the machine; tests and reproducible runs pass a `fixed_clock`."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    elapsed: Callable[[], float] = time.perf_counter  # seconds, only differences mean anything
    new_id: Callable[[], str] = lambda: os.urandom(16).hex()
    random: random.Random = field(default_factory=random.Random)


def fixed_clock(start: datetime = datetime(2026, 1, 1, tzinfo=UTC), seed: int = 0) -> Clock:
    """A clock that stands still, with ids and random numbers drawn from `seed`."""
    source = random.Random(seed)  # noqa: S311  # ids, not secrets
    return Clock(
        now=lambda: start,
        elapsed=lambda: 0.0,
        new_id=lambda: f"{source.getrandbits(128):032x}",
        random=random.Random(seed),  # noqa: S311  # repeatable order, not secrets
    )


def pause(seconds: float) -> None:
    """Lets so much time pass; for what waits for people, never for a run."""
    time.sleep(seconds)


def seeded(seed: int) -> random.Random:
    """Chance that is the same each time, for figures that are drawn again and again; not for secrets."""
    return random.Random(seed)  # noqa: S311  # repeatable, not secret


def content_id(*parts: str | bytes, length: int = 12) -> str:
    """A short id derived from content alone: the first `length` hex digits of a SHA-256."""
    return content_of(parts, length=length)


def content_of(parts: Iterable[str | bytes], *, length: int = 12) -> str:
    """The same of parts that come one after the other."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:length]


def named_uuid(*parts: str) -> str:
    """A UUID (version 5, RFC 9562) derived from names alone: the same on every machine."""
    digest = hashlib.sha1(_NAMESPACE + "\0".join(parts).encode(), usedforsecurity=False).digest()
    made = bytearray(digest[:16])
    made[6], made[8] = made[6] & 0x0F | 0x50, made[8] & 0x3F | 0x80  # version and variant
    text = made.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


_NAMESPACE = bytes.fromhex("3b964e050a4b50a0b135d06ad12e57de")
"""The UUID of "focal-eval" among names of hosts. The module `uuid` would be 2 per cent of starting."""


def uuid_of(id: str) -> UUID:
    """The id of 32 hex digits as a UUID object, for callers that take no text."""
    import uuid

    return uuid.UUID(id)

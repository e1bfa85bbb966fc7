"""Conversations with the focal engine, as its tests hold them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from focal_eval.clock import Clock
from focal_eval.engines.base import SessionStart, Setting
from focal_eval.engines.focal import Focal, FocalEngine
from focal_eval.records import Reply

TENANT = "550e8400-e29b-41d4-a716-446655440000"


def focal(url: str, **keys: Any) -> Focal:
    return Focal(url, **{"tenant": TENANT, **keys})


def connected(config: Focal, root: Path = Path()) -> FocalEngine:
    return config.connect(Setting(root, Clock()))


def talk(
    config: Focal, *messages: str | None, start: SessionStart | None = None, root: Path = Path()
) -> tuple[list[Reply], Any]:
    """The replies of one conversation, and the messages stored of it."""

    async def all_of_it() -> tuple[list[Reply], Any]:
        engine = connected(config, root)
        try:
            session = await engine.open(start or SessionStart("case-1"))
            replies = [await session.send(message) for message in messages]
            stored = await session.stored()
            await session.close()
            return replies, stored
        finally:
            await engine.close()

    return asyncio.run(all_of_it())

"""Reads JSON of systems that leave keys out: what is absent or null is None, another type is EngineProtocol with its place."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import fields
from urllib.parse import quote

import orjson

from focal_eval.engines.focal_fields import Fields
from focal_eval.errors import EngineError, EngineProtocol
from focal_eval.records import UNKNOWN, Json, Tokens, UnknownType
from focal_eval.text import shorten

MOST_ITEMS = 10_000  # of one list in a reply
PARTING_S = 5.0  # a server that hangs does not hold up the end of a case for longer

_PATH_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:~-]{0,199}")


class Part(Fields):
    """A mapping whose keys may be left out; `where` names it in messages."""

    __slots__ = ()

    def has(self, key: str) -> bool:
        """Whether the key is there with a value."""
        return self.data.get(key) is not None

    def maybe_text(self, key: str) -> str | None:
        """A text."""
        return self.text(key) if self.has(key) else None

    def maybe_texts(self, key: str) -> tuple[str, ...] | None:
        """A list of texts."""
        return self.texts(key) if self.has(key) else None

    def maybe_count(self, key: str) -> int | None:
        """A whole number from 0; some systems write it as a float."""
        if not self.has(key):
            return None
        value = self.number(key)
        return int(value) if value == int(value) else self.count(key)

    def maybe_number(self, key: str) -> float | None:
        """A number from 0."""
        return self.number(key) if self.has(key) else None

    def maybe_flag(self, key: str) -> bool | None:
        """True or false."""
        return self.flag(key) if self.has(key) else None

    def maybe_part(self, key: str) -> Part | None:
        """A mapping."""
        return Part(self.data[key], f"'{key}' of {self.where}") if self.has(key) else None

    def part(self, key: str) -> Part:
        """A mapping that must be there."""
        return Part(self.any(key), f"'{key}' of {self.where}")

    def parts(self, key: str) -> list[Part]:
        """The mappings of a list; none where the list is left out."""
        return list(parts_of(self.list(key), f"{key} of {self.where}")) if self.has(key) else []


def parts_of(items: Json, where: str) -> Iterator[Part]:
    """The mappings of a list."""
    if not isinstance(items, list):
        raise EngineProtocol(f"{where} is no list")
    if len(items) > MOST_ITEMS:
        raise EngineProtocol(f"{where} has {len(items):,} items; at most {MOST_ITEMS:,} are read")
    for index, item in enumerate(items):
        yield Part(item, f"{where}[{index}]")


def arguments_of(text: str | None) -> Mapping[str, Json] | UnknownType:
    """The arguments a tool was called with, out of their JSON text; UNKNOWN where it is not that of a mapping."""
    if text is None:
        return UNKNOWN
    if not text.strip():
        return {}
    try:
        value = orjson.loads(text)
    except ValueError:
        return UNKNOWN
    return value if isinstance(value, dict) else UNKNOWN


def value_of(text: str) -> Json:
    """What a text that may be JSON stands for: the value of an object or a list, else the text itself."""
    if text[:1] not in "{[":
        return text
    try:
        return orjson.loads(text)
    except ValueError:
        return text


def total_of(tokens: Sequence[Tokens]) -> Tokens:
    """Token counts added up; a count that one of them does not tell is not told."""
    sums = {spec.name: [getattr(one, spec.name) for one in tokens] for spec in fields(Tokens)}
    return Tokens(**{name: None if None in counts else sum(counts) for name, counts in sums.items()})


def path_part(id: str, what: str) -> str:
    """An id of the engine's as a part of a path. Raises EngineProtocol where it is none: nothing else may stand there."""
    if _PATH_PART.fullmatch(id) is None:
        raise EngineProtocol(f"{what} {shorten(repr(id), 60)} is not an id")
    return quote(id, safe="")


async def parting(request: Awaitable[object]) -> None:
    """Does what the end of a session asks for; whether it works changes nothing for what was seen before."""
    with contextlib.suppress(EngineError, TimeoutError):
        async with asyncio.timeout(PARTING_S):
            await request

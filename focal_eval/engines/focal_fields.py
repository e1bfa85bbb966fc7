"""Reads an engine's JSON key by key; what is missing or of another type is EngineProtocol, with its place."""

from __future__ import annotations

import re
from collections.abc import Mapping

from focal_eval.errors import EngineProtocol
from focal_eval.records import Json

MOST = 10**12  # no count of a turn is above it

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TEXT = {str}


def is_uuid(text: str) -> bool:
    """Whether the text is spelled as Focal spells ids; nothing else may stand in a path."""
    return _UUID.fullmatch(text) is not None


class Fields:
    """A mapping of the engine's, read key by key; `where` names it in messages."""

    __slots__ = ("data", "where")

    def __init__(self, data: Json, where: str) -> None:
        if type(data) is not dict and not isinstance(data, Mapping):
            raise EngineProtocol(f"{where} is {_kind(data)}, a mapping is expected")
        self.data, self.where = data, where

    def any(self, key: str) -> Json:
        """The value, whatever it is."""
        if key not in self.data:
            raise EngineProtocol(f"{self.where} has no '{key}'")
        return self.data[key]

    def text(self, key: str) -> str:
        """A text."""
        value = self.data.get(key)
        if isinstance(value, str):
            return value
        raise self._wrong(key, "text")

    def id(self, key: str) -> str:
        """A UUID."""
        value = self.text(key)
        if is_uuid(value):
            return value
        raise self._wrong(key, "a UUID")

    def text_or_none(self, key: str) -> str | None:
        """A text or null."""
        return None if self.any(key) is None else self.text(key)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts."""
        value = self.data.get(key)
        if isinstance(value, list) and {*map(type, value)} <= _TEXT:
            return tuple(value)
        raise self._wrong(key, "a list of texts")

    def count(self, key: str) -> int:
        """A whole number from 0."""
        value = self.data.get(key)
        if type(value) is int and 0 <= value <= MOST:
            return value
        raise self._wrong(key, "a whole number from 0")

    def number(self, key: str) -> float:
        """A number from 0."""
        value = self.data.get(key)
        if isinstance(value, (float, int)) and value is not True and value is not False and 0 <= value <= MOST:  # NaN is not
            return value
        raise self._wrong(key, "a number from 0")

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self.data.get(key)
        if isinstance(value, bool):
            return value
        raise self._wrong(key, "true or false")

    def list(self, key: str) -> list[Json]:
        """A list."""
        value = self.data.get(key)
        if isinstance(value, list):
            return value
        raise self._wrong(key, "a list")

    def mapping(self, key: str) -> Mapping[str, Json]:
        """A mapping."""
        value = self.data.get(key)
        if isinstance(value, Mapping):
            return value
        raise self._wrong(key, "a mapping")

    def _wrong(self, key: str, expected: str) -> EngineProtocol:
        return EngineProtocol(f"'{key}' of {self.where} is {_kind(self.any(key))}, {expected} is expected")


def _kind(value: Json) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return f"the text {value[:60]!r}"
    if isinstance(value, (bool, int, float)):
        return str(value)[:60]
    return "a list" if isinstance(value, list) else "a mapping" if isinstance(value, Mapping) else type(value).__name__

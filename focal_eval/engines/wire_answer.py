"""What came back over HTTP: a whole answer or one event of a stream, read strictly; and what an error says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from http import HTTPStatus

import orjson

from focal_eval.errors import EngineError, EngineProtocol, EngineStatus, EngineUnauthorised
from focal_eval.records import Json
from focal_eval.text import shorten
from focal_eval.value import value

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_SHOWN = 200  # characters of an answer in a message
_DETAIL = 2_000


class Headers(Mapping[str, str]):
    """An answer's headers, names in lower case; read when somebody asks for one, which hardly ever happens."""

    __slots__ = ("_raw", "_read")

    def __init__(self, raw: Sequence[tuple[bytes, bytes]]) -> None:
        self._raw = raw
        self._read: dict[str, str] | None = None

    def raw(self, name: bytes) -> bool:
        """Whether a header of this name, in lower case, is there."""
        return any(known.lower() == name for known, _ in self._raw)

    def _all(self) -> dict[str, str]:
        if self._read is None:
            self._read = {name.decode("latin-1").lower(): said.decode("latin-1") for name, said in self._raw}
        return self._read

    def __getitem__(self, name: str) -> str:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


@value
class Answer:
    """A whole answer; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    attempts: int = 1  # how often it was asked for

    def json(self) -> Json:
        """The content as JSON. Raises EngineProtocol: NaN, numbers beyond a double and text that is not UTF-8 are refused."""
        try:
            return orjson.loads(self.content)
        except ValueError as problem:
            raise EngineProtocol(self._why(problem), detail=shown(self.content) or None) from None

    def _why(self, problem: ValueError) -> str:
        kind = plain(self.headers.get("content-type", "").partition(";")[0], 60).lower()
        if not self.content:
            return "the answer is empty"
        if "json" not in kind:
            return f"the answer is {kind or 'of no type'}, not JSON"
        try:
            self.content.decode()
        except UnicodeDecodeError as broken:
            return f"the answer is not UTF-8: {broken.reason} at byte {broken.start:,}"
        return f"the answer is not JSON: {problem}"


@value
class Event:
    """One server-sent event; `first_byte_ms` is when its stream's first byte came after the request was sent."""

    name: str
    data: str
    first_byte_ms: float = 0.0

    def json(self) -> Json:
        """The data as JSON. Raises EngineProtocol, as an answer's does."""
        try:
            return orjson.loads(self.data)
        except ValueError as problem:
            said = f"the data of the event '{plain(self.name, 40)}' is not JSON: {problem}"
            raise EngineProtocol(said, detail=plain(self.data, _DETAIL) or None) from None


def refusal(answer: Answer) -> EngineError:
    """The error that an answer other than 2xx is."""
    status = answer.status
    if 300 <= status < 400:
        target = plain(answer.headers.get("location", "nowhere"), _SHOWN)
        return EngineProtocol(f"the engine answered {status}, a redirect to {target}; redirects are not followed")
    code, message, more = _envelope(answer)
    named = f"{status} ({code})" if code else str(status)
    text = f"the engine answered {named}: {message}"
    kind = EngineUnauthorised if status in (401, 403) else EngineStatus
    return kind(text, status=status, code=code, detail=more)


def _envelope(answer: Answer) -> tuple[str | None, str, str | None]:
    """Code, message and what more there is, out of the usual shapes of an error; the plain text where it has none of them."""
    try:
        found = orjson.loads(answer.content)
    except ValueError:
        found = None
    inner = found.get("error", found) if isinstance(found, dict) else found
    if isinstance(inner, dict):
        message = next((inner[key] for key in ("message", "detail", "title", "error") if _says(inner.get(key))), None)
        if message is not None:
            code = inner.get("code") or inner.get("type")
            details = inner.get("details")
            more = None if details is None else plain(orjson.dumps(details).decode(), _DETAIL)
            return (plain(str(code), 60) if isinstance(code, str | int) else None), plain(message, _SHOWN), more
    if _says(inner):
        return None, plain(inner, _SHOWN), None
    phrase = HTTPStatus(answer.status).phrase if answer.status in HTTPStatus._value2member_map_ else "no reason given"
    return None, phrase, shown(answer.content) or None


def _says(value: Json) -> bool:
    return isinstance(value, str) and bool(value.strip())


def shown(content: bytes) -> str:
    """The beginning of an answer for people, whatever it is."""
    return plain(content[: _DETAIL * 4].decode("utf-8", "replace"), _DETAIL)


def plain(text: str, most: int) -> str:
    """Foreign text on one line: no control characters, not too long."""
    return shorten(_CONTROL.sub(" ", text).strip(), most)

"""Cassette files: recorded conversations as JSON lines, read with places and written byte for byte the same.

The first line is the header `{"t":"cassette","format":1,...}`, every other line one conversation: its key, and turns of what
the user said and what the engine replied, in the journal's words. Keys that are not known are left alone, so that a later
format 1 file may say more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from focal_eval.errors import Problems
from focal_eval.records import UNKNOWN, Json, MessageRecord, Reply, UnknownType
from focal_eval.records.codec import message_from_json, message_to_json, reply_from_json, reply_to_json
from focal_eval.registry import did_you_mean
from focal_eval.source import Span, whole_file

FORMAT = 1
MAX_BYTES = 256 * 1024 * 1024  # one cassette
MAX_PROBLEMS = 20  # reported of one cassette


@dataclass(frozen=True, slots=True)
class RecordedTurn:
    """What the user said (None where the agent spoke first) and what the engine replied."""

    user: str | None
    reply: Reply


@dataclass(frozen=True, slots=True)
class RecordedConversation:
    """One conversation, found again by its key; `messages` are the engine's stored messages where they were recorded."""

    key: str
    turns: tuple[RecordedTurn, ...]
    messages: tuple[MessageRecord, ...] | UnknownType = UNKNOWN
    origin: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recording:
    """A cassette's content."""

    conversations: Mapping[str, RecordedConversation]
    origin: Mapping[str, Json] = field(default_factory=dict)


def recording_bytes(conversations: Iterable[RecordedConversation], origin: Mapping[str, Json] | None = None) -> bytes:
    """The cassette file; the same conversations give the same bytes."""
    import orjson

    header: dict[str, Json] = {"t": "cassette", "format": FORMAT}
    if origin:
        header["origin"] = dict(origin)
    lines = [header, *(_line(conversation) for conversation in conversations)]
    return b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)


def _line(conversation: RecordedConversation) -> dict[str, Json]:
    out: dict[str, Json] = {"t": "conversation", "key": conversation.key}
    if conversation.origin:
        out["origin"] = dict(conversation.origin)
    out["turns"] = [{"user": turn.user, "reply": reply_to_json(turn.reply)} for turn in conversation.turns]
    if conversation.messages is not UNKNOWN:
        out["messages"] = [message_to_json(message) for message in conversation.messages]
    return out


def read_recording(path: Path, shown: str, problems: Problems) -> Recording | None:
    """The cassette at `path`; None where it cannot be read, each problem reported at its line."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        near = did_you_mean(path.name, _beside(path))
        problems.error("cassette-unreadable", "there is no such cassette", whole_file(shown), help=near)
        return None
    except (OSError, ValueError) as problem:
        problems.error("cassette-unreadable", f"the cassette cannot be read: {_reason(problem)}", whole_file(shown))
        return None
    if len(data) > MAX_BYTES:
        problems.error("cassette-unreadable", f"the cassette is larger than {MAX_BYTES >> 20} MiB", whole_file(shown))
        return None
    return parse_recording(data, shown, problems)


def _reason(problem: OSError | ValueError) -> str:
    return getattr(problem, "strerror", None) or str(problem)


def _beside(path: Path) -> list[str]:
    try:
        return sorted(item.name for item in path.parent.iterdir() if item.suffix == path.suffix)
    except OSError:
        return []


def parse_recording(data: bytes, shown: str, problems: Problems) -> Recording | None:
    """The content of a cassette file; None where problems were reported."""
    before = len(problems.errors)
    header: Mapping[str, Json] | None = None
    found: dict[str, RecordedConversation] = {}
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not raw.strip() or len(problems.errors) - before >= MAX_PROBLEMS:
            continue
        line = _parsed(raw, number, shown, problems)
        if line is None:
            continue
        if header is None:
            header = line
            if not _known_format(line, _span(shown, number, raw), problems):
                return None
        elif line.get("t") == "conversation":
            _add(line, found, _span(shown, number, raw), problems)
    if header is None and len(problems.errors) == before:
        problems.error("cassette-format", "the file is empty; a cassette begins with its header", whole_file(shown))
    if len(problems.errors) > before:
        return None
    assert header is not None
    return Recording(found, header.get("origin") or {})


def _span(shown: str, number: int, raw: bytes, column: int = 1) -> Span:
    return Span(shown, number, column, number, max(column + 1, min(len(raw), 60)))


def _parsed(raw: bytes, number: int, shown: str, problems: Problems) -> Mapping[str, Json] | None:
    import orjson

    try:
        line = orjson.loads(raw)
    except orjson.JSONDecodeError as problem:
        problems.error("cassette-json", f"not JSON: {problem.msg}", _span(shown, number, raw, problem.pos + 1))
        return None
    if isinstance(line, dict):
        return line
    problems.error("cassette-shape", "a line of a cassette is an object", _span(shown, number, raw))
    return None


def _known_format(header: Mapping[str, Json], span: Span, problems: Problems) -> bool:
    if header.get("t") != "cassette":
        said = 'the first line is not a cassette\'s header {"t": "cassette", "format": 1}'
        problems.error("cassette-format", said, span)
        return False
    if header.get("format") != FORMAT:
        said = f"the cassette's format is {header.get('format')!r}; this version reads {FORMAT}"
        problems.error("cassette-format", said, span, help="record it again, or use a newer focal-eval")
        return False
    return True


def _add(line: Mapping[str, Json], found: dict[str, RecordedConversation], span: Span, problems: Problems) -> None:
    shape = _shape_problem(line)
    if shape is not None:
        problems.error("cassette-shape", shape, span)
        return
    key = line["key"]
    if key in found:
        problems.error("cassette-duplicate", f"the conversation '{key}' is recorded twice", span, help="remove one of them")
        return
    turns = tuple(RecordedTurn(turn.get("user"), reply_from_json(turn["reply"])) for turn in line["turns"])
    stored = line.get("messages")
    messages = UNKNOWN if stored is None else tuple(message_from_json(item) for item in stored)
    found[key] = RecordedConversation(key, turns, messages, line.get("origin") or {})


@dataclass(frozen=True, slots=True)
class _Turn:
    reply: Reply
    user: str | None = None


@dataclass(frozen=True, slots=True)
class _Conversation:
    key: str
    turns: list[_Turn]
    messages: list[MessageRecord] | None = None
    origin: dict[str, Any] | None = None


def _shape_problem(line: Mapping[str, Json]) -> str | None:
    """What is wrong with a conversation's shape, in words, or None; the codec alone would let wrong types pass."""
    from pydantic import ValidationError

    try:
        _adapter().validate_python(line)
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_context=False, include_input=False)[0]
        said = "is missing" if first["type"] == "missing" else first["msg"].replace("Input should be", "should be")
        return f"'{_place(line, first['loc'])}' {said}"
    except RecursionError:
        return "the values are nested too deeply"
    return None


def _place(data: Any, loc: tuple[int | str, ...]) -> str:
    """pydantic's path without the names it puts in for the alternatives of a union."""
    out = []
    for step in loc:
        known = isinstance(step, int) if isinstance(data, list) else isinstance(data, Mapping) and step in data
        if known:
            data = data[step]
        if known or (isinstance(data, Mapping) and step == loc[-1]):
            out.append(str(step))
    return ".".join(out)


@lru_cache(maxsize=1)
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(_Conversation)

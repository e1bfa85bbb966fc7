"""Reads cassettes, each problem reported at its line; the files may come from anybody.

Keys and kinds of lines that are not known are left alone, so that a later format 1 file may say more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from focal_eval.engines.base import Abilities
from focal_eval.engines.recording import FORMAT, RecordedCall, RecordedConversation, RecordedEngine, RecordedTurn, Recording
from focal_eval.errors import Problems
from focal_eval.records import UNKNOWN, Json
from focal_eval.records.codec import Misfit, message_from_json, reply_from_json
from focal_eval.registry import did_you_mean
from focal_eval.source import Span, whole_file
from focal_eval.text import shorten

MAX_BYTES = 256 * 1024 * 1024  # one cassette
MAX_PROBLEMS = 20  # reported of one cassette

T = TypeVar("T")


def read_recording(path: Path, shown: str, problems: Problems) -> Recording | None:
    """The cassette at `path`; None where it cannot be read, each problem reported at its line."""
    data = _content(path, shown, problems)
    return None if data is None else parse_recording(data, shown, problems)


def _content(path: Path, shown: str, problems: Problems) -> bytes | None:
    try:
        if path.exists() and not path.is_file():
            what = "a folder" if path.is_dir() else "a device or a pipe"
            problems.error("cassette-unreadable", f"this is {what}; a cassette is a file of JSON lines", whole_file(shown))
            return None
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        near = did_you_mean(path.name, _beside(path))
        problems.error("cassette-unreadable", "there is no such cassette", whole_file(shown), help=near)
        return None
    except (OSError, ValueError) as problem:
        said = getattr(problem, "strerror", None) or str(problem)
        problems.error("cassette-unreadable", f"the cassette cannot be read: {said}", whole_file(shown))
        return None
    if len(data) > MAX_BYTES:
        problems.error("cassette-unreadable", f"the cassette is larger than {MAX_BYTES >> 20} MiB", whole_file(shown))
        return None
    return data


def _beside(path: Path) -> list[str]:
    try:
        return sorted(item.name for item in path.parent.iterdir() if item.suffix == path.suffix)
    except OSError:
        return []


def parse_recording(data: bytes, shown: str, problems: Problems) -> Recording | None:
    """The content of a cassette file; None where problems were reported."""
    before = len(problems.errors)
    head: Recording | None = None
    found: dict[str, RecordedConversation] = {}
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not raw.strip() or len(problems.errors) - before >= MAX_PROBLEMS:
            continue
        span = _span(shown, number, raw)
        line = _parsed(raw, number, shown, problems)
        if line is None:
            continue
        if head is None:
            if not _known_format(line, span, problems):
                return None
            head = _fitting(_header, line, span, problems) or Recording({})
        elif line.get("t") == "conversation":
            _add(_fitting(conversation_of, line, span, problems), found, span, problems)
    if head is None and len(problems.errors) == before:
        problems.error("cassette-format", "the file is empty; a cassette begins with its header", whole_file(shown))
    if head is None or len(problems.errors) > before:
        return None
    return Recording(found, head.origin, head.engine)


def whole_lines(data: bytes) -> list[RecordedConversation]:
    """The conversations of lines appended one after another; what was cut off while it was written is passed over."""
    import orjson

    out = []
    for raw in data.split(b"\n"):
        try:
            out.append(conversation_of(orjson.loads(raw)))
        except (orjson.JSONDecodeError, Misfit):
            continue
    return out


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
        said = f"the cassette's format is {shorten(repr(header.get('format')), 40)}; this version reads {FORMAT}"
        problems.error("cassette-format", said, span, help="record it again, or use a newer focal-eval")
        return False
    return True


def _fitting(read: Callable[[Json], T], line: Json, span: Span, problems: Problems) -> T | None:
    try:
        return read(line)
    except Misfit as problem:
        path, _, words = str(problem).rpartition(": ")
        problems.error("cassette-shape", f"'{shorten(path, 120)}': {words}" if path else words, span)
        return None


def _add(made: RecordedConversation | None, found: dict[str, RecordedConversation], span: Span, problems: Problems) -> None:
    if made is None:
        return
    if made.key in found:
        said = f"the conversation '{shorten(made.key)}' is recorded twice"
        problems.error("cassette-duplicate", said, span, help="remove one of them")
        return
    found[made.key] = made


def _header(line: Json) -> Recording:
    return Recording({}, _at("origin", _mapping, line, {}), _at("engine", _engine, line, None))


def _engine(value: Json) -> RecordedEngine:
    told = _mapping(value)
    able = Abilities(
        reports=frozenset(_at("reports", _texts, told)),
        speaks_first=_at("speaks_first", _flag, told, False),
        seeds=frozenset(_at("seeds", _texts, told, ())),
        stubs=_at("stubs", _flag, told, False),
        deterministic=_at("deterministic", _flag, told, False),
    )
    return RecordedEngine(_at("kind", _text, told), able)


def conversation_of(line: Json) -> RecordedConversation:
    """The conversation of a line. Raises Misfit with the path of what is not as it should be."""
    told = _mapping(line)
    return RecordedConversation(
        key=_at("key", _text, told),
        turns=_at("turns", _many(_turn), told),
        messages=_at("messages", _many(message_from_json), told, UNKNOWN),
        origin=_at("origin", _mapping, told, {}),
        start=_at("start", _mapping, told, None),
        agent=_at("agent", _text, told, None),
        calls=_at("calls", _many(_call), told, ()),
    )


def _turn(value: Json) -> RecordedTurn:
    told = _mapping(value)
    return RecordedTurn(_at("user", _text, told, None), _at("reply", reply_from_json, told))


def _call(value: Json) -> RecordedCall:
    told = _mapping(value)
    return RecordedCall(_at("layer", _text, told), _at("request", _anything, told), _at("answer", _anything, told))


_REQUIRED = object()


def _at(name: str, read: Callable[[Json], T], told: Mapping[str, Json], default: object = _REQUIRED) -> T:
    """What stands under a key; a null is the default, where there is one."""
    value = told.get(name, _REQUIRED)
    if value is _REQUIRED and default is _REQUIRED:
        raise Misfit(f"{name}: it is missing")
    if default is not _REQUIRED and (value is _REQUIRED or value is None):
        return default  # type: ignore[return-value]  # what stands for nothing said is of no type of its own
    try:
        return read(value)
    except Misfit as problem:
        raise _below(name, problem) from None


def _below(name: str | int, problem: Misfit) -> Misfit:
    inner = str(problem)
    return Misfit(f"{name}.{inner}" if ": " in inner else f"{name}: {inner}")


def _many(read: Callable[[Json], T]) -> Callable[[Json], tuple[T, ...]]:
    def items(value: Json) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise Misfit("a list is expected")
        out = []
        for index, item in enumerate(value):
            try:
                out.append(read(item))
            except Misfit as problem:
                raise _below(index, problem) from None
        return tuple(out)

    return items


def _anything(value: Json) -> Json:
    return value


def _mapping(value: Json) -> Mapping[str, Json]:
    if not isinstance(value, dict):
        raise Misfit("a mapping is expected")
    return value


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise Misfit("text is expected")
    return value


def _flag(value: Json) -> bool:
    if not isinstance(value, bool):
        raise Misfit("true or false is expected")
    return value


_texts = _many(_text)

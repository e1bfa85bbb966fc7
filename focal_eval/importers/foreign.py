"""Reads foreign JSON into dataclasses; whatever is wrong with it becomes a diagnostic with its place, never a traceback.

The dataclasses name only what an importer uses: other keys are ignored, values are converted where that loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from focal_eval.errors import Problems
from focal_eval.importers.places import json_span, span_at
from focal_eval.source import Span, whole_file

T = TypeVar("T")
MAX_SHAPE_PROBLEMS = 20  # reported of one file; a file of another format has one at every value
MAX_PLACED_PROBLEMS = 10_000  # beyond, not even the first ones are looked for


@dataclass(frozen=True, slots=True)
class Source:
    """One foreign file: its name as messages show it, and its bytes."""

    file: str
    data: bytes
    named: bool = True  # by the user; False where it was found in a folder, whose other files may be of any format

    def text(self, problems: Problems) -> str | None:
        """The file as text, None with a report where it is not UTF-8; a byte order mark is dropped."""
        try:
            return self.data.decode("utf-8-sig")
        except UnicodeDecodeError as problem:
            before = self.data[: problem.start].decode("utf-8", "replace")
            place = span_at(before, len(before), self.file)
            said = f"byte 0x{self.data[problem.start]:02x} is not UTF-8"
            problems.error("import-encoding", said, place, help="save the file as UTF-8")
            return None


@dataclass(frozen=True, slots=True)
class Placed:
    """A JSON text that knows where the value at a path stands."""

    file: str
    text: str

    def at(self, *path: str | int) -> Callable[[], Span]:
        """The place of a value, found when asked for."""
        return lambda: json_span(self.text, path, self.file)


def read_json(source: Source, kind: type[T], problems: Problems) -> tuple[T, Placed] | None:
    """The file's content as `kind`, and where its values stand; None where problems were reported."""
    import orjson

    text = source.text(problems)
    if text is None:
        return None
    if not text.strip():
        problems.error("import-json", "the file is empty", whole_file(source.file))
        return None
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as problem:
        problems.error("import-json", f"not JSON: {problem.msg}", span_at(text, problem.pos, source.file))
        return None
    placed = Placed(source.file, text)
    value = conform(data, kind, placed, problems)
    return None if value is None else (value, placed)


@lru_cache(maxsize=32)
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def conform(data: Any, kind: Any, placed: Placed, problems: Problems) -> Any:
    """Parsed JSON as `kind`; None where it has another shape, each difference reported at its place."""
    from pydantic import ValidationError

    try:
        return _adapter(kind).validate_python(data)
    except ValidationError as problem:
        if (count := problem.error_count()) > MAX_PLACED_PROBLEMS:
            problems.error("import-shape", f"{count:,} values have another shape; {_QUESTION}", whole_file(placed.file))
            return None
        found = problem.errors(include_url=False, include_context=False, include_input=False)
    except RecursionError:
        problems.error("import-shape", "the values are nested too deeply", whole_file(placed.file))
        return None
    for item in found[:MAX_SHAPE_PROBLEMS]:
        path = _known(data, item["loc"])
        where = _path_in_words(item["loc"])
        problems.error("import-shape", f"{where}: {_sentence(item['msg'])}", json_span(placed.text, path, placed.file))
    if len(found) > MAX_SHAPE_PROBLEMS:
        more = f"{len(found) - MAX_SHAPE_PROBLEMS:,} more values have another shape; {_QUESTION}"
        problems.error("import-shape", more, whole_file(placed.file))
    return None


_QUESTION = "is this a file of that format?"


def _known(data: Any, path: Sequence[str | int]) -> list[str | int]:
    """The part of pydantic's path that leads to a value of the file: a missing key ends at its mapping."""
    out: list[str | int] = []
    for step in path:
        inside = (
            isinstance(step, int) and step < len(data) if isinstance(data, list) else isinstance(data, dict) and step in data
        )
        if not inside:
            break
        data = data[step]
        out.append(step)
    return out


def _path_in_words(path: Sequence[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".") or "the file"


def _sentence(message: str) -> str:
    message = message.replace("Input should be", "expected").replace("an instance of Mapping", "an object")
    if message == "Field required":
        return "the key is missing"
    return message[:1].lower() + message[1:]

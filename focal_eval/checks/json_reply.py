"""`response.json`: the response is JSON, or holds a fenced block of it, and that JSON is as asked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from functools import lru_cache
from typing import Any, ClassVar, Final

from focal_eval.checks.base import Moment, TurnCheck, derived, settle, written_short
from focal_eval.checks.passages import quoted
from focal_eval.checks.structure import differences
from focal_eval.checks.text import response_of
from focal_eval.document.shape import Anything
from focal_eval.records import Finding, Json
from focal_eval.registry import nearest
from focal_eval.script.conditions import Equals
from focal_eval.script.matchers import Matcher
from focal_eval.script.wording import ABSENT, show
from focal_eval.text import listed
from focal_eval.value import value

MAX_ERRORS = 4  # of a schema, in one finding each


class _NoJson:
    """What `json_in` returns for a text without JSON."""

    def __repr__(self) -> str:
        return "NO_JSON"


NO_JSON: Final = _NoJson()
_FENCE = re.compile(r"```[a-zA-Z]*[ \t]*\n(.*?)```", re.DOTALL)
_PLAIN_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\[\d{1,9}\]|\.[A-Za-z_][A-Za-z0-9_]*)*\Z")
_STEP = re.compile(r"\[(\d+)\]|([A-Za-z_][A-Za-z0-9_]*)")


def json_in(text: str) -> Json:
    """The JSON a response is, or the first fenced block in it that is JSON; NO_JSON where there is none."""
    import orjson

    for part in (text, *(found.group(1) for found in _FENCE.finditer(text))):
        try:
            return orjson.loads(part)
        except orjson.JSONDecodeError:
            continue
    return NO_JSON


def value_at(path: str, data: Json) -> Any:
    """What a JMESPath finds; a plain path such as `order.items[0].id` tells ABSENT from null, other expressions cannot."""
    if _PLAIN_PATH.match(path):
        for index, name in _STEP.findall(path):
            if index:
                data = data[int(index)] if isinstance(data, list) and int(index) < len(data) else ABSENT
            else:
                data = data.get(name, ABSENT) if isinstance(data, Mapping) else ABSENT
            if data is ABSENT:
                break
        return data
    import jmespath

    return jmespath.search(path, data)


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> Any:
    import jsonschema_rs
    import orjson

    return jsonschema_rs.validator_for(orjson.loads(schema), validate_formats=True, retriever=_refuse)


def _refuse(uri: str) -> Any:
    raise ValueError(f"'{uri}' is another document, and references to those are not followed")


@value
class JsonReply(TurnCheck):
    """The response is JSON, or holds a fenced block of it, and its values are as asked."""

    short: ClassVar[str] = "valid"
    valid: bool = field(default=True, metadata={"doc": "true: the response is JSON."})
    where: dict[str, Matcher] = field(default_factory=dict, metadata={"doc": "A JMESPath and what its value must be."})
    schema: dict[str, Any] | None = field(
        default=None, metadata={"shape": Anything(), "doc": "A JSON Schema; references to other documents are refused."}
    )
    equals: Matcher | None = field(default=None, metadata={"doc": "The whole JSON; other keys may be there."})
    brief: bool = written_short()
    compiled: bytes | None = derived()

    def __post_init__(self) -> None:
        if not self.valid:
            raise ValueError("write 'not: true' for a response that is not JSON")
        for path in self.where:
            _compiled_path(path)
        settle(self, compiled=None if self.schema is None else _compiled_schema(self.schema))

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        response = response_of(seen)
        data = json_in(response)
        if data is NO_JSON:
            return (Finding("the response is not JSON and holds no fenced block of it", "JSON", quoted(response)),)
        out: list[Finding] = []
        for path, matcher in self.where.items():
            out += _at_path(path, matcher, data)
        if self.compiled is not None:
            out += _against_schema(self.compiled, data)
        if self.equals is not None:
            out += _whole(self.equals, data)
        return tuple(out)

    def describe(self) -> str:
        parts = [f"{path} is {matcher.describe()}" for path, matcher in self.where.items()]
        parts += ["fulfils the schema"] if self.schema is not None else []
        parts += [f"is {self.equals.describe()}"] if self.equals is not None else []
        return f"response is JSON: {listed(parts)}" if parts else "response is JSON"


def _compiled_path(path: str) -> None:
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        jmespath.compile(path)
    except JMESPathError as problem:
        raise ValueError(f"'{path}' is not a JMESPath: {str(problem).splitlines()[0].rstrip(':')}") from None


def _compiled_schema(schema: Any) -> bytes:
    import jsonschema_rs
    import orjson

    text = orjson.dumps(schema)
    try:
        _validator(text)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as problem:
        raise ValueError(f"the schema cannot be used: {str(problem).splitlines()[0]}") from None
    return text


def _at_path(path: str, matcher: Matcher, data: Json) -> list[Finding]:
    value = value_at(path, data)
    found = matcher.mismatch(value)
    if found is None:
        return []
    if value is None and not _PLAIN_PATH.match(path) and matcher.mismatch(ABSENT) is None:
        return []
    inner = "".join(f".{step}" for step in found.path)
    said = f"'{path}' is not there" if value is ABSENT else f"'{path}{inner}' is not as expected"
    return [Finding(said, found.expected, found.observed, near=_neighbours(path, data), path=("where", path, *found.where))]


def _neighbours(path: str, data: Json) -> str | None:
    """Where a plain path ends early: the keys that stand where it ends."""
    if not _PLAIN_PATH.match(path):
        return None
    head, dot, name = path.rpartition(".")
    parent = value_at(head, data) if dot else data
    if not isinstance(parent, Mapping) or name in parent:
        return None
    close = nearest(name, [str(key) for key in parent])
    return f"did you mean '{head + dot}{close}'?" if close else f"there is: {listed([str(key) for key in parent])}"


def _against_schema(schema: bytes, data: Json) -> list[Finding]:
    out = []
    for error in _validator(schema).iter_errors(data):
        place = ".".join(str(step) for step in error.instance_path) or "the JSON"
        said = f"{place} does not fulfil the schema: {error.message[:200]}"
        out.append(Finding(said, path=("schema",)))
        if len(out) == MAX_ERRORS:
            break
    return out


def _whole(matcher: Matcher, data: Json) -> list[Finding]:
    found = matcher.mismatch(data)
    if found is None:
        return []
    near = None
    if isinstance(matcher.condition, Equals):
        near = "; ".join(differences(matcher.condition.value, data)) or None
    inner = ".".join(str(step) for step in found.path)
    said = f"the JSON differs at '{inner}'" if inner else "the JSON is not as expected"
    return [Finding(said, found.expected, found.observed, near=near or show(data), path=("equals", *found.where))]

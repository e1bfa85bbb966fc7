"""Records as JSON and back: what the journal and cassettes hold. UNKNOWN is left out, null means known to be none.

Reading is lenient about keys it does not know (a newer version may write more) and strict about the shape of those it does.
"""

from __future__ import annotations

import collections.abc
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from operator import attrgetter
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from focal_eval.records.asked import Answer, Rubric, Vote, rubric_from_json
from focal_eval.records.turn import (
    Candidate,
    Citation,
    Enforcement,
    Fault,
    Json,
    MessageRecord,
    Reply,
    RuleMatch,
    ScenarioState,
    Tokens,
    ToolCall,
    Transcript,
    Transition,
    TurnRecord,
)
from focal_eval.records.unknown import UNKNOWN
from focal_eval.records.verdict import CheckResult, Finding, JudgedBy

T = TypeVar("T")


def _flat(kind: type) -> Callable[[Any], dict[str, Json]]:
    """Writes a flat record: required fields always, the others where they are set."""
    names, unset = _fields(kind)
    values = attrgetter(*names)

    def write(value: Any) -> dict[str, Json]:
        items = zip(names, values(value), unset, strict=True)
        return {name: item for name, item, default in items if item is not default and item is not UNKNOWN}

    return write


def _fields(kind: type) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """The names of a record's fields, and what each is where it is not set."""
    specs = fields(kind)
    return tuple(spec.name for spec in specs), tuple(spec.default for spec in specs)


_scored_rule = _flat(RuleMatch)


def _rule(match: RuleMatch) -> dict[str, Json]:
    if match.score is None and match.id is None:  # as of engines that report no more than names
        return {"name": match.name}
    return _scored_rule(match)


_tool = _flat(ToolCall)
_candidate = _flat(Candidate)
_state = _flat(ScenarioState)
_transition = _flat(Transition)
_enforcement = _flat(Enforcement)
_citation = _flat(Citation)
_tokens = _flat(Tokens)
_fault = _flat(Fault)
_judged_by = _flat(JudgedBy)
_vote = _flat(Vote)
_answer = _flat(Answer)

_MANY: dict[str, tuple[Callable[[Any], dict[str, Json]], type]] = {
    "rules": (_rule, RuleMatch),
    "candidates": (_candidate, Candidate),
    "tools": (_tool, ToolCall),
    "transitions": (_transition, Transition),
    "enforcement": (_enforcement, Enforcement),
    "citations": (_citation, Citation),
}
_ONE: dict[str, tuple[Callable[[Any], dict[str, Json]], type]] = {
    "scenario": (_state, ScenarioState),
    "tokens": (_tokens, Tokens),
}


def _writer(kind: type) -> Callable[[Any], dict[str, Json]]:
    names, unset = _fields(kind)
    values = attrgetter(*names)
    many = tuple((name, write) for name, (write, _) in _MANY.items() if name in names)
    one = tuple((name, write) for name, (write, _) in _ONE.items() if name in names)

    def write(value: Any) -> dict[str, Json]:
        items = zip(names, values(value), unset, strict=True)
        out = {name: item for name, item, default in items if item is not default and item is not UNKNOWN}
        for name, item_to_json in many:
            if name in out:
                out[name] = list(map(item_to_json, out[name]))
        for name, item_to_json in one:
            if out.get(name) is not None:
                out[name] = item_to_json(out[name])
        return out

    return write


reply_to_json: Callable[[Reply], dict[str, Json]] = _writer(Reply)
"""A reply as the journal holds it."""

message_to_json: Callable[[MessageRecord], dict[str, Json]] = _writer(MessageRecord)
"""A stored message as the journal holds it."""


def fault_to_json(fault: Fault) -> dict[str, Json]:
    """A fault as the journal holds it."""
    return _fault(fault)


def finding_to_json(finding: Finding) -> dict[str, Json]:
    """A finding as the journal holds it."""
    out: dict[str, Json] = {"message": finding.message}
    for name in ("expected", "observed", "near", "name", "turn", "role"):
        if (item := getattr(finding, name)) is not None:
            out[name] = item
    for name in ("path", "stored"):
        if places := getattr(finding, name):
            out[name] = list(places)
    if finding.tolerated:
        out["tolerated"] = True
    return out


def result_to_json(result: CheckResult) -> dict[str, Json]:
    """A check's result as the journal holds it."""
    span = result.span
    out: dict[str, Json] = {"key": result.key, "text": result.text, "outcome": str(result.outcome), "at": list(span)}
    if result.findings:
        out["findings"] = [finding_to_json(finding) for finding in result.findings]
    if result.reason is not None:
        out["reason"] = result.reason
    if result.soft:
        out["soft"] = True
    if result.because is not None:
        out["because"] = result.because
    if result.by is not None:
        out["by"] = _judged_by(result.by)
    if result.excerpt:
        out["excerpt"] = [list(line) for line in result.excerpt]
    return out


class Misfit(ValueError):
    """JSON that is not the record it should be; the message names the place: `rules.0.score: a number is expected`."""


Convert = Callable[[Any], Any]


def _made(kind: type[T], data: Json) -> T:
    if not isinstance(data, Mapping):
        raise Misfit("a mapping is expected")
    plan = _plan(kind)  # type: ignore[arg-type]  # a class is hashable
    values = {}
    for name, value in data.items():
        convert = plan.get(name)
        if convert is not None:
            try:
                values[name] = convert(value)
            except Misfit as problem:
                inner = str(problem)
                raise Misfit(f"{name}.{inner}" if ": " in inner else f"{name}: {inner}") from None
    try:
        return kind(**values)
    except TypeError:
        missing = next(spec.name for spec in fields(kind) if spec.default is MISSING and spec.name not in values)  # type: ignore[arg-type]
        raise Misfit(f"{missing}: it is missing") from None


@lru_cache(maxsize=64)
def _plan(kind: type) -> dict[str, Convert]:
    """How each field of a record is read; a key that is no field is passed over."""
    return {name: _converter(hint) for name, hint in get_type_hints(kind).items()}


def _converter(hint: Any) -> Convert:
    options = [option for option in get_args(hint) if get_origin(option) is not Literal] if _is_union(hint) else [hint]
    if Any in options:
        return lambda value: value
    empty = type(None) in options
    kinds = tuple(option for option in options if option is not type(None))
    read = _many(get_args(kinds[0])[0]) if get_origin(kinds[0]) is tuple else _one(kinds)
    if not empty:
        return read
    return lambda value: None if value is None else read(value)


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, UnionType)


def _many(item: Any) -> Convert:
    read = _one((item,))

    def convert(value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            raise Misfit("a list is expected")
        out = []
        for index, part in enumerate(value):
            try:
                out.append(read(part))
            except Misfit as problem:
                inner = str(problem)
                raise Misfit(f"{index}.{inner}" if ": " in inner else f"{index}: {inner}") from None
        return tuple(out)

    return convert


def _one(kinds: tuple[Any, ...]) -> Convert:
    if is_dataclass(kinds[0]):
        kind = kinds[0]
        return lambda value: _made(kind, value)  # type: ignore[arg-type]  # a dataclass of this package
    if get_origin(kinds[0]) is collections.abc.Mapping:
        return _mapping
    types: tuple[type, ...] = tuple(accepted for kind in kinds for accepted in ((int, float) if kind is float else (kind,)))
    words = " or ".join({str: "text", float: "a number", int: "a whole number", bool: "true or false"}[kind] for kind in kinds)

    def convert(value: Any) -> Any:
        if type(value) in types or (isinstance(value, types) and not isinstance(value, bool)):
            return value
        raise Misfit(f"{words} is expected")

    return convert


def _mapping(value: Any) -> Any:
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return value
    raise Misfit("a mapping with text keys is expected")


def reply_from_json(data: Mapping[str, Json]) -> Reply:
    """The reply; keys that are absent are UNKNOWN, keys nobody knows are passed over. Raises Misfit on another shape."""
    return _made(Reply, data)


def asked_to_json(rubric: Rubric, answer: Answer) -> dict[str, Json]:
    """What a judging model was asked to judge by, and its votes, as the journal holds them."""
    out = {"rubric": rubric.as_json(), **_answer(answer), "votes": list(map(_vote, answer.votes))}
    if answer.tokens is not None:
        out["tokens"] = _tokens(answer.tokens)
    return out


def asked_from_json(data: Mapping[str, Json]) -> tuple[Rubric, Answer]:
    """What `asked_to_json` wrote. Raises Misfit on another shape."""
    answer: Answer = _made(Answer, {key: found for key, found in data.items() if key != "rubric"})
    try:
        return rubric_from_json(data["rubric"]), answer
    except (KeyError, TypeError, AttributeError):
        raise Misfit("rubric: a mapping with a text is expected") from None


def message_from_json(data: Mapping[str, Json]) -> MessageRecord:
    """The stored message; keys that are absent are UNKNOWN. Raises Misfit on another shape."""
    return _made(MessageRecord, data)


def fault_from_json(data: Mapping[str, Json]) -> Fault:
    """A fault of the journal. Raises Misfit on another shape."""
    return _made(Fault, data)


def turn_from_json(data: Mapping[str, Json]) -> TurnRecord:
    """The turn of a journal's `turn` line."""
    return TurnRecord(
        index=data["i"],
        user=data.get("user"),
        reply=reply_from_json(data["reply"]) if "reply" in data else None,
        fault=_made(Fault, data["fault"]) if "fault" in data else None,
        skipped=data.get("skipped"),
        elapsed_ms=data.get("elapsed_ms"),
        first_token_ms=data.get("first_token_ms"),
        state=data.get("state"),
    )


def transcript_from_json(turns: list[Mapping[str, Json]], attempt: Mapping[str, Json]) -> Transcript:
    """The conversation of one attempt, from its journal lines."""
    stored = attempt.get("messages")
    saved: dict[str, Json] = {}
    for turn in turns:
        saved |= turn.get("saved") or {}
    return Transcript(
        turns=tuple(turn_from_json(turn) for turn in turns),
        messages=UNKNOWN if stored is None else tuple(message_from_json(item) for item in stored),
        saved=saved,
    )

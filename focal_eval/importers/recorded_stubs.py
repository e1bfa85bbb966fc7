"""Recorded tool calls as a script's stubs: a call with the recorded arguments gets the recorded answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from focal_eval.importers.write import data_said, literal, said
from focal_eval.records import UNKNOWN, ToolCall


def stubs_of(calls: Iterable[ToolCall]) -> dict[str, Any]:
    """The `tools` of a script: by tool, an answer for each set of arguments; answers that changed become a sequence."""
    answers: dict[str, dict[bytes, tuple[Mapping[str, Any], list[dict[str, Any]]]]] = {}
    for call in calls:
        if call.arguments is UNKNOWN or (call.result is UNKNOWN and call.error is None):
            continue
        answer = {"fails": said(call.error) or "error"} if call.error is not None else {"returns": data_said(call.result)}
        same = answers.setdefault(call.name, {})
        same.setdefault(_key(call.arguments), (call.arguments, []))[1].append(answer)
    return {name: [_stub(given, told) for given, told in same.values()] for name, same in answers.items()}


def _stub(given: Mapping[str, Any], told: list[dict[str, Any]]) -> dict[str, Any]:
    answer = told[0] if all(one == told[0] for one in told) else {"sequence": told}
    return {"when": {name: _exactly(value) for name, value in given.items()}, "only": True, **answer}


def _exactly(value: Any) -> Any:
    """A matcher of just this value: within collections nothing more may stand."""
    return {"equals": data_said(value)} if isinstance(value, (dict, list)) else literal(value)


def _key(given: Mapping[str, Any]) -> bytes:
    """Equal for arguments that matchers do not tell apart: white space around texts, and `18` or `18.0`."""
    import orjson

    return orjson.dumps(_bare(given), option=orjson.OPT_SORT_KEYS)


def _bare(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, Mapping):
        return {name: _bare(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_bare(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value

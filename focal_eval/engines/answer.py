"""What a user's function gave, as a reply: text, a mapping with a reply's keys, or a Reply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from focal_eval.errors import EngineProtocol
from focal_eval.records import (
    UNKNOWN,
    Candidate,
    Citation,
    Enforcement,
    Reply,
    RuleMatch,
    ScenarioState,
    Tokens,
    ToolCall,
    Transition,
)
from focal_eval.records.codec import Misfit, reply_from_json
from focal_eval.registry import did_you_mean

REPORTABLE = tuple(spec.name for spec in fields(Reply) if spec.default is UNKNOWN)
_LISTS: Mapping[str, tuple[type, str]] = {  # key → what its items are, and the field a bare text stands for
    "rules": (RuleMatch, "name"),
    "candidates": (Candidate, "name"),
    "tools": (ToolCall, "name"),
    "transitions": (Transition, "kind"),
    "enforcement": (Enforcement, "rule"),
    "citations": (Citation, "text"),
}
_SINGLE: Mapping[str, tuple[type, str]] = {"scenario": (ScenarioState, "id"), "tokens": (Tokens, "total")}


def reply_of(value: Any, reports: frozenset[str], who: str) -> Reply:
    """The reply a value means; only what is declared in `reports` may be in it. Raises EngineProtocol."""
    if isinstance(value, str):
        return Reply(response=value)
    if isinstance(value, Reply):
        return _only(value, reports, who)
    if type(value) is dict and value.keys() == reports and (plain := _plain(value)) is not None:
        return plain
    if not isinstance(value, Mapping):
        raise EngineProtocol(f"{who} gave {type(value).__name__}; a text, a mapping or a Reply is expected")
    data = {_key(key, who): part for key, part in value.items()}
    for key in _LISTS.keys() & data.keys():
        kind, short = _LISTS[key]
        if data[key] is not None:
            if not isinstance(data[key], (list, tuple)):
                raise EngineProtocol(f"{who} gave {type(data[key]).__name__} as '{key}'; a list is expected")
            data[key] = [_record(item, kind, short, f"{key}[{i}]", who) for i, item in enumerate(data[key])]
    for key in _SINGLE.keys() & data.keys():
        kind, short = _SINGLE[key]
        if data[key] is not None:
            data[key] = _record(data[key], kind, short, key, who)
    try:
        return _only(reply_from_json(data), reports, who)
    except Misfit as problem:
        where, _, what = str(problem).rpartition(": ")
        raise EngineProtocol(f"{who} gave a wrong '{where}': {what}") from None


_KNOWN: dict[type, frozenset[str]] = {
    kind: frozenset(spec.name for spec in fields(kind))
    for kind in (Reply, RuleMatch, Candidate, ToolCall, Transition, Enforcement, Citation, ScenarioState, Tokens)
}


_TEXT = frozenset({str})
_PLAIN = frozenset({"response", "rules", "tools"})


def _plain(value: dict[str, Any]) -> Reply | None:
    """The reply of the commonest answer, texts and lists of names, without a closer look; None for any other."""
    if not _PLAIN.issuperset(value):
        return None
    response, rules, tools = value.get("response", ""), value.get("rules", []), value.get("tools", [])
    if type(response) is not str or type(rules) is not list or type(tools) is not list:
        return None
    if not _TEXT.issuperset(map(type, rules)) or not _TEXT.issuperset(map(type, tools)):
        return None
    return Reply(
        response if "response" in value else UNKNOWN,
        rules=tuple(map(RuleMatch, rules)) if "rules" in value else UNKNOWN,
        tools=tuple(map(ToolCall, tools)) if "tools" in value else UNKNOWN,
    )


def _key(key: Any, who: str) -> str:
    if key in _KNOWN[Reply]:
        return str(key)
    fix = did_you_mean(str(key), _KNOWN[Reply], list_up_to=30)
    raise EngineProtocol(f"{who} gave the unknown key '{key}'" + (f"; {fix}" if fix else ""))


def _record(value: Any, kind: type, short: str, where: str, who: str) -> dict[str, Any]:
    if isinstance(value, str) and kind is ScenarioState and "/" in value:
        scenario, _, step = value.partition("/")
        return {"id": scenario, "step": step}
    if not isinstance(value, Mapping):
        return {short: value}
    for key in value:
        if key not in _KNOWN[kind]:
            fix = did_you_mean(str(key), _KNOWN[kind])
            raise EngineProtocol(f"{who} gave the unknown key '{where}.{key}'" + (f"; {fix}" if fix else ""))
    return dict(value)


def _only(reply: Reply, reports: frozenset[str], who: str) -> Reply:
    """Refuses what was not declared and what was declared but is missing: a check must know before the run."""
    if {name for name in REPORTABLE if getattr(reply, name) is not UNKNOWN} == reports:
        return reply
    for name in REPORTABLE:
        given = getattr(reply, name) is not UNKNOWN
        if given and name not in reports:
            raise EngineProtocol(f"{who} gave '{name}', which the engine's 'reports' does not list")
        if not given and name in reports:
            raise EngineProtocol(f"{who} gave no '{name}', which the engine's 'reports' lists")
    return reply

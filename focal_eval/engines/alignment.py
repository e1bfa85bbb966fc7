"""Focal's AlignmentResult as a reply, by its shape alone: Focal is not imported, and a dumped mapping will do as well."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from focal_eval.engines.focal_names import Names
from focal_eval.errors import EngineProtocol
from focal_eval.records import (
    UNKNOWN,
    Candidate,
    Enforcement,
    Json,
    Reply,
    RuleMatch,
    ScenarioState,
    Tokens,
    ToolCall,
    Transition,
    UnknownType,
)
from focal_eval.records.provider_error import provider_error

REPORTS = frozenset(
    {"response", "rules", "candidates", "tools", "scenario", "transitions", "template", "enforcement", "outcome"}
    | {"metadata", "tokens", "latency_ms"}
)
"""What a result tells; a field that a certain result lacks is UNKNOWN in its reply."""

_MISSING = object()
_DEEPEST = 20


def reply_of(result: Any, names: Names, who: str) -> Reply:
    """The reply in a result. Raises EngineProtocol where it is no such result."""
    response = _get(result, "response")
    if not isinstance(response, str):
        found = "no 'response'" if response is _MISSING else f"a 'response' that is {type(response).__name__}"
        raise EngineProtocol(f"{who} gave {type(result).__name__} with {found}; a text is expected")
    blocked = {key: _plain(value) for key in ("scenario_blocked", "missing_requirements") if _there(value := _get(result, key))}
    try:
        return Reply(
            response=response,
            rules=_mapped(result, "matched_rules", lambda item: _rule(item, names)),
            candidates=_candidates(result, names),
            tools=_mapped(result, "tool_results", lambda item: _tool(item, names)),
            scenario=_scenario(_get(result, "scenario_result"), names),
            transitions=_transitions(_get(result, "scenario_result"), names),
            template=_template(_get(result, "generation")),
            enforcement=_enforcement(_get(result, "enforcement"), names),
            outcome=_outcome(_get(result, "outcome")),
            metadata={"provider_error": provider_error(response), **blocked},
            tokens=_tokens(_get(result, "generation")),
            latency_ms=_number(_get(result, "total_time_ms"), UNKNOWN),
            session_id=_text(_get(result, "session_id")),
            turn_id=_text(_get(result, "turn_id")),
        )
    except Exception as problem:  # its attributes may be properties, which raise what they will
        raise EngineProtocol(f"{who} gave {type(result).__name__} that cannot be read: {problem}") from None


def _get(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(name, _MISSING)
    return getattr(value, name, _MISSING)


def _there(value: Any) -> bool:
    return value is not _MISSING and value is not None


def _text(value: Any) -> str | None:
    """Ids are UUID objects, modes are enums."""
    if not _there(value):
        return None
    return str(value.value) if isinstance(value, Enum) else str(value)


def _number(value: Any, other: Any) -> Any:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) else other


def _list(value: Any, name: str) -> list[Any] | UnknownType:
    found = _get(value, name)
    if found is _MISSING:
        return UNKNOWN
    if found is None:
        return []
    if isinstance(found, (str, bytes, Mapping)) or not isinstance(found, Iterable):
        raise TypeError(f"'{name}' is {type(found).__name__}, a list is expected")
    return list(found)


def _mapped(result: Any, name: str, made: Any) -> Any:
    items = _list(result, name)
    return UNKNOWN if items is UNKNOWN else tuple([made(item) for item in items])


def _named_rule(item: Any, names: Names) -> tuple[str, str | None]:
    """A rule's name and id: of the whole rule, which has both."""
    rule = _get(item, "rule")
    if rule is _MISSING:
        raise TypeError(f"a matched rule ({type(item).__name__}) has no 'rule'")
    return _called(_text(_get(rule, "id")), _text(_get(rule, "name")), names)


def _called(key: str | None, name: str | None, names: Names) -> tuple[str, str | None]:
    known = Names(rules={} if key is None or name is None else {key.lower(): name}, aliases=names.aliases)
    return known.rule(key or name or "?"), key


def _rule(item: Any, names: Names) -> RuleMatch:
    name, key = _named_rule(item, names)
    score = _number(_get(item, "relevance_score"), _number(_get(item, "match_score"), None))
    return RuleMatch(name, score, key)


def _candidates(result: Any, names: Names) -> tuple[Candidate, ...] | UnknownType:
    """The retrieved rules: those that matched, and those that the filter dropped."""
    retrieved = _list(_get(result, "retrieval"), "rules")
    matched = _list(result, "matched_rules")
    if retrieved is UNKNOWN or matched is UNKNOWN:
        return UNKNOWN
    out = []
    for item in matched:
        name, _ = _named_rule(item, names)
        out.append(Candidate(name, _number(_get(item, "match_score"), None), reason=_text(_get(item, "reasoning")) or None))
    taken = {one.name for one in out}
    for item in retrieved:
        name, _ = _named_rule(item, names)
        if name not in taken:
            out.append(Candidate(name, _number(_get(item, "score"), None), "near-miss", "the rule filter"))
    return tuple(out)


def _tool(item: Any, names: Names) -> ToolCall:
    name = _text(_get(item, "tool_name"))
    if name is None:
        raise TypeError(f"a tool result ({type(item).__name__}) has no 'tool_name'")
    error = _text(_get(item, "error"))
    if error is None and _get(item, "success") is False:
        error = "timeout" if _get(item, "timeout") is True else "failed"
    inputs, outputs = _get(item, "inputs"), _get(item, "outputs")
    return ToolCall(
        name=names.tool(name),
        arguments=_plain(inputs) if isinstance(inputs, Mapping) else UNKNOWN,
        result=UNKNOWN if error is not None or outputs is _MISSING else _plain(outputs),
        error=error,
        duration_ms=_number(_get(item, "execution_time_ms"), None),
    )


def _scenario(found: Any, names: Names) -> ScenarioState | None | UnknownType:
    """As over HTTP: the scenario's id and the step it went to; none where there is no id."""
    if found is _MISSING:
        return UNKNOWN
    scenario, step = _text(_get(found, "scenario_id")), _text(_get(found, "target_step_id"))
    if scenario is None:
        return None
    return ScenarioState(names.scenario(scenario), None if step is None else names.step(scenario, step))


_KINDS = {"relocalize": "relocalise"}


def _transitions(found: Any, names: Names) -> tuple[Transition, ...] | UnknownType:
    if found is _MISSING:
        return UNKNOWN
    action = (_text(_get(found, "action")) or "none").lower()
    if action == "none":
        return ()
    flow = _text(_get(found, "scenario_id"))
    source, target = (_text(_get(found, key)) for key in ("source_step_id", "target_step_id"))
    return (
        Transition(
            kind=_KINDS.get(action, action),
            source=None if source is None else names.step(flow or "", source),
            target=None if target is None else names.step(flow or "", target),
            scenario=None if flow is None else names.scenario(flow),
            reason=_text(_get(found, "reasoning")) or None,
        ),
    )


def _template(generation: Any) -> str | None | UnknownType:
    used = _get(generation, "template_used")
    return UNKNOWN if used is _MISSING else _text(used)


def _tokens(generation: Any) -> Tokens | UnknownType:
    prompt, completion = (_get(generation, key) for key in ("prompt_tokens", "completion_tokens"))
    if not (isinstance(prompt, int) and isinstance(completion, int)):
        return UNKNOWN
    return Tokens(prompt + completion, prompt, completion)


def _enforcement(found: Any, names: Names) -> tuple[Enforcement, ...] | UnknownType:
    """One entry a violation; what was done about it holds for all of a turn."""
    if found is None:
        return ()
    violations = _list(found, "violations")
    if violations is UNKNOWN:
        return UNKNOWN
    action = "violated"
    if _get(found, "fallback_used") is True:
        action = "fallback"
    elif _get(found, "regeneration_succeeded") is True:
        action = "regenerated"
    return tuple([_violation(item, action, names) for item in violations])


def _violation(item: Any, action: str, names: Names) -> Enforcement:
    name, _ = _called(_text(_get(item, "rule_id")), _text(_get(item, "rule_name")), names)
    said = ": ".join(part for key in ("violation_type", "details") if (part := _text(_get(item, key))))
    return Enforcement(name, action, said or _text(item if isinstance(item, str) else None))


def _outcome(found: Any) -> str | UnknownType:
    if found is _MISSING or found is None:
        return UNKNOWN
    said = _text(_get(found, "resolution"))
    return UNKNOWN if said is None else said.lower()


def _plain(value: Any, depth: int = 0) -> Json:
    """Plain data; embeddings and other objects become their text, and nothing goes on for ever."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return value.value if isinstance(value, Enum) else value
    if depth >= _DEEPEST:
        return "..."
    if isinstance(value, Mapping):
        return {str(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item, depth + 1) for item in value]
    return _text(value)

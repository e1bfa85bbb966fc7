"""Turns as two agents take them, or as one takes what was recorded: what differs, in the lanes of a comparison."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from focal_eval.agent import Played
from focal_eval.compare.lanes import COMPARED
from focal_eval.compare.model import Difference, Lane
from focal_eval.compare.structure import equal_json
from focal_eval.records import UNKNOWN, Json
from focal_eval.records.conversation import RecordedExchange

Told = Mapping[str, Json]
COUNTED = frozenset(Lane) - {Lane.CANDIDATES}
"""What was only looked at did nothing: near misses are shown as figures, and are no change."""

OF_RECORDS = frozenset({Lane.RULES, Lane.STEP, Lane.TOOL, Lane.ARGUMENT, Lane.TEMPLATE})
"""What a record is compared in: its words and results were made by something else than rules."""


def equal(one: Played, other: Played, variables: Collection[str]) -> bool:
    """Whether two turns are the same in all that counts; the quick answer for most turns."""
    return (
        one.messages == other.messages
        and (one.scenario, one.step, one.outcome, one.template) == (other.scenario, other.step, other.outcome, other.template)
        and one.tools == other.tools
        and one.moves == other.moves
        and one.enforcement == other.enforcement
        and [match.name for match in one.rules] == [match.name for match in other.rules]
        and all(one.state.variables.get(name) == other.state.variables.get(name) for name in variables)
    )


def told(played: Played, variables: Collection[str]) -> dict[str, Any]:
    """A turn as comparisons read it; of its variables these."""
    matched = [{"name": match.name, "score": match.score} for match in played.rules]
    dropped = [
        {"name": one.name, "score": one.score, "suppressed": one.why, **({} if one.by is None else {"by": one.by})}
        for one in played.dropped
    ]
    return {
        "rules": matched,
        "candidates": matched + dropped,
        "scenario": None if played.scenario is None else {"id": played.scenario, "step": played.step},
        "transitions": [
            {
                key: item
                for key, item in zip(_EDGE, (one.kind, one.scenario, one.source, one.target), strict=True)
                if item is not None
            }
            for one in played.moves
        ],
        "tools": [
            {
                "name": one.name,
                "arguments": one.arguments,
                **({"result": one.result} if one.error is None else {"error": one.error}),
            }
            for one in played.tools
        ],
        "variables": {name: played.state.variables[name] for name in sorted(variables) if name in played.state.variables},
        "template": played.template,
        "enforcement": [
            {"rule": one.rule, "action": one.action, **({} if one.violation is None else {"violation": one.violation})}
            for one in played.enforcement
        ],
        "messages": list(played.messages),
        "response": played.response,
        "outcome": played.outcome,
        "metadata": {"templates": played.metadata["templates"]} if "templates" in played.metadata else {},
    }


_EDGE = ("kind", "scenario", "source", "target")


def told_by_record(turn: RecordedExchange) -> dict[str, Any] | None:
    """What a record tells of a turn's rules; None where it tells neither rules nor the scenario."""
    if turn.rules is UNKNOWN and turn.scenario is UNKNOWN:
        return None
    out: dict[str, Any] = {}
    if turn.rules is not UNKNOWN:
        out["rules"] = [{"name": name} for name in sorted(turn.rules)]
    if turn.scenario is not UNKNOWN:
        place = turn.scenario
        out["scenario"] = None if place is None else {"id": place.id, "step": place.step}
    if turn.template is not UNKNOWN:
        out["template"] = turn.template
    if turn.tools is not UNKNOWN:
        out["tools"] = [
            {"name": call.name, **({} if call.arguments is UNKNOWN else {"arguments": call.arguments})} for call in turn.tools
        ]
    return out


def beside(record: Mapping[str, Any], played: Mapping[str, Any]) -> dict[str, Any]:
    """A turn as it can stand beside a record: what the record does not tell is left out, rules are in no order."""
    out = {key: item for key, item in played.items() if key in record or key == "candidates"}
    if "rules" in out:
        out["rules"] = sorted(out["rules"], key=lambda rule: rule["name"])
    if out.get("scenario") and record.get("scenario") and record["scenario"]["step"] is None:
        out["scenario"] = {**out["scenario"], "step": None}
    if "tools" in out:
        out["tools"] = [{"name": call["name"], "arguments": call["arguments"]} for call in out["tools"]]
    return out


def differences(before: Told, after: Told, lanes: Collection[Lane]) -> tuple[Difference, ...]:
    """What differs in these lanes, in the order of the pipeline; metadata only says which templates were said."""
    keys = [(key, compared) for key, lane, compared in COMPARED if lane in lanes and key in before and key in after]
    return tuple(
        item
        for key, compared in keys
        if key != "metadata" and not equal_json(before[key], after[key])
        for item in compared(before, after)
    )

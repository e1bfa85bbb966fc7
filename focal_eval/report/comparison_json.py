"""A comparison as plain JSON: what `compare --json` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from focal_eval.compare.model import CaseChange, CauseGroup, Change, Comparison, Difference, Edit, Side, TurnPair

FORMAT = 1


def comparison_json(comparison: Comparison, *, same: bool = False) -> dict[str, Any]:
    """The whole comparison; cases in which nothing changed are counted, and listed only where `same` is asked for."""
    return {
        "format": FORMAT,
        "before": _side(comparison.before),
        "after": _side(comparison.after),
        "counts": {change.value: count for change, count in comparison.counts.items()},
        "causes": [_group(group) for group in comparison.groups],
        "cases": [case_json(case) for case in comparison.cases if same or case.change is not Change.SAME],
        "edits": None if comparison.edits is None else [_edit(edit) for edit in comparison.edits],
        "renamed": [{"before": before, "after": after} for before, after in comparison.renamed],
        "masked": dict(comparison.masked),
        "uncompared": dict(comparison.uncompared),
        "left_out": comparison.left_out,
    }


def case_json(case: CaseChange) -> dict[str, Any]:
    """One case with the turns that differ."""
    return {
        "name": case.name,
        "script": case.script,
        "title": case.title,
        "tags": list(case.tags),
        "change": case.change.value,
        "as_before": case.as_before,
        "renamed_from": case.before_name or None,
        "before": case.before,
        "after": case.after,
        "before_id": case.before_id,
        "after_id": case.after_id,
        "tried": dict(zip(("good_before", "judged_before", "good_after", "judged_after"), case.tried, strict=True)),
        "cause": None if case.cause is None else case.cause.key,
        "turn": case.turn,
        "score": None if case.score is None else list(case.score),
        "turns": [_pair(place, pair) for place, pair in enumerate(case.pairs) if pair.differences],
        "conversation": [difference_json(item) for item in case.conversation],
        "records": [difference_json(item) for item in case.records],
    }


def difference_json(found: Difference) -> dict[str, Any]:
    """One difference."""
    return {
        "lane": found.lane.value,
        "kind": found.kind,
        "what": found.what,
        "before": found.before,
        "after": found.after,
        "path": list(found.path),
    }


def _pair(place: int, pair: TurnPair) -> dict[str, Any]:
    differences = [difference_json(item) for item in pair.differences]
    return {"pair": place, "before": pair.before, "after": pair.after, "reworded": pair.reworded, "differences": differences}


def _group(group: CauseGroup) -> dict[str, Any]:
    return {
        "key": group.cause.key,
        "lane": group.cause.lane.value,
        "what": group.cause.what,
        "text": group.text,
        "counts": dict(group.counts),
        "cases": list(group.cases),
        "knock_on": [{"text": text, "cases": count} for text, count in group.knock_on],
        "edits": list(group.edits),
    }


def _edit(edit: Edit) -> dict[str, Any]:
    fields = [{"field": name, "before": before, "after": after} for name, before, after in edit.fields]
    return {"kind": edit.kind, "name": edit.name, "change": edit.change, "line": edit.line, "fields": fields}


def _side(side: Side) -> Mapping[str, Any]:
    return {"name": side.name, "kind": side.kind, "agent": side.agent, "partial": side.partial}

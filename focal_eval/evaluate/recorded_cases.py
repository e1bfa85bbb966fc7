"""Recorded cases of a run as comparisons and baselines see them, one case at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from focal_eval.compare.model import RecordedCase, RecordedTurn
from focal_eval.errors import StorageError
from focal_eval.records.codec import message_from_json, reply_from_json
from focal_eval.report.model import Case, ReportModel


def recorded(model: ReportModel, case: Case) -> RecordedCase:
    """The attempt that decided a case, all of it, read from the journal now. Raises StorageError where it is damaged."""
    last = case.last
    closing: Mapping[str, Any] = {} if last.end is None else model.document(last.end)
    stored = closing.get("messages")
    for message in stored or ():
        _check(model, message, message_from_json)
    return RecordedCase(
        name=case.name,
        script=case.script,
        verdict=case.verdict,
        turns=tuple(_turn(model, model.document(place)) for place in last.turns),
        title=case.title,
        file=case.file,
        tags=case.tags,
        repeat=case.repeat,
        reason=last.reason,
        results=tuple(closing.get("results") or ()),
        messages=None if stored is None else tuple(stored),
        id=case.id,
    )


def _turn(model: ReportModel, line: Mapping[str, Any]) -> RecordedTurn:
    _check(model, line.get("reply"), reply_from_json)
    return RecordedTurn(
        index=line["i"],
        user=line.get("user"),
        reply=line.get("reply"),
        fault=line.get("fault"),
        skipped=line.get("skipped"),
        results=tuple(line.get("results") or ()),
        name=line.get("name"),
        elapsed_ms=line.get("elapsed_ms"),
        first_token_ms=line.get("first_token_ms"),
    )


def _check(model: ReportModel, found: Any, read: Callable[[Any], object]) -> None:
    """A journal may come from anywhere: what is compared has the shape that a run writes."""
    try:
        if found is not None:
            read(found)
    except ValueError as problem:  # Misfit is one
        raise StorageError(f"the journal of {model.folder} is damaged: {problem}") from None


def script_digest(model: ReportModel, case: Case) -> str:
    """The digest of the script a case was played from; empty in the journals of versions that did not keep it."""
    return str(model.document(case.place).get("digest") or "")

"""Recorded cases for tests, made from little."""

from __future__ import annotations

from typing import Any

from focal_eval.compare import Masks, compare_cases
from focal_eval.compare.model import CaseChange, Difference, RecordedCase, RecordedTurn


def reply(text: str = "Hello.", **parts: Any) -> dict[str, Any]:
    """What an engine that reports everything answers."""
    known: dict[str, Any] = {
        "response": text,
        "rules": [],
        "candidates": [],
        "tools": [],
        "scenario": None,
        "variables": {},
        "template": None,
        "enforcement": [],
    }
    return known | parts


def turn(user: str | None = "hi", answer: dict[str, Any] | None = None, **parts: Any) -> RecordedTurn:
    """A turn with a reply, unless it has a fault or was skipped."""
    bare = "fault" in parts or "skipped" in parts
    return RecordedTurn(0, user, None if bare else answer or reply(), **parts)


def case(*turns: RecordedTurn, verdict: str = "passed", **parts: Any) -> RecordedCase:
    """A case of these turns."""
    return RecordedCase(**({"name": "returns/mug", "script": "returns/mug", "verdict": verdict, "turns": turns} | parts))


def rule(name: str, score: float = 1.0) -> dict[str, Any]:
    return {"name": name, "score": score}


def dropped(name: str, why: str, by: str | None = None, score: float = 1.0) -> dict[str, Any]:
    """A candidate that something dropped."""
    return {"name": name, "score": score, "suppressed": why, "by": by}


def call(name: str, arguments: dict[str, Any] | None = None, result: Any = None, **parts: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments or {}, "result": result, **parts}


def result(text: str, outcome: str = "passed", key: str = "rules") -> dict[str, Any]:
    return {"key": key, "text": text, "outcome": outcome, "at": ["x.yaml", 1, 1, 1, 2]}


def compared(before: RecordedCase | None, after: RecordedCase | None, masks: Masks | None = None) -> CaseChange:
    return compare_cases(before, after, masks or Masks())


def between(before: dict[str, Any], after: dict[str, Any], masks: Masks | None = None) -> list[Difference]:
    """The differences of two replies to the same words."""
    change = compared(case(turn(answer=before)), case(turn(answer=after)), masks)
    return list(change.pairs[0].differences)


def told(differences: list[Difference]) -> list[tuple[str, str, str]]:
    """Lane, kind and subject of each."""
    return [(item.lane.value, item.kind, item.what) for item in differences]

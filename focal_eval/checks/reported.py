"""What an engine does not report, in words."""

from __future__ import annotations

from typing import TypeVar

from focal_eval.checks.base import Unreported
from focal_eval.records import UNKNOWN, UnknownType

IN_WORDS = {
    "response": "the text of its replies",
    "rules": "matched rules",
    "candidates": "which rules were candidates",
    "tools": "tool calls",
    "scenario": "the scenario",
    "transitions": "scenario transitions",
    "template": "templates",
    "enforcement": "enforcement of hard constraints",
    "outcome": "outcomes",
    "variables": "variables",
    "citations": "citations",
    "follow_ups": "follow-ups",
    "reasoning": "reasoning",
    "reasoning_ms": "the time it reasoned",
    "confidence": "confidence",
    "progress": "progress",
    "model": "the model that wrote a reply",
    "finish_reason": "why its model stopped",
    "type": "the type of its replies",
    "format": "the format of its replies",
    "metadata": "metadata",
    "tokens": "tokens",
    "cost": "its cost",
    "latency_ms": "its latency",
    "messages_stored": "stored messages",
}
"""The fields of a reply as they stand in "this engine does not report ..."."""

T = TypeVar("T")


def not_reported(field: str) -> str:
    """The reason a check that needs an unknown field is skipped for."""
    return f"this engine does not report {IN_WORDS.get(field, field)}"


def known(value: T | UnknownType, field: str) -> T:
    """The value, where it is known; else the check is skipped with the reason of `field`."""
    if value is UNKNOWN:
        raise Unreported(not_reported(field))
    return value

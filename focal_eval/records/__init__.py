"""What was observed, in one shape for all engines, and what judging made of it."""

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
from focal_eval.records.unknown import UNKNOWN, Unknown, UnknownType
from focal_eval.records.verdict import CheckResult, Finding, Outcome, Verdict

__all__ = [
    "UNKNOWN",
    "Candidate",
    "CheckResult",
    "Citation",
    "Enforcement",
    "Fault",
    "Finding",
    "Json",
    "MessageRecord",
    "Outcome",
    "Reply",
    "RuleMatch",
    "ScenarioState",
    "Tokens",
    "ToolCall",
    "Transcript",
    "Transition",
    "TurnRecord",
    "Unknown",
    "UnknownType",
    "Verdict",
]

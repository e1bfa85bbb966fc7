"""What was observed, in one shape for all engines, and what judging made of it."""

from focal_eval.records.asked import Answer, Question, Rubric, Vote
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
from focal_eval.records.verdict import CheckResult, Finding, JudgedBy, Outcome, Verdict

__all__ = [
    "UNKNOWN",
    "Answer",
    "Candidate",
    "CheckResult",
    "Citation",
    "Enforcement",
    "Fault",
    "Finding",
    "Json",
    "JudgedBy",
    "MessageRecord",
    "Outcome",
    "Question",
    "Reply",
    "Rubric",
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
    "Vote",
]

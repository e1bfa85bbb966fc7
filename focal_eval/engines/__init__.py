"""Speaks to one chat engine; an adapter never sees scripts' expectations or checks."""

from focal_eval.engines.base import (
    Abilities,
    Engine,
    EngineConfig,
    HistoryTurn,
    Names,
    Probe,
    Session,
    SessionStart,
    Setting,
    StubAnswers,
    ToolAnswer,
)

__all__ = [
    "Abilities",
    "Engine",
    "EngineConfig",
    "HistoryTurn",
    "Names",
    "Probe",
    "Session",
    "SessionStart",
    "Setting",
    "StubAnswers",
    "ToolAnswer",
]

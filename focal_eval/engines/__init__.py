"""Speaks to one chat engine; each adapter is one file, found through the registry."""

from focal_eval.engines.base import Abilities, Engine, HistoryTurn, Session, SessionStart, StubAnswers, ToolAnswer

__all__ = ["Abilities", "Engine", "HistoryTurn", "Session", "SessionStart", "StubAnswers", "ToolAnswer"]

"""Judges one turn or one conversation: pure over records, never near an engine."""

from focal_eval.checks.base import Conversation, ConversationCheck, Moment, Ref, TurnCheck, Unreported
from focal_eval.checks.judging import judge_check

__all__ = ["Conversation", "ConversationCheck", "Moment", "Ref", "TurnCheck", "Unreported", "judge_check"]

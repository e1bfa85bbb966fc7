"""Which rules, steps and tools recorded runs exercised, and which of them an expectation would miss."""

from focal_eval.coverage.model import CaseTrace, Item, Key, State, items_of
from focal_eval.coverage.trace import trace_case

__all__ = ["CaseTrace", "Item", "Key", "State", "items_of", "trace_case"]

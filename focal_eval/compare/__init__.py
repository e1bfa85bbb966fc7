"""Says what changed between two recordings of the same conversations, and whether it matters."""

from focal_eval.compare.agents import agent_edits
from focal_eval.compare.cause import grouped
from focal_eval.compare.diff import compare_cases
from focal_eval.compare.mask import Masks, masks_of
from focal_eval.compare.repeated import compare_repeats

__all__ = ["Masks", "agent_edits", "compare_cases", "compare_repeats", "grouped", "masks_of"]

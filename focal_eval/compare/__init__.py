"""Says what changed between two recordings of the same conversations, and whether it matters."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from focal_eval.compare.agents import agent_edits
    from focal_eval.compare.cause import grouped
    from focal_eval.compare.diff import compare_cases
    from focal_eval.compare.mask import Masks, masks_of
    from focal_eval.compare.repeated import compare_repeats

_WHERE = {
    "Masks": "mask",
    "agent_edits": "agents",
    "compare_cases": "diff",
    "compare_repeats": "repeated",
    "grouped": "cause",
    "masks_of": "mask",
}

__all__ = ["Masks", "agent_edits", "compare_cases", "compare_repeats", "grouped", "masks_of"]


def __getattr__(name: str) -> Any:
    """Imports what is asked for and no more: a run takes figures from this room, and must start fast."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)

"""How many examples a property is held against: some in every run, all of them by `make prove`."""

from __future__ import annotations

import os


def examples(count: int) -> int:
    """A third of them, where that is at least twenty; all with FOCAL_EVAL_EXAMPLES=all."""
    return count if os.environ.get("FOCAL_EVAL_EXAMPLES") == "all" else min(count, max(20, count // 3))

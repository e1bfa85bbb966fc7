"""Criteria in words become `response.judge` and `conversation.judge`, likeness by meaning `response.means`.

A rubric is asked as it was written wherever the other tool asks the same yes or no of a text; else its words say what that tool
makes of it. A share that is asked for becomes points of ten. What a judge cannot see, such as calls, sources and pictures, is
no rubric: those criteria stay with their importers, told as left behind.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from focal_eval.importers.write import said

POINTS = 10  # the scale on which a share of what is asked for is judged

SENTENCES = {
    "judged-points": f"criteria with a threshold: the judge gives points from 1 to {POINTS}, and the same share of them passes",
    "judged-words": "criteria that the other tool grades by prompts of its own: asked of a judge in words that mean the same",
}
"""What the losses counted here mean."""
APPROXIMATED = frozenset(SENTENCES)
KEPT = "judged rubrics"
"""How the report of an import counts rubrics that are asked as they were written."""


def judged(rubric: str, share: Any = None, *, whole: bool = False) -> Any:
    """A `judge` expectation's value; `share` is what of the best grade passes, `whole` has all replies so far judged."""
    text = said(rubric.strip())
    points = points_of(share)
    if points is None and not whole:
        return text
    out: dict[str, Any] = {"rubric": text}
    if points is not None:
        out |= {"scale": POINTS, "at_least": points}
    return out | ({"of": "conversation"} if whole else {})


def points_of(share: Any) -> int | None:
    """The points that pass where this share is asked for; None where none is asked, or it is no share."""
    number = isinstance(share, (int, float)) and not isinstance(share, bool)
    return max(2, math.ceil(round(share * POINTS, 6))) if number and 0 < share <= 1 else None


def meaning(texts: Sequence[str], *, guarded: bool = True) -> Any:
    """A `means` expectation's value: one of the texts is meant; unguarded, numbers and denials are not looked at."""
    found = [said(text) for text in texts]
    given: Any = found if len(found) > 1 else found[0]
    return given if guarded else {"text": given, "numbers": "any", "denial": "any"}

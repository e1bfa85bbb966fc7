"""How a simulated conversation went, in words: the states in order, the end, and who is to blame."""

from __future__ import annotations

from itertools import groupby

from focal_eval.records.simulated import Ending, ending_from_json
from focal_eval.report.model import Case, ReportModel

ENDS = {
    "done": "done",
    "gives_up": "gives up",
    "leaves": "leaves",
    "no-edge": "no edge fits",
    "unknown-fact": "cannot tell",
    "max-turns": "too many messages",
    "too-often": "said too often",
    "stuck": "stuck",
    "unsayable": "cannot say it",
    "broke": "broke",
    "engine-broke": "the engine broke",
}
"""The ends in words; the page has the same in `simulated.js`."""


def ending_of(run: ReportModel, case: Case) -> Ending | None:
    """How the last attempt of a case ended, where its user was simulated and it was not cut off."""
    if "simulated" not in case.marks or case.last.end is None:
        return None
    told = run.document(case.last.end).get("ending")
    try:
        return None if told is None else ending_from_json(told)
    except (ValueError, TypeError, AttributeError):  # of a damaged journal: the rest of the case can be shown
        return None


def ending_words(ending: Ending) -> str:
    """`asks → gives_order ×2 → gives up; to blame: engine`."""
    steps = [(state, len(list(group))) for state, group in groupby(ending.path)]
    path = [state if count == 1 else f"{state} ×{count}" for state, count in steps]
    words = " → ".join([*path, ENDS.get(ending.end, ending.end)])
    return words if ending.blame is None else f"{words}; to blame: {ending.blame}"

"""How a simulated conversation went, in words: the states in order, the end, and who is to blame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from focal_eval.records.simulated import Ending, ending_from_json
from focal_eval.report.characters import one_line
from focal_eval.report.model import Case, ReportModel
from focal_eval.text import counted

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
    if ending.blame is None:
        return words
    told = "; ".join(evidence_words(one.kind, one.turn, one.told) for one in ending.audit)
    return f"{words}; to blame: {ending.blame}" + (f" ({told})" if told and ending.blame != "engine" else "")


def evidence_words(kind: str, turn: int | None, told: str) -> str:
    """`turn 2: 'A-9' stands in no fact, and the agent never said it [invented]`."""
    return one_line(f"{'' if turn is None else f'turn {turn + 1}: '}{told} [{kind}]", 200)


def _header(run: ReportModel) -> Mapping[str, Any] | None:
    found = run.header.get("simulator")
    return found if isinstance(found, dict) else None


def simulated_words(run: ReportModel) -> str | None:
    """How the simulated conversations of a run ended, and who is to blame; None where there are none."""
    told = _header(run)
    if told is None:
        return None
    ends = ", ".join(f"{count:,} {ENDS.get(name, name)}" for name, count in told["ends"].items())
    blame = ", ".join(f"{name} {count:,}" for name, count in told["blame"].items() if count) or "nobody"
    share = f"{told['share']:.0%} by the simulator's doing, 95 % interval {told['low']:.0%} to {told['high']:.0%}"
    parts = [f"{counted(told['conversations'], 'simulated conversation')}: {ends}", f"to blame: {blame} ({share})"]
    if told.get("played"):
        parts.append(_played(told))
    return one_line("; ".join(parts), 600)


def _played(told: Mapping[str, Any]) -> str:
    """`simulator-model worded 12 messages at temperature 0.7, 12 kept from before; 900 tokens, cost 0.01`."""
    heat = ", ".join(f"{one:g}" for one in told["temperatures"])
    words = f"{', '.join(told['models'])} worded {counted(told['messages'], 'message')} at temperature {heat}"
    words += f", {told['kept']:,} kept from before" if told.get("kept") else ""
    words += f"; {told['tokens']:,} tokens" if told.get("tokens") is not None else ""
    return words + (f", cost {told['cost']:.6f}".rstrip("0").rstrip(".") if told.get("cost") is not None else "")


def simulated_warning(run: ReportModel) -> str | None:
    """Why a run's simulated conversations are to be taken with care, None where nothing speaks against them."""
    warning = (_header(run) or {}).get("warning")
    return None if warning is None else one_line(str(warning), 300)


def blamed_words(run: ReportModel) -> Iterator[str]:
    """The conversations that went wrong and not surely by the engine's doing, each in a line."""
    for one in (_header(run) or {}).get("blamed") or ():
        told = "; ".join(evidence_words(item["kind"], item["turn"], item["told"]) for item in one["evidence"])
        yield one_line(f"simulated[{one['case']}]: to blame: {one['blame']}: {told or one['why']}", 400)

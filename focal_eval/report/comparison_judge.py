"""What a judge preferred, as the comparison's page shows it: a lane of its own, apart from all that was compared."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import quote_plus

from focal_eval.report.characters import one_line, visible
from focal_eval.report.preference_words import audit_words, missed_words, share_words, spent_words, swap_words, warning_of
from focal_eval.text import counted

SHOWN = 500  # pairs; the rest is counted, and stands in the JSON document
LONGEST = 4_000  # characters of a reply
OUTCOMES = {
    "before": ("worse", "Baseline preferred", "regressed"),
    "after": ("better", "Candidate preferred", "fixed"),
    "order": ("order", "The order decided", "changed"),
    "abstain": ("abstained", "The judge abstained", "unjudged"),
    "error": ("error", "Could not be asked", "errored"),
}
"""Of each outcome: its name, its words, its icon; the most urgent first."""
SIDES = {"before": "prefers the baseline", "after": "prefers the candidate", "abstain": "abstains"}


def lane(preference: Mapping[str, Any] | None, known: Collection[str]) -> dict[str, Any] | None:
    """What the page's template shows; None where no judge was asked. Cases that are `known` are linked to."""
    if preference is None:
        return None
    pairs = sorted(preference["pairs"], key=lambda pair: list(OUTCOMES).index(outcome_of(pair)))
    counts = {name: sum(outcome_of(pair) == name for pair in pairs) for name in OUTCOMES}
    return {
        "model": one_line(str(preference["model"]), 100),
        "total": len(pairs),
        "counts": [(*OUTCOMES[name], count) for name, count in counts.items() if count or name in ("before", "after")],
        "facts": [
            f"{found[0].upper()}{found[1:]}."
            for found in (share_words(preference), swap_words(preference), audit_words(preference), spent_words(preference))
            if found is not None
        ],
        "warning": warning_of(preference),
        "missed": list(missed_words(preference)),
        "left_out": preference["left_out"],
        "pairs": [_pair(pair, known) for pair in pairs[:SHOWN]],
        "more": max(0, len(pairs) - SHOWN),
        "asked": counted(len(pairs), "changed reply", "changed replies"),
    }


def outcome_of(pair: Mapping[str, Any]) -> str:
    """`before` or `after`, which is preferred; `order` or `abstain`, why neither is; `error`."""
    better = str(pair["better"])
    return better if better != "tie" else "abstain" if pair["abstained"] else "order"


def _pair(pair: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    name, words, icon = OUTCOMES[outcome_of(pair)]
    case = str(pair["case"])
    return {
        "outcome": name,
        "words": words,
        "icon": icon,
        "case": visible(case),
        "link": f"#case={quote_plus(case, safe=':/,')}" if case in known else None,
        "turn": int(pair["turn"]) + 1,
        "before": _said(pair["before"]),
        "after": _said(pair["after"]),
        "why": None if pair.get("why") is None else one_line(str(pair["why"]), 400),
        "orders": _orders(pair["orders"]),
    }


def _orders(orders: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What was said in each order; once where it was the same in both."""
    rows = [_order(order) for order in orders]
    same = len(rows) == 2 and {**rows[0], "first": ""} == {**rows[1], "first": ""}
    return [{**rows[0], "first": "Both orders"}] if same else rows


def _order(order: Mapping[str, Any]) -> dict[str, Any]:
    first = "Baseline" if order["first"] == "before" else "Candidate"
    return {
        "first": f"{first} first",
        "prefers": SIDES[str(order["prefers"])],
        "told": order["told"],
        "why": None if order["why"] is None else one_line(str(order["why"]), 400),
        "quote": None if order["quote"] is None else one_line(str(order["quote"]), 400),
    }


def _said(text: Any) -> str:
    words = str(text)
    return visible(words if len(words) <= LONGEST else f"{words[:LONGEST]} …")

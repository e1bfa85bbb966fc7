"""Histories as plain data; rates are null where there was nothing to take them from."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from focal_eval.store.answers import CaseHistory, Rate, RuleHistory, Standing, StoredRun, SuiteHistory, Trend


def case_json(found: CaseHistory) -> dict[str, Any]:
    """A case's history."""
    return {
        "what": "case",
        **asdict(found),
        "passed": _rate(found.passed),
        "flake": _rate(found.flake),
        "time_ms": _trend(found.time),
        "tokens": _trend(found.tokens),
    }


def rule_json(found: RuleHistory) -> dict[str, Any]:
    """A rule's history."""
    cases = [{"name": name, "turns": turns, "verdict": verdict} for name, turns, verdict in found.cases]
    return {"what": "rule", **asdict(found), "cases": cases, "passed": _rate(found.passed)}


def suite_json(found: SuiteHistory) -> dict[str, Any]:
    """A suite's history."""
    lists = {name: [_standing(item) for item in getattr(found, name)] for name in ("flakiest", "slowest", "bad")}
    return {"what": "suite", **asdict(found), **lists, "passed": _rate(found.passed), "flake": _rate(found.flake)}


def run_json(run: StoredRun) -> dict[str, Any]:
    """A stored run."""
    return asdict(run)


def _standing(item: Standing) -> dict[str, Any]:
    return {**asdict(item), "passed": _rate(item.passed), "flake": _rate(item.flake)}


def _rate(rate: Rate) -> dict[str, Any]:
    return {"rate": rate.value, "hits": rate.hits, "of": rate.of}


def _trend(trend: Trend) -> dict[str, Any]:
    older, newer = trend.halves or (None, None)
    return {"median": trend.median, "last": trend.known[-1] if trend.known else None, "older": older, "newer": newer}

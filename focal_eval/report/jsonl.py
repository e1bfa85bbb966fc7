"""Results for programs: `run.jsonl`, a line a case, and one document of a whole run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from focal_eval.records import Json
from focal_eval.records.simulated import ending_to_json
from focal_eval.report.base import ReportOptions, save, save_parts, target
from focal_eval.report.model import Attempt, Case, Failure, ReportModel, unjudged_in
from focal_eval.report.simulated_words import ending_of
from focal_eval.report.wording import verdict_words

NAME = "run.jsonl"
DOCUMENT = "run-results.json"
FORMAT = 1
_HEADER = (
    *("id", "focal_eval", "started_at", "finished_at", "state", "lost", "suite", "engine", "plan", "options"),
    *("verdict", "exit_code", "elapsed_ms"),
)


def write(run: ReportModel, out: Path, _options: ReportOptions | None = None) -> Path:
    """Writes `run.jsonl`: each line is an entry of `as_json(run)["cases"]` with the run's id in `run`."""
    begin = {"run": run.header.get("id")}
    lines = (orjson.dumps(begin | case_json(run, case)) + b"\n" for case in run.cases)
    return save_parts(target(out, NAME), lines)


def write_document(run: ReportModel, out: Path, _options: ReportOptions | None = None) -> Path:
    """Writes `as_json(run)` as `run-results.json`."""
    return save(target(out, DOCUMENT), orjson.dumps(as_json(run), option=orjson.OPT_INDENT_2) + b"\n")


def as_json(run: ReportModel) -> dict[str, Any]:
    """The run as one document; its keys are described in docs/reference/report.md."""
    return {
        "format": FORMAT,
        **{key: run.header.get(key) for key in _HEADER},
        "partial": run.partial,
        "words": verdict_words(run),
        "counts": run.counts,
        "flaky": run.flaky,
        "spared": run.header.get("spared") or 0,
        "statistics": run.header.get("statistics"),
        "tolerated": run.tolerated,
        "unjudged": run.unjudged,
        "quarantine": list(run.header.get("quarantine") or ()),
        "damaged_lines": run.damaged,
        "gates": list(run.gates),
        **({"judge": run.header["judge"]} if run.header.get("judge") else {}),
        **({"simulator": run.header["simulator"]} if run.header.get("simulator") else {}),
        "cases": [case_json(run, case) for case in run.cases],
    }


def case_json(run: ReportModel, case: Case) -> dict[str, Any]:
    """One case: what it is, its verdict, and what went wrong in its last attempt."""
    last = case.last
    out: dict[str, Any] = {
        "case": case.id,
        "name": case.name,
        "script": case.script,
        "title": case.title,
        "file": case.file,
        "line": case.line,
        "tags": list(case.tags),
        "params": case.params,
        "repeat": case.repeat,
        "verdict": case.verdict,
        "elapsed_ms": round(case.elapsed_ms, 3),
        "turns": last.count,
        "failed": last.failed,
        "soft": last.soft,
    }
    if case.flaky:
        out["flaky"] = True
    if len(case.attempts) > 1:
        out["attempts"] = [_attempt_json(attempt) for attempt in case.attempts]
    if case.message is not None:
        out["message"] = case.message
    if (ending := ending_of(run, case)) is not None:
        out["ending"] = ending_to_json(ending)
    if last.failed or last.soft:
        out["failures"] = [_failure_json(failure) for failure in run.failures(case)]
    if last.tolerated:
        out["tolerated"] = run.tolerated_in(case)
    if reasons := unjudged_in(case):
        out["unjudged"] = dict(sorted(Counter(reasons).items()))
    if (held := run.quarantine_of(case)) is not None:
        out["quarantine"] = {key: held.get(key) for key in ("owner", "expires", "reason")}
    return out


def _attempt_json(attempt: Attempt) -> dict[str, Json]:
    return {
        "attempt": attempt.number,
        "verdict": attempt.verdict or "not_run",
        "elapsed_ms": attempt.elapsed_ms,
        "message": attempt.message or attempt.reason,
    }


def _failure_json(failure: Failure) -> Mapping[str, Json]:
    said = {"turn": failure.turn, "user": failure.user, "response": failure.response}
    out = {key: value for key, value in said.items() if value is not None}
    return out | ({"fault": failure.fault} if failure.result is None else dict(failure.result))

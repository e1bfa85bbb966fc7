"""What a run came to, in words: one wording for every rendering."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from focal_eval.records import Json
from focal_eval.report.model import ReportModel

WORDS = {
    "errored": "errored",
    "failed": "failed",
    "xpassed": "passed unexpectedly",
    "not_run": "not run",
    "xfailed": "failed as expected",
    "skipped": "skipped",
    "passed": "passed",
}
MARKS = {"errored": "!", "failed": "✗", "xpassed": "↑", "not_run": "…", "xfailed": "≈", "skipped": "–", "passed": "✓"}

Tone = Literal["passed", "failed", "errored", "partial"]


def tone(run: ReportModel) -> Tone:
    """The colour of the whole: partial wins over a verdict that may still change, unless something failed already."""
    verdict = run.header.get("verdict")
    if verdict == "failed" or run.counts["failed"] or run.counts["xpassed"]:
        return "failed"
    if run.partial or not run.planned:
        return "partial"
    return "errored" if verdict == "no-verdict" else "passed"


def verdict_words(run: ReportModel) -> str:
    """The verdict in one sentence without a full stop."""
    counts, total = run.counts, run.planned
    if run.partial:
        return _partial_words(run, total - counts["not_run"], total)
    if not total:
        return "No case was run"
    bad = counts["failed"] + counts["xpassed"]
    if bad:
        return f"{bad} of {_cases(total)} failed" + (f" and {counts['errored']} errored" if counts["errored"] else "")
    if counts["errored"]:
        return f"No verdict: {counts['errored']} of {_cases(total)} errored"
    missed = [str(gate["name"]) for gate in run.gates if not gate.get("passed")]
    if missed:
        return f"No case failed, but {'a gate' if len(missed) == 1 else f'{len(missed)} gates'} did: {', '.join(missed)}"
    if counts["passed"] == total:
        return f"All {_cases(total)} passed" if total > 1 else "The case passed"
    rest = ", ".join(f"{counts[name]:,} {WORDS[name]}" for name in ("xfailed", "skipped", "not_run") if counts[name])
    return f"{counts['passed']:,} of {_cases(total)} passed, {rest}"


def _partial_words(run: ReportModel, done: int, total: int) -> str:
    begin = {"interrupted": "Interrupted", "stopped": "Stopped at a failure"}.get(str(run.header.get("state")), "Cut off")
    bad = ", ".join(f"{run.counts[name]} {WORDS[name]}" for name in ("errored", "failed", "xpassed") if run.counts[name])
    return f"{begin} after {done} of {_cases(total)}: {bad or 'no failure so far'}"


def partial_note(run: ReportModel) -> str | None:
    """What a reader of a partial run must know, or None where the run is whole."""
    notes = []
    if run.partial:
        why = {
            "interrupted": "it was interrupted",
            "stopped": "it was told to stop at the first failure",
        }.get(str(run.header.get("state")), "it was killed or is still running")
        notes.append(f"Partial run: {why}; only what was recorded is shown.")
    if run.damaged:
        lines = "1 line" if run.damaged == 1 else f"{run.damaged} lines"
        notes.append(f"{lines} of the journal could not be read and {'is' if run.damaged == 1 else 'are'} left out.")
    return " ".join(notes) or None


def _cases(count: int) -> str:
    return "1 case" if count == 1 else f"{count:,} cases"


def counts_words(counts: Mapping[str, int]) -> str:
    """`2 failed, 46 passed`: the counters that are not zero, worst first."""
    return ", ".join(f"{count:,} {WORDS[name]}" for name, count in counts.items() if count) or "no cases"


def elapsed_words(ms: float | None) -> str:
    """A stretch of time for people: `850 ms`, `3.2 s`, `2 min 05 s`, `1 h 10 min`."""
    if ms is None:
        return "unknown"
    if ms < 1000:
        return f"{ms:.0f} ms" if ms >= 10 or ms == 0 else f"{ms:.1f} ms"
    seconds = ms / 1000
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def moment_words(text: str | None) -> str:
    """An ISO 8601 time as people read it, in UTC as it was written."""
    if not text:
        return "unknown"
    try:
        return datetime.fromisoformat(text).strftime("%-d %B %Y, %H:%M:%S UTC")
    except ValueError:
        return text


def gate_name(gate: Mapping[str, Json]) -> str:
    """`pass_rate` as words."""
    return str(gate.get("name", "gate")).replace("_", " ")


def gate_limit(gate: Mapping[str, Json]) -> str:
    """`≥ 1` or `≤ 2000` or both."""
    limit = gate.get("limit") or {}
    signs = [f"{sign} {number(limit[key])}" for key, sign in (("min", "≥"), ("max", "≤")) if limit.get(key) is not None]
    return " and ".join(signs)


def number(value: Json) -> str:
    """A figure without noise: rates to a millionth, other small figures to four digits, from a thousand on whole."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}" if abs(value) >= 1 else f"{value:.6f}".rstrip("0").rstrip(".")


def facts(run: ReportModel) -> list[tuple[str, str]]:
    """What was run, on what, when: label and value, in the order of reading."""
    header = run.header
    suite, engine = header.get("suite") or {}, header.get("engine") or {}
    agent = engine.get("agent") or {}
    kind, name = engine.get("kind"), engine.get("name")
    rows = [
        ("Suite", " · ".join(filter(None, (suite.get("title"), suite.get("file")))) or "scripts without a suite"),
        ("Engine", f"{name} ({kind})" if name and name != kind else str(kind or "unknown")),
        ("Agent", " · ".join(filter(None, (agent.get("id"), agent.get("file"))))),
        ("Started", moment_words(header.get("started_at"))),
        ("Took", elapsed_words(header.get("elapsed_ms")) if header.get("elapsed_ms") is not None else ""),
        ("Run", str(header.get("id") or run.folder.name)),
        ("Version", str(header.get("focal_eval") or "")),
    ]
    return [(label, value) for label, value in rows if value]

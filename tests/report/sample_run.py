"""Run folders for the report's tests: a rich one with every kind of outcome, and one of any size.

`python -m tests.report.sample_run FOLDER` writes the rich run, `--cases 10000` a big one.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from focal_eval.clock import content_id
from focal_eval.records import CheckResult, Fault, Finding, MessageRecord, Outcome, Reply, Verdict
from focal_eval.records.codec import fault_to_json, message_to_json, reply_to_json, result_to_json
from focal_eval.source import Span

STARTED = "2026-11-21T07:40:02.125000+00:00"
FINISHED = "2026-11-21T07:40:05.325000+00:00"
LIMITS = {"min": 1.0}


@dataclass
class Turn:
    """One recorded turn; `results` as checks give them."""

    user: str | None
    reply: Reply | None = None
    results: tuple[CheckResult, ...] = ()
    golden: str | None = None
    name: str | None = None
    fault: Fault | None = None
    skipped: str | None = None
    saved: dict[str, Any] = field(default_factory=dict)
    elapsed_ms: float = 4.25
    first_token_ms: float | None = None


@dataclass
class Attempt:
    """One try of a case."""

    turns: list[Turn]
    verdict: Verdict | None = Verdict.PASSED  # None: cut off
    results: tuple[CheckResult, ...] = ()
    messages: tuple[MessageRecord, ...] | None = None
    reason: str | None = None
    elapsed_ms: float = 21.5


@dataclass
class Case:
    """One case with all its attempts."""

    script: str
    title: str
    attempts: list[Attempt]
    tags: tuple[str, ...] = ()
    params: dict[str, Any] = field(default_factory=dict)
    repeat: int = 1
    marks: dict[str, str] = field(default_factory=dict)
    line: int = 1
    planned: int = 0  # turns the script has, where fewer were played

    @property
    def name(self) -> str:
        inner = ",".join(f"{key}={value}" for key, value in self.params.items())
        return self.script + (f"[{inner}]" if inner else "") + (f"#{self.repeat}" if self.repeat > 1 else "")

    @property
    def file(self) -> str:
        return f"scenarios/{self.script}.yaml"


def passed(key: str, text: str, file: str, line: int, *, soft: bool = False) -> CheckResult:
    """A check that held."""
    return CheckResult(key, text, Outcome.PASSED, Span(file, line, 7, line, 7 + len(key)), soft=soft)


def failed(
    key: str,
    text: str,
    file: str,
    line: int,
    *findings: Finding,
    source: str | None = None,
    because: str | None = None,
    soft: bool = False,
    column: int = 7,
) -> CheckResult:
    """A check that did not hold, with the script's two lines."""
    written = source or f"      {key}: {text}"
    excerpt = ((line - 1, "    expect:"), (line, written))
    span = Span(file, line, column, line, max(column, len(written.rstrip("]}"))) + 1)
    return CheckResult(key, text, Outcome.FAILED, span, findings, None, soft, because, excerpt)


def unjudged(outcome: Outcome, key: str, text: str, file: str, line: int, reason: str) -> CheckResult:
    """A check that was skipped, or crashed."""
    excerpt = ((line, f"      {key}: ..."),)
    return CheckResult(key, text, outcome, Span(file, line, 7, line, 7 + len(key)), (), reason, False, None, excerpt)


def _case_line(case: Case, case_id: str) -> dict[str, Any]:
    return {
        "t": "case",
        "case": case_id,
        "name": case.name,
        "script": case.script,
        "title": case.title,
        "file": case.file,
        "line": case.line,
        "tags": list(case.tags),
        "params": case.params,
        "repeat": case.repeat,
        "channel": "webchat",
        "turns": case.planned or max((len(attempt.turns) for attempt in case.attempts), default=0),
        "marks": case.marks,
    }


def _turn_line(turn: Turn, case_id: str, attempt: int, index: int) -> dict[str, Any]:
    line: dict[str, Any] = {"t": "turn", "case": case_id, "attempt": attempt, "i": index, "user": turn.user}
    if turn.golden is not None:
        line["agent"] = turn.golden
    if turn.name is not None:
        line["name"] = turn.name
    if turn.skipped is not None:
        line["skipped"] = turn.skipped
    elif turn.fault is not None:
        line["fault"] = fault_to_json(turn.fault)
    else:
        assert turn.reply is not None
        line["reply"] = reply_to_json(turn.reply)
    line["elapsed_ms"] = turn.elapsed_ms
    if turn.first_token_ms is not None:
        line["first_token_ms"] = turn.first_token_ms
    line["results"] = [result_to_json(result) for result in turn.results]
    if turn.saved:
        line["saved"] = turn.saved
    return line


def _attempt_line(attempt: Attempt, case_id: str, number: int) -> dict[str, Any]:
    line: dict[str, Any] = {"t": "attempt", "case": case_id, "attempt": number, "verdict": str(attempt.verdict)}
    if attempt.reason is not None:
        line["reason"] = attempt.reason
    line["elapsed_ms"] = attempt.elapsed_ms
    line["results"] = [result_to_json(result) for result in attempt.results]
    if attempt.messages is not None:
        line["messages"] = [message_to_json(message) for message in attempt.messages]
    return line


def case_lines(case: Case) -> Iterable[dict[str, Any]]:
    """The journal's lines of one case."""
    case_id = content_id(case.name)
    yield _case_line(case, case_id)
    for number, attempt in enumerate(case.attempts, 1):
        for index, turn in enumerate(attempt.turns):
            yield _turn_line(turn, case_id, number, index)
        if attempt.verdict is not None:
            yield _attempt_line(attempt, case_id, number)


def header(cases: int, turns: int, **changes: Any) -> dict[str, Any]:
    """`run.json` as it stands when a run begins."""
    return {
        "format": 1,
        "focal_eval": "1.0.0",
        "id": "2026-11-21T07-40-02-5f1c",
        "started_at": STARTED,
        "finished_at": None,
        "state": "running",
        "suite": {"file": "evals/retail.yaml", "digest": "sha256:8d5b3e1f7a2c", "title": "Retail support"},
        "engine": {
            "kind": "embedded",
            "name": "embedded",
            "agent": {"file": "evals/agents/retail.yaml", "digest": "sha256:41f09ac2", "id": "retail-support"},
            "reports": ["candidates", "response", "rules", "scenario", "template", "tools", "transitions"],
        },
        "plan": {"cases": cases, "turns": turns},
        "options": {"tags": [], "keyword": None, "repeats": 1, "concurrency": 16, "timeout_s": 30},
        "counts": {},
        "gates": [],
        "verdict": None,
        "exit_code": None,
        "elapsed_ms": None,
    } | changes


def ending(cases: list[Case], **changes: Any) -> dict[str, Any]:
    """The journal's last line."""
    counts = Counter(str(case.attempts[-1].verdict) for case in cases)
    good = sum(counts[verdict] for verdict in ("passed", "xfailed"))
    judged = len(cases) - counts["skipped"]
    rate = round(good / judged, 4) if judged else 1.0
    bad = counts["failed"] + counts["xpassed"]
    verdict = "no-verdict" if counts["errored"] and not bad else "failed" if bad else "passed"
    gates = [
        {
            "name": "pass_rate",
            "limit": {"min": 1.0},
            "observed": rate,
            "passed": rate >= 1.0,
            "message": f"pass_rate is {rate:.4g}, at least 1 is asked for",
        },
        {
            "name": "p95_latency_ms",
            "limit": {"max": 2000},
            "observed": 412.7,
            "passed": True,
            "message": "p95_latency_ms is 412.7, at most 2000 is asked for",
        },
    ]
    return {
        "t": "end",
        "state": "finished",
        "counts": {str(name): counts[name] for name in (*Verdict, "not_run")},
        "gates": gates,
        "verdict": verdict,
        "exit_code": {"passed": 0, "failed": 1, "no-verdict": 3}[verdict],
        "elapsed_ms": 3200.0,
        "finished_at": FINISHED,
    } | changes


def write_run(folder: Path, cases: list[Case], *, end: bool = True, tail: bytes = b"", **changes: Any) -> Path:
    """A run folder of these cases; without `end` it is a run that was killed, `tail` is the torn last line."""
    folder.mkdir(parents=True, exist_ok=True)
    start = header(len(cases), sum(len(case.attempts[0].turns) for case in cases), **changes)
    final = start
    with (folder / "journal.jsonl").open("wb") as journal:
        journal.write(orjson.dumps({"t": "run"} | start) + b"\n")
        for case in cases:
            for line in case_lines(case):
                journal.write(orjson.dumps(line) + b"\n")
        if end:
            last = ending(cases)
            journal.write(orjson.dumps(last) + b"\n")
            final = start | {key: value for key, value in last.items() if key != "t"}
        journal.write(tail)
    (folder / "run.json").write_bytes(orjson.dumps(final, option=orjson.OPT_INDENT_2) + b"\n")
    return folder


def main() -> None:
    """Writes a run folder from the command line."""
    from tests.report.sample_cases import rich_cases
    from tests.report.sample_volume import volume_cases

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", type=int, default=0, help="write a big run of so many cases instead of the rich one")
    parser.add_argument("--turns", type=int, default=5)
    arguments = parser.parse_args()
    cases = volume_cases(arguments.cases, arguments.turns) if arguments.cases else rich_cases()
    print(write_run(arguments.folder, cases))


if __name__ == "__main__":
    main()

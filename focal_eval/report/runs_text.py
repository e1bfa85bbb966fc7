"""Runs, and the cases of one, as lines of a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from focal_eval.report.ansi import Paint
from focal_eval.report.characters import one_line, one_line_each
from focal_eval.report.wording import MARKS, WORDS, took_words
from focal_eval.runner.listed import Listed
from focal_eval.text import counted

STATES = {
    "running": "still running",
    "cut-off": "cut off: --resume goes on",
    "interrupted": "interrupted: --resume goes on",
    "stopped": "stopped at a failure",
    "given-up": "the engine was given up",
    "workers-lost": "its workers were lost",
}
"""What a state that is not `finished` is called."""


class Run(Protocol):
    """What a line tells of a run."""

    @property
    def header(self) -> Mapping[str, Any]: ...
    @property
    def counts(self) -> Mapping[str, int]: ...
    @property
    def state(self) -> str: ...
    @property
    def writer(self) -> str | None: ...
    @property
    def problem(self) -> str | None: ...


def run_lines(runs: Sequence[tuple[str, Run]], paint: Paint) -> Iterator[str]:
    """A line a run: its name, when, which suite, its verdict, counts, and its state where it is not over."""
    width = max((len(name) for name, _ in runs), default=0)
    titles = [_title(run.header) for _, run in runs]
    beside = max((len(title) for title in titles), default=0)
    for (name, run), title in zip(runs, titles, strict=True):
        when = str(run.header.get("started_at") or "")[:16].replace("T", " ")
        parts = [f"{one_line(name, width):<{width}}", f"{when:<16}", f"{title:<{beside}}", _verdict(run, paint)]
        yield "  ".join([*parts, *filter(None, (_counts(run.counts), _state(run)))]).rstrip()


def _title(header: Mapping[str, Any]) -> str:
    suite = header.get("suite") or {}
    return one_line(str(suite.get("file") or suite.get("title") or "(no suite)"), 40)


def _verdict(run: Run, paint: Paint) -> str:
    verdict = str(run.header.get("verdict") or "–")
    tone = {"passed": "passed", "failed": "failed", "no-verdict": "errored"}.get(verdict)
    text = f"{verdict:<10}"
    return paint(text, "dim") if tone is None else paint.verdict(text, tone)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{counts[name]:,} {WORDS[name]}" for name in reversed(WORDS) if counts.get(name))


def _state(run: Run) -> str:
    if run.problem is not None:
        return f"({one_line(run.problem, 100)})"
    told = STATES.get(run.state)
    if told is None:
        return ""
    return f"({told} by {run.writer})" if run.writer is not None else f"({told})"


def case_rows(cases: Sequence[Listed], paint: Paint) -> Iterator[list[str]]:
    """Lines, some hundred together: of each case verdict, turns, time and name, and the first thing that went wrong."""
    labels = {verdict: paint.verdict(f"{MARKS[verdict]} {word:<19}", verdict) for verdict, word in WORDS.items()}
    for some in batched(cases):
        names = one_line_each([case.name for case in some], 200)
        heads = {told: f"{labels[told[0]]}{told[1]:>4} " for told in {(case.verdict, case.turns) for case in some}}
        took = "\n".join(["%9.0f"] * len(some)) % tuple([case.elapsed_ms for case in some])  # one call, not one a case
        lines = []
        for (_, _, _, _, _, _, _, verdict, turns, _, told), ms, name in zip(some, took.split("\n"), names, strict=True):
            line = f"{heads[verdict, turns]}{ms} ms  {name}"
            if told is not None and verdict != "passed":
                line = f"{line}  {paint(one_line(told, 160), 'dim')}"
            lines.append(line)
        yield lines


def batched(cases: Sequence[Listed], size: int = 500) -> Iterator[Sequence[Listed]]:
    """The cases in their order, so many together."""
    for start in range(0, len(cases), size):
        yield cases[start : start + size]


def total_line(header: Mapping[str, Any], cases: int, shown: int) -> str:
    """How many cases there are, and how many of them stand above."""
    took = took_words(header)
    rest = f" · {took}" if took else ""
    return f"{counted(cases, 'case')} recorded{'' if shown == cases else f', {shown:,} shown'}{rest}"


def cases_listed(cases: Sequence[Listed]) -> list[dict[str, Any]]:
    """Each case as one entry of a document, without what was said."""
    entries: list[dict[str, Any]] = [
        {
            "case": key,
            "name": name,
            "script": script,
            "title": title,
            "file": file,
            "line": line,
            "tags": tags,
            "verdict": verdict,
            "turns": turns,
            "elapsed_ms": elapsed_ms,
        }
        for key, name, script, title, file, line, tags, verdict, turns, elapsed_ms, _ in cases
    ]
    for entry, case in zip(entries, cases, strict=True):
        if case.message is not None:
            entry["message"] = case.message
    return entries

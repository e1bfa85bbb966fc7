"""A run on the terminal: what went wrong with its place and reason, a table, the gates, and the verdict as last line.

Texts of engines and scripts are neutralised before they are printed: an escape sequence in a reply does nothing.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import TextIO

from focal_eval.report.ansi import Paint, emit, wants_colour
from focal_eval.report.base import ReportOptions
from focal_eval.report.characters import one_line
from focal_eval.report.frames import Line, describe, labelled
from focal_eval.report.judge_words import SHOWN, audit_words, failed_words, judge_warning, judge_words, missed_words
from focal_eval.report.model import WORST_FIRST, Case, Failure, ReportModel
from focal_eval.report.progress import Observer, progress
from focal_eval.report.simulated_words import blamed_words, ending_of, ending_words, simulated_warning, simulated_words
from focal_eval.report.statistics import repeats_lines
from focal_eval.report.wording import (
    MARKS,
    WORDS,
    beside_words,
    cases_named,
    cassette_words,
    gate_count,
    gate_limit,
    gate_name,
    gate_reason,
    lived_with_words,
    number,
    partial_note,
    quarantine_words,
    shard_words,
    tone,
    took_words,
    verdict_words,
)

__all__ = ["Observer", "print_run", "progress"]

WIDTH = 110  # of the words quoted from a conversation
PAINTED = {"expected": "green", "observed": "red", "near": "yellow", "because": "cyan"}
MAX_ROWS = 40  # of the table


def print_run(
    run: ReportModel,
    stream: TextIO,
    options: ReportOptions | None = None,
    *,
    report: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> None:
    """Prints the run; `report` is the path named in the last line."""
    options = options or ReportOptions()
    paint = Paint(wants_colour(stream, os.environ if environ is None else environ))
    for line in _lines(run, paint, options, report):
        emit(stream, line)


def _lines(run: ReportModel, paint: Paint, options: ReportOptions, report: Path | None) -> Iterator[str]:
    told = run.told
    for case, alike in told[: options.max_failures]:
        yield from case_lines(run, case, paint)
        if alike:
            yield f"  and {cases_named(alike)} errored in the same words"
        yield ""
    if more := sum(1 + len(alike) for _, alike in told[options.max_failures :]):
        yield paint(f"and {more:,} more; the report shows them all", "dim")
        yield ""
    yield from table_lines(run, options.group_by)
    yield from repeats_lines(run.header.get("statistics"))
    yield from (gate_line(gate, paint) for gate in run.gates)
    if shard := shard_words(run.header):
        yield paint(f"shard {one_line(shard, WIDTH)}", "dim")
    if cassette := cassette_words(run.header.get("engine") or {}):
        yield paint(one_line(cassette, WIDTH), "dim")
    if lived_with := lived_with_words(run):
        yield paint(lived_with, "dim")
    yield from judge_lines(run, paint)
    if note := partial_note(run):
        yield paint(note, "yellow")
    yield last_line(run, paint, report)


def judge_lines(run: ReportModel, paint: Paint) -> Iterator[str]:
    """What a judge said and how it did in its audit; nothing of a run without one."""
    failed = list(failed_words(run))
    yield from failed[:SHOWN]
    if more := len(failed) - SHOWN:
        yield from [paint(f"and {more:,} more judged so; run.json names them", "dim")] if more > 0 else []
    for words in (judge_words(run), audit_words(run), simulated_words(run)):
        if words is not None:
            yield paint(words, "dim")
    if (warning := simulated_warning(run)) is not None:
        yield paint(f"warning: {warning}", "yellow")
        yield from (paint(f"  {told}", "yellow") for told in list(blamed_words(run))[:SHOWN])
    if (warning := judge_warning(run)) is not None:
        yield paint(f"warning: {warning}", "yellow")
        yield from (paint(f"  {missed}", "yellow") for missed in list(missed_words(run))[:SHOWN])


def case_lines(run: ReportModel, case: Case, paint: Paint) -> Iterator[str]:
    """One case that went wrong, turn by turn."""
    head = f"{MARKS[case.verdict]} {WORDS[case.verdict].upper()}"
    yield f"{paint.verdict(head, case.verdict)}  {paint(one_line(case.name, 160), 'bold')}  {one_line(case.title, 100)}"
    if (entry := run.quarantine_of(case)) is not None:
        yield paint(f"  {quarantine_words(entry)}", "yellow")
    if (ending := ending_of(run, case)) is not None:
        yield paint(f"  simulated user: {one_line(ending_words(ending), 300)}", "dim")
    failures = list(run.failures(case))
    if not failures and case.message:
        yield f"  {one_line(case.message, 300)}"
    for turn, group in groupby(failures, key=lambda failure: failure.turn):
        several = list(group)
        yield from _said(several[0], turn, paint)
        for failure in several:
            yield from ("  " + text for text in painted(describe(failure), paint))


def _said(failure: Failure, turn: int | None, paint: Paint) -> Iterator[str]:
    if turn is None:
        yield paint("  the whole conversation" if failure.fault is None else "  outside a turn", "dim")
        return
    begin = f"  turn {turn + 1}  "
    said = "(the agent speaks first)" if failure.user is None else one_line(failure.user, WIDTH)
    yield paint(f"{begin}user   ", "dim") + said
    if failure.fault is None:
        answer = "(no text)" if failure.response is None else one_line(failure.response, WIDTH)
        yield paint(f"{' ' * len(begin)}agent  ", "dim") + answer


def painted(lines: Iterable[Line], paint: Paint) -> Iterator[str]:
    """The lines of a failure in colour."""
    for line in lines:
        if line.role in ("head", "fault"):
            yield from paint(line.text, "bold").split("\n")
        elif line.role == "caret":
            yield paint(line.text, "red")
        elif line.role == "frame":
            yield paint(line.text, "dim")
        else:
            first, *rest = labelled(line).split("\n")
            label = f"    {line.role:<9}"
            yield paint(label, PAINTED.get(line.role, "dim")) + first[len(label) :]
            yield from rest


def table_lines(run: ReportModel, group_by: str) -> Iterator[str]:
    """Counts of cases by folder, script or tag; columns without a count are left out.

    Nothing where there is one group: the last line says it.
    """
    groups: dict[str, Counter[str]] = {}
    for case in run.cases:
        for group in _groups(case, group_by):
            groups.setdefault(group, Counter())[case.verdict] += 1
    if len(groups) < 2:
        return
    from tabulate import tabulate

    counts = Counter(case.verdict for case in run.cases)
    shown = [verdict for verdict in reversed(WORST_FIRST) if counts[verdict]]
    rows = [_row(one_line(name, 60), groups[name], shown) for name in sorted(groups)]
    if len(rows) > MAX_ROWS:
        rows = [*rows[:MAX_ROWS], [f"and {len(rows) - MAX_ROWS} more", *[""] * (len(shown) + 1)]]
    rows.append(_row("all", counts, shown))
    align = ["left", *["right"] * (len(shown) + 1)]
    heads = [group_by, "cases", *(WORDS[verdict] for verdict in shown)]
    yield from tabulate(rows, heads, tablefmt="simple", disable_numparse=True, colalign=align).split("\n")
    yield ""


def _groups(case: Case, group_by: str) -> tuple[str, ...]:
    if group_by == "tag":
        return case.tags or ("(no tag)",)
    if group_by == "script":
        return (case.script,)
    return (case.script.rpartition("/")[0] or "(top)",)


def _row(name: str, counts: Counter[str], shown: list[str]) -> list[str]:
    return [name, f"{counts.total():,}", *(f"{counts[verdict]:,}" if counts[verdict] else "" for verdict in shown)]


def gate_line(gate: Mapping[str, object], paint: Paint) -> str:
    """A gate with its figure and limit."""
    good = gate.get("passed")
    if good is None:
        why = gate_reason(gate)
        return paint(f"– gate {gate_name(gate)}: not judged, as {why}; asked for {gate_limit(gate)}", "dim")
    mark = paint.verdict("✓" if good else "✗", "passed" if good else "failed")
    return f"{mark} gate {gate_name(gate)}: {number(gate.get('observed'))}{gate_count(gate)}, asked for {gate_limit(gate)}"


def last_line(run: ReportModel, paint: Paint, report: Path | None) -> str:
    """The verdict in words, how long it took and where the report lies."""
    kind = tone(run)
    mark = {"passed": "✓", "failed": "✗", "errored": "!", "partial": "…"}[kind]
    flaky = run.flaky
    counts = ", ".join(filter(None, (beside_words(run), f"{flaky:,} flaky" if flaky else "")))
    rest = [counts] if counts else []
    if took := took_words(run.header):
        rest.append(took)
    if report is not None:
        rest.append(str(report))
    return paint.verdict(f"{mark} {verdict_words(run)}", kind) + "".join(f" · {part}" for part in rest)

"""The files that coverage is written to: an lcov tracefile, and a report with a Coverage view."""

from __future__ import annotations

from pathlib import Path

from focal_eval.coverage.lcov import tracefile
from focal_eval.coverage.matrix import share
from focal_eval.errors import StorageError, UsageError
from focal_eval.evaluate.covering import Covered
from focal_eval.report.base import ReportOptions
from focal_eval.report.coverage_page import CoverageView
from focal_eval.report.coverage_text import percent
from focal_eval.report.html import write
from focal_eval.text import of_them


def write_lcov(covered: Covered, path: Path) -> Path:
    """Writes an lcov tracefile of the agent file. Raises UsageError where no agent file is known."""
    agent = covered.agent
    if agent is None or agent.agent is None:
        why = "the run names no agent file" if agent is None else str(agent.why)
        raise UsageError(f"--lcov tells of the lines of an agent file: {why}")
    text = tracefile(agent.file, agent.text, covered.rows())
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise StorageError(f"cannot write {path}: {problem.strerror or problem}") from None
    return path


def write_page(covered: Covered, path: Path) -> Path:
    """Writes the report of the last run with a Coverage view of all runs."""
    return write(covered.models[-1], path, ReportOptions(coverage=view_of(covered)))


def view_of(covered: Covered) -> CoverageView:
    """What the report shows of coverage."""
    agent = covered.agent
    return CoverageView(
        matrix=covered.matrix,
        rows=covered.rows(),
        words=share_words(covered),
        file="" if agent is None else agent.file,
        text=None if agent is None or agent.agent is None else agent.text,
        edited=covered.edited,
        notes=covered.notes,
    )


def share_words(covered: Covered) -> str:
    """The share in one sentence: `70 of 77 rules asserted (90.9 %), 77 hit`."""
    rows = covered.rows(covered.kinds)
    hit, total = share(rows, "hit")
    asserted, _ = share(rows, "asserted")
    what = of_them(total, f"{covered.kinds[0]}s" if len(covered.kinds) == 1 else "items")
    edited = "" if covered.edited is None else " edited since"
    if not total:
        return f"nothing to cover: {what}{edited}"
    if not covered.matrix.judged:
        return f"{hit:,} of {what}{edited} hit ({percent(hit, total)}); whether expectations would miss them is unknown"
    return f"{asserted:,} of {what}{edited} asserted ({percent(asserted, total)}), {hit:,} hit"

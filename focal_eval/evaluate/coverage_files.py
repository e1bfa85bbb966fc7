"""The files that coverage is written to: an lcov tracefile, and a report with a Coverage view."""

from __future__ import annotations

from pathlib import Path

from focal_eval.coverage.lcov import tracefile
from focal_eval.errors import StorageError, UsageError
from focal_eval.evaluate.covering import Covered


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

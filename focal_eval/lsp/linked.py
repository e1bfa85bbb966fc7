"""The file that a path in a script or a suite leads to: an included fragment, a suite's agent."""

from __future__ import annotations

from pathlib import Path

from focal_eval.lsp.cursor import cursor_at
from focal_eval.lsp.project import Project
from focal_eval.script.load import is_there, real

_PATHS = frozenset({"include", "agent", "agent_file", "brain", "quarantine"})


def linked_file(project: Project, path: Path, line: int, column: int) -> Path | None:
    """The file that the value at a place names, None where it names none that is there."""
    lines = project.files.lines(path)
    kind = project.files.kind(path)
    if kind not in ("script", "fragment", "suite"):
        return None
    text = lines.line(line)
    cursor = cursor_at(lines, line, column)
    word = text[cursor.start : cursor.end]
    if not cursor.scalar or cursor.path[-1:] == () or cursor.path[-1] not in _PATHS or not word:
        return None
    found = real(path.parent / word)
    return found if is_there(found) and found.is_file() else None

"""What stands at a place of a file: the key or the name under the cursor, as far as half-typed text tells."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from focal_eval.lsp.cursor import Cursor, cursor_at
from focal_eval.lsp.mentions import Mention
from focal_eval.lsp.naming import kinds_at
from focal_eval.lsp.positions import Lines
from focal_eval.lsp.project import Project
from focal_eval.lsp.spots import spots
from focal_eval.source import Span
from focal_eval.value import value

_IN_CODE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


@value
class Named:
    """A name at a place: its possible meanings, and where it stands."""

    keys: tuple[tuple[str, str], ...]  # (kind, name)
    span: Span


def name_at(project: Project, path: Path, line: int, column: int) -> Named | None:
    """The name of an agent's part at a place, line and column from 0; None where there is none."""
    lines = project.files.lines(path)
    offset = lines.offset(line, column)
    file = project.files.document(path).file
    for mention in project.mentions(path):
        if mention.span.file != file or not mention.span.line - 1 <= line <= mention.span.end_line - 1:
            continue
        for start, end in spots(mention, lines):
            if start <= offset <= end:
                return Named((mention.key,), span_of(file, lines, start, end))
    return _half_typed(project, path, lines, file, line, column)


def _half_typed(project: Project, path: Path, lines: Lines, file: str, line: int, column: int) -> Named | None:
    """The name by what stands around it, where the file as a whole cannot be read."""
    cursor = cursor_at(lines, line, column)
    word = lines.line(line)[cursor.start : cursor.end]
    if cursor.code is not None:
        return None
    kind = project.files.kind(path)
    keyed = cursor.key and lines.line(line)[cursor.end :].lstrip("\"'").lstrip().startswith(":")
    kinds = kinds_at(kind, cursor.path, key=True) if keyed else kinds_at(kind, cursor.path, key=False)
    found: list[tuple[str, str]] = []
    for known, before in kinds:
        name = before + word
        if known == "scenario" and "/" in word:
            slash = cursor.start + word.index("/")
            if column > slash:
                found.append(("step", name))
                cursor = _part(cursor, slash + 1, cursor.end)
            else:
                found.append(("scenario", word.partition("/")[0]))
                cursor = _part(cursor, cursor.start, slash)
        else:
            found.append((known, name))
    if not word or not found:
        return None
    return Named(tuple(found), Span(file, line + 1, cursor.start + 1, line + 1, cursor.end + 1))


def _part(cursor: Cursor, start: int, end: int) -> Cursor:
    return replace(cursor, start=start, end=end)


def local_at(project: Project, path: Path, line: int, column: int) -> Span | None:
    """Where a name inside `{{ }}` of a script gets its value: a param, a given variable, a `save`."""
    lines = project.files.lines(path)
    text = lines.line(line)
    opened = text.rfind("{{", 0, column + 1)
    if opened < 0 or (closed := text.find("}}", opened)) < 0 or column > closed:
        return None
    word = next((found[0] for found in _IN_CODE.finditer(text, opened, closed) if found.start() <= column <= found.end()), None)
    script = project.script(path).script if project.files.kind(path) == "script" else None
    if word is None or script is None:
        return None
    name = word.partition(".")[0]
    if name in script.param_spans:
        return script.param_spans[name]
    saved = [entry.span for turn in script.authored for entry in turn.save if entry.name == name]
    given = [mention.span for mention in project.mentions(path) if mention.key == ("variable", name) and not mention.code]
    return next(iter([*saved, *given]), None)


def defining(project: Project, path: Path, named: Named) -> list[Mention]:
    """Where the agent of a file defines a name."""
    agent = project.agent_file(path)
    if agent is None:
        return []
    return [mention for mention in project.mentions(agent) if mention.defines and mention.key in named.keys]


def span_of(file: str, lines: Lines, start: int, end: int) -> Span:
    """The span between two offsets of a text."""
    (line, column), (end_line, end_column) = lines.place(start), lines.place(end)
    return Span(file, line + 1, column + 1, end_line + 1, end_column + 1)

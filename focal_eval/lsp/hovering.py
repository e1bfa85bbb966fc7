"""What an editor shows over a word: a rule's text with what the last run saw of it, a key's meaning."""

from __future__ import annotations

from pathlib import Path

from focal_eval.lsp.asking import Named, name_at
from focal_eval.lsp.cursor import cursor_at
from focal_eval.lsp.keys import doc_at, words_at
from focal_eval.lsp.last_run import LastRuns
from focal_eval.lsp.project import Project
from focal_eval.lsp.telling import told_of
from focal_eval.source import Span
from focal_eval.text import counted
from focal_eval.value import value


@value
class Hover:
    """Markdown, and the word it is about."""

    text: str
    span: Span


def hover(project: Project, path: Path, line: int, column: int, runs: LastRuns) -> Hover | None:
    """What is known of the word at a place, from 0; None where nothing is."""
    named = name_at(project, path, line, column)
    told = None if named is None else _told(project, path, named, runs)
    if named is not None and told is not None:
        return Hover(told, named.span)
    lines = project.files.lines(path)
    cursor = cursor_at(lines, line, column)
    word = lines.line(line)[cursor.start : cursor.end]
    if cursor.code is not None or not word:
        return None
    kind = project.files.kind(path)
    span = Span(project.files.document(path).file, line + 1, cursor.start + 1, line + 1, cursor.end + 1)
    keyed = lines.line(line)[cursor.end :].lstrip("\"'").lstrip().startswith(":")
    if keyed and cursor.key:
        doc = doc_at(kind, (*cursor.path, word))
        return Hover(f"**{word}**: {doc}", span) if doc else None
    doc = dict(words_at(kind, cursor.path)).get(word)
    return Hover(f"**{word}**: {doc}", span) if doc else None


def _told(project: Project, path: Path, named: Named, runs: LastRuns) -> str | None:
    file = project.agent_file(path)
    for kind, name in named.keys:
        told = None if file is None else told_of(project.parts(file), kind, name)
        if told is None or file is None:
            continue
        more = [told, ""]
        if kind in ("rule", "step", "tool", "template"):
            expecting = scripts_naming(project, file, kind, name)
            more.append(f"- named by the expectations of {counted(len(expecting), 'script')}")
            ground = next((ground for ground in project.grounds() if file in ground.agents), None)
            if ground is not None and kind == "rule":
                more += [f"- {line}" for line in runs.told(ground, name)]
        return "\n".join(more)
    return None


def scripts_naming(project: Project, agent: Path, kind: str, name: str) -> list[tuple[Path, Span]]:
    """The scripts whose expectations want to see a part of an agent, each with the first place that says so."""
    found: dict[Path, Span] = {}
    for script in project.scripts_with(agent):
        for mention in project.mentions(script):
            if mention.key == (kind, name) and not mention.absent:
                found.setdefault(script, mention.span)
                break
    return list(found.items())

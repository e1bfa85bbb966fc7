"""What may be typed at a place: keys and words of the language, and the names that the agent has."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from focal_eval.agent.walk import PROVIDED
from focal_eval.document.reader import STR, plain_tag
from focal_eval.lsp.cursor import Cursor, cursor_at
from focal_eval.lsp.keys import Key, at, keys_at, words_at
from focal_eval.lsp.naming import kinds_at
from focal_eval.lsp.project import Project
from focal_eval.lsp.telling import told_of
from focal_eval.script.names import SAVE_SOURCES
from focal_eval.source import Span
from focal_eval.value import value

_LOCAL = re.compile(r"[A-Za-z_]\w*\Z")
TURN = "user: ${1:message}\nexpect:\n  ${2:rules}: $0"


@value
class Suggestion:
    """One thing that may be typed: it takes the place of `span`."""

    label: str
    kind: str  # "key", "word", "snippet", "file", or the kind of a name
    text: str
    span: Span
    detail: str = ""
    doc: str = ""
    order: int = 5
    snippet: bool = False


def complete(project: Project, path: Path, line: int, column: int) -> list[Suggestion]:
    """The suggestions at a place, from 0; the nearest to what the place asks for come first."""
    lines = project.files.lines(path)
    cursor = cursor_at(lines, line, column)
    kind = project.files.kind(path)
    file = project.files.document(path).file
    span = Span(file, cursor.line + 1, cursor.start + 1, cursor.line + 1, cursor.end + 1)
    if cursor.code is not None:
        return [replace(made, span=span) for made in _code(project, path, kind, cursor)]
    found = [*_names(project, path, kind, cursor, span), *_language(kind, cursor, span)]
    if cursor.path[-1:] == ("include",) and cursor.scalar:
        found += _fragments(project, path, span)
    unique: dict[str, Suggestion] = {}
    for made in found:
        unique.setdefault(made.label, made)
    return list(unique.values())


def _language(kind: str, cursor: Cursor, span: Span) -> Iterator[Suggestion]:
    if cursor.key:
        for key in keys_at(kind, cursor.path):
            if key.name not in cursor.siblings:
                yield Suggestion(
                    key.name, "key", _written_key(key, cursor), span, "required" if key.required else "", key.doc, 3
                )
        if cursor.path and cursor.path[0] == "turns" and len(cursor.path) == 2 and not cursor.siblings and not cursor.flow:
            indent = "\n" + " " * cursor.column
            text = TURN.replace("\n", indent)
            yield Suggestion("turn", "snippet", text, span, "a message and what must be observed", order=2, snippet=True)
    if cursor.scalar:
        for word, doc in words_at(kind, cursor.path):
            yield Suggestion(word, "word", word, span, "", doc, 1)


def _written_key(key: Key, cursor: Cursor) -> str:
    return f"{key.name}: " if cursor.flow or key.takes == "scalar" else f"{key.name}:"


def _names(project: Project, path: Path, kind: str, cursor: Cursor, span: Span) -> Iterator[Suggestion]:
    wanted = [(found, True) for found in (kinds_at(kind, cursor.path, key=True) if cursor.key else ())]
    wanted += [(found, False) for found in (kinds_at(kind, cursor.path, key=False) if cursor.scalar else ())]
    for (known, before), as_key in wanted:
        defines = kind == "agent" and as_key and at(kind, cursor.path) and known in ("rule", "tool", "template", "scenario")
        for name in () if defines and len(cursor.path) == 1 else known_names(project, path, known, before):
            if name in cursor.siblings:
                continue
            text = _quoted(name) + (": " if as_key else "")
            yield Suggestion(name, known, text, span, known, _doc(project, path, known, before + name), 0)


def known_names(project: Project, path: Path, kind: str, before: str = "") -> list[str]:
    """The names of a kind that may stand at a place, in the order of the agent; `before` as of `kinds_at`."""
    agent_file = project.agent_file(path)
    mentions = () if agent_file is None else project.mentions(agent_file)
    defined = [mention.name for mention in mentions if mention.defines and mention.kind == kind]
    names = [name.removeprefix(before) for name in defined if name.startswith(before)]
    if kind == "scenario":
        names += [mention.name for mention in mentions if mention.defines and mention.kind == "step"]
    if kind == "step" and before:
        names += ["end", *(f"{mention.name}/" for mention in mentions if mention.defines and mention.kind == "scenario")]
    if not mentions:
        names = _from_engine(project, path, kind, before)
    return list(dict.fromkeys(names))


def _from_engine(project: Project, path: Path, kind: str, before: str) -> list[str]:
    """Names of an engine with a language of its own for agents."""
    ground = project.owner(path)
    known = None if ground is None else ground.names
    if known is None:
        return []
    if kind == "rule":
        return sorted(known.rules)
    if kind == "tool":
        return sorted(known.tools or ())
    if kind == "argument":
        return sorted((known.tools or {}).get(before.rstrip("."), None) or ())
    if kind == "scenario":
        return sorted([*known.scenarios, *(f"{flow}/{step}" for flow, steps in known.scenarios.items() for step in steps)])
    return sorted(known.templates or ()) if kind == "template" else []


def _doc(project: Project, path: Path, kind: str, name: str) -> str:
    agent = project.agent_file(path)
    if agent is None:
        return ""
    return told_of(project.parts(agent), "step" if kind == "scenario" and "/" in name else kind, name) or ""


def _quoted(name: str) -> str:
    return name if plain_tag(name) == STR else f'"{name}"'


def _code(project: Project, path: Path, kind: str, cursor: Cursor) -> Iterator[Suggestion]:
    """Names that `{{ }}` may hold: of a script what its params, variables and saves give; of an agent what it knows."""
    typed, nowhere = cursor.word, Span("", 1, 1, 1, 1)
    head, dot, _ = typed.rpartition(".")
    if kind == "agent":
        if head in ("result", "error") and dot:
            names = [(f"{head}.{tool}", "tool") for tool in known_names(project, path, "tool")]
        else:
            names = [(name, "variable") for name in [*known_names(project, path, "variable"), *sorted(PROVIDED)]]
    else:
        names = [(name, "variable") for name in _local_names(project, path)]
        if cursor.path[-2:-1] == ("save",):
            names += [(name, "word") for name in SAVE_SOURCES]
    for name, what in names:
        if _LOCAL.match(name.rpartition(".")[2]):
            yield Suggestion(name, what, name, nowhere, what, _doc(project, path, what, name), 0)


def _local_names(project: Project, path: Path) -> list[str]:
    """Names that a script's params, given variables and saves have, read off the nodes or, half-typed, off the text."""
    script = project.script(path).script if project.files.kind(path) == "script" else None
    if script is not None:
        saved = [entry.name for turn in script.authored for entry in turn.save]
        return list(dict.fromkeys([*script.param_spans, *script.named, *saved]))
    lines = project.files.lines(path)
    found: dict[str, None] = {}
    block: tuple[str, int] | None = None
    for number in range(len(lines)):
        text = lines.line(number)
        stripped = text.lstrip(" -")
        indent = len(text) - len(stripped)
        key = stripped.partition(":")[0]
        if block is not None and stripped and indent <= block[1]:
            block = None
        if block is not None and _LOCAL.match(key):
            found[key] = None
        elif key in ("params", "variables", "knows", "save", "rows") and stripped[len(key) :].startswith(":"):
            block = (key, indent if block is None else block[1])
            for word in re.findall(r"[{,]\s*([A-Za-z_]\w*)\s*:", stripped):
                found[word] = None
    found.pop("rows", None)
    return list(found)


def _fragments(project: Project, path: Path, span: Span) -> Iterator[Suggestion]:
    """Fragments of the project, as paths from the file."""
    root = project.root_of(path)
    for file in project.fragments(root):
        shown = os.path.relpath(file, path.parent).replace(os.sep, "/")
        yield Suggestion(shown, "file", shown, span, "fragment", "", 0)

"""Renames a rule, a tool, a scenario, a step, a template, an argument, a trigger or a variable wherever it is named.

All or nothing: every place must say the name in its own letters, the files with the new name must read as before but for it,
and must have no error they did not have.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from focal_eval.document.reader import STR, plain_tag
from focal_eval.document.splicing import Edit, Unfit, applied
from focal_eval.errors import Diagnostic, UsageError
from focal_eval.lsp.asking import Named
from focal_eval.lsp.diagnosing import Diagnosing
from focal_eval.lsp.mentions import Mention, word_of
from focal_eval.lsp.params import in_params
from focal_eval.lsp.positions import Lines
from focal_eval.lsp.project import Project
from focal_eval.lsp.spots import spots

Edits = dict[Path, list[Edit]]
_UNWRITABLE = frozenset("/{}[],&*#?|>'\"%@`: \t\r\n")


def rename(diagnosing: Diagnosing, path: Path, named: Named, new: str) -> Edits:
    """The edits, by file. Raises UsageError with the reason where the name cannot be changed everywhere."""
    project = diagnosing.project
    agent = project.agent_file(path)
    if agent is None:
        raise UsageError("no suite says which agent this belongs to, so it is not known where else the name is used")
    everywhere = list(project.everywhere(agent))
    kind, old = _meant(named, everywhere)
    _check_new(kind, old, new, everywhere)
    edits = _edits(project, kind, old, new, everywhere)
    _check_result(diagnosing, agent, edits, (kind, old, new))
    return edits


def _meant(named: Named, everywhere: list[tuple[Path, Mention]]) -> tuple[str, str]:
    """The meaning of the name that the agent defines."""
    defined = {mention.key for _, mention in everywhere if mention.defines}
    found = next((key for key in named.keys if key in defined), None)
    if found is None:
        kind, name = named.keys[0]
        raise UsageError(f"the agent defines no {kind} named '{name}'")
    return found


def _check_new(kind: str, old: str, new: str, everywhere: list[tuple[Path, Mention]]) -> None:
    if not new or set(new) & _UNWRITABLE or new.startswith("-"):
        raise UsageError(f"'{new}' cannot be a name: use letters, digits, - and _")
    if kind in ("variable", "argument") and not new.isidentifier():
        raise UsageError(
            f"'{new}' cannot name {'an' if kind == 'argument' else 'a'} {kind}: use letters, digits and underscores"
        )
    wanted = _whole(kind, old, new)
    if any(mention.key == (kind, wanted) for _, mention in everywhere):
        raise UsageError(f"a {kind} named '{wanted}' is there already")


def _whole(kind: str, old: str, new: str) -> str:
    """The whole new name: `returns/confirm` with the step's new word."""
    return old.removesuffix(word_of(kind, old)) + new if kind in ("step", "argument") else new


def _edits(project: Project, kind: str, old: str, new: str, everywhere: list[tuple[Path, Mention]]) -> Edits:
    edits: dict[Path, dict[Edit, None]] = {}
    for path, mention in everywhere:
        if mention.key != (kind, old):
            continue
        lines = project.files.lines(path)
        found = spots(mention, lines) or in_params(project, path, mention)
        if not found:
            raise UsageError(f"{mention.span} means '{old}' but does not say it in these letters; change that place first")
        for start, end in found:
            edits.setdefault(path, {})[Edit(start, end, _written(new, lines, mention, start))] = None
    return {path: sorted(found) for path, found in edits.items()}


def _written(new: str, lines: Lines, mention: Mention, start: int) -> str:
    """The new name as it has to be written there: in quotes where it would be no text alone."""
    around = lines.text[start - 1 : start] in ("'", '"') or mention.code
    return new if around or plain_tag(new) == STR else json.dumps(new)


def _check_result(diagnosing: Diagnosing, agent: Path, edits: Edits, change: tuple[str, str, str]) -> None:
    project = diagnosing.project
    texts: dict[Path, str] = {}
    for path, found in edits.items():
        try:
            texts[path] = applied(project.files.lines(path).text, found)
        except Unfit as problem:
            raise UsageError(f"{project.files.document(path).file}: {problem}") from None
    looked = [agent, *project.scripts_with(agent)]
    affected = [
        path for path in looked if path in edits or any(mention.key == change[:2] for mention in project.mentions(path))
    ]
    before = {_told(problem) for problem in diagnosing.errors(affected)}
    trial = project.with_texts(texts)
    fresh = [problem for problem in Diagnosing(trial).errors(affected) if _told(problem) not in before]
    if fresh:
        raise UsageError(f"with the new name: {fresh[0]}")
    for path in texts:
        wanted = Counter(_renamed(mention, change) for mention in project.mentions(path))
        if wanted != Counter(mention.key for mention in trial.mentions(path)):
            raise UsageError(f"{project.files.document(path).file} would not mean the same with the new name")


def _told(problem: Diagnostic) -> tuple[str, str, int]:
    """A problem without its column, which a longer name moves."""
    return problem.code, problem.message, problem.span.line


def _renamed(mention: Mention, change: tuple[str, str, str]) -> tuple[str, str]:
    """The key of a mention after the change: a scenario's steps and a tool's arguments go with it."""
    kind, old, new = change
    if mention.key == (kind, old):
        return kind, _whole(kind, old, new)
    if kind == "scenario" and mention.kind == "step" and mention.name.startswith(f"{old}/"):
        return "step", f"{new}/{mention.word}"
    if kind == "tool" and mention.kind == "argument" and mention.name.startswith(f"{old}."):
        return "argument", f"{new}.{mention.word}"
    return mention.key

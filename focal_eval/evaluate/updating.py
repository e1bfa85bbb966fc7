"""Writes what a run observed into the scripts, where an expectation failed and the observed value can stand in its place.

Only values that say what is to be observed are replaced: names of rules and of tools, the scenario, the template, the outcome,
variables, the whole response. What forbids something, says only a part, or holds patterns, is for a person to change.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from focal_eval.document.reader import MAX_BYTES, MappingNode, Node, ScalarNode, SequenceNode
from focal_eval.document.splicing import Edit, Text, Unfit, applied, children, data_of, says
from focal_eval.errors import StorageError
from focal_eval.evaluate.wishes import wishes_of
from focal_eval.report.model import Case, ReportModel
from focal_eval.template import has_template
from focal_eval.text import counted
from focal_eval.value import value

KINDS = ("rules", "tools", "scenario", "template", "outcome", "variables", "response.equals")
"""The checks whose expectations can be updated."""

_BOM = "\ufeff"


@value
class Judged:
    """An expectation judged in one case, and what was observed there; `paths` are those of its findings where it failed."""

    file: str
    line: int
    column: int
    key: str
    text: str
    reply: Mapping[str, Any] = field(default_factory=dict)
    paths: list[tuple[Any, ...]] = field(default_factory=list)
    script_file: str = ""
    soft: bool = False


@value
class Left:
    """An expectation that was not updated, and why."""

    place: str
    text: str
    why: str


@value
class Updated:
    """What was, or would be, written into scripts."""

    changes: dict[Path, tuple[str, str]]  # before and after
    updated: int = 0  # expectations
    left: tuple[Left, ...] = ()

    def told(self, *, dry_run: bool = False) -> str:
        """What was done, in a sentence."""
        would = "would be " if dry_run else ""
        files, said = len(self.changes), counted(self.updated, "expectation")
        where = counted(files, "file")
        rest = f", {len(self.left)} left for a person" if self.left else ""
        return f"{said} {would}updated in {where}{rest}" if self.updated else f"no expectation {would}updated{rest}"

    def diff(self) -> str:
        """All changes as one unified diff."""
        return "".join(_diff(path, *texts) for path, texts in sorted(self.changes.items()))


def _diff(path: Path, before: str, after: str) -> str:
    lines = difflib.unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{path}", f"b/{path}")
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines)


def update_expectations(model: ReportModel, *, fragments: bool = False, dry_run: bool = False) -> Updated:
    """Updates the scripts of a run that was just made; files that other scripts include only where `fragments` is set.

    Raises StorageError where a script cannot be read or written.
    """
    changes: dict[Path, tuple[str, str]] = {}
    left: list[Left] = []
    count = 0
    for file, entries in _by_file(model).items():
        text = _text(Path(file))
        try:
            updating = _Updating(file, text.removeprefix(_BOM), fragments=fragments)
        except Unfit as problem:
            left += [Left(_place(entry), entry.text, str(problem)) for entry in entries]
            continue
        fresh = updating.go(entries)
        left += updating.left
        count += updating.count
        if fresh != updating.text:
            changes[Path(file)] = (text, (_BOM if text.startswith(_BOM) else "") + fresh)
    if not dry_run:
        _save(changes)
    return Updated(changes, count, tuple(left))


def _save(changes: Mapping[Path, tuple[str, str]]) -> None:
    from focal_eval.compare.baseline_writing import save

    save({path.resolve(): after for path, (_, after) in changes.items()})


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1).decode("utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise StorageError(f"{path} cannot be read: {problem}") from None


def _place(entry: Judged) -> str:
    return f"{entry.file}:{entry.line}:{entry.column}"


def _by_file(model: ReportModel) -> dict[str, list[Judged]]:
    """The failed expectations of every file that holds one, with all that was observed of each."""
    files = {file for case in model.cases if case.verdict == "failed" for file in _failing_files(model, case)}
    out: dict[str, list[Judged]] = {}
    for case in model.cases:
        if case.verdict in ("passed", "failed"):
            for entry in _judged(model, case):
                if entry.file in files:
                    out.setdefault(entry.file, []).append(entry)
    return dict(sorted(out.items()))


def _failing_files(model: ReportModel, case: Case) -> Iterator[str]:
    return (entry.file for entry in _judged(model, case) if entry.paths)


def _judged(model: ReportModel, case: Case) -> Iterator[Judged]:
    """The turns' expectations of a case that passed or failed, each with its reply; a failed one with its findings' paths."""
    for place in case.last.turns:
        turn = model.document(place)
        reply = turn.get("reply")
        for result in turn.get("results") or ():
            failed = result.get("outcome") == "failed"
            if reply is None or not (failed or result.get("outcome") == "passed"):
                continue
            file, line, column = result["at"][:3]
            paths = [tuple(finding.get("path") or ()) for finding in result.get("findings") or ()] if failed else []
            soft = bool(result.get("soft"))
            yield Judged(file, line, column, result["key"], result["text"], reply, paths, case.file, soft)


class _Updating:
    """One file under way."""

    def __init__(self, file: str, text: str, *, fragments: bool) -> None:
        self.file, self.text, self.fragments = file, text, fragments
        self.yaml = Text(text)
        self.left: list[Left] = []
        self.count = 0
        self._entries = list(_entries(self.yaml.root))

    def go(self, judged: list[Judged]) -> str:
        found: dict[int, list[Judged]] = {}
        nodes: dict[int, Node] = {}
        for entry in judged:
            node = self._value(entry)
            if node is not None:
                found.setdefault(id(node), []).append(entry)
                nodes[id(node)] = node
            elif entry.paths and not entry.soft:
                self._leave(entry, f"'{entry.key}' is for a person to change")
        edits: list[Edit] = []
        changed: dict[int, Any] = {}
        for key, entries in sorted(found.items(), key=lambda item: self.yaml.range(nodes[item[0]])):
            failed = next((entry for entry in entries if entry.paths and not entry.soft), None)
            if failed is None:
                continue
            try:
                fresh, says_now = self._edits(nodes[key], entries)
                applied(self.text, [*edits, *fresh])
            except Unfit as problem:
                self._leave(failed, str(problem))
                continue
            edits += fresh
            changed |= says_now
            self.count += 1
        out = applied(self.text, edits)
        if not says(out, data_of(self.yaml.root, changed)):
            raise StorageError(f"{self.file} was not updated: it would not read back as it should")
        return out

    def _leave(self, entry: Judged, why: str) -> None:
        item = Left(_place(entry), entry.text, why)
        if item not in self.left:
            self.left.append(item)

    def _value(self, entry: Judged) -> Node | None:
        """The value of an expectation: of the innermost entry of its name that stands around its place."""
        if entry.key not in KINDS:
            return None
        word = entry.key.rsplit(".", 1)[-1]
        here = (entry.line - 1, entry.column - 1)
        fitting = [node for key, node in self._entries if key.value == word and _starts(key) <= here <= _ends(node)]
        return max(fitting, key=_starts, default=None)

    def _edits(self, node: Node, entries: list[Judged]) -> tuple[list[Edit], dict[int, Any]]:
        if not self.fragments and any(entry.file != entry.script_file for entry in entries):
            raise Unfit("it stands in a fragment (--update-fragments)")
        if any(isinstance(part, ScalarNode) and has_template(part.value) for part in _below(node)):
            raise Unfit("it holds a template")
        paths = [path for entry in entries for path in entry.paths]
        wishes = [wishes_of(entry.key, node, paths, entry.reply) for entry in entries]
        first = wishes[0]
        if any(wish != first for wish in wishes):
            raise Unfit("the cases that it is judged in observed different things")
        edits: list[Edit] = []
        changed: dict[int, Any] = {}
        for target, wanted in first:
            edits += self._one(target, wanted)
            changed[id(target)] = wanted
        return edits, changed

    def _one(self, target: Node, wanted: Any) -> list[Edit]:
        """The edits for one value, tried until one reads back as it should."""
        if isinstance(target, SequenceNode):
            options = self.yaml.names(target, wanted)
        elif isinstance(target, ScalarNode):
            options = ([edit] for edit in self.yaml.value(target, wanted))
        else:
            raise Unfit("it is a mapping")
        aim = data_of(self.yaml.root, {id(target): wanted})
        for edits in options:
            if says(applied(self.text, edits), aim):
                return edits
        raise Unfit("the observed value cannot be written in its place")


def _entries(root: Node) -> Iterator[tuple[ScalarNode, Node]]:
    """Every entry of every mapping, each once."""
    stack, seen = [root], set()
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        stack += children(node)
        if isinstance(node, MappingNode):
            yield from ((key, item) for key, item in node.value if isinstance(key, ScalarNode))


def _below(node: Node) -> Iterator[Node]:
    stack, seen = [node], set()
    while stack:
        here = stack.pop()
        if id(here) not in seen:
            seen.add(id(here))
            yield here
            stack += children(here)


def _starts(node: Node) -> tuple[int, int]:
    return node.start_mark.line, node.start_mark.column


def _ends(node: Node) -> tuple[int, int]:
    return node.end_mark.line, node.end_mark.column

"""Writes a baseline's files: the same cases give the same bytes, and what is written reads back as the same cases."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from focal_eval.clock import content_id
from focal_eval.compare.baseline_layout import messages_data, reports_of, turn_data
from focal_eval.compare.baseline_model import FORMAT, Approval, BaselineFile, Kept, content, path_of
from focal_eval.compare.baseline_reading import from_text
from focal_eval.compare.model import RecordedCase
from focal_eval.document.writing import Block, Dumper, dump
from focal_eval.errors import StorageError

_HEAD = "# What these conversations are when all is well. Written by `focal-eval approve`; read it, do not edit it.\n"


class _Dumper(Dumper):
    """Nothing is folded, so that a word that changes is one line that changes."""

    one_line = 110


def text_of(file: BaselineFile) -> str:
    """The file as text. Raises StorageError where its cases hold more than a file may, or nest too deep."""
    cases = sorted((Kept(content(kept.case), kept.approval) for kept in file.cases), key=lambda kept: kept.case.name)
    reports = reports_of(kept.case for kept in cases)
    approvals = sorted({kept.approval for kept in cases}, key=lambda item: (item.date, _approval_id(item)))
    head: dict[str, Any] = {"baseline": FORMAT, "script": file.script}
    head |= {key: value for key, value in (("title", file.title), ("file", file.file), ("tags", list(file.tags))) if value}
    head["approvals"] = Block({_approval_id(item): Block(_approval(item)) for item in approvals})
    head["reports"] = list(reports)
    parts = [_HEAD, dump(Block(head), _Dumper), "cases:\n"]
    parts += [_indented(dump([Block(_case(kept.case, reports, kept.approval))], _Dumper)) for kept in cases]
    text = "".join(parts)
    _checked(text, file.script, cases)
    return text


def _approval_id(approval: Approval) -> str:
    parts = (approval.by, approval.date, approval.script, approval.agent, approval.why, approval.expires)
    return "a" + content_id(*(part or "" for part in parts), length=6)


def _approval(approval: Approval) -> dict[str, Any]:
    keys = ("by", "date", "why", "expires", "script", "agent")
    return {key: getattr(approval, key) for key in keys if getattr(approval, key) is not None}


def _case(case: RecordedCase, reports: tuple[str, ...], approval: Approval) -> dict[str, Any]:
    out: dict[str, Any] = {"case": case.name, "approved": _approval_id(approval), "verdict": case.verdict}
    if case.reason is not None:
        out["reason"] = case.reason
    if case.repeat != 1:
        out["repeat"] = case.repeat
    turns: list[Block] = []
    variables: dict[str, Any] = {}
    for turn in case.turns:
        turns.append(Block(turn_data(turn, variables, reports)))
        if turn.reply is not None and isinstance(turn.reply.get("variables"), Mapping):
            variables = dict(turn.reply["variables"])
    out["turns"] = turns
    if case.messages is not None:
        out["messages"] = messages_data(case)
    return out


def _indented(text: str) -> str:
    return "\n" + "".join(f"  {line}" if line != "\n" else line for line in text.splitlines(keepends=True))


def _checked(text: str, script: str, cases: list[Kept]) -> None:
    """Reads what will be written, so that no baseline is ever left that nobody can read."""
    document, back = from_text(text, script)
    if back is None:
        problem = next(iter(document.problems.errors), None)
        raise StorageError(
            f"the conversations of {script} cannot be kept in a baseline: {problem.message if problem else 'unreadable'}"
        )
    if [kept.case.name for kept in back.cases] != [kept.case.name for kept in cases]:
        raise StorageError(f"the conversations of {script} cannot be kept in a baseline: they read back differently")


class Staging:
    """Files on their way into a baseline: none is another one before `commit`, and no text is kept in memory until then.

    Each text goes to the disk at once, under another name beside its place. What was not committed goes again on leaving.
    """

    def __init__(self) -> None:
        self._staged: list[tuple[Path, Path]] = []  # where a text waits, and its place
        self._gone: list[Path] = []
        self._made: list[Path] = []  # folders, the outer ones first

    def __enter__(self) -> Staging:
        return self

    def __exit__(self, *_: object) -> None:
        for waiting, _place in self._staged:
            with contextlib.suppress(OSError):
                waiting.unlink(missing_ok=True)
        for folder in reversed(self._made):
            with contextlib.suppress(OSError):  # where a file was committed into it, it stays
                folder.rmdir()

    def put(self, path: Path, text: str) -> None:
        """Has a file written. Raises StorageError."""
        try:
            self._made += _folders(path.parent)
            self._staged.append((_stage(path, text), path))
        except OSError as problem:
            raise _unwritten(problem, path) from None

    def remove(self, path: Path) -> None:
        """Has a file removed, unless one is written in its place."""
        self._gone.append(path)

    def commit(self) -> None:
        """Puts every file into its place; each is there whole or as it was before. Raises StorageError."""
        path = Path()
        try:
            for waiting, path in self._staged:
                waiting.replace(path)
            written = {path for _, path in self._staged}
            for path in self._gone:
                if path not in written:
                    path.unlink(missing_ok=True)
        except OSError as problem:
            raise _unwritten(problem, path) from None


def save(changes: Mapping[Path, str | None]) -> None:
    """Writes the files, and removes those that are None, as a `Staging` does. Raises StorageError."""
    with Staging() as staging:
        for path, text in changes.items():
            if text is None:
                staging.remove(path)
            else:
                staging.put(path, text)
        staging.commit()


def _unwritten(problem: OSError, path: Path) -> StorageError:
    return StorageError(f"the baseline cannot be written: {problem.filename or path}: {problem.strerror or problem}")


def _folders(folder: Path) -> list[Path]:
    """Makes a folder and those around it; the ones that were not there, the outer ones first."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


def _stage(path: Path, text: str) -> Path:
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(text.encode("utf-8"))
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def write(folder: Path, files: Iterable[BaselineFile]) -> list[Path]:
    """Writes whole files into a baseline's folder; the paths that were written. Raises StorageError."""
    written: list[Path] = []
    with Staging() as staging:
        for file in files:
            below = path_of(file.script)
            if below is None:
                raise StorageError(f"a script named {file.script!r} has no place in a baseline")
            staging.put(folder / below, text_of(file))
            written.append(folder / below)
        staging.commit()
    return written

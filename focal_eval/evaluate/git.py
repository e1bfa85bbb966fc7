"""What git knows of a file: its content at a commit, and the commits that changed it. Nothing is ever written."""

from __future__ import annotations

import subprocess
from pathlib import Path

from focal_eval.errors import UsageError
from focal_eval.value import value

_FIELDS = "%H%x00%an%x00%as%x00%s"
_LIMIT_S = 60


@value
class Commit:
    """A commit in a few words."""

    id: str  # 40 hex digits
    author: str
    date: str  # of the author, YYYY-MM-DD
    subject: str

    @property
    def short(self) -> str:
        return self.id[:10]


def resolved(ref: str, folder: Path) -> Commit:
    """The commit that a branch, tag or other name means. Raises UsageError where git knows no such commit."""
    try:
        found = _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}").strip()
    except _GitSaid:
        raise UsageError(f"git knows no commit '{ref}' here") from None
    return _commits(folder, "-1", found)[0]


def file_at(commit: Commit, file: Path) -> bytes | None:
    """The file's bytes at that commit, None where it was not there."""
    folder, name = file.resolve().parent, file.name
    try:
        return _run(folder, "cat-file", "blob", f"{commit.id}:./{name}")
    except _GitSaid:
        return None


def commits_between(old: Commit, new: Commit, file: Path) -> list[Commit]:
    """The commits after `old` up to `new` that changed the file, the oldest first."""
    name = file.name
    return _commits(file.resolve().parent, "--reverse", "--topo-order", f"{old.id}..{new.id}", "--", name)


def _commits(folder: Path, *words: str) -> list[Commit]:
    told = _git(folder, "log", f"--format={_FIELDS}", *words)
    return [Commit(*line.split("\0", 3)) for line in told.splitlines() if line]


class _GitSaid(Exception):
    """What git complained of."""


def _git(folder: Path, *words: str) -> str:
    return _run(folder, *words).decode("utf-8", "replace")


def _run(folder: Path, *words: str) -> bytes:
    command = ["git", "--no-pager", "-C", str(folder), *words]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_LIMIT_S, stdin=subprocess.DEVNULL)  # noqa: S603  # words are refs after --end-of-options, or made here
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise UsageError(f"git cannot be asked: {problem}") from None
    if done.returncode == 128 and b"not a git repository" in done.stderr:
        raise UsageError(f"{folder} is in no git repository")
    if done.returncode:
        raise _GitSaid(done.stderr.decode("utf-8", "replace").strip())
    return done.stdout

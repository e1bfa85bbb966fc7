"""What git is asked: commits by name, a file at a commit, the commits that changed it; nothing a name says is an option."""

from __future__ import annotations

from pathlib import Path

import pytest

from focal_eval.errors import UsageError
from focal_eval.evaluate.git import commits_between, file_at, resolved
from tests.evaluate.test_bisecting import git


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three commits: a file comes, changes, and gets another name."""
    git(tmp_path, "init", "-q")
    for subject, name, text in (("one", "a.yaml", "1"), ("two", "a.yaml", "2")):
        (tmp_path / name).write_text(text, encoding="utf-8")
        git(tmp_path, "add", "-A")
        git(tmp_path, "commit", "-qm", subject)
    git(tmp_path, "mv", "a.yaml", "b.yaml")
    git(tmp_path, "commit", "-qm", "three\x1b[31m")
    return tmp_path


def test_a_file_is_read_as_a_commit_has_it(folder: Path) -> None:
    """Its bytes then, whatever it is now; None where it was not there, under its old name as under its new one."""
    first, last = resolved("HEAD~2", folder), resolved("HEAD", folder)
    assert (file_at(first, folder / "a.yaml"), file_at(first, folder / "b.yaml")) == (b"1", None)
    assert (file_at(last, folder / "a.yaml"), file_at(last, folder / "b.yaml")) == (None, b"2")
    assert [commit.subject[:5] for commit in commits_between(first, last, folder / "a.yaml")] == ["two", "three"]


@pytest.mark.parametrize("ref", ["--all", "-1", "--output=x", "nosuch", "HEAD:a.yaml", ""])
def test_what_is_no_commit_is_refused(folder: Path, ref: str) -> None:
    """A name that begins like an option is a name, and is told as one that git does not know."""
    with pytest.raises(UsageError, match="git knows no commit"):
        resolved(ref, folder)
    assert not (folder / "x").exists()


def test_a_folder_outside_git_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no repository that is what is said."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(UsageError, match=r"no git repository|git knows no commit"):
        resolved("HEAD", tmp_path)

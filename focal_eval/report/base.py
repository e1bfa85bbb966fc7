"""What a reporter is: a callable that writes one file from a run.

It is registered by its name (`html`, `junit`, ...) in `focal_eval.registry` or under the entry-point group
`focal_eval.reporters`. The same run gives the same bytes: a reporter asks no clock and no machine.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from focal_eval.errors import StorageError
from focal_eval.report.model import ReportModel
from focal_eval.value import value

if TYPE_CHECKING:
    from focal_eval.compare.model import Comparison
    from focal_eval.report.coverage_page import CoverageView
    from focal_eval.store.answers import Strips


@value
class ReportOptions:
    """What a reader may choose; each reporter reads those that concern it."""

    max_failures: int = 20  # cases shown in full by the terminal, summary.md and annotations; then "and N more"
    group_by: Literal["folder", "script", "tag"] = "folder"  # rows of the terminal's table
    coverage: CoverageView | None = None  # what the HTML report shows in its Coverage view; without it there is none
    history: Strips | None = None  # the last runs of every case, which the HTML report draws as strips
    comparison: Comparison | None = None  # with what the run was compared with; summary.md and annotations tell the causes
    prefix: str = ""  # put before script paths in annotations, where the checkout is not the working folder


class Reporter(Protocol):
    """Writes a rendering of `run` and returns the file's path.

    `out` is a folder, where the reporter's own file name is used, or the file to write.
    """

    def __call__(self, run: ReportModel, out: Path, options: ReportOptions = ..., /) -> Path: ...


def target(out: Path, name: str) -> Path:
    """The file to write: `name` in `out` where `out` is a folder, else `out` itself, its folder made."""
    path = out / name if out.is_dir() else out
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise StorageError(f"cannot make the folder {path.parent}: {problem.strerror or problem}") from problem
    return path


def save(path: Path, data: bytes) -> Path:
    """The path, after writing all of `data` to it. Raises StorageError."""
    return save_parts(path, (data,))


def save_parts(path: Path, parts: Iterable[bytes]) -> Path:
    """The same for what comes in pieces, none of which is kept."""
    try:
        with path.open("wb") as file:
            file.writelines(parts)
    except OSError as problem:
        raise StorageError(f"cannot write {path}: {problem.strerror or problem}") from problem
    return path

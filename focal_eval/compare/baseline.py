"""Baselines: what conversations were when somebody approved them, one file a script.

What is kept stands in `baseline_model`; files are read in `baseline_reading` and written in `baseline_writing`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from focal_eval.compare.baseline_model import Approval, BaselineFile, Kept, content
from focal_eval.compare.baseline_reading import baseline_files
from focal_eval.compare.baseline_writing import write
from focal_eval.compare.model import RecordedCase

__all__ = ["Approval", "BaselineFile", "Kept", "content", "default_folder", "read", "read_files", "write"]


def read(folder: Path) -> Iterator[RecordedCase]:
    """The cases of a baseline, one at a time, by file and name; none where there is no such folder.

    Raises Refused at the first file that is not as `approve` writes it, with every problem of that file.
    """
    for file in read_files(folder):
        yield from (kept.case for kept in file.cases)


def read_files(folder: Path) -> Iterator[BaselineFile]:
    """The files of a baseline, one at a time. Raises Refused as `read` does."""
    return baseline_files(folder)


def default_folder(suite: str | None) -> Path:
    """Where the baseline of a suite lies: `evals/baselines/retail` for `evals/retail.yaml`."""
    if suite is None:
        return Path("evals/baselines/scripts")
    path = Path(suite)
    return path.parent / "baselines" / path.stem

"""Reads a run's journal once, front to back, and keeps where each line stands and what the light entries need."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from focal_eval.errors import StorageError
from focal_eval.report.model import ReportModel
from focal_eval.runner.folder import FORMATS, JOURNAL, read_journal
from focal_eval.runner.index import read_index
from focal_eval.runner.reading import Reading
from focal_eval.value import collector_off


def read_run(folder: Path) -> ReportModel:
    """The run in `folder`; a torn last line is ignored, other damaged lines are counted. Raises StorageError where none is."""
    return model_of(folder, read_journal(folder)[0])


def list_run(folder: Path) -> ReportModel:
    """The same by the index, where there is one: what was said is not read, and so not looked at for damage."""
    with collector_off():
        try:
            with (folder / JOURNAL).open("rb") as file:
                known = read_index(folder, file)
                if known is None:
                    return read_run(folder)
                reading, start = known
                file.seek(start)
                reading.file(file, start)
        except OSError:
            return read_run(folder)
        return model_of(folder, reading)


def model_of(folder: Path, reading: Reading, outcome: Mapping[str, Any] | None = None) -> ReportModel:
    """The run that a journal was read of, or is still written of; `outcome` is what its last line will say."""
    path = folder / JOURNAL
    if not reading.header:
        raise StorageError(f"{path} does not begin with a line of kind 'run'")
    if reading.header.get("format") not in FORMATS:
        known = " and ".join(map(str, FORMATS))
        raise StorageError(f"{path} has format {reading.header.get('format')!r}; this version reads format {known}")
    header = {**reading.header, **(outcome or {})}
    before = header.get("damaged")  # where a run that was judged again was read
    damaged = reading.damaged + (before if isinstance(before, int) else 0)
    return ReportModel(folder, header, list(reading.cases.values()), damaged, path, reading.shared)

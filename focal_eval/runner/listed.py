"""The cases of a run in few words, straight from its index: no entry is made that a list does not show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from focal_eval.runner.entries import Case
from focal_eval.runner.folder import JOURNAL
from focal_eval.runner.index import INDEX, NOT_USABLE, begun, fits, put, rows_of
from focal_eval.runner.index import attempt_of as attempt_of_row
from focal_eval.runner.index import case_of as case_of_row
from focal_eval.runner.reading import collector_off


class Listed(NamedTuple):
    """One case as a list shows it."""

    id: str
    name: str
    script: str
    title: str
    file: str
    line: int
    tags: tuple[str, ...]
    verdict: str
    turns: int
    elapsed_ms: float
    message: str | None


def listed(case: Case) -> Listed:
    """A case in few words."""
    told = (case.verdict, case.last.count, case.elapsed_ms, case.message)
    return Listed(case.id, case.name, case.script, case.title, case.file, case.line, case.tags, *told)


class Overview(NamedTuple):
    """What an index tells of a run that is over, in no order."""

    header: Mapping[str, Any]
    cases: list[Listed]


def overview(folder: Path) -> Overview | None:
    """A run that is over, by its index; None where that cannot be used or the journal goes on behind it."""
    try:
        with collector_off():
            return _overview(folder)
    except NOT_USABLE:
        return None


def _overview(folder: Path) -> Overview | None:
    plain: dict[str, Listed] = {}
    others: dict[str, list[Any]] = {}  # a case's own row, then those of its attempts
    header: Mapping[str, Any] | None = None
    last = ""
    with (folder / INDEX).open("rb") as index, (folder / JOURNAL).open("rb") as journal:
        size, _, lines = begun(index, journal)
        for found in lines:
            for told, row, _ in rows_of(found):
                if isinstance(told, str):
                    others[told].append(row)  # KeyError where it was plain: it is told in full by the general way
                    continue
                if row is None or len(row) != 5 or not isinstance(row[1], str) or row[2] == "xpassed":
                    others[told[0]] = [told, row]
                    continue
                key, name, script, title, file, line, tags, *_ = told
                _, last, verdict, elapsed, _ = row
                script = script or name
                turns = last.count("+") - 1
                fields = (key, name, script, title or script, file, line, tuple(tags), verdict, turns, elapsed, None)
                plain[key] = Listed._make(fields)
            header = found["header"] if found.get("end") == size else None
        if header is None or not fits(journal, last, size):
            return None
    return Overview(header, [*plain.values(), *map(_other, others.values())])


def _other(rows: list[Any]) -> Listed:
    """A case that takes more than a look: with trouble, cut off, or with several attempts."""
    case = case_of_row(rows[0])
    for row in rows[1:]:
        if row is not None:
            put(case, attempt_of_row(row))
    return listed(case)

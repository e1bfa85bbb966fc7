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
from focal_eval.value import collector_off


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
    elapsed_ms: float  # in thousandths, as the journal has it
    message: str | None


def listed(case: Case) -> Listed:
    """A case in few words."""
    told = (case.verdict, case.last.count, round(case.elapsed_ms, 3), case.message)
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
    found = _Rows()
    header: Mapping[str, Any] | None = None
    with (folder / INDEX).open("rb") as index, (folder / JOURNAL).open("rb") as journal:
        size, _, lines = begun(index, journal)
        for line in lines:
            found.take(rows_of(line))
            header = line["header"] if line.get("end") == size else None
        if header is None or not fits(journal, found.last, size):
            return None
    return Overview(header, found.cases())


_BY_ENTRIES = frozenset({"xpassed", "not_run", None})  # verdicts whose message is made of the case's own fields


class _Rows:
    """Takes the rows of an index. Written for a hundred thousand: what it does to each costs a hundredth of a second a look."""

    def __init__(self) -> None:
        self.last = ""  # where the attempt stands that ended last
        self._listed: list[Listed] = []
        self._kept: dict[str, list[Any]] = {}  # where it is listed or None; its own row, then those of its attempts
        self._same: dict[str, str] = {}  # of titles and files there are few

    def take(self, rows: list[Any]) -> None:
        """Takes some rows, in their order. Raises one of `NOT_USABLE` for a row that fits nothing that was told before."""
        out, make, same, last = self._listed, tuple.__new__, self._same.setdefault, self.last
        for told, row, _ in rows:
            if row is None or row[1].__class__ is not str:
                self._keep(told, row)
                continue
            message = None
            if len(row) == 5:
                _, last, verdict, elapsed, _ = row
            else:
                _, last, verdict, elapsed, _, trouble = row
                message = trouble[3] or trouble[0]
            if told.__class__ is str or verdict in _BY_ENTRIES:
                self._keep(told, row)
                continue
            if len(row) > 5:
                self._kept[told[0]] = [len(out), told, row]
            key, name, script, title, file, line, tags, _, _, _, _, _, _, _ = told
            if script is None:
                script = name
            title = script if title is None else same(title, title)
            turns = last.count("+") - 1
            out.append(
                make(Listed, (key, name, script, title, same(file, file), line, tuple(tags), verdict, turns, elapsed, message))
            )
        self.last = last

    def _keep(self, told: Any, row: Any) -> None:
        """A row that is not enough to list its case."""
        if isinstance(told, str):
            self._kept[told].append(row)  # KeyError where none was kept: the run is read the general way then
        else:
            self._kept[told[0]] = [None, told, row]

    def cases(self) -> list[Listed]:
        """Each case once."""
        for at, told, *rows in self._kept.values():
            if at is None:
                self._listed.append(_by_entries(told, rows))
            elif len(rows) > 1:
                self._listed[at] = _by_entries(told, rows)
        return self._listed


def _by_entries(told: list[Any], rows: list[Any]) -> Listed:
    """A case that takes more than a look: cut off, passed against its mark, or with several attempts."""
    case = case_of_row(told)
    for row in rows:
        if row is not None:
            put(case, attempt_of_row(row))
    return listed(case)

"""What there is to approve: each case of a run beside its baseline, in one of four categories or up to date."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from enum import StrEnum
from itertools import groupby
from pathlib import Path

from focal_eval.compare import Masks, compare_repeats, masks_of
from focal_eval.compare.baseline_model import BaselineFile, Kept, content, path_of, short
from focal_eval.compare.baseline_reading import from_file, paths_below
from focal_eval.compare.baseline_writing import text_of
from focal_eval.compare.model import CaseChange, Change, RecordedCase, RecordedTurn, case_key
from focal_eval.compare.staleness import is_over
from focal_eval.errors import Refused, UsageError
from focal_eval.evaluate.recorded_cases import recorded, script_digest
from focal_eval.report.model import Case, ReportModel
from focal_eval.value import value


class Category(StrEnum):
    """What approving would do; each is approved apart."""

    NEW = "new"  # the case has no baseline yet
    WRONG = "wrong"  # it differs from its baseline
    UNUSED = "unused"  # there is a baseline of a case that no longer exists
    REFORMATTED = "reformatted"  # the same conversation; the file's layout, its digests or its approval are out of date


GOOD = frozenset({"passed", "xfailed"})
BROKEN = frozenset({"errored"})
FAILING = frozenset({"failed", "xpassed"})


@value
class Unit:
    """One case with all its repeats on both sides; it is approved as a whole."""

    name: str  # without the number of a repeat
    script: str
    category: Category | None  # None: up to date, or nothing was observed of it
    before: tuple[Kept, ...]
    after: tuple[RecordedCase, ...]  # as a baseline keeps it; empty where nothing may be taken from the run
    change: CaseChange | None = None
    verdicts: tuple[str, ...] = ()
    digest: str = ""  # of the script, as it was played

    @property
    def trouble(self) -> str | None:
        """`errored` or `failing` where a repeat of it is: then it is approved only where that is said."""
        if any(verdict in BROKEN for verdict in self.verdicts):
            return "errored"
        return "failing" if any(verdict in FAILING for verdict in self.verdicts) else None

    @property
    def cause(self) -> str | None:
        """The key of the reason for which it changed."""
        return None if self.change is None or self.change.cause is None else self.change.cause.key


@value
class ScriptUnits:
    """The units of one script, with the file that holds its baseline."""

    script: str
    path: Path
    file: BaselineFile | None
    units: tuple[Unit, ...]
    head: tuple[str, str, tuple[str, ...]]  # title, file and tags, as they are today
    laid_out: bool = True  # whether the file stands in today's layout


class Looking:
    """Sets a run beside a baseline, one script at a time."""

    def __init__(self, model: ReportModel, folder: Path, today: date) -> None:
        self.model, self.folder, self.today = model, folder, today
        self.masks: Masks = masks_of(model.header)
        agent = (model.header.get("engine") or {}).get("agent") or {}
        self.agent: str | None = agent.get("digest")
        self.complete = is_complete(model)
        self.whole = self.complete and _is_whole_suite(model)

    def scripts(self) -> Iterator[ScriptUnits]:
        """Every script of the run or the baseline, sorted. Raises Refused where a file of the baseline is broken."""
        paths = dict.fromkeys(paths_below(self.folder))
        for script, cases in groupby(self.model.cases, key=lambda case: case.script):
            below = path_of(script)
            if below is None:
                raise UsageError(f"a script named {script!r} has no place in a baseline")
            path = self.folder / below
            yield self._script(script, path, list(cases), known=path in paths)
            paths.pop(path, None)
        for path in paths:
            yield self._unplayed(path)

    def _read(self, path: Path) -> tuple[BaselineFile, bool]:
        document, file = from_file(path, self.folder)
        if file is None:
            raise Refused("nothing was approved: the baseline cannot be read", document.problems)
        return file, text_of(file) == document.text

    def _unplayed(self, path: Path) -> ScriptUnits:
        file, laid_out = self._read(path)
        category = Category.UNUSED if self.whole else None
        units = tuple(Unit(name, file.script, category, kept, ()) for name, kept in _kept(file).items())
        return ScriptUnits(file.script, path, file, units, (file.title, file.file, file.tags), laid_out)

    def _script(self, script: str, path: Path, cases: Sequence[Case], *, known: bool) -> ScriptUnits:
        file, laid_out = self._read(path) if known else (None, True)
        before = {} if file is None else _kept(file)
        units = []
        for name, several in _by_name(cases).items():
            units.append(self._unit(name, before.pop(name, ()), several))
        category = Category.UNUSED if self.complete else None
        units += [Unit(name, script, category, kept, ()) for name, kept in before.items()]
        first = cases[0]
        return ScriptUnits(script, path, file, tuple(units), (first.title, first.file, first.tags), laid_out)

    def _unit(self, name: str, before: tuple[Kept, ...], several: list[Case]) -> Unit:
        script, verdicts = several[0].script, tuple(case.verdict for case in several)
        digest = short(script_digest(self.model, several[0]))
        if not all(verdict in GOOD | BROKEN | FAILING for verdict in verdicts):  # skipped or cut off: nothing is known
            return Unit(name, script, None, before, (), None, verdicts, digest)
        observed = [recorded(self.model, case) for case in several]
        after = tuple(masked(case, self.masks) for case in observed)
        if not before:
            return Unit(name, script, Category.NEW, (), after, None, verdicts, digest)
        change = compare_repeats([kept.case for kept in before], observed, self.masks)
        same = change.change is Change.SAME
        category = Category.WRONG if not same else Category.REFORMATTED if self._is_old(before, digest) else None
        return Unit(name, script, category, before, after, change, verdicts, digest)

    def _is_old(self, before: tuple[Kept, ...], digest: str) -> bool:
        return any(
            (digest and kept.approval.script != digest)
            or (self.agent is not None and kept.approval.agent != short(self.agent))
            or is_over(kept.approval, self.today)
            for kept in before
        )


def _by_name(cases: Sequence[Case]) -> dict[str, list[Case]]:
    out: dict[str, list[Case]] = {}
    for case in cases:
        out.setdefault(case_key(case.name, case.script, case.repeat), []).append(case)
    return out


def _kept(file: BaselineFile) -> dict[str, tuple[Kept, ...]]:
    out: dict[str, tuple[Kept, ...]] = {}
    for kept in file.cases:
        name = case_key(kept.case.name, kept.case.script, kept.case.repeat)
        out[name] = (*out.get(name, ()), kept)
    return out


def is_complete(model: ReportModel) -> bool:
    """Whether a run played every case of the scripts it was given: only then can a case be missed in it."""
    plan = model.header.get("plan") or {}
    cases = plan.get("cases")
    played = len(model.cases) + int(model.header.get("spared") or 0)  # repeats that were not needed any more
    return not model.partial and not model.damaged and cases is not None and cases == plan.get("collected") == played


def _is_whole_suite(model: ReportModel) -> bool:
    """Whether a run was given the suite itself, and no choice of its scripts."""
    suite = (model.header.get("suite") or {}).get("file")
    again = (model.header.get("options") or {}).get("again") or {}
    return suite is not None and again.get("paths") == [suite]


def masked(case: RecordedCase, masks: Masks) -> RecordedCase:
    """What a baseline keeps of a case, with the suite's masks over it."""
    kept = content(case)
    messages = None if kept.messages is None else tuple(masks.message(message) for message in kept.messages)
    return replace(kept, turns=tuple(_masked(turn, masks) for turn in kept.turns), messages=messages)


def _masked(turn: RecordedTurn, masks: Masks) -> RecordedTurn:
    return turn if turn.reply is None else replace(turn, reply=masks.reply(turn.reply))

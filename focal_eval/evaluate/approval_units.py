"""What there is to approve: each case of a run beside its baseline, in one of four categories or up to date."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from enum import StrEnum
from itertools import groupby
from pathlib import Path

from focal_eval.compare import Masks, compare_repeats, masks_of
from focal_eval.compare.baseline_model import BaselineFile, Kept, content, path_of, short
from focal_eval.compare.baseline_reading import from_file, paths_below
from focal_eval.compare.baseline_writing import text_of
from focal_eval.compare.keys import case_key
from focal_eval.compare.model import CaseChange, Change, RecordedCase, RecordedTurn
from focal_eval.compare.renames import Trace, renames, trace_of
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
    REFORMATTED = "reformatted"  # the same conversation; its name, the file's layout, digests or approval are out of date


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
    renamed: str = ""  # what it was called when it was approved; `before` has today's name already
    stays: tuple[Kept, ...] | None = None  # what stands where it is left alone, if that is not `before`

    @property
    def standing(self) -> tuple[Kept, ...]:
        """The cases as they stand where the unit is left alone."""
        return self.before if self.stays is None else self.stays

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
    source: Path | None = None  # where the file stands today, if its script was renamed


@value
class _Move:
    """The file of a script that was renamed, with the new names of its cases."""

    path: Path
    names: Mapping[str, str]


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
        played = [(script, list(cases)) for script, cases in groupby(self.model.cases, key=lambda case: case.script)]
        moves = self._moves(played, tuple(paths))
        for script, cases in played:
            path, move = self._path(script), moves.get(script)
            yield self._script(script, path, cases, path if path in paths else None, move)
            paths.pop(path, None)
            if move is not None:
                paths.pop(move.path, None)
        for path in paths:
            yield self._unplayed(path)

    def _path(self, script: str) -> Path:
        below = path_of(script)
        if below is None:
            raise UsageError(f"a script named {script!r} has no place in a baseline")
        return self.folder / below

    def _moves(self, played: Sequence[tuple[str, list[Case]]], paths: Sequence[Path]) -> dict[str, _Move]:
        """New scripts that are old ones under another name: all that was renamed from one file has gone to one script."""
        at = {self._path(script) for script, _ in played}
        fresh = [(script, cases) for script, cases in played if self._path(script) not in paths]
        lost = [path for path in paths if path not in at] if self.whole and fresh else []
        gone: dict[str, Trace] = {}
        files: dict[str, Path] = {}
        for path in lost:
            for name, kept in _kept(self._read(path)[0]).items():
                gone[name], files[name] = trace_of(kept[0].case, kept[0].approval.script), path
        homes = {name: script for script, cases in fresh for name in _by_name(cases)}
        traces = {name: found for script, cases in fresh if gone for name, found in self._traces(_by_name(cases)).items()}
        ways: dict[Path, dict[str, dict[str, str]]] = {}
        for old, new in renames(gone, traces).items():
            ways.setdefault(files[old], {}).setdefault(homes[new], {})[old] = new
        sources = Counter(script for scripts in ways.values() for script in scripts)
        return {
            script: _Move(path, names)
            for path, scripts in ways.items()
            for script, names in scripts.items()
            if len(scripts) == 1 and sources[script] == 1
        }

    def _traces(self, cases: Mapping[str, Sequence[Case]]) -> dict[str, Trace]:
        """What cases of the run can be known by under another name; those that nobody judged by none."""
        out = {}
        for name, several in cases.items():
            judged = next((case for case in several if case.verdict in GOOD | BROKEN | FAILING), None)
            if judged is not None:
                out[name] = trace_of(recorded(self.model, judged), short(script_digest(self.model, judged)))
        return out

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

    def _script(
        self, script: str, path: Path, cases: Sequence[Case], known: Path | None, move: _Move | None = None
    ) -> ScriptUnits:
        source = known or (None if move is None else move.path)
        file, laid_out = self._read(source) if source is not None else (None, True)
        before = {} if file is None else _kept(file)
        now = _by_name(cases)
        old: dict[str, str] = {}  # names of today with those of the file
        if file is not None and move is not None:
            named = {name: move.names.get(name, script + name.removeprefix(file.script)) for name in before}
            old = {new: name for name, new in named.items()}
            before = {new: _relabelled(before[name], name, new, script) for name, new in named.items()}
        renamed = self._renamed(before, now)
        units = []
        for name, several in now.items():
            if name in renamed:
                stays = before.pop(renamed[name])
                kept = _relabelled(stays, renamed[name], name, script)
                units.append(self._unit(name, kept, several, old.get(renamed[name], renamed[name]), stays))
            else:
                units.append(self._unit(name, before.pop(name, ()), several, old.get(name, "")))
        category = Category.UNUSED if self.complete else None
        units += [Unit(name, script, category, kept, ()) for name, kept in before.items()]
        head = (cases[0].title, cases[0].file, cases[0].tags)
        return ScriptUnits(script, path, file, tuple(units), head, laid_out, source if source != path else None)

    def _renamed(self, before: Mapping[str, tuple[Kept, ...]], now: Mapping[str, list[Case]]) -> dict[str, str]:
        """Cases of a script that have other parameters' names today: the new name with the old one."""
        gone = {name: trace_of(kept[0].case, kept[0].approval.script) for name, kept in before.items() if name not in now}
        if not gone or not self.complete:
            return {}
        came = self._traces({name: several for name, several in now.items() if name not in before})
        return {new: old for old, new in renames(gone, came).items()}

    def _unit(
        self,
        name: str,
        before: tuple[Kept, ...],
        several: list[Case],
        renamed: str = "",
        stays: tuple[Kept, ...] | None = None,
    ) -> Unit:
        script, verdicts = several[0].script, tuple(case.verdict for case in several)
        digest = short(script_digest(self.model, several[0]))
        if not all(verdict in GOOD | BROKEN | FAILING for verdict in verdicts):  # skipped or cut off: nothing is known
            return Unit(name, script, None, before, (), None, verdicts, digest, renamed, stays)
        observed = [recorded(self.model, case) for case in several]
        after = tuple(masked(case, self.masks) for case in observed)
        if not before:
            return Unit(name, script, Category.NEW, (), after, None, verdicts, digest)
        change = compare_repeats([kept.case for kept in before], observed, self.masks)
        same = change.change is Change.SAME
        old = bool(renamed) or self._is_old(before, digest)
        category = Category.WRONG if not same else Category.REFORMATTED if old else None
        return Unit(name, script, category, before, after, change, verdicts, digest, renamed, stays)

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


def _relabelled(kept: tuple[Kept, ...], old: str, new: str, script: str) -> tuple[Kept, ...]:
    """The same cases under another name."""
    return tuple(
        replace(one, case=replace(one.case, name=new + one.case.name.removeprefix(old), script=script)) for one in kept
    )


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

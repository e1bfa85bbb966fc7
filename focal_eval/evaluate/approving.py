"""Accepts what a run observed into the baseline: what is asked for, by category, cause, script or turn, and no more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field, replace
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from focal_eval.clock import Clock
from focal_eval.compare.baseline import default_folder
from focal_eval.compare.baseline_model import AGENT, Approval, BaselineFile, Kept, short
from focal_eval.compare.baseline_writing import Staging, text_of
from focal_eval.compare.model import Lane
from focal_eval.errors import UsageError
from focal_eval.evaluate.agent_edits import kept_agent
from focal_eval.evaluate.approval_choice import ApproveRequest, Choice, Chosen, Seen, choice_of, turn_words
from focal_eval.evaluate.approval_units import Category, Looking, ScriptUnits, Unit
from focal_eval.evaluate.folders import read_folder
from focal_eval.registry import did_you_mean
from focal_eval.report.model import ReportModel
from focal_eval.value import value

__all__ = ["ApproveRequest", "Approved", "Item", "approve", "folder_of"]


@value
class Item:
    """One case that is not up to date, and what was done about it."""

    category: Category
    case: str
    script: str
    approved: bool
    left: str | None = None  # why it was left alone
    cause: str | None = None
    text: str | None = None  # the cause in words
    verdicts: tuple[str, ...] = ()
    turns: tuple[int, ...] = ()  # those that were approved where not all were; below zero: of the baseline alone
    renamed: str | None = None  # what it was called when it was approved


@value
class Approved:
    """What approving did, or would do."""

    run: str
    folder: Path
    items: tuple[Item, ...]
    up_to_date: int  # cases
    unseen: int  # cases of the baseline that the run did not judge; they are kept
    written: tuple[Path, ...] = ()
    removed: tuple[Path, ...] = ()
    layouts: tuple[str, ...] = ()  # scripts whose file alone stands in an older layout
    already: tuple[str, ...] = ()  # what was asked for and had been approved before
    dry_run: bool = False

    @property
    def changes(self) -> bool:
        """Whether any file is another one now, or would be."""
        return bool(self.written or self.removed)

    def as_json(self) -> dict[str, Any]:
        """One document; its keys are described in docs/reference/baselines.md."""
        return {
            "run": self.run,
            "baseline": str(self.folder),
            "dry_run": self.dry_run,
            "up_to_date": self.up_to_date,
            "unseen": self.unseen,
            "items": [_item_json(item) for item in self.items],
            "layouts": list(self.layouts),
            "already": list(self.already),
            "written": [str(path) for path in self.written],
            "removed": [str(path) for path in self.removed],
        }


def _item_json(item: Item) -> dict[str, Any]:
    keys = ("category", "case", "script", "approved", "left", "cause", "text", "verdicts", "turns", "renamed")
    found = {key: getattr(item, key) for key in keys}
    found["turns"] = tuple(turn if turn > 0 else turn_words(turn) for turn in item.turns)
    return {key: list(value) if isinstance(value, tuple) else value for key, value in found.items() if value not in (None, ())}


def approve(request: ApproveRequest, clock: Clock | None = None) -> Approved:
    """Approves what a request names and writes the baseline.

    Raises UsageError or Refused before anything is written, StorageError where a file cannot be.
    """
    today = (clock or Clock()).now().date()
    _check_day(request.expires, today)
    model = read_folder(request.run, request.runs)
    folder = folder_of(model, request.suite, request.baseline)
    looking = Looking(model, folder, today)
    with Staging() as staging:
        return _Approving(request, looking, choice_of(request, str(model.header.get("id") or "")), today, staging).go()


def folder_of(model: ReportModel, suite: Path | None, folder: Path | None) -> Path:
    """Where the baseline of a run lies. Raises UsageError where that cannot be told."""
    if folder is not None:
        return folder
    named = str(suite) if suite is not None else (model.header.get("suite") or {}).get("file")
    if named is not None and not Path(named).is_file():
        raise UsageError(f"the run's suite {named} is not there; name the baseline's folder with --baseline DIR")
    return default_folder(named)


def _check_day(text: str | None, today: date) -> None:
    if text is None:
        return
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--expires takes a day such as {today.isoformat()}, not '{text}'") from None
    if day < today or day.isoformat() != text:
        raise UsageError(f"--expires {text} is " + ("over already" if day < today else "no day such as 2026-11-21"))


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") == text
    except (OSError, UnicodeDecodeError):
        return False


@value
class _Collected:
    """What was found on the way through the scripts."""

    items: list[Item] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)
    removed: list[Path] = field(default_factory=list)
    layouts: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: {"up_to_date": 0, "unseen": 0})
    causes: dict[str, str] = field(default_factory=dict)  # by key, in the words that `compare` has for all of its cases
    seen: Seen = field(default_factory=Seen)
    agents: set[str | None] = field(default_factory=set)  # that what is kept was approved of
    scripts: set[str] = field(default_factory=set)


class _Approving:
    """One call of `approve` under way."""

    def __init__(self, request: ApproveRequest, looking: Looking, choice: Choice, today: date, staging: Staging) -> None:
        self.request, self.looking, self.choice, self.today, self.staging = request, looking, choice, today, staging
        self.found = _Collected()

    def go(self) -> Approved:
        for script in self.looking.scripts():
            self._script(script)
        found = self.found
        already = self.choice.check_known(found.seen)
        self._known_scripts()
        self._keep_agent()
        self.staging.commit()
        return Approved(
            run=str(self.looking.model.header.get("id") or ""),
            folder=self.looking.folder,
            items=self._items(),
            up_to_date=found.counts["up_to_date"],
            unseen=found.counts["unseen"],
            written=tuple(found.written),
            removed=tuple(path for path in found.removed if path not in found.written),
            layouts=tuple(found.layouts),
            already=already,
            dry_run=self.request.dry_run,
        )

    def _items(self) -> tuple[Item, ...]:
        told = (item if item.cause is None else replace(item, text=self.found.causes[item.cause]) for item in self.found.items)
        return tuple(sorted(told, key=lambda item: (list(Category).index(item.category), item.script, item.case)))

    def _known_scripts(self) -> None:
        for wanted in self.request.scripts:
            if not any(fnmatchcase(script, wanted) for script in self.found.scripts):
                fix = did_you_mean(wanted, self.found.scripts, list_up_to=6)
                raise UsageError(f"no script is named '{wanted}' in this run or its baseline" + (f"; {fix}" if fix else ""))

    def _script(self, script: ScriptUnits) -> None:
        self.found.scripts.add(script.script)
        kept: list[Kept] = []
        changed = False
        for unit in script.units:
            fresh, approved = self._unit(unit)
            kept += fresh
            changed = changed or approved
        layout = not script.laid_out and self._selected(script.script) and self.choice.takes(Category.REFORMATTED)
        if not script.laid_out and not changed and not layout:
            self.found.layouts.append(script.script)
        if changed or layout:
            title, file, tags = script.head
            self._put(script.path, text_of(BaselineFile(script.script, tuple(kept), title, file, tags)) if kept else None)
            if script.source is not None:
                self._put(script.source, None)
        self.found.agents.update(one.approval.agent for one in kept)

    def _put(self, path: Path, text: str | None) -> None:
        """Has a file written at the end, or removed; of a dry run only its path is kept."""
        if text is None:
            self.found.removed.append(path)
            self.staging.remove(path)
            return
        self.found.written.append(path)
        if not self.request.dry_run:
            self.staging.put(path, text)

    def _keep_agent(self) -> None:
        """The agent that all of the baseline is approved of; while a case is of another one, the older agent stays."""
        path, agent = self.looking.folder / AGENT, self.looking.agent
        if self.found.agents != {None if agent is None else short(agent)}:
            return
        text = kept_agent(self.looking.model)
        if text is not None and not _holds(path, text):
            self._put(path, text)

    def _selected(self, script: str) -> bool:
        return not self.request.scripts or any(fnmatchcase(script, wanted) for wanted in self.request.scripts)

    def _unit(self, unit: Unit) -> tuple[tuple[Kept, ...], bool]:
        """The cases of a unit as they stand from now on, and whether that is a change."""
        agent = None if self.looking.agent is None else short(self.looking.agent)
        self.found.seen.signed.update(
            (kept.approval.by, kept.approval.why) for kept in unit.before if kept.approval.agent == agent
        )
        if unit.category is None:
            self.found.counts["up_to_date" if unit.after else "unseen"] += 1 if unit.before else 0
            self.found.seen.same.add(unit.name)
            return unit.standing, False
        (self.found.seen.same if unit.category is Category.REFORMATTED else self.found.seen.cases).add(unit.name)
        if unit.cause is not None:
            self._cause(unit)
        chosen = self.choice.about(unit)
        if isinstance(chosen, str):
            self._tell(unit, approved=False, left=chosen)
            return unit.standing, False
        self._tell(unit, approved=True, turns=chosen.turns or ())
        return self._approved(unit, chosen), True

    def _cause(self, unit: Unit) -> None:
        """Keeps a cause's words: those of a case in which more happened than that a rule was looked at."""
        cause = None if unit.change is None else unit.change.cause
        if cause is not None and (cause.key not in self.found.causes or cause.lane is not Lane.CANDIDATES):
            self.found.causes[cause.key] = cause.text
            self.found.seen.causes.add(cause.key)

    def _approved(self, unit: Unit, chosen: Chosen) -> tuple[Kept, ...]:
        if unit.category is Category.UNUSED:
            return ()
        if unit.category is Category.REFORMATTED and not chosen.renewed:
            return tuple(Kept(kept.case, self._moved(kept.approval, unit)) for kept in unit.before)
        approval = Approval(
            by=chosen.author,
            date=self.today.isoformat(),
            script=unit.digest or "0" * 16,
            agent=None if self.looking.agent is None else short(self.looking.agent),
            why=chosen.reason,
            expires=chosen.expires,
        )
        cases: Iterable[Any] = unit.after
        if unit.category is Category.REFORMATTED:
            cases = [kept.case for kept in unit.before]
        elif chosen.merged is not None:
            cases = [chosen.merged]
        return tuple(Kept(case, approval) for case in cases)

    def _moved(self, approval: Approval, unit: Unit) -> Approval:
        """The same approval, of today's script and agent: the conversation was seen to be the same."""
        agent = approval.agent if self.looking.agent is None else short(self.looking.agent)
        return replace(approval, script=unit.digest or approval.script, agent=agent)

    def _tell(self, unit: Unit, *, approved: bool, left: str | None = None, turns: tuple[int, ...] = ()) -> None:
        assert unit.category is not None
        item = Item(
            unit.category, unit.name, unit.script, approved, left, unit.cause, None, unit.verdicts, turns, unit.renamed or None
        )
        self.found.items.append(item)

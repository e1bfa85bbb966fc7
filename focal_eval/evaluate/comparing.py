"""Two runs, or a run and a baseline, compared: one case at a time, so that memory holds differences and not conversations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

from focal_eval.compare import Masks, baseline, compare_repeats, grouped, masks_of
from focal_eval.compare.baseline_model import AGENT, short
from focal_eval.compare.keys import case_key
from focal_eval.compare.model import CaseChange, Change, Comparison, Edit, RecordedCase, Side
from focal_eval.compare.renames import Trace, renames, trace_of
from focal_eval.compare.staleness import Staleness
from focal_eval.compare.stats import Measured, Statistics, measured, statistics_of
from focal_eval.errors import ExitCode, StorageError, UsageError
from focal_eval.evaluate.agent_edits import edits_between, edits_since
from focal_eval.evaluate.folders import find_run
from focal_eval.evaluate.joined_runs import joined
from focal_eval.evaluate.recorded_cases import recorded, script_digest
from focal_eval.evaluate.replayed_times import why_no_latency
from focal_eval.evaluate.stale_baseline import staleness_of
from focal_eval.records import Json
from focal_eval.report.journal import read_run
from focal_eval.report.model import Case, ReportModel
from focal_eval.runner.gates import Compared as Measures
from focal_eval.runner.gates import GateResult, conclude, decide_compared, limits_of, results_of
from focal_eval.runner.journal import JOURNAL
from focal_eval.script.gates import COMPARED
from focal_eval.script.load import shown
from focal_eval.value import value

BASELINE = "baseline"
"""What names the baseline of the candidate's suite, wherever it lies."""

_ALPHA = 0.05  # of the figures where no gate says another


@value
class CompareRequest:
    """What to compare: each side is a run folder, a unique prefix of a run's id, `latest` or `previous`.

    The first may be a baseline too: its folder, or `baseline` for that of the candidate's suite.
    """

    before: str
    after: str
    runs: Path = Path("reports")
    more: tuple[str, ...] = ()  # further runs beside `after`: each is one repeat of its cases


@value
class Compared:
    """A comparison with all that is needed to render it."""

    comparison: Comparison
    before: ReportModel | None  # None where it is a baseline
    after: ReportModel
    gates: tuple[GateResult, ...]
    statistics: Statistics
    exit_code: ExitCode
    agents: str | None = None  # why the edits of the agent are not known, in words
    staleness: Staleness | None = None  # what is out of date in the baseline, where there is one

    @property
    def own_gates(self) -> tuple[Mapping[str, Json], ...]:
        """The gates on the candidate's run itself, as it decided them; they count for its exit code, not for this one."""
        return tuple(gate for gate in self.after.gates if gate.get("name") not in COMPARED)

    @property
    def hint(self) -> str | None:
        """What looks like a mistake in what was compared with what, in words: the first run is the newer one."""
        if self.before is None or not _moment(self.before) > _moment(self.after) > "":
            return None
        return f"{self.before.header.get('id')} is newer than {self.after.header.get('id')}: read 'fixed' as 'regressed'"


@value
class Reference:
    """What a run is compared with, looked up: the folder of a run, or of a baseline."""

    folder: Path
    is_baseline: bool


def compare(request: CompareRequest) -> Compared:
    """Compares two recordings. Raises UsageError where one is not there, or where they have no case in common."""
    after = joined([read_run(find_run(ref, request.runs)) for ref in (request.after, *request.more)])
    suite = (after.header.get("suite") or {}).get("file")
    return compare_to(find_reference(request.before, request.runs, suite), after)


def find_reference(ref: str, runs: Path, suite: str | None) -> Reference:
    """What a reference names. `suite` is the candidate's, whose baseline the word `baseline` means. Raises UsageError."""
    if ref == BASELINE:
        return Reference(baseline.default_folder(suite), is_baseline=True)
    path = Path(ref)
    if path.is_dir() and not (path / JOURNAL).is_file() and not (runs / ref / JOURNAL).is_file():
        return Reference(path, is_baseline=True)
    return Reference(find_run(ref, runs), is_baseline=False)


def compare_to(reference: Reference, after: ReportModel) -> Compared:
    """What changed since."""
    return (
        compare_baseline(reference.folder, after) if reference.is_baseline else compare_runs(read_run(reference.folder), after)
    )


def check_overlap(reference: Reference, cases: Iterable[str]) -> None:
    """Raises UsageError where the cases about to be played are none of those they are to be compared with."""
    known = side_of(reference)
    names = known.names()
    if not names:
        raise UsageError(_no_baseline(reference.folder) if reference.is_baseline else f"{reference.folder} holds no case")
    if names.keys().isdisjoint(cases):
        raise UsageError(f"nothing to compare: {reference.folder} has none of the cases that would be played")


def side_of(reference: Reference) -> _Recording:
    """What a reference holds, case by case."""
    return _Baseline(reference.folder) if reference.is_baseline else _Run(read_run(reference.folder))


def compare_runs(before: ReportModel, after: ReportModel) -> Compared:
    """What changed from one run to another."""
    return _Comparing(_Run(before), _Run(after)).compared(before, after)


def compare_baseline(folder: Path, after: ReportModel) -> Compared:
    """What changed since a baseline was approved. Raises UsageError where there is none."""
    side = _Baseline(folder)
    if not side.names():
        raise UsageError(_no_baseline(folder))
    return _Comparing(side, _Run(after)).compared(None, after, staleness_of(folder, after))


def _no_baseline(folder: Path) -> str:
    return f"{folder} holds no baseline; 'focal-eval approve RUN' writes one"


def judged_with(
    outcome: Mapping[str, Any], compared: Compared, *, strict_flaky: bool = False
) -> tuple[dict[str, Any], ExitCode]:
    """A run's outcome with the gates on its comparison judged, and the verdict and exit code of all gates together."""
    judged = {gate.name: gate for gate in compared.gates}
    gates = [judged.pop(gate.name, gate) for gate in results_of(outcome["gates"])] + list(judged.values())
    flaky = len((outcome["statistics"] or {}).get("flaky", ()))
    verdict, code = conclude(outcome["counts"], gates, outcome["state"], flaky=flaky, strict_flaky=strict_flaky)
    return {**outcome, "gates": [gate.as_json() for gate in gates], "verdict": verdict, "exit_code": int(code)}, code


class _Recording(Protocol):
    """One side of a comparison."""

    def names(self) -> Mapping[str, bool]:
        """Cases without the numbers of repeats; True where the side was played to its end."""

    def cases(self) -> Iterator[tuple[str, Sequence[RecordedCase]]]:
        """Every case with its repeats, one case at a time."""

    def case(self, name: str) -> Sequence[RecordedCase]:
        """One case's repeats; none where it is not there."""

    def traces(self, names: Collection[str]) -> Mapping[str, Trace]:
        """What these cases can be known by under other names."""

    def side(self) -> Side:
        """What this side is."""

    def whole(self) -> bool:
        """Whether all cases of the suite were asked for, so that one that is missing is gone."""


class _Run:
    """A run folder as one side."""

    def __init__(self, model: ReportModel) -> None:
        self.model = model
        self._cases: dict[str, list[Case]] = {}
        for case in model.cases:
            self._cases.setdefault(case_key(case.name, case.script, case.repeat), []).append(case)

    def names(self) -> Mapping[str, bool]:
        return {name: any(case.verdict != "not_run" for case in cases) for name, cases in self._cases.items()}

    def cases(self) -> Iterator[tuple[str, Sequence[RecordedCase]]]:
        return ((name, self.case(name)) for name in self._cases)

    def case(self, name: str) -> Sequence[RecordedCase]:
        repeats = sorted(self._cases.get(name, ()), key=lambda case: case.repeat)
        return [recorded(self.model, case) for case in repeats if case.verdict != "not_run"]

    def traces(self, names: Collection[str]) -> Mapping[str, Trace]:
        found = ((name, self.case(name)) for name in names)
        return {
            name: trace_of(repeats[0], short(script_digest(self.model, self._cases[name][0])))
            for name, repeats in found
            if repeats
        }

    def side(self) -> Side:
        header = self.model.header
        return Side(str(header.get("id")), "run", (header.get("engine") or {}).get("agent"), self.model.partial)

    def whole(self) -> bool:
        header = self.model.header
        options, suite = header.get("options") or {}, header.get("suite") or {}
        chosen = any(options.get(key) for key in ("tags", "keyword", "failed_of"))
        paths = (options.get("again") or {}).get("paths") or []
        named = suite.get("file") is not None and paths != [suite["file"]]
        return not (chosen or named or self.model.partial)


class _Baseline:
    """A folder of approved conversations as one side."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> Mapping[str, bool]:
        return {case_key(case.name, case.script, case.repeat): True for case in baseline.read(self.folder)}

    def cases(self) -> Iterator[tuple[str, Sequence[RecordedCase]]]:
        for name, repeats in groupby(
            baseline.read(self.folder), key=lambda case: case_key(case.name, case.script, case.repeat)
        ):
            yield name, list(repeats)

    def case(self, name: str) -> Sequence[RecordedCase]:
        return [case for case in baseline.read(self.folder) if case_key(case.name, case.script, case.repeat) == name]

    def traces(self, names: Collection[str]) -> Mapping[str, Trace]:
        out: dict[str, Trace] = {}
        for file in baseline.read_files(self.folder):
            for kept in file.cases:
                name = case_key(kept.case.name, kept.case.script, kept.case.repeat)
                if name in names:
                    out.setdefault(name, trace_of(kept.case, kept.approval.script))
        return out

    def side(self) -> Side:
        agent = self.folder / AGENT
        return Side(str(self.folder), "baseline", {"file": shown(agent)} if agent.is_file() else None)

    def whole(self) -> bool:
        return True


class _Comparing:
    """Two sides under comparison."""

    def __init__(self, before: _Recording, after: _Run) -> None:
        self.before, self.after = before, after
        try:
            self.masks: Masks = masks_of(after.model.header)
        except ValueError as problem:
            raise StorageError(f"the header of {after.model.folder} cannot be read: {problem}") from None
        self.left_out = 0
        self.renamed: dict[str, str] = {}
        self.set_aside: set[str] = set()  # cases in quarantine
        self._measured: tuple[list[Measured], list[Measured]] = ([], [])

    def compared(self, before: ReportModel | None, after: ReportModel, staleness: Staleness | None = None) -> Compared:
        self.renamed = self._renames()
        self._overlap()
        cases = tuple(sorted(self._cases(), key=lambda case: (case.script, case.name)))
        edits, why = edits_since(Path(self.before.side().name), after) if before is None else edits_between(before, after)
        comparison = self._comparison(cases, edits)
        limits = limits_of(after.header.get("gates") or ())
        alpha = getattr(limits.get("regressions"), "alpha", None) or _ALPHA
        statistics = statistics_of(
            *self._measured,
            deterministic=_deterministic(before, after),
            alpha=alpha,
            no_latency=None if before is None else why_no_latency(before, after),  # a baseline keeps no times
        )
        gating = [case for case in cases if case.name not in self.set_aside]
        gates = tuple(decide_compared(limits, _measures(gating, statistics, staleness)))
        return Compared(comparison, before, after, gates, statistics, exit_code(gating, gates), why, staleness)

    def _overlap(self) -> None:
        here, there = self.before.names(), self.after.names()
        if here.keys().isdisjoint(there) and not self.renamed:
            one, other = self.before.side(), self.after.side()
            raise UsageError(f"nothing to compare: {one.kind} {one.name} and {other.kind} {other.name} have no case in common")

    def _renames(self) -> dict[str, str]:
        """Cases that went and came again under another name; none where one side was not asked for all of its own."""
        if not (self.before.whole() and self.after.whole()):
            return {}
        here, there = self.before.names(), self.after.names()
        gone = [name for name in here if name not in there]
        came = [name for name, played in there.items() if played and name not in here]
        return renames(self.before.traces(frozenset(gone)), self.after.traces(frozenset(came))) if gone and came else {}

    def _cases(self) -> Iterator[CaseChange]:
        later, seen = self.after.names(), set(self.renamed.values())
        for name, repeats in self.before.cases():
            if name in self.renamed:
                yield replace(self._one(repeats, self.after.case(self.renamed[name])), before_name=name)
                continue
            seen.add(name)
            there = self.after.case(name)
            if (not there and not (self.after.whole() and name not in later)) or not repeats:
                self.left_out += 1
                continue
            yield self._one(repeats, there)
        for name in later:
            if name in seen:
                continue
            if self.before.whole() and later[name]:
                yield self._one((), self.after.case(name))
            else:
                self.left_out += 1

    def _one(self, before: Sequence[RecordedCase], after: Sequence[RecordedCase]) -> CaseChange:
        change, one = compare_repeats(before, after, self.masks), (after or before)[0]
        if case_key(one.name, one.script, one.repeat) in self.after.model.quarantined:
            self.set_aside.add(change.name)  # no figure that a gate is on is taken from it
            return change
        for side, cases in zip(self._measured, (before, after), strict=True):
            side.extend(measured(case) for case in cases)
        return change

    def _comparison(self, cases: tuple[CaseChange, ...], edits: tuple[Edit, ...] | None) -> Comparison:
        uncompared: Counter[str] = Counter()
        for case in cases:
            uncompared.update(case.uncompared)
        return Comparison(
            before=self.before.side(),
            after=self.after.side(),
            cases=cases,
            groups=grouped(cases, edits),
            edits=edits,
            masked=self.masks.as_counts(),
            uncompared=dict(sorted((+uncompared).items())),
            left_out=self.left_out,
        )


def _moment(model: ReportModel) -> str:
    """When a run began, in a form that sorts; empty where it does not say."""
    try:
        begun = datetime.fromisoformat(str(model.header.get("started_at")))
        return (begun if begun.tzinfo is None else begun.astimezone(UTC)).replace(tzinfo=None).isoformat()
    except (ValueError, OverflowError):
        return ""


def _deterministic(before: ReportModel | None, after: ReportModel) -> bool:
    headers: list[Mapping[str, Json]] = [model.header for model in (before, after) if model is not None]
    return all((header.get("engine") or {}).get("deterministic") is True for header in headers)


def _measures(cases: Iterable[CaseChange], statistics: Statistics, staleness: Staleness | None) -> Measures:
    counts = Counter(case.change for case in cases)
    judged = sum(counts[change] for change in Change if change not in (Change.NEW, Change.GONE, Change.ERRORED))
    stale, expired = (None, None) if staleness is None else (len(staleness.stale), len(staleness.expired))
    return Measures(judged, counts[Change.REGRESSED], statistics, stale, expired)


def exit_code(cases: Iterable[CaseChange], gates: Sequence[GateResult]) -> ExitCode:
    """1 where a gate fails; 3 where cases that gate have no verdict any more, or a gate had nothing to measure; else 0."""
    if any(gate.passed is False and gate.observed is not None for gate in gates):
        return ExitCode.FAILED
    if any(case.change is Change.ERRORED for case in cases) or any(gate.passed is False for gate in gates):
        return ExitCode.NO_VERDICT
    return ExitCode.OK

"""A recorded run judged again with today's scripts: a new run folder with the same replies and new verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focal_eval import __version__
from focal_eval.clock import Clock
from focal_eval.compare.keys import case_key
from focal_eval.errors import ExitCode, Problems, Refused, StorageError, UsageError
from focal_eval.evaluate.folders import check_reports, read_folder, render
from focal_eval.evaluate.outcome import Ended, new_run_id, outcome_of, stamp
from focal_eval.evaluate.preparing import collector_paused
from focal_eval.evaluate.quarantine import Quarantine, quarantine_of
from focal_eval.evaluate.recordings import Recording, Rejudging, open_recording
from focal_eval.evaluate.request import DEFAULT_REPORTS, RunResult
from focal_eval.records import Verdict
from focal_eval.report.base import ReportOptions
from focal_eval.report.journal import model_of
from focal_eval.report.model import Case as ReportCase
from focal_eval.report.model import ReportModel
from focal_eval.runner.folder import no_outcome
from focal_eval.runner.gates import coverage_limits
from focal_eval.runner.journal import AGENT, FORMAT, Journal, dumps
from focal_eval.runner.lines import case_lines, skipped_lines
from focal_eval.runner.plan import Case
from focal_eval.runner.redact import Redactor
from focal_eval.runner.repeats import key_of
from focal_eval.runner.schedule import Observer, Totals
from focal_eval.script.repeats import Repeats
from focal_eval.text import counted
from focal_eval.value import value

if TYPE_CHECKING:
    from focal_eval.evaluate.comparing import Compared, Reference


@value
class RejudgeRequest:
    """Which run is judged again: a folder, a unique prefix of its id, `latest` or `previous`."""

    run: str
    runs: Path = Path("reports")
    suite: Path | None = None  # instead of the scripts the run was made with
    out: Path | None = None
    reports: tuple[str, ...] = DEFAULT_REPORTS
    allow_python: bool = True
    strict_flaky: bool = False
    cache: Path | None = None
    baseline: str | None = None  # what the new run is compared with: a run, or a baseline's folder, or the word baseline


@value
class Turned:
    """A case that has another verdict than it had."""

    name: str
    before: str
    after: str


@value
class Rejudged:
    """The new run, and what is different about it."""

    result: RunResult
    source: str  # the id of the run that was judged again
    turned: tuple[Turned, ...]
    gone: tuple[str, ...] = ()  # names of recorded cases that today's scripts do not have
    unfinished: tuple[str, ...] = ()  # names of cases that were cut off: there is no conversation to judge
    fresh: int = 0  # cases of today's scripts that were not recorded
    damaged: int = 0  # lines of the recorded run's journal that could not be read

    def notes(self) -> tuple[str, ...]:
        """What was left out, in words."""
        out = []
        if self.damaged:
            out.append(f"{counted(self.damaged, 'line')} of the journal of {self.source} could not be read and left out")
        if self.gone:
            out.append(f"{counted(len(self.gone), 'recorded case')} left out: the scripts do not have {_them(self.gone)} now")
        if self.unfinished:
            out.append(f"{counted(len(self.unfinished), 'recorded case')} left out, cut off when the run ended")
        if self.fresh:
            out.append(f"{counted(self.fresh, 'case')} of the scripts not recorded: play them with `focal-eval run`")
        return tuple(out)

    def as_json(self) -> dict[str, Any]:
        """What a document of the run says about its judging."""
        return {
            "from": self.source,
            "changed": [{"name": one.name, "before": one.before, "after": one.after} for one in self.turned],
            "gone": list(self.gone),
            "unfinished": list(self.unfinished),
            "not_recorded": self.fresh,
            "damaged_lines": self.damaged,
        }


def _them(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else "them"


def rejudge(request: RejudgeRequest, observer: Observer, clock: Clock | None = None) -> Rejudged:
    """Judges a recorded run again and writes a new run folder.

    Raises Refused or UsageError where today's scripts cannot be read or have none of its cases, StorageError where the
    journal cannot be read.
    """
    check_reports(request.reports)
    with collector_paused():
        recording = open_recording(
            read_folder(request.run, request.runs), suite=request.suite, allow_python=request.allow_python, cache=request.cache
        )
    again = _Again(request, recording, clock or Clock())
    return again.go(observer, _reference(request, recording, again.found))


def _reference(request: RejudgeRequest, recording: Recording, found: _Sorted) -> Reference | None:
    """What the new run will be compared with. Raises UsageError before anything is written where it is not there."""
    if request.baseline is None:
        return None
    from focal_eval.evaluate.comparing import check_overlap, find_reference

    suite = recording.collected.suite
    reference = find_reference(request.baseline, request.runs, None if suite is None else suite.file)
    check_overlap(reference, {key_of(today) for _, today in found.pairs})
    return reference


@value
class _Sorted:
    """The recorded cases by what can be done with them."""

    pairs: list[tuple[ReportCase, Case]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)


class _Again:
    """One judging again under way."""

    def __init__(self, request: RejudgeRequest, recording: Recording, clock: Clock) -> None:
        self.request, self.recording, self.clock = request, recording, clock
        self.model = recording.model
        self.source = str(self.model.header.get("id"))
        self.found = self._sorted()
        self.started = clock.now()
        self.id = new_run_id(clock, self.started)
        self.folder = request.out or request.runs / self.id
        self.repeats = self._repeats()
        self.problems = Problems()
        self.quarantine = self._quarantine()
        deterministic = bool(self._engine().get("deterministic"))
        self.totals = Totals(deterministic=deterministic, quarantined=self.quarantine.cases)
        self.turned: list[Turned] = []

    def _sorted(self) -> _Sorted:
        found = _Sorted()
        for case in self.model.cases:
            today = self.recording.today(case)
            if today is None:
                found.gone.append(case.name)
            elif not case.last.over:
                found.unfinished.append(case.name)
            else:
                found.pairs.append((case, today))
        if not found.pairs:
            raise UsageError(f"none of the {counted(len(self.model.cases), 'case')} of {self.source} is in the scripts now")
        return found

    def _quarantine(self) -> Quarantine:
        """What is in quarantine today. Raises Refused where an entry of the suite is wrong."""
        today = self.recording.collected
        variants = str((self.model.header.get("options") or {}).get("variants") or self.recording.fields.variants)
        day = self.started.date()
        found = quarantine_of(today.suite, today.scripts, variants, day, self.problems, whole=False)
        if self.problems.errors:
            raise Refused("nothing was judged", self.problems)
        return found

    def _engine(self) -> Mapping[str, Any]:
        engine = self.model.header.get("engine")
        return engine if isinstance(engine, dict) else {}

    def _repeats(self) -> Repeats:
        """The rule of the run's repeats: the suite's, with the number the run was made with."""
        options = self.model.header.get("options") or {}
        count, rule = int(options.get("repeats") or 1), self.recording.fields.repeats
        return rule if rule.at_most == count else Repeats(count)

    def go(self, observer: Observer, reference: Reference | None = None) -> Rejudged:
        start = self.clock.elapsed()
        journal = Journal(self.folder, self._header(), Redactor())
        try:
            self._keep_agent(journal)
            observer.started(len(self.found.pairs), sum(case.last.count for case, _ in self.found.pairs))
            rejudging = Rejudging(self.recording)
            for case, today in self.found.pairs:
                verdict = self._case(case, today, rejudging, journal)
                observer.case_done(today.name, verdict.value)
            observer.finished()
            outcome, code = self._end(journal, start)
            compared = None
            if reference is not None:
                compared, code = self._compared(reference, outcome, journal)
        finally:
            journal.close()
        model = model_of(self.folder, journal.reading)
        written = render(model, self.request.reports, options=self._options(model))
        if compared is not None and "html" in written:
            from focal_eval.evaluate.comparison_page import write_page

            written = {**written, "comparison": write_page(compared, self.folder)}
        warnings = tuple(self.problems)
        result = RunResult(model, code, written, warnings, reasons=dict(self.totals.reasons), compared=compared)
        gone, unfinished = tuple(self.found.gone), tuple(self.found.unfinished)
        return Rejudged(result, self.source, tuple(self.turned), gone, unfinished, self._fresh(), self.model.damaged)

    def _fresh(self) -> int:
        """Cases of the scripts that the run did not have, not counting repeats; of a run that was told which to play, none."""
        options = self.model.header.get("options") or {}
        if any(options.get(key) for key in ("tags", "keyword", "failed_of")):
            return 0
        recorded = {case_key(case.name, case.script, case.repeat) for case in self.model.cases}
        return len({key_of(case) for case in self.recording.cases.values()} - recorded)

    def _case(self, case: ReportCase, today: Case, rejudging: Rejudging, journal: Journal) -> Verdict:
        channel = case.channel or self.recording.fields.channel
        if today.script.skip is not None:
            lines = list(skipped_lines(today, channel))
            verdict = Verdict.SKIPPED
        else:
            recorded = self.recording.read(case)
            lines = [*case_lines(today, channel)]
            judge = rejudging.of(today).judge(recorded, lines.append, case.last.number)
            assert case.last.end is not None
            stored = self.model.document(case.last.end).get("messages")
            lines.append(judge.attempt_line(b"" if stored is None else dumps(stored)))
            gates = self.totals.gates(key_of(today))
            self.totals.add(judge.verdict, judge.reason, judge.turns, self.recording.fields.prices, gates=gates)
            verdict = judge.verdict
        journal.lines(lines)
        self.totals.count(key_of(today), today.repeat, verdict, self.repeats)
        if verdict.value != case.verdict:
            self.turned.append(Turned(today.name, case.verdict, verdict.value))
        return verdict

    def _compared(self, reference: Reference, outcome: Mapping[str, Any], journal: Journal) -> tuple[Compared, ExitCode]:
        """The comparison with the reference, whose gates count."""
        from focal_eval.evaluate.comparing import compare_to, judged_with

        compared = compare_to(reference, model_of(self.folder, journal.reading))
        judged, code = judged_with(outcome, compared, strict_flaky=self.request.strict_flaky)
        journal.end(judged)
        return compared, code

    def _end(self, journal: Journal, start: float) -> tuple[dict[str, Any], ExitCode]:
        ended = Ended(self._state(), len(self.found.pairs) + len(self.found.unfinished))
        strict = self.request.strict_flaky
        gates = self.recording.fields.gates
        outcome, code = outcome_of(self.totals, ended, gates, self.repeats, self.folder, strict_flaky=strict)
        outcome, code = self._judged(outcome, code, journal)
        elapsed = round((self.clock.elapsed() - start) * 1000, 3)
        outcome = {**outcome, "elapsed_ms": elapsed, "finished_at": stamp(self.clock.now())}
        journal.end(outcome)
        covering = coverage_limits(gates)
        if covering:
            from focal_eval.evaluate.coverage_gate import judged_coverage

            outcome, code = judged_coverage(outcome, covering, model_of(self.folder, journal.reading), strict_flaky=strict)
            journal.end(outcome)
        return outcome, code

    def _judged(self, outcome: dict[str, Any], code: ExitCode, journal: Journal) -> tuple[dict[str, Any], ExitCode]:
        """The outcome with what the run's judge said, and what became of simulated users, and the gates on both."""
        if self.model.header.get("simulator"):
            from focal_eval.evaluate.simulated_run import gated_simulations

            journal.flush()
            read, limits = model_of(self.folder, journal.reading), self.recording.fields.gates
            outcome, code = gated_simulations(outcome, read, limits, strict_flaky=self.request.strict_flaky)
        if not self.model.header.get("judge"):
            return outcome, code
        from focal_eval.evaluate.judge_setup import told_again
        from focal_eval.evaluate.judged import gated_judge

        journal.flush()
        told = told_again(self.model.header, model_of(self.folder, journal.reading), self.recording.policy.aiding)
        if told is None:
            return outcome, code
        return gated_judge(outcome, told, self.recording.fields.gates, strict_flaky=self.request.strict_flaky)

    def _options(self, model: ReportModel) -> ReportOptions:
        """What reports show: the coverage too, where the suite has a gate on it."""
        if "html" not in self.request.reports or not coverage_limits(self.recording.fields.gates):
            return ReportOptions()
        from focal_eval.evaluate.coverage_gate import with_coverage

        return with_coverage(model, ReportOptions())

    def _state(self) -> str:
        """A run that did not reach its end does not reach it by being judged again."""
        state = str(self.model.header.get("state"))
        return "stopped" if self.model.partial else state

    def _header(self) -> dict[str, Any]:
        """The recorded run's header, with what is new: when and by what it was judged, and today's suite."""
        suite = self.recording.collected.suite
        source = self.model.header
        turns = sum(today.turns for _, today in self.found.pairs)
        cases = len(self.found.pairs) + len(self.found.unfinished)
        return {
            **{key: source.get(key) for key in ("engine", "options")},
            "format": FORMAT,
            "focal_eval": __version__,
            "id": self.id,
            "rejudged_from": self.source,
            "started_at": stamp(self.started),
            "finished_at": None,
            "state": "running",
            "lost": None,
            "suite": {
                "file": None if suite is None else suite.file,
                "digest": None if suite is None else suite.digest,
                "title": None if suite is None else suite.fields.title,
            },
            "plan": {"cases": cases, "turns": turns, "collected": len(self.recording.cases)},
            **({"damaged": self.model.damaged} if self.model.damaged else {}),
            "quarantine": self.quarantine.as_json(),
            **no_outcome(),
        }

    def _keep_agent(self, journal: Journal) -> None:
        """The agent of the run goes with its replies."""
        path = self.model.folder / AGENT
        try:
            if path.is_file():
                journal.keep(AGENT, path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as problem:
            raise StorageError(f"{path} cannot be read: {problem}") from None

"""One run, from request to verdict. Async once; `run` is the blocking wrapper."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from focal_eval import __version__
from focal_eval.clock import Clock
from focal_eval.compare.model import case_key
from focal_eval.errors import ExitCode
from focal_eval.evaluate.folders import check_reports, render
from focal_eval.evaluate.keeping import keep, store_of
from focal_eval.evaluate.listed import check_listed
from focal_eval.evaluate.outcome import Ended, new_run_id, outcome_of, stamp
from focal_eval.evaluate.preparing import Prepared, collector_paused, prepare, terms_of
from focal_eval.evaluate.request import RunRequest, RunResult
from focal_eval.evaluate.target import Target
from focal_eval.report.base import ReportOptions
from focal_eval.report.journal import read_run
from focal_eval.runner.gates import coverage_limits
from focal_eval.runner.journal import AGENT, FORMAT, Journal
from focal_eval.runner.plan import Plan
from focal_eval.runner.redact import Redactor
from focal_eval.runner.schedule import Observer, Schedule
from focal_eval.script.suite_compare import masks_to_json

if TYPE_CHECKING:
    from focal_eval.evaluate.comparing import Reference


def run(request: RunRequest, observer: Observer, clock: Clock | None = None) -> RunResult:
    """Runs what is asked and writes the run folder.

    Raises Refused or UsageError before anything is sent, EngineError or StorageError where no verdict can be had.
    """
    clock = clock or Clock()
    check_reports(request.reports)
    with collector_paused():
        prepared = prepare(request, clock)
        reference = _reference(request, prepared.target, prepared.plan)
    return _Run(request, prepared, clock, reference).go(observer)


def _reference(request: RunRequest, target: Target, plan: Plan) -> Reference | None:
    """What the run will be compared with. Raises UsageError before anything is sent where it is not there."""
    if request.baseline is None:
        return None
    from focal_eval.evaluate.comparing import check_overlap, find_reference

    reference = find_reference(request.baseline, request.runs, None if target.suite is None else target.suite.file)
    check_overlap(reference, {case_key(case.name, case.script.id, case.repeat) for case in plan.cases})
    return reference


def _redacted(reasons: Mapping[str, int], redact: Redactor) -> dict[str, int]:
    return {redact(reason.encode("utf-8", "replace")).decode("utf-8", "replace"): count for reason, count in reasons.items()}


class _Run:
    """One run under way."""

    def __init__(self, request: RunRequest, prepared: Prepared, clock: Clock, reference: Reference | None = None) -> None:
        self.request, self.prepared, self.clock = request, prepared, clock
        self.target, self.fields, self.plan = prepared.target, prepared.fields, prepared.plan
        self.reference = reference
        self.store = store_of(request.store, prepared.target.suite, os.environ)
        started = clock.now()
        self.id, self.started_at = new_run_id(clock, started), stamp(started)
        self.folder = request.out or request.runs / self.id

    def header(self) -> dict[str, Any]:
        target, fields, request = self.target, self.fields, self.request
        suite, agent = target.suite, target.agent
        return {
            "format": FORMAT,
            "focal_eval": __version__,
            "id": self.id,
            "started_at": self.started_at,
            "finished_at": None,
            "state": "running",
            "lost": None,
            "suite": {
                "file": None if suite is None else suite.file,
                "digest": None if suite is None else suite.digest,
                "title": None if suite is None else suite.fields.title,
            },
            "engine": {
                "kind": target.entry.kind,
                "name": target.engine_name,
                "agent": None if agent is None else agent.as_json(),
                "reports": sorted(target.engine.abilities.reports),
                "deterministic": target.engine.abilities.deterministic,
                **({} if target.cassette is None else {"cassette": target.cassette}),
            },
            "plan": {"cases": len(self.plan.cases), "turns": self.plan.turns, "collected": self.plan.collected},
            "options": {
                "tags": list(request.tags),
                "keyword": request.keyword,
                "failed_of": request.failed_of,
                "repeats": fields.repeats.at_most,
                "until": fields.repeats.until,
                "concurrency": fields.concurrency,
                "timeout_s": fields.timeout_s,
                "case_timeout_s": fields.case_timeout_s,
                "variants": fields.variants,
                "unreported": fields.unreported,
                "stop_after": request.stop_after,
                "compare": {"mask": masks_to_json(fields.compare.mask)},
                "again": request.again(),
            },
            "quarantine": self.prepared.quarantine.as_json(),
            "counts": {},
            "spared": 0,
            "statistics": None,
            "gates": [],
            "verdict": None,
            "exit_code": None,
            "elapsed_ms": None,
        }

    def go(self, observer: Observer) -> RunResult:
        with asyncio.Runner() as runner:
            warnings = (*self.target.warnings, *runner.run(check_listed(self.target, self.fields.timeout_s)))
            return replace(self._go(runner, observer), warnings=warnings)

    def _go(self, runner: asyncio.Runner, observer: Observer) -> RunResult:
        start = self.clock.elapsed()
        redact, options = Redactor(self.target.secrets), ReportOptions()
        journal = Journal(self.folder, self.header(), redact)
        try:
            if self.target.agent is not None and self.target.agent.text is not None:
                journal.keep(AGENT, self.target.agent.text)
            schedule = self._schedule(journal, observer)
            state = runner.run(self._play(schedule))
            if self.target.recorder is not None:
                self.target.recorder.save()
            journal.flush()
            outcome, code = self._outcome(schedule, state, start)
            journal.end(outcome)
            covering = coverage_limits(self.fields.gates)
            if covering:
                from focal_eval.evaluate.coverage_files import view_of
                from focal_eval.evaluate.coverage_gate import gated_coverage

                model, strict = read_run(self.folder), self.request.strict_flaky
                outcome, code, covered = gated_coverage(outcome, covering, model, strict_flaky=strict)
                options = ReportOptions(coverage=None if covered is None else view_of(covered))
                journal.end(outcome)
            compared = None
            if self.reference is not None:
                from focal_eval.evaluate.comparing import compare_to, judged_with

                compared = compare_to(self.reference, read_run(self.folder))
                outcome, code = judged_with(outcome, compared, strict_flaky=self.request.strict_flaky)
                journal.end(outcome)
        finally:
            journal.close()
        model = read_run(self.folder)
        kept = None if self.store is None else keep(model, self.store, self.clock)
        if kept is not None:
            options = replace(options, history=kept.strips)
        written = render(model, self.request.reports, options=options)
        if compared is not None and "html" in written:
            from focal_eval.evaluate.comparison_page import write_page

            written = {**written, "comparison": write_page(compared, self.folder)}
        reasons = _redacted(schedule.totals.reasons, redact)
        told = None if self.target.recorder is None else self.target.recorder.told()
        return RunResult(model, code, written, self.target.warnings, reasons, told, compared, kept)

    def _schedule(self, journal: Journal, observer: Observer) -> Schedule:
        fields = self.fields
        return Schedule(
            self.plan,
            terms_of(self.prepared, self.request, self.clock, self.id),
            journal.add,
            observer,
            concurrency=fields.concurrency,
            stop_after=self.request.stop_after,
            repeats=fields.repeats,
            quarantined=self.prepared.quarantine.cases,
        )

    async def _play(self, schedule: Schedule) -> str:
        loop = asyncio.get_running_loop()
        caught: list[int] = []

        def interrupt() -> None:
            for number in caught:
                loop.remove_signal_handler(number)  # a second Ctrl-C ends the process at once
            schedule.interrupt()

        for wanted in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):  # not in the main thread, or no signals
                loop.add_signal_handler(wanted, interrupt)
                caught.append(wanted)
        try:
            return await schedule.run()
        finally:
            for number in caught:
                loop.remove_signal_handler(number)
            with contextlib.suppress(Exception):
                await self.target.engine.close()

    def _outcome(self, schedule: Schedule, state: str, start: float) -> tuple[dict[str, Any], ExitCode]:
        ended = Ended(state, len(self.plan.cases), schedule.spared, schedule.lost)
        strict = self.request.strict_flaky
        outcome, code = outcome_of(
            schedule.totals, ended, self.fields.gates, self.fields.repeats, self.folder, strict_flaky=strict
        )
        elapsed = round((self.clock.elapsed() - start) * 1000, 3)
        return {**outcome, "elapsed_ms": elapsed, "finished_at": stamp(self.clock.now())}, code

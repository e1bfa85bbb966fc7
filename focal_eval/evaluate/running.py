"""One run, from request to verdict. Async once; `run` is the blocking wrapper."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focal_eval import __version__
from focal_eval.clock import Clock
from focal_eval.compare.keys import case_key
from focal_eval.errors import Diagnostic, ExitCode
from focal_eval.evaluate.clustered import cluster_of
from focal_eval.evaluate.finishing import Finished, finish, rendered
from focal_eval.evaluate.folders import check_reports, find_run
from focal_eval.evaluate.hands import Pool, pool_of, telling
from focal_eval.evaluate.keeping import keep, store_of
from focal_eval.evaluate.listed import check_listed
from focal_eval.evaluate.open_files import check_open_files
from focal_eval.evaluate.outcome import Ended, new_run_id, outcome_of, stamp
from focal_eval.evaluate.preparing import Prepared, collector_paused, prepare, terms_of
from focal_eval.evaluate.request import RunRequest, RunResult
from focal_eval.evaluate.resuming import (
    Continued,
    add_finished,
    check_same,
    continued,
    engine_digest,
    plan_json,
    scripts_json,
    told_ms,
)
from focal_eval.records import Verdict
from focal_eval.report.journal import model_of
from focal_eval.runner.folder import no_outcome
from focal_eval.runner.gates import coverage_limits
from focal_eval.runner.journal import AGENT, FORMAT, Journal
from focal_eval.runner.opening import Terms
from focal_eval.runner.reading import Reading
from focal_eval.runner.redact import Redactor
from focal_eval.runner.schedule import Elsewhere, Observer, Schedule, Totals
from focal_eval.runner.warming import warm
from focal_eval.script.suite_compare import masks_to_json
from focal_eval.value import value

if TYPE_CHECKING:
    from focal_eval.evaluate.comparing import Reference
    from focal_eval.runner.asking import Asker
    from focal_eval.store.address import Address


def run(request: RunRequest, observer: Observer, clock: Clock | None = None) -> RunResult:
    """Runs what is asked and writes the run folder.

    Raises Refused or UsageError before anything is sent, EngineError or StorageError where no verdict can be had.
    """
    clock = clock or Clock()
    check_reports(request.reports)
    before = None
    if request.resume is not None:
        before = continued(request)
        request = before.request
    try:
        with collector_paused():
            prepared = prepare(request, clock)
            reference = _reference(request, prepared)
        check_open_files(prepared.target.entry.kind, prepared.fields.concurrency)
        one = RunUnderWay(request, prepared, clock, reference, before)
        with pool_of(request, prepared, clock, one.talks) as pool:
            over = one.go(observer, pool)
        prepared.target.scripts.clear()
        del one, prepared, reference  # the plan of a large run takes as much memory as its reports do
        return over.told()
    finally:
        if before is not None:
            before.after.lock.release()


def _reference(request: RunRequest, prepared: Prepared) -> Reference | None:
    """What the run will be compared with. Raises UsageError before anything is sent where it is not there.

    A shard is not compared, its merged run is: of a shard it is only seen to that it can be.
    """
    if request.baseline is None:
        return None
    from focal_eval.evaluate.comparing import check_overlap, find_reference

    suite, part = prepared.target.suite, prepared.part
    plan = prepared.plan if part is None else part.cut.whole
    reference = find_reference(request.baseline, request.runs, None if suite is None else suite.file)
    check_overlap(reference, {case_key(case.name, case.script.id, case.repeat) for case in plan.cases})
    return reference if part is None else None


def _redacted(reasons: Mapping[str, int], redact: Redactor) -> dict[str, int]:
    return {redact(reason.encode("utf-8", "replace")).decode("utf-8", "replace"): count for reason, count in reasons.items()}


@value
class Over:
    """A run whose cases are over and judged, and all that is still needed of it to tell so."""

    folder: Path
    reading: Reading
    done: Finished
    reports: tuple[str, ...]
    store: Address | None
    clock: Clock
    reasons: Mapping[str, int]  # why cases have no verdict, without secrets
    warnings: tuple[Diagnostic, ...]
    cassette: str | None

    def told(self) -> RunResult:
        """What the run came to, its reports written and itself taken into the store, where there is one."""
        model, done = model_of(self.folder, self.reading), self.done
        kept = None if self.store is None else keep(model, self.store, self.clock)
        if kept is not None:
            done = replace(done, options=replace(done.options, history=kept.strips))
        written = rendered(model, self.reports, done)
        return RunResult(model, done.code, written, self.warnings, self.reasons, self.cassette, done.compared, kept)


class RunUnderWay:
    """One run under way. Where its cases are played elsewhere and told one by one: `begin`, then `judged`, then `over`."""

    def __init__(
        self,
        request: RunRequest,
        prepared: Prepared,
        clock: Clock,
        reference: Reference | None = None,
        before: Continued | None = None,
    ) -> None:
        self.request, self.prepared, self.clock = request, prepared, clock
        self.target, self.fields, self.plan = prepared.target, prepared.fields, prepared.plan
        self.reference, self.before = reference, before
        self.asker: Asker | None = None  # the suite's judge, while the run goes on
        self.redact = Redactor(self.target.secrets)
        self.store = None if prepared.part is not None else store_of(request.store, prepared.target.suite, os.environ)
        started = clock.now()
        if before is None:
            self.id, self.started_at = new_run_id(clock, started), stamp(started)
            self.folder, self.resumed = request.out or request.runs / self.id, []
        else:
            self.id, self.started_at = str(before.header["id"]), str(before.header["started_at"])
            self.folder = before.folder
            kept = {"at": stamp(started), "kept": len(before.finished), "took_ms": before.took_ms}
            self.resumed = [*(before.header.get("resumed") or ()), kept]

    @property
    def talks(self) -> str:
        """What names this part of the run to an engine that remembers users: an attempt that was cut off is of another part."""
        return f"{self.id}-{len(self.resumed)}" if self.resumed else self.id

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
                "digest": engine_digest(target.entry.config, target.secrets),
                "agent": None if agent is None else agent.as_json(),
                "reports": sorted(target.engine.abilities.reports),
                "deterministic": target.engine.abilities.deterministic,
                **({} if target.cassette is None else {"cassette": target.cassette}),
            },
            "scripts": scripts_json(self.plan),
            "plan": plan_json(self.plan),
            **self._shard(),
            **({"resumed": self.resumed} if self.resumed else {}),
            "options": {
                "tags": list(request.tags),
                "keyword": request.keyword,
                "failed_of": None if request.failed_of is None else str(find_run(request.failed_of, request.runs)),
                "baseline": self._baseline(),
                "strict_flaky": request.strict_flaky,
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
            **no_outcome(),
        }

    def _baseline(self) -> str | None:
        """What the run is compared with, so named that it means the same later."""
        found = self.reference
        return self.request.baseline if found is None or found.is_baseline else str(found.folder)

    @contextlib.contextmanager
    def _live(self) -> Iterator[None]:
        """Shows the run to browsers while it goes on, where that is asked."""
        if self.request.live is None:
            yield
            return
        from focal_eval.report.live_server import live_page

        with live_page(self.folder) as url:
            self.request.live(url)
            yield

    def _shard(self) -> dict[str, Any]:
        if self.prepared.part is None:
            return {}
        from focal_eval.evaluate.sharding import shard_json

        return {"shard": shard_json(self.prepared.part, self.fields)}

    def go(self, observer: Observer, pool: Pool | None = None) -> Over:
        with asyncio.Runner() as runner:
            warnings = (*self.target.warnings, *runner.run(check_listed(self.target, self.fields.timeout_s)))
            with cluster_of(self.request, self.prepared, self.clock, self.talks, runner) as cluster:
                return replace(self._go(runner, observer, cluster or pool), warnings=warnings)

    def _go(self, runner: asyncio.Runner, observer: Observer, pool: Pool | None) -> Over:
        if pool is None:
            warm(self.plan)
        start = self.clock.elapsed()
        journal = self.begin()
        try:
            terms = terms_of(self.prepared, self.request, self.clock, self.talks)
            self.asker = terms.asker
            schedule = self._schedule(journal, observer, pool, terms)
            with self._live():
                state = runner.run(self._play(schedule))
                if self.target.recorder is not None:
                    self.target.recorder.save()
                journal.flush()
                ended = Ended(state, len(self.plan.cases), schedule.spared, schedule.lost)
                if terms.personas is not None:
                    runner.run(terms.personas.close())
                judge = runner.run(self.asked(journal, state))
                done = self.judged(journal, schedule.totals, ended, start, judge)
        finally:
            journal.close()
        cassette = None if self.target.recorder is None or pool is not None else self.target.recorder.told()
        return self.over(journal, done, schedule.totals.reasons, cassette)

    def begin(self) -> Journal:
        """The journal of the run, begun or gone on with."""
        header = self.header()
        if self.before is not None:
            check_same(self.before, header, self.plan)
        after = None if self.before is None else self.before.after
        journal = Journal(self.folder, header, self.redact, sync=self.request.sync, after=after)
        try:
            if self.target.agent is not None and self.target.agent.text is not None:
                journal.keep(AGENT, self.target.agent.text)
        except BaseException:
            journal.close()
            raise
        return journal

    def judged(self, journal: Journal, totals: Totals, ended: Ended, start: float, judge: dict[str, Any] | None) -> Finished:
        """The run's last word, written into its journal; `start` is when it began, by the clock's `elapsed`."""
        return finish(
            journal,
            self._outcome(totals, ended, start),
            coverage={} if self.prepared.part is not None else coverage_limits(self.fields.gates),
            reference=self.reference,
            strict_flaky=self.request.strict_flaky,
            judge=judge,
            limits=None if self.prepared.part is not None else self.fields.gates,
        )

    def over(self, journal: Journal, done: Finished, reasons: Mapping[str, int], cassette: str | None) -> Over:
        """The run without its plan, ready to be told."""
        request, hidden = self.request, _redacted(reasons, self.redact)
        told = (request.reports, self.store, self.clock, hidden, self.target.warnings, cassette)
        return Over(self.folder, journal.reading, done, *told)

    async def asked(self, journal: Journal, state: str) -> dict[str, Any] | None:
        """What the judge said and how it did in its audit; None where there is none, or it was not asked."""
        asker = self.asker
        if asker is None:
            return None
        from focal_eval.evaluate.judge_setup import told_of

        try:
            return await told_of(asker, self.fields, model_of(self.folder, journal.reading), audits=state != "interrupted")
        finally:
            await asker.close()

    def _schedule(self, journal: Journal, observer: Observer, pool: Pool | None, terms: Terms) -> Schedule:
        fields, before = self.fields, self.before
        schedule = Schedule(
            self.plan,
            terms,
            journal.add,
            observer,
            concurrency=fields.concurrency,
            stop_after=self.request.stop_after,
            repeats=fields.repeats,
            done=None if before is None else {key: Verdict(entry.verdict) for key, entry in before.finished.items()},
            elsewhere=None if pool is None else Elsewhere(pool.executor, pool.workers, journal.copy, telling(observer)),
            quarantined=self.prepared.quarantine.cases,
            expect=journal.expect,
        )
        if before is not None:
            add_finished(before, self.plan, schedule.totals, fields.repeats, fields.prices)
        return schedule

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

    def _outcome(self, totals: Totals, ended: Ended, start: float) -> tuple[dict[str, Any], ExitCode]:
        strict, part = self.request.strict_flaky, None
        if self.prepared.part is not None:
            from focal_eval.evaluate.sharding import part_of

            part = part_of(self.prepared.part, totals.counts)
        outcome, code = outcome_of(
            totals, ended, self.fields.gates, self.fields.repeats, self.folder, strict_flaky=strict, part=part
        )
        elapsed = round((self.clock.elapsed() - start) * 1000 + told_ms(self.resumed), 3)
        return {**outcome, "elapsed_ms": elapsed, "finished_at": stamp(self.clock.now())}, code

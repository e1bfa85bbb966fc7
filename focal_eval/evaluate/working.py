"""A worker's own copy of a run: prepared again from what was asked, where it cannot be inherited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from focal_eval import __version__
from focal_eval.clock import Clock
from focal_eval.engines.wire_pace import share_pace
from focal_eval.errors import UsageError
from focal_eval.evaluate.preparing import Prepared, collector_paused, prepare, terms_of
from focal_eval.evaluate.request import RunRequest
from focal_eval.evaluate.resuming import engine_digest, plan_json, scripts_json
from focal_eval.records import Json
from focal_eval.runner.played import Worker
from focal_eval.runner.redact import Redactor
from focal_eval.runner.warming import warm
from focal_eval.value import value


@value
class Setup:
    """What a worker has to know to play cases of a run; it holds no secret, and can be pickled."""

    request: RunRequest
    run: str  # the run's id
    digests: Mapping[str, Json]  # of what the run was prepared from, as `digests_of` gives them
    workers: int = 1  # who share the run's concurrency and rate of requests
    number: int = 0  # of this one, from 0


def setups(request: RunRequest, prepared: Prepared, run: str, workers: int) -> tuple[Setup, ...]:
    """One for each worker."""
    plain = replace(request, resume=None, cache=request.cache)
    digests = digests_of(prepared)
    return tuple(Setup(plain, run, digests, workers, number) for number in range(workers))


def prepared_worker(setup: Setup, clock: Clock | None = None) -> tuple[Worker, Prepared]:
    """A worker that has read everything itself. Raises Refused, and UsageError where that is not what the run began with."""
    clock = clock or Clock()
    with collector_paused():
        prepared = prepare(setup.request, clock)
    check_digests(setup.digests, digests_of(prepared))
    return worker_of(prepared, setup, clock), prepared


def worker_of(prepared: Prepared, setup: Setup, clock: Clock) -> Worker:
    """A worker for what was prepared, warm, with its share of what the run may ask of the engine."""
    share_pace(setup.number, setup.workers)
    terms = terms_of(prepared, setup.request, clock, setup.run, setup.workers)
    cases = {case.id: case for case in prepared.plan.cases}
    concurrency = share_of(prepared.fields.concurrency, setup.workers, setup.number)
    warm(prepared.plan)
    return Worker(cases, terms, Redactor(prepared.target.secrets), concurrency)


def share_of(whole: int, workers: int, number: int) -> int:
    """What one of several workers has of a whole number: together they have all of it, and each has at least one."""
    return max(1, whole // workers + (number < whole % workers))


def digests_of(prepared: Prepared) -> dict[str, Json]:
    """By what a worker knows that it plays the same run."""
    target, plan = prepared.target, prepared.plan
    return {
        "focal-eval": __version__,
        "suite": None if target.suite is None else target.suite.digest,
        "agent": None if target.agent is None else target.agent.digest,
        "engine": engine_digest(target.entry.config, target.secrets),
        "scripts": scripts_json(plan)["digest"],
        "plan": plan_json(plan)["digest"],
    }


def check_digests(run: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Raises UsageError that names the first thing a worker has otherwise than the run."""
    for what, digest in run.items():
        if here.get(what) != digest:
            told = f"{digest or 'none'}, here {here.get(what) or 'none'}"
            raise UsageError(f"the worker has not what the run began with: {what} ({told})")

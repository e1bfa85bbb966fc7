"""Everything a run needs before its first turn: read, checked against each other, and planned."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from focal_eval.clock import Clock
from focal_eval.errors import Problems, Refused, UsageError
from focal_eval.evaluate.folders import failed_cases
from focal_eval.evaluate.judge_setup import aiding_of, asker_of, judge_of
from focal_eval.evaluate.persona_setup import personas_of
from focal_eval.evaluate.quarantine import NOBODY, Quarantine, quarantine_of
from focal_eval.evaluate.repeating import repeated_in_vain
from focal_eval.evaluate.request import RunRequest
from focal_eval.evaluate.target import Collected, Target, find_target, with_overrides
from focal_eval.registry import did_you_mean
from focal_eval.runner.opening import Terms
from focal_eval.runner.plan import Plan, Selection, make_plan
from focal_eval.script.collect import collect
from focal_eval.script.model import Script
from focal_eval.script.shelf import HELD, Shelf
from focal_eval.script.suite import SuiteFields
from focal_eval.source import whole_file
from focal_eval.value import value

if TYPE_CHECKING:
    from focal_eval.evaluate.sharding import Sharded


class NothingChosen(UsageError):
    """No case fits what was chosen by tag or name."""


@value
class Prepared:
    """What a request comes to; nothing was sent to an engine. The target's warnings are all there are."""

    target: Target
    fields: SuiteFields
    plan: Plan
    part: Sharded | None = None  # where the plan is one shard of the whole
    quarantine: Quarantine = NOBODY


def prepare(request: RunRequest, clock: Clock, held: int | None = HELD) -> Prepared:
    """The target, the settings and the cases of a request. Raises Refused with all diagnostics, or UsageError.

    Of more scripts than are `held` only what planning needs is kept in memory; None holds all.
    """
    target = find_target(request, clock, held)
    fields = with_overrides(target.fields, request)
    problems = Problems()
    quarantine = _quarantine(target, fields, clock, problems)
    target = replace(target, warnings=(*target.warnings, *problems, *repeated_in_vain(target, fields)))
    plan = plan_of(target, fields, request)
    if request.shard is None:
        return Prepared(target, fields, plan, None, quarantine)
    from focal_eval.evaluate.sharding import sharded

    part = sharded(plan, fields, request, None if target.suite is None else target.suite.file)
    return Prepared(target, fields, part.cut.plan, part, quarantine)


def _quarantine(target: Target, fields: SuiteFields, clock: Clock, problems: Problems) -> Quarantine:
    """What is in quarantine today. Raises Refused where an entry is wrong; warnings are added to the problems."""
    suite = target.suite
    if suite is None or not suite.fields.quarantine:
        return NOBODY
    whole = len(collect(suite, Problems())[0]) == len(target.scripts)
    scripts = target.scripts.planned if isinstance(target.scripts, Shelf) else target.scripts
    found = quarantine_of(suite, scripts, fields.variants, clock.now().date(), problems, whole=whole)
    if problems.errors:
        raise Refused("nothing was run", problems)
    return found


def terms_of(prepared: Prepared, request: RunRequest, clock: Clock, run: str, workers: int = 1) -> Terms:
    """What every attempt of the run of that id shares; with how many workers it shares what it may ask a judge at a time."""
    target, fields = prepared.target, prepared.fields
    judge = judge_of(fields)
    share = 1 if judge is None else max(1, judge.concurrency // workers)
    return Terms(
        engine=target.engine,
        clock=clock,
        channel=fields.channel,
        timeout_s=fields.timeout_s,
        case_timeout_s=fields.case_timeout_s,
        unreported=fields.unreported,
        prices=fields.prices,
        root=target.root if request.allow_python else None,
        seed=fields.seed,
        tolerated=frozenset(fields.tolerate),
        masks=fields.mask,
        aiding=aiding_of(fields),
        asker=asker_of(fields, target.suite, target.secrets, clock, share),
        personas=personas_of(fields, target.suite, target.secrets, clock, workers),
        run_id="" if target.engine.abilities.deterministic else run,
    )


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Loading makes many objects and no garbage; they are then left out of later collections."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def plan_of(target: Target | Collected, fields: SuiteFields, request: RunRequest) -> Plan:
    """The cases that a request chooses. Raises NothingChosen, UsageError for a broken one, Refused where there is no script."""
    ids = None if request.failed_of is None else failed_cases(request.failed_of, request.runs)
    scripts = list(target.scripts.planned if isinstance(target.scripts, Shelf) else target.scripts)
    _known_tags(scripts, fields, request)
    select = Selection(request.tags, request.keyword, ids)
    try:
        plan = make_plan(
            scripts, repeats=fields.repeats.at_most, variants=fields.variants, select=select, extra_tags=fields.tags
        )
    except ValueError as problem:
        raise UsageError(str(problem)) from None
    if plan.cases:
        return plan
    if plan.collected:
        raise NothingChosen(f"none of {plan.collected} cases fits --tag, -k or --failed; nothing was run")
    place = whole_file(target.suite.file if target.suite else str(request.paths[0]))
    problems = Problems()
    problems.error("no-scripts", "no scripts were collected", place)
    raise Refused("nothing was run", problems)


def _known_tags(scripts: list[Script], fields: SuiteFields, request: RunRequest) -> None:
    """Raises UsageError for a tag to select by that no script has; one to leave out may be there or not."""
    known = {*fields.tags, *(tag for script in scripts for tag in script.tags)}
    for tag in request.tags:
        if not tag.startswith("!") and tag not in known:
            fix = did_you_mean(tag, known)
            raise NothingChosen(f"no script has the tag '{tag}'" + (f"; {fix}" if fix else ""))

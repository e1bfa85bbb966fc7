"""One shard of a run: its cases, and what its header says of the whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from focal_eval.evaluate.durations import find_durations
from focal_eval.evaluate.request import RunRequest
from focal_eval.evaluate.resuming import plan_json, scripts_json
from focal_eval.runner.gates import not_judged
from focal_eval.runner.plan import Plan
from focal_eval.runner.repeats import key_of
from focal_eval.runner.shard import Cut, cut
from focal_eval.runner.shard_gates import Part
from focal_eval.script.suite import SuiteFields
from focal_eval.value import value


@value
class Sharded:
    """A shard's part of a plan, and where the times that balance it are from; None where only turns are known."""

    cut: Cut
    durations: str | None
    recorded: int  # cases whose time is recorded, of all


def sharded(plan: Plan, fields: SuiteFields, request: RunRequest, suite: str | None) -> Sharded:
    """The part of a plan that `request.shard` plays. Raises UsageError where the durations cannot be read."""
    assert request.shard is not None
    found = find_durations(request.durations, suite, request.runs)
    times = {} if found is None else found.planned(fields.repeats.at_most)
    recorded = len(times.keys() & {key_of(case) for case in plan.cases})
    return Sharded(cut(plan, request.shard, times), None if found is None or not recorded else found.told, recorded)


def shard_json(made: Sharded, fields: SuiteFields) -> dict[str, Any]:
    """`shard` of a run's header: what `merge` needs to know that all shards are parts of one plan, and to judge the whole."""
    part, rule = made.cut, fields.repeats
    return {
        "index": part.shard.index,
        "of": part.shard.of,
        "plan": plan_json(part.whole),
        "scripts": scripts_json(part.whole),
        "cuts": part.cuts,
        "durations": made.durations,
        "recorded": made.recorded,
        "share": round(part.weight / part.weights, 4) if part.weights else 0.0,
        "rule": {"at_most": rule.at_most, "until": rule.until, "flaky_from": rule.flaky_from, "alpha": rule.alpha},
        "gates": [not_judged(name, limit).as_json() for name, limit in fields.gates.items()],
        "prices": dict(fields.prices),
    }


def part_of(made: Sharded, counts: Mapping[str, int]) -> Part:
    """What gates need to know of a shard whose cases ended so: those that did not end may pass yet, as all others."""
    part = made.cut
    elsewhere = len(part.whole.cases) - sum(counts.values())
    if any(case.repeat > 1 for case in part.whole.cases):
        elsewhere = len({key_of(case) for case in part.whole.cases} - {key_of(case) for case in part.plan.cases})
    return Part(part.shard, elsewhere)

"""What a run or a judging again came to: the last line of its journal and the figures of its header."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focal_eval.clock import Clock, content_id
from focal_eval.errors import ExitCode
from focal_eval.evaluate.repeating import statistics_json
from focal_eval.records import Verdict
from focal_eval.runner.gates import conclude, decide
from focal_eval.runner.schedule import Totals
from focal_eval.script.limit import Limit
from focal_eval.script.repeats import Repeats
from focal_eval.value import value

if TYPE_CHECKING:
    from focal_eval.runner.shard_gates import Part


@value
class Ended:
    """How the cases were gone through."""

    state: str  # finished | stopped | given-up | workers-lost | interrupted
    planned: int
    spared: int = 0
    lost: str | None = None  # why the engine was given up, or who was to play


def outcome_of(
    totals: Totals,
    ended: Ended,
    gates: Mapping[str, Limit],
    repeats: Repeats,
    folder: Path,
    *,
    strict_flaky: bool = False,
    part: Part | None = None,
) -> tuple[dict[str, Any], ExitCode]:
    """The outcome as the header holds it, but for its times, and the exit code. The journal has to be written that far.

    `part` is given of a shard, of which only what is lost already is judged.
    """
    if part is None:
        decided = decide(gates, totals)
        verdict, code = conclude(totals.gating, decided, ended.state, flaky=totals.flaky, strict_flaky=strict_flaky)
    else:
        from focal_eval.runner.shard_gates import conclude_part, decide_part

        decided = decide_part(gates, totals, part)
        verdict, code = conclude_part(totals.gating, decided, ended.state)
    counts: dict[str, int] = {name.value: totals.counts[name.value] for name in Verdict}
    counts["not_run"] = ended.planned - ended.spared - sum(counts.values())
    outcome = {
        "state": ended.state,
        "lost": ended.lost,
        "counts": counts,
        "spared": ended.spared,
        "statistics": statistics_json(totals.tallies, repeats, folder),
        "gates": [gate.as_json() for gate in decided],
        "verdict": verdict,
        "exit_code": int(code),
    }
    return outcome, code


def stamp(moment: datetime) -> str:
    """A moment as headers hold it, to the millisecond."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def new_run_id(clock: Clock, started: datetime) -> str:
    """The id of a run that begins now: its time, and four digits of chance."""
    return f"{started:%Y%m%d-%H%M%S}-{content_id(clock.new_id(), length=4)}"

"""Opens a lab: the cases of a suite on its embedded engine, read and checked as for a run."""

from __future__ import annotations

from dataclasses import replace

from focal_eval.clock import Clock, fixed_clock
from focal_eval.engines.embedded import EmbeddedEngine
from focal_eval.errors import UsageError
from focal_eval.evaluate.preparing import Prepared, collector_paused, prepare, terms_of
from focal_eval.evaluate.request import RunRequest
from focal_eval.experiment.lab import Lab
from focal_eval.value import value


@value
class Opened:
    """A lab with what it was made from."""

    lab: Lab
    prepared: Prepared


def open_lab(request: RunRequest, clock: Clock | None = None) -> Opened:
    """The lab of a request's cases, one repeat of each, sorted by name.

    Raises Refused or UsageError as a run does, and UsageError where the engine is no agent file played in this process,
    or where a model words its texts.
    """
    clock = clock or fixed_clock()
    with collector_paused():
        prepared = prepare(replace(request, repeats=1), clock)
    engine = prepared.target.engine
    if not isinstance(engine, EmbeddedEngine):
        kind = prepared.target.entry.kind
        raise UsageError(f"this plays an agent file many times over; it needs the engine 'embedded', not '{kind}'")
    if engine.writer is not None:
        raise UsageError("this plays an agent file many times over; it needs 'generator: template', not a model's words")
    cases = sorted(prepared.plan.cases, key=lambda case: (case.script.id, case.name))
    return Opened(Lab(cases, terms_of(prepared, request, clock, "lab")), prepared)

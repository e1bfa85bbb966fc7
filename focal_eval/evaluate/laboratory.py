"""Opens a lab: the cases of a suite on its embedded engine, read and checked as for a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

from focal_eval.clock import Clock, fixed_clock
from focal_eval.document import read_file
from focal_eval.engines.embedded import EmbeddedEngine
from focal_eval.errors import UsageError
from focal_eval.evaluate.preparing import NothingChosen, Prepared, collector_paused, prepare, terms_of
from focal_eval.evaluate.request import RunRequest
from focal_eval.experiment.lab import Lab
from focal_eval.runner.opening import Terms
from focal_eval.runner.plan import Case
from focal_eval.script.suite import looks_like_suite
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
        prepared = prepare(replace(request, repeats=1, cassette="off"), clock, held=None)
    engine = prepared.target.engine
    if not isinstance(engine, EmbeddedEngine):
        kind = prepared.target.entry.kind
        raise UsageError(f"this plays an agent file many times over; it needs the engine 'embedded', not '{kind}'")
    if engine.writer is not None:
        raise UsageError("this plays an agent file many times over; it needs 'generator: template', not a model's words")
    _refuse_personas(prepared)
    cases = sorted(prepared.plan.cases, key=lambda case: (case.script.id, case.name))
    return Opened(Lab(cases, terms_of(prepared, request, clock, "lab")), prepared)


def _refuse_personas(prepared: Prepared) -> None:
    """Raises UsageError where a model would have to say what the user says: nobody is asked in a lab."""
    for case in prepared.plan.cases:
        simulator = case.opened().script.simulator
        if simulator is not None and simulator.persona is not None:
            place = simulator.persona.span
            raise UsageError(f"this plays an agent file many times over and asks no model, which the persona at {place} needs")


def open_labs(request: RunRequest, clock: Clock | None = None) -> Opened:
    """One lab with the cases of all suites that the request names; as `open_lab` where it names one, or none.

    A script that two of them contain is played once. Raises UsageError besides where the suites do not play the same agent
    or do not judge alike, and where two scripts have the same id.
    """
    suites = [path for path in request.paths if path.is_file() and looks_like_suite(read_file(path, str(path)).root)]
    if len(suites) < 2:
        return open_lab(request, clock)
    if request.suite is not None or len(suites) < len(request.paths):
        raise UsageError("several suites are named; name nothing besides them, and choose scripts by --tag and -k")
    found: list[tuple[Path, Opened]] = []
    nothing: NothingChosen | None = None
    for path in suites:
        try:
            found.append((path, open_lab(replace(request, paths=(path,)), clock)))
        except NothingChosen as problem:
            nothing = nothing or problem
    if not found:
        raise nothing or UsageError("no suite is named")
    file, first = found[0]
    for path, other in found[1:]:
        unlike = next(_unlike(first, other), None)
        if unlike is not None:
            raise UsageError(f"{file} and {path} cannot be played together: {unlike}")
    lab = Lab(_together(found), first.lab.terms)
    lab.learn(first.lab.engine)
    return Opened(lab, first.prepared)


def _unlike(one: Opened, other: Opened) -> Iterator[str]:
    """What keeps two suites' cases from being judged in one lab, in words."""
    if one.lab.engine.agent.digest != other.lab.engine.agent.digest:
        yield f"their agents differ ({one.lab.agent.agent.span.file}, {other.lab.agent.agent.span.file})"
    if _scorer(one) != _scorer(other):
        yield "their engines' 'scorer' differs"
    for item in fields(Terms):
        if item.name not in ("engine", "clock", "run_id") and _term(one, item.name) != _term(other, item.name):
            yield f"their '{_AS_WRITTEN.get(item.name, item.name)}' differs"


_AS_WRITTEN = {"tolerated": "tolerate", "masks": "mask", "root": "folder of local Python (unless --no-python)"}
"""Fields of Terms as a suite spells them."""


def _term(opened: Opened, name: str) -> object:
    return getattr(opened.lab.terms, name)


def _scorer(opened: Opened) -> object:
    return getattr(opened.prepared.target.entry.config, "scorer", None)


def _together(found: list[tuple[Path, Opened]]) -> list[Case]:
    """The cases of all, sorted as those of one are. Raises UsageError where an id stands for two scripts."""
    files: dict[str, str] = {}
    cases: dict[str, Case] = {}
    for _, opened in found:
        for case in opened.lab.cases:
            script = case.script
            held = files.setdefault(script.id, script.file)
            if held != script.file:
                raise UsageError(f"two scripts have the id '{script.id}': {held} and {script.file}; rename one of them")
            cases.setdefault(case.id, case)
    return sorted(cases.values(), key=lambda case: (case.script.id, case.name))

"""Goes on with a run that was cut off: what it was asked, what it has finished, and whether all is as it was."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from focal_eval.clock import content_id, content_of
from focal_eval.errors import UsageError
from focal_eval.evaluate.folders import find_run
from focal_eval.evaluate.request import RunRequest, of_again
from focal_eval.records import Verdict
from focal_eval.records.codec import turn_from_json
from focal_eval.report.journal import model_of
from focal_eval.report.model import Case as Entry
from focal_eval.report.model import ReportModel
from focal_eval.runner.journal import Resumed, resume
from focal_eval.runner.plan import Plan
from focal_eval.runner.redact import Redactor
from focal_eval.runner.repeats import key_of
from focal_eval.runner.schedule import Totals
from focal_eval.runner.shard import Shard
from focal_eval.script.repeats import Repeats
from focal_eval.value import value

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
OPTIONS = (
    "tags",
    "keyword",
    "failed_of",
    "repeats",
    "until",
    "timeout_s",
    "case_timeout_s",
    "variants",
    "unreported",
    "compare",
)


@value
class Continued:
    """A run that is gone on with; its folder is locked."""

    request: RunRequest
    after: Resumed
    model: ReportModel
    finished: Mapping[str, Entry]  # by id: cases whose attempt counts

    @property
    def folder(self) -> Path:
        return self.model.folder

    @property
    def header(self) -> Mapping[str, Any]:
        """As it was when the run began, or was last gone on with."""
        return self.model.header

    @property
    def took_ms(self) -> float | None:
        """How long the last part of the run was played; None where it was killed, and told nobody."""
        elapsed = self.header.get("elapsed_ms")
        return None if elapsed is None else round(elapsed - told_ms(self.header.get("resumed") or ()), 3)


def told_ms(resumed: Iterable[Mapping[str, Any]]) -> float:
    """How long the parts of a run took before it was last gone on with, as far as they told."""
    return math.fsum(part.get("took_ms") or 0.0 for part in resumed)


def continued(request: RunRequest) -> Continued:
    """The run that `request.resume` names, and what it was asked. Raises UsageError where there is nothing to go on with."""
    assert request.resume is not None
    _told_already(request)
    folder = find_run(request.resume, request.runs)
    after = resume(folder)
    try:
        model = model_of(folder, after.reading)
        header = model.header
        if header.get("state") == "finished":
            raise UsageError(f"the run {header.get('id')} is finished; focal-eval report {folder} renders it")
        if header.get("rejudged_from"):
            raise UsageError(f"{folder} was judged again, not played; judge it again with focal-eval rejudge")
        return Continued(_request(header, request), after, model, _finished(model))
    except BaseException:
        after.lock.release()
        raise


_FROM_THE_RUN = (
    ("paths", "a suite or script"),
    ("suite", "--suite"),
    ("agent", "--agent"),
    ("engine", "--engine"),
    ("tags", "--tag"),
    ("keyword", "-k"),
    ("failed_of", "--failed"),
    ("repeats", "--repeats"),
    ("timeout_s", "--timeout"),
    ("cassette", "--cassette"),
    ("cassette_file", "--cassette-file"),
    ("out", "--out"),
    ("shard", "--shard"),
)


def _told_already(request: RunRequest) -> None:
    """Raises UsageError where more is asked than the run that is gone on with was."""
    for name, word in _FROM_THE_RUN:
        if getattr(request, name):
            raise UsageError(f"--resume takes what to run from the run itself; {word} cannot be given beside it")


def _request(header: Mapping[str, Any], now: RunRequest) -> RunRequest:
    """What the run was asked; of what is asked now, all that changes no conversation."""
    options = header.get("options") or {}
    try:
        then = of_again(options["again"])
    except (KeyError, TypeError, ValueError):
        raise UsageError(f"the run {header.get('id')} does not tell what it was asked to run") from None
    return replace(
        now,
        **then,
        tags=tuple(options.get("tags") or ()),
        keyword=options.get("keyword"),
        failed_of=options.get("failed_of"),
        baseline=now.baseline or options.get("baseline"),
        concurrency=now.concurrency or options.get("concurrency"),
        strict_flaky=now.strict_flaky or bool(options.get("strict_flaky")),
        **_shard(header),
    )


def _shard(header: Mapping[str, Any]) -> dict[str, Any]:
    """The part of the cases that a run was asked for, where it was one."""
    told = header.get("shard")
    if not told:
        return {}
    return {"shard": Shard(int(told["index"]), int(told["of"])), "durations": told.get("durations")}


def _finished(model: ReportModel) -> dict[str, Entry]:
    """The cases with a closed attempt of which every turn is there.

    Where the engine was given up, those it had not answered are played again.
    """
    lost = model.header.get("state") == "given-up"
    over = [case for case in model.cases if case.last.over and _whole(model, case)]
    return {case.id: case for case in over if not (lost and case.verdict == "errored")}


def _whole(model: ReportModel, case: Entry) -> bool:
    """Whether an attempt is closed, and none of its turns was damaged; one that broke or was skipped at its start has none.

    How many turns a simulated user had is known at its end.
    """
    last = case.last
    if last.count == case.planned or (not last.count and last.verdict in ("errored", "skipped")):
        return True
    ending = None if last.end is None else model.document(last.end).get("ending")
    return isinstance(ending, Mapping) and ending.get("turns") == last.count


def add_finished(found: Continued, plan: Plan, totals: Totals, repeats: Repeats, prices: Mapping[str, float]) -> None:
    """Adds to a run's totals what it had finished before."""
    for case in plan.cases:
        entry = found.finished.get(case.id)
        if entry is None:
            continue
        verdict = Verdict(entry.verdict)
        totals.count(key_of(case), case.repeat, verdict, repeats)
        turns = [turn_from_json(found.model.document(place)) for place in entry.last.turns]
        totals.add(verdict, entry.last.reason, turns, prices, gates=totals.gates(key_of(case)))


def check_same(found: Continued, header: Mapping[str, Any], plan: Plan) -> None:
    """Raises UsageError that names the first thing that is not as it was when the run began."""
    told = next(_differences(found, header, plan), None)
    if told is not None and not found.request.resume_anyway:
        name = header.get("id")
        raise UsageError(f"the run {name} is not resumed: {told}; --resume-anyway mixes both, or run it anew")


def _differences(found: Continued, now: Mapping[str, Any], plan: Plan) -> Iterator[str]:
    then = found.header
    if then.get("focal_eval") != now.get("focal_eval"):
        yield f"it was begun by focal-eval {then.get('focal_eval')}, this is {now.get('focal_eval')}"
    yield from _digests("suite", then, now)
    yield from _digests("engine", then, now)
    yield from _digests("agent", then.get("engine") or {}, now.get("engine") or {})
    if _at(then, "scripts", "digest") != _at(now, "scripts", "digest"):
        yield _script(found, plan) or "the scripts are not those it began with"
    for key in OPTIONS:
        before, today = _at(then, "options", key), _at(now, "options", key)
        if before != today:
            yield f"{key} was {before!r} and is {today!r} now"
    if _at(then, "plan", "digest") != _at(now, "plan", "digest"):
        yield f"it set out to play {_at(then, 'plan', 'cases')} cases, and others are planned now: {_at(now, 'plan', 'cases')}"


def _digests(what: str, then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    before, today = _at(then, what, "digest"), _at(now, what, "digest")
    if before != today:
        named = _at(now, what, "file") or _at(then, what, "file") or _at(now, what, "kind")
        yield f"the {what} {named} is not the one it began with (digest {_short(before)}, now {_short(today)})"


def _script(found: Continued, plan: Plan) -> str | None:
    """Which script of a case that was begun was edited since."""
    planned = {case.id: case.script for case in plan.cases}
    for entry in found.model.cases:
        digest = found.model.document(entry.place).get("digest")
        script = planned.get(entry.id)
        if script is None:
            return f"the script {entry.file} does not give the case {entry.name} any more"
        if script.digest != digest:
            told = f"(digest {_short(digest)}, now {_short(script.digest)})"
            return f"the script {script.file} is not the one it began with {told}"
    return None


def _at(header: Mapping[str, Any], *keys: str) -> Any:
    found: Any = header
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _short(digest: Any) -> str:
    return str(digest)[:12] if digest else "none"


def plan_json(plan: Plan) -> dict[str, Any]:
    """What a run sets out to do, and the digest of its cases in order."""
    digest = content_of((case.id for case in plan.cases), length=16)
    return {"cases": len(plan.cases), "turns": plan.turns, "collected": plan.collected, "digest": digest}


def scripts_json(plan: Plan) -> dict[str, Any]:
    """How many scripts are played, and a digest of all that they say."""
    scripts = {case.script.file: case.script for case in plan.cases}.values()
    return {"files": len(scripts), "digest": content_of((f"{one.file} {one.digest}" for one in scripts), length=16)}


def engine_digest(config: object, secrets: Iterable[str]) -> str:
    """A digest of an engine's settings, without its secrets and what came from the environment, where it is served included."""
    told = _ADDRESS.sub("", repr(config)).encode("utf-8", "replace")
    return content_id(Redactor(secrets, servers=True)(told), length=16)

"""The shards of a run put together: the run that one machine would have given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from focal_eval.clock import content_id
from focal_eval.compare.keys import case_key
from focal_eval.errors import ExitCode, StorageError
from focal_eval.evaluate.belonging import Found, shards_of
from focal_eval.evaluate.finishing import finish, rendered
from focal_eval.evaluate.folders import check_reports
from focal_eval.evaluate.judge_setup import told_together
from focal_eval.evaluate.outcome import Ended, outcome_of
from focal_eval.evaluate.preparing import collector_paused
from focal_eval.evaluate.request import DEFAULT_REPORTS, RunResult
from focal_eval.records import TurnRecord, Verdict
from focal_eval.records.codec import turn_from_json
from focal_eval.report.journal import model_of
from focal_eval.report.model import Case, Place, ReportModel, held_in
from focal_eval.runner.folder import no_outcome
from focal_eval.runner.gates import DEFAULT, conclude, coverage_limits, limits_of, not_judged
from focal_eval.runner.journal import AGENT, FORMAT, JOURNAL, Journal
from focal_eval.runner.reading import Reading
from focal_eval.runner.redact import Redactor
from focal_eval.runner.schedule import Totals
from focal_eval.runner.seal import is_sealed
from focal_eval.runner.shard import missing
from focal_eval.runner.sync import Sync
from focal_eval.script.limit import Limit
from focal_eval.script.repeats import Repeats
from focal_eval.text import counted, listed
from focal_eval.value import value

BATCH_BYTES = 1_000_000  # of lines that are written together


@value
class MergeRequest:
    """Which runs are put together: folders, unique prefixes of their ids."""

    refs: tuple[str, ...]
    runs: Path = Path("reports")
    out: Path | None = None
    baseline: str | None = None  # instead of what the shards were to be compared with
    reports: tuple[str, ...] = DEFAULT_REPORTS
    strict_flaky: bool = False
    anyway: bool = False  # although they were made with something else


@value
class Merged:
    """The run, and what is to be said of its shards."""

    result: RunResult
    notes: tuple[str, ...]


def merge(request: MergeRequest) -> Merged:
    """Puts shards together and writes the run's folder.

    Raises UsageError where they are no parts of one run, StorageError where one cannot be read.
    """
    check_reports(request.reports)
    shards = shards_of(request.refs, request.runs, anyway=request.anyway)
    with collector_paused():
        return _Merge(request, shards).go()


class _Merge:
    """One merging under way."""

    def __init__(self, request: MergeRequest, shards: Sequence[Found]) -> None:
        self.request, self.shards = request, shards
        first = shards[0]
        self.whole: Mapping[str, Any] = first.told
        self.strict = request.strict_flaky or any(_options(one).get("strict_flaky") for one in shards)
        self.repeats = Repeats(**self.whole["rule"])
        self.limits: dict[str, Limit] = limits_of(self.whole["gates"]) or DEFAULT
        self.id = _id(shards)
        self.folder = request.out or request.runs / self.id
        deterministic = bool((first.header.get("engine") or {}).get("deterministic"))
        self.totals = Totals(deterministic=deterministic, quarantined=frozenset(held_in(first.header)))
        self.lost = [f"shard {index} of {first.shard.of} is missing" for index in self._missing()]
        self.notes: list[str] = []

    def _missing(self) -> list[int]:
        return missing(self.shards[0].shard.of, [one.shard.index for one in self.shards])

    def go(self) -> Merged:
        reference = self._reference()
        journal = Journal(self.folder, self._header(), Redactor(()), sync=Sync.END)
        try:
            self._keep_agent(journal)
            for one in self.shards:
                self._copy(one, journal)
            state = self._state()
            whole = state != "incomplete"
            journal.flush()
            headers = [one.header for one in self.shards]
            judge = told_together(headers, model_of(self.folder, journal.reading))
            done = finish(
                journal,
                self._outcome(state),
                coverage=coverage_limits(self.limits),
                reference=reference if whole else None,
                strict_flaky=self.strict,
                judge=judge,
                limits=self.limits if whole else None,
            )
        finally:
            journal.close()
        model = model_of(self.folder, journal.reading)
        written = rendered(model, self.request.reports, done)
        result = RunResult(model, done.code, written, reasons=dict(self.totals.reasons), compared=done.compared)
        return Merged(result, tuple(self.notes))

    def _reference(self) -> Any:
        """What the whole is compared with. Raises UsageError where it is not there."""
        ref = self.request.baseline or _options(self.shards[0]).get("baseline")
        if ref is None:
            return None
        from focal_eval.evaluate.comparing import find_reference

        return find_reference(ref, self.request.runs, (self.shards[0].header.get("suite") or {}).get("file"))

    def _header(self) -> dict[str, Any]:
        """The first shard's, for the whole: in its order, with what was merged in place of what was a shard."""
        first = self.shards[0].header
        kept = {key: found for key, found in first.items() if key not in ("judge", "resumed", "shard")}
        return {
            **kept,
            "format": FORMAT,
            "id": self.id,
            "started_at": min(str(one.header.get("started_at")) for one in self.shards),
            "finished_at": None,
            "state": "running",
            "lost": None,
            "scripts": self.whole["scripts"],
            "plan": self.whole["plan"],
            "options": {
                **_options(self.shards[0]),
                "baseline": self.request.baseline or _options(self.shards[0]).get("baseline"),
            },
            "merged": {
                "of": self.shards[0].shard.of,
                "runs": {str(one.shard.index): one.header.get("id") for one in self.shards},
            },
            **no_outcome(),
        }

    def _keep_agent(self, journal: Journal) -> None:
        """The agent the shards were played with goes along."""
        path = next((one.folder / AGENT for one in self.shards if (one.folder / AGENT).is_file()), None)
        if path is None:
            return
        try:
            journal.keep(AGENT, path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as problem:
            raise StorageError(f"{path} cannot be read: {problem}") from None

    def _copy(self, one: Found, journal: Journal) -> None:
        """Takes over what a shard recorded, case by case, and adds it up. Nothing of it is kept in memory but light entries."""
        model, shared = _read(one)
        if model.damaged:
            self.notes.append(f"{one}: {counted(model.damaged, 'line')} of its journal could not be read and left out")
        if model.header.get("state") in ("running", "interrupted"):
            how = "was interrupted" if model.header.get("state") == "interrupted" else "did not reach its end"
            self.lost.append(f"shard {one.shard.index} of {one.shard.of} {how}")
        batch, size = [], 0
        for line in self._lines(one, model, shared, journal):
            batch.append(line)
            size += len(line)
            if size > BATCH_BYTES:
                journal.copy(batch)
                batch, size = [], 0
        journal.copy(batch)

    def _lines(self, one: Found, model: ReportModel, shared: Iterable[Place], journal: Journal) -> Iterator[bytes]:
        yield from map(model.line, shared)
        for case in sorted(model.cases, key=lambda case: case.place):
            if case.id in journal.reading.cases:
                raise StorageError(f"{one} has the case {case.name}, which another shard has, too")
            for place in case.places():
                line = model.line(place)
                if not is_sealed(line):
                    raise StorageError(f"{one}: its journal changed while it was read")
                yield line
            if case.last.verdict is not None:
                self._add(case, model)

    def _add(self, case: Case, model: ReportModel) -> None:
        verdict = Verdict(case.verdict)
        key = case_key(case.name, case.script, case.repeat)
        self.totals.count(key, case.repeat, verdict, self.repeats)
        turns = [_measured(model.line(place)) for place in case.last.turns]
        self.totals.add(verdict, case.last.reason, turns, self.whole["prices"], gates=self.totals.gates(key))

    def _state(self) -> str:
        """How the whole ended: as the worst of its shards did."""
        states = {one.header.get("state") for one in self.shards}
        spared, planned = self._spared(), int(self.whole["plan"]["cases"])
        if not self.lost and states == {"finished"} and (gone := planned - spared - self.totals.counts.total()):
            self.lost.append(f"{counted(gone, 'case')} {'is' if gone == 1 else 'are'} in no shard's journal")
        if self.lost:
            return "incomplete"
        return next((state for state in ("workers-lost", "given-up", "stopped") if state in states), "finished")

    def _spared(self) -> int:
        return sum(int(one.header.get("spared") or 0) for one in self.shards)

    def _outcome(self, state: str) -> tuple[dict[str, Any], ExitCode]:
        given_up = next((one.header.get("lost") for one in self.shards if one.header.get("state") == state), None)
        lost = listed(self.lost) if self.lost else given_up
        ended = Ended(state, int(self.whole["plan"]["cases"]), self._spared(), lost)
        outcome, code = outcome_of(self.totals, ended, self.limits, self.repeats, self.folder, strict_flaky=self.strict)
        if state == "incomplete":
            gates = [not_judged(name, limit, str(lost)) for name, limit in self.limits.items()]
            verdict, code = conclude(self.totals.gating, gates, state)
            outcome |= {"gates": [gate.as_json() for gate in gates], "verdict": verdict, "exit_code": int(code)}
        return {**outcome, **self._times()}, code

    def _times(self) -> dict[str, Any]:
        """From when the first shard began to when the last one ended."""
        from datetime import datetime

        began = min(str(one.header.get("started_at")) for one in self.shards)
        ends = [str(one.header["finished_at"]) for one in self.shards if one.header.get("finished_at")]
        if len(ends) < len(self.shards):
            return {"elapsed_ms": None, "finished_at": None}
        took = datetime.fromisoformat(max(ends)) - datetime.fromisoformat(began)
        return {"elapsed_ms": round(took.total_seconds() * 1000, 3), "finished_at": max(ends)}


def _measured(line: bytes) -> TurnRecord:
    """Of a turn's line what a run adds up: how long it took, and its tokens. Raises StorageError where it is no turn."""
    try:
        data = orjson.loads(line)
        reply = data.get("reply") or {}
        kept = {"reply": {"tokens": reply["tokens"]}} if "tokens" in reply else {}
        return turn_from_json({"i": data["i"], "elapsed_ms": data.get("elapsed_ms"), **kept})
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise StorageError(f"a line of a shard's journal is no turn: {problem}") from None


def _read(one: Found) -> tuple[ReportModel, list[Place]]:
    """A shard, read whole, and the places of what its lines share. Raises StorageError."""
    reading, path = Reading(), one.folder / JOURNAL
    try:
        with path.open("rb") as file:
            reading.file(file)
    except OSError as problem:
        raise StorageError(f"cannot read {path}: {problem.strerror or problem}") from None
    return model_of(one.folder, reading), list(reading.shared.values())


def _options(one: Found) -> Mapping[str, Any]:
    found = one.header.get("options")
    return found if isinstance(found, Mapping) else {}


def _id(shards: Sequence[Found]) -> str:
    """The same each time these shards are merged."""
    began = min(str(one.header.get("started_at")) for one in shards)
    digits = "".join(character for character in began if character.isdigit())
    return f"{digits[:8]}-{digits[8:14]}-{content_id(*(str(one.header.get('id')) for one in shards), length=4)}"

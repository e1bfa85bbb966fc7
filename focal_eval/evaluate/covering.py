"""Coverage of recorded runs: every case is read, traced, judged again where it can be, added up and forgotten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

from focal_eval.coverage import items_of, trace_case
from focal_eval.coverage.edited import edited_items
from focal_eval.coverage.matrix import Checked, Matrix, Row, share
from focal_eval.coverage.model import KINDS, Key
from focal_eval.errors import ExitCode, StorageError
from focal_eval.evaluate.covered_agents import PlayedAgent, check_same, edits_since, played_agent
from focal_eval.evaluate.folders import read_folder
from focal_eval.records import TurnRecord
from focal_eval.records.codec import turn_from_json
from focal_eval.report.model import Case, ReportModel
from focal_eval.runner.gates import GateResult, Reading, decide_coverage
from focal_eval.script.gates_coverage import CoverageLimit
from focal_eval.text import counted
from focal_eval.value import value

Of = Literal["asserted", "hit"]


@value
class CoverRequest:
    """Whose coverage is asked for: runs by folder, unique prefix, `latest` or `previous`."""

    runs: tuple[str, ...]
    folder: Path = Path("reports")
    by_name: bool = False  # runs of different agents are added up by the names of their items
    against: str | None = None  # only what was edited since this agent file, or since the agent of this run
    kinds: tuple[str, ...] = ("rule",)  # what a share is taken of
    of: Of = "asserted"
    fail_under: float | None = None  # a share, 0 to 1
    judge: bool = True  # whether expectations are judged again, which tells what is asserted
    allow_python: bool = True  # whether local Python of the suite may judge
    cache: Path | None = None  # the folder of the cache of scripts


@value
class Covered:
    """The coverage of runs with all that is needed to render it."""

    models: tuple[ReportModel, ...]
    agent: PlayedAgent | None
    matrix: Matrix
    kinds: tuple[str, ...]
    of: Of
    edited: Mapping[Key, str] | None  # the items that were edited, with why; None where all are asked for
    gate: GateResult | None
    notes: tuple[str, ...]  # what limits what is told

    @property
    def exit_code(self) -> ExitCode:
        """1 where the share is too small, 3 where there was nothing to take one of."""
        if self.gate is None or self.gate.passed:
            return ExitCode.OK
        return ExitCode.NO_VERDICT if self.gate.observed is None else ExitCode.FAILED

    def rows(self, kinds: Sequence[str] = KINDS) -> list[Row]:
        """The items asked for, in the order of the agent."""
        rows = self.matrix.rows(kinds)
        return rows if self.edited is None else [row for row in rows if row.item.key in self.edited]


class Judge(Protocol):
    """Judges a recorded case again with items altered. `why` counts the cases it could not judge, by the reason."""

    why: Counter[str]

    def __call__(self, case: Case) -> tuple[Checked, Checked] | None:
        """What an expectation would miss, and what it would notice; None where the case cannot be judged again."""


def cover(request: CoverRequest) -> Covered:
    """The coverage of recorded runs. Raises UsageError where runs do not add up, StorageError where one is damaged."""
    models = [read_folder(ref, request.folder) for ref in dict.fromkeys(request.runs)]
    return cover_models(models, request)


def cover_models(models: Sequence[ReportModel], request: CoverRequest) -> Covered:
    """The coverage of runs that were read."""
    agents = [played_agent(model) for model in models]
    if not request.by_name:
        check_same(models, agents)
    agent = next((one for one in reversed(agents) if one is not None), None)
    matrix = Matrix(None if agent is None or agent.agent is None else items_of(agent.agent))
    notes = [] if agent is None or agent.why is None else [f"only what the records show is told: {agent.why}"]
    for model in models:
        notes += _add(matrix, model, _judge(model, matrix, request) if request.judge else None)
    edited = None
    if request.against is not None:
        edited = edited_items(matrix.items, edits_since(request.against, request.folder, agent))
    covered = Covered(tuple(models), agent, matrix, request.kinds, request.of, edited, None, (*notes, *_limits(matrix)))
    return _gated(covered, request)


def _judge(model: ReportModel, matrix: Matrix, request: CoverRequest) -> Judge:
    from focal_eval.evaluate.asserting import Asserting

    names = {kind: [item.name for item in matrix.items if item.kind == kind] for kind in ("rule", "tool")}
    return Asserting(model, names, allow_python=request.allow_python, cache=request.cache)


def _add(matrix: Matrix, model: ReportModel, judge: Judge | None) -> Iterator[str]:
    """Adds a run's cases; gives what could not be told."""
    matrix.own_reasons = (model.header.get("engine") or {}).get("kind") == "embedded"
    for case in model.cases:
        turns = _turns(model, case)
        if not any(turn.reply is not None for turn in turns):
            continue
        checked = None if judge is None else judge(case)
        asserted, refuted = (None, None) if checked is None else checked
        matrix.add(trace_case(case.name, case.script, turns), asserted, refuted)
    if judge is not None:
        for why, count in sorted(judge.why.items()):
            yield f"{counted(count, 'case')} of {model.header.get('id')} could not be judged again: {why}"


def _turns(model: ReportModel, case: Case) -> list[TurnRecord]:
    """The turns of the attempt that decided a case."""
    try:
        return [turn_from_json(model.document(place)) for place in case.last.turns]
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise StorageError(f"the journal of {model.folder} is damaged at case {case.name}: {problem}") from None


def _limits(matrix: Matrix) -> Iterator[str]:
    """What the engine does not report, and what was beyond the bounds."""
    silent = [kind for kind in KINDS if matrix.turns and matrix.silent[kind] == matrix.turns]
    if silent:
        yield f"not reported by the engine, so unknown: {', '.join(silent)}"
    partly = [f"{kind} ({matrix.silent[kind]:,})" for kind in KINDS if 0 < matrix.silent[kind] < matrix.turns]
    if partly:
        yield f"not reported in some of {counted(matrix.turns, 'turn')}: {', '.join(partly)}"
    if matrix.unlisted:
        names = ", ".join(f"{kind} {name}" for kind, name in sorted(matrix.unlisted)[:3])
        more = f" and {len(matrix.unlisted) - 3:,} more" if len(matrix.unlisted) > 3 else ""
        yield f"in the records and not in the agent: {names}{more}"
    for what, count in sorted(matrix.left_out.items()):
        yield f"{count:,} {what} were beyond what is kept"


def _gated(covered: Covered, request: CoverRequest) -> Covered:
    if request.fail_under is None:
        return covered
    limit = CoverageLimit(min=request.fail_under, of=request.of)
    gate = decide_coverage(limit, reading(covered, request.of))
    return Covered(
        covered.models, covered.agent, covered.matrix, covered.kinds, covered.of, covered.edited, gate, covered.notes
    )


def reading(covered: Covered, of: Of, kinds: Sequence[str] | None = None) -> Reading:
    """The share of what is asked for, or of these kinds, that is hit, or asserted, as a gate takes it."""
    kinds = covered.kinds if kinds is None else kinds
    count, total = share(covered.rows(kinds), of)
    what = f"{kinds[0]}s" if len(kinds) == 1 else "items"
    if not total:
        return Reading(None, 0, what, "there was nothing to cover" if covered.matrix.turns else "no turn was recorded")
    if of == "asserted" and not covered.matrix.judged:
        return Reading(None, total, what, "no case could be judged again")
    return Reading(count / total, total, what, f"{count:,} {of}")

"""A recorded run, altered in every way an agent might go wrong, and judged again: what would its expectations notice?"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from focal_eval.clock import content_id
from focal_eval.errors import ExitCode, UsageError
from focal_eval.evaluate.folders import read_folder
from focal_eval.evaluate.preparing import collector_paused
from focal_eval.evaluate.recordings import Recording, Rejudging, open_recording
from focal_eval.experiment.mutants import Score, Tried, score
from focal_eval.experiment.trace_mutants import OPERATORS, STORED, Altered, altered
from focal_eval.experiment.trace_mutate import Talk, tried
from focal_eval.experiment.trace_scene import Known
from focal_eval.records import UNKNOWN, TurnRecord
from focal_eval.registry import did_you_mean
from focal_eval.report.model import Case as ReportCase
from focal_eval.report.model import ReportModel
from focal_eval.runner.plan import Case
from focal_eval.runner.standing import Standing
from focal_eval.text import counted
from focal_eval.value import value

MOST = 20_000  # mutants judged where nobody says otherwise
MOST_CASES = 8  # cases of one script in which the same mutant is tried


@value
class TraceRequest:
    """Which run is altered: a folder, a unique prefix of its id, `latest` or `previous`."""

    run: str
    runs: Path = Path("reports")
    suite: Path | None = None
    operators: tuple[str, ...] = ()  # all, where empty
    most: int = MOST
    seed: int = 0
    fail_under: float | None = None  # a share, 0 to 1
    allow_python: bool = True
    cache: Path | None = None


@value
class TraceMutations:
    """What became of the mutants of a run's records."""

    model: ReportModel
    tried: tuple[Tried, ...]  # by script, turn and operator, in the order they were made
    score: Score
    made: int  # mutants there are; more than were tried where they were sampled
    seed: int
    scripts: dict[str, str]  # the file of each script with its id
    cases: dict[str, str]  # the script's file of each case
    left_out: tuple[tuple[str, int], ...] = ()  # why cases were left out, with how many
    inputs: int = 0  # calls whose results the scripts say themselves
    fail_under: float | None = None

    @property
    def exit_code(self) -> ExitCode:
        """1 where the score is below what was asked for, 3 where there was nothing to notice and a score was asked for."""
        if self.fail_under is None:
            return ExitCode.OK
        if self.score.value is None:
            return ExitCode.NO_VERDICT
        return ExitCode.OK if self.score.value >= self.fail_under else ExitCode.FAILED

    def notes(self) -> tuple[str, ...]:
        """What limits what is told, in words."""
        out = [f"{counted(count, 'case')} left out: {why}" for why, count in self.left_out]
        if self.inputs:
            out.append(f"the results of {counted(self.inputs, 'call')} are what the scripts say, and were not altered")
        if self.made > len(self.tried):
            out.insert(0, f"{len(self.tried):,} of {self.made:,} mutants were tried, drawn with seed {self.seed}")
        return tuple(out)


def mutate_traces(request: TraceRequest) -> TraceMutations:
    """Alters the records of a run and judges them again with today's scripts; no engine.

    Raises UsageError or Refused where the scripts are not there or cannot be read, or no operator is named so, StorageError
    where the journal is damaged.
    """
    _known(request.operators)
    with collector_paused():
        recording = open_recording(
            read_folder(request.run, request.runs), suite=request.suite, allow_python=request.allow_python, cache=request.cache
        )
    return _Mutating(request, recording).go()


def _known(names: Sequence[str]) -> None:
    every = (*OPERATORS, *STORED)
    for name in names:
        if name not in every:
            fix = did_you_mean(name, every)
            raise UsageError(f"no operator on records is named '{name}'" + (f"; {fix}" if fix else ""))


Places = dict[str, list[tuple[Talk, Altered]]]
"""By a mutant's id: the cases it was made in."""


class _Mutating:
    """Finds out which mutants there are, draws as many as are wanted, and judges them script by script."""

    def __init__(self, request: TraceRequest, recording: Recording) -> None:
        self.request, self.recording = request, recording
        self.rejudging = Rejudging(recording)
        self.known = Known()
        self.left_out: Counter[str] = Counter()
        self.inputs = 0
        self.pairs = list(self._pairs())

    def _pairs(self) -> Iterator[tuple[ReportCase, Case]]:
        """The cases that passed and are still there, script by script."""
        for case in self.recording.model.cases:
            today = self.recording.today(case)
            if today is None:
                self.left_out["the scripts do not have them now"] += 1
            elif case.verdict != "passed":
                self.left_out["they did not pass, so nothing could be noticed by failing"] += 1
            else:
                yield case, today

    def go(self) -> TraceMutations:
        if not self.pairs:
            raise UsageError(f"no case of {self.recording.model.header.get('id')} passed; there is nothing to alter")
        for case, today in self.pairs:
            turns = self.recording.read(case).turns
            self.known.add(turns)
            self.inputs += _inputs(today, turns)
        drawn = _Drawn(self.request.most, self.request.seed)
        groups = self._groups()
        made: list[Places] | None = []
        for group in groups:
            found = self._made(group)
            drawn.add(found)
            if made is not None and drawn.made <= self.request.most:
                made.append(found)
            else:  # more than are tried: what is not drawn is made again, and not kept
                made = None
        kept = drawn.ids()
        out = []
        for place, group in enumerate(groups):
            mutants = self._made(group) if made is None else made[place]
            out += [tried(mutants[name], group[:MOST_CASES]) for name in mutants if name in kept]
        only = f" by {', '.join(self.request.operators)}" if self.request.operators else ""
        if not out and not drawn.made:
            raise UsageError(
                f"the records of {self.recording.model.header.get('id')} hold nothing that could be altered" + only
            )
        files = {today.script.file: today.script.id for _, today in self.pairs}
        left = tuple(sorted(self.left_out.items()))
        return TraceMutations(
            model=self.recording.model,
            tried=tuple(out),
            score=score(out),
            made=drawn.made,
            seed=self.request.seed,
            scripts=files,
            cases={today.name: today.script.file for _, today in self.pairs},
            left_out=left,
            inputs=self.inputs,
            fail_under=self.request.fail_under,
        )

    def _groups(self) -> list[list[Talk]]:
        """The talks of each script that pass by today's scripts as well."""
        groups: dict[str, list[Talk]] = {}
        for case, today in self.pairs:
            rejudge = self.rejudging.of(today)
            talk = Talk(today.name, Standing(rejudge, self.recording.read(case)), rejudge.prepared)
            if talk.good:
                groups.setdefault(today.script.id, []).append(talk)
            else:
                self.left_out["they do not pass by today's scripts"] += 1
        return list(groups.values())

    def _made(self, group: Sequence[Talk]) -> Places:
        """The mutants of one script with where they were made; the same change in several of its cases is one mutant."""
        out: Places = {}
        for talk in group:
            script, standing = talk.prepared.script, talk.standing
            for item in altered(script, standing.turns, standing.messages, self.known):
                if self.request.operators and item.mutant.operator not in self.request.operators:
                    continue
                places = out.setdefault(item.mutant.id, [])
                if len(places) < MOST_CASES:
                    places.append((talk, item))
        return out


def _inputs(case: Case, turns: Sequence[TurnRecord]) -> int:
    """Calls of tools that the script answers."""
    answered = {stub.tool for stub in case.script.stubs}
    calls = (turn.reply.tools for turn in turns if turn.reply is not None)
    return sum(call.name in answered for found in calls if found is not UNKNOWN for call in found)


class _Drawn:
    """So many ids of all there are, the same for the same seed whatever the order; memory is that of those drawn."""

    def __init__(self, most: int, seed: int) -> None:
        self.most, self.seed = most, seed
        self.made = 0
        self._heap: list[tuple[int, str]] = []  # the largest draw first

    def add(self, names: Iterable[str]) -> None:
        """Takes note of mutants; no id comes twice, as each names its script."""
        for name in names:
            self.made += 1
            heapq.heappush(self._heap, (-int(content_id(str(self.seed), name), 16), name))
            if len(self._heap) > self.most:
                heapq.heappop(self._heap)

    def ids(self) -> frozenset[str]:
        return frozenset(name for _, name in self._heap)

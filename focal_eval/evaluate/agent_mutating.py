"""A suite's agent, changed in every way its file has a grammar for, and played again: what would the suite notice?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from functools import partial
from pathlib import Path

from focal_eval.agent import Agent
from focal_eval.clock import seeded
from focal_eval.engines import Setting
from focal_eval.errors import ExitCode, UsageError
from focal_eval.evaluate.accepted import Explained, check_names, explain, read_accepted
from focal_eval.evaluate.git import resolved
from focal_eval.evaluate.laboratory import Opened, open_labs
from focal_eval.evaluate.request import RunRequest
from focal_eval.evaluate.versions import version_at, version_in
from focal_eval.experiment.agent_mutants import OPERATORS, AgentMutant, agent_mutants
from focal_eval.experiment.edits import Edited, edits
from focal_eval.experiment.lab import Lab, Replay
from focal_eval.experiment.mutants import Fate, Score, Tried, score
from focal_eval.experiment.mutate_pool import Trials
from focal_eval.experiment.reach import Reach
from focal_eval.records import Verdict
from focal_eval.registry import did_you_mean
from focal_eval.script.load import is_there, shown
from focal_eval.text import counted
from focal_eval.value import value

Told = Callable[[int, int], None]


@value
class MutateRequest:
    """Whose agent is changed, and how much of it."""

    run: RunRequest
    operators: tuple[str, ...] = ()  # all, where empty
    since: str | None = None  # only parts that differ from this agent file, or from the file at this commit
    most: int | None = None
    seed: int = 0
    workers: int = 1
    fail_under: float | None = None  # a share, 0 to 1
    accepted: tuple[Path, ...] = ()  # files of survivors that may survive


@value
class AgentMutations:
    """What became of the mutants of an agent."""

    agent: str  # its file
    tried: tuple[Tried, ...]  # part by part in the order of the file
    score: Score
    made: int  # mutants there are; more than were tried where they were sampled or interrupted
    seed: int
    scripts: dict[str, str]  # the file of each script with its id
    cases: int
    unfit: tuple[str, ...]  # cases that are not good on the agent itself; they notice nothing
    files: dict[str, str] = field(default_factory=dict)  # the file of each case's script, by the case's name
    since: str | None = None
    parts: int | None = None  # parts that were edited since
    explained: Explained | None = None
    interrupted: bool = False
    wanted: int = 0  # mutants that were to be tried
    fail_under: float | None = None

    @property
    def unexplained(self) -> tuple[Tried, ...]:
        """Survivors that no file of accepted ones names."""
        reasons = {} if self.explained is None else self.explained.reasons
        survivors = (item for item in self.tried if item.fate in (Fate.SURVIVED, Fate.NOT_COVERED))
        return tuple(item for item in survivors if item.mutant.id not in reasons)

    @property
    def exit_code(self) -> ExitCode:
        """130 where it was interrupted; 1 where the score is too low, or where accepted survivors do not fit the real ones."""
        if self.interrupted:
            return ExitCode.INTERRUPTED
        if self.explained is not None and (self.unexplained or self.explained.stale):
            return ExitCode.FAILED
        if self.fail_under is None:
            return ExitCode.OK
        if self.score.value is None:
            return ExitCode.NO_VERDICT
        return ExitCode.OK if self.score.value >= self.fail_under else ExitCode.FAILED

    def notes(self) -> tuple[str, ...]:
        """What limits what is told, in words."""
        out = []
        if self.since is not None:
            out.append(f"only what differs from {self.since}: {counted(self.parts or 0, 'part')}")
        if self.wanted < self.made:
            out.append(f"{self.wanted:,} of {self.made:,} mutants were drawn with seed {self.seed}")
        if self.interrupted:
            out.append(f"interrupted after {len(self.tried):,} of {self.wanted:,} mutants")
        if self.unfit:
            names = ", ".join(self.unfit[:3]) + (", …" if len(self.unfit) > 3 else "")
            out.append(f"{counted(len(self.unfit), 'case')} not good on the agent itself, so they notice nothing: {names}")
        if self.explained is not None:
            told = zip(self.explained.files, self.explained.counts, strict=True)
            out += [f"{counted(count, 'survivor')} explained in {file}" for file, count in told]
            out += self.explained.stale
        return tuple(out)


def mutate_agent(request: MutateRequest, told: Told | None = None) -> AgentMutations:
    """Changes the suite's agent and plays the cases it touches. Raises UsageError or Refused as a run does."""
    _known(request.operators)
    entries = {shown(path): read_accepted(path) for path in request.accepted}
    opened = open_labs(request.run)
    lab = opened.lab
    check_names((entry for held in entries.values() for entry in held), lab.agent)
    file, path = _file(opened)
    made = agent_mutants(lab.agent, file, request.operators or None)
    touched = None
    if request.since is not None:
        touched = edits(_older(opened, request.since, path), lab.agent)
        made = tuple(one for one in made if _edited(one, touched))
    chosen = _drawn(made, request.most, request.seed)
    reach = Reach(lab)
    trial = Trials(reach, partial(_lab_of, request.run), request.workers).run(chosen, told)
    whole = request.since is None and len(chosen) == len(made) and not request.operators and not trial.interrupted
    return AgentMutations(
        agent=file,
        tried=trial.tried,
        score=score(trial.tried),
        made=len(made),
        seed=request.seed,
        scripts={case.script.file: case.script.id for case in lab.cases},
        cases=len(lab.cases),
        unfit=tuple(lab.cases[one.replay.case].name for one in reach.cases if _unfit(one.replay)),
        files={case.name: case.script.file for case in lab.cases},
        since=request.since,
        parts=None if touched is None else len(touched),
        explained=explain(entries, trial.tried, whole=whole) if entries else None,
        interrupted=trial.interrupted,
        wanted=len(chosen),
        fail_under=request.fail_under,
    )


def _unfit(replay: Replay) -> bool:
    return not replay.good and replay.verdict is not Verdict.SKIPPED


def _lab_of(request: RunRequest) -> Lab:
    return open_labs(request).lab


def _known(operators: tuple[str, ...]) -> None:
    for name in operators:
        if name not in OPERATORS:
            fix = did_you_mean(name, OPERATORS)
            raise UsageError(f"no operator is named '{name}'" + (f"; {fix}" if fix else ""))


def _file(opened: Opened) -> tuple[str, Path]:
    """The agent's file as a reader knows it, and where it lies."""
    target = opened.prepared.target
    folder = target.suite.folder if target.suite is not None else target.root
    path = target.entry.config.agent_file(Setting(folder, opened.lab.terms.clock, False))
    found = Path(path) if path is not None else Path(opened.lab.agent.agent.span.file)
    return shown(found), found


def _older(opened: Opened, since: str, path: Path) -> Agent:
    """The agent that the suite's is held against: another file, or the same file at a commit."""
    other = Path(since)
    if is_there(other):
        return version_in(opened, other).file
    try:
        commit = resolved(since, path.resolve().parent)
    except UsageError as problem:
        raise UsageError(f"there is no file '{since}', and {problem}") from None
    return version_at(opened, commit, path).file


def _edited(mutant: AgentMutant, touched: tuple[Edited, ...]) -> bool:
    """Whether a part that the mutant changes was edited; an edge was where its step was, or its own fields."""
    kind, name = mutant.part
    wanted = ("step", name.partition(" → ")[0]) if kind == "transition" else (kind, name)
    return any((edited.kind, edited.name) == wanted for edited in touched)


def _drawn(made: tuple[AgentMutant, ...], most: int | None, seed: int) -> list[AgentMutant]:
    """So many of them, drawn by the seed and kept in order."""
    if most is None or most >= len(made):
        return list(made)
    numbers = sorted(seeded(seed).sample(range(len(made)), most))
    return [made[number] for number in numbers]

"""The agents of the runs whose coverage is added up: read once, compared where they differ, and what was edited since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from focal_eval.agent import Agent
from focal_eval.agent.load import read_agent
from focal_eval.compare import agent_edits
from focal_eval.compare.agent_file import AgentFile, agent_in
from focal_eval.compare.model import Edit
from focal_eval.coverage.edited import Edited
from focal_eval.document import Document, read_file
from focal_eval.errors import UsageError
from focal_eval.evaluate.folders import read_folder
from focal_eval.records import Json
from focal_eval.report.model import ReportModel
from focal_eval.text import counted, listed
from focal_eval.value import value

MOST_EDITS = 4  # named where agents differ


@value
class PlayedAgent:
    """The agent a run was played with. `agent` is None where its file is no agent file."""

    file: str
    digest: str
    text: str
    document: Document | None
    agent: Agent | None
    why: str | None = None  # why `agent` is None, in words

    @property
    def parts(self) -> AgentFile | None:
        """What the file says, as plain data; read when it is asked for."""
        return None if self.document is None else agent_in(self.document)


def told_agent(model: ReportModel) -> Mapping[str, Json] | None:
    """What a run's header says of its agent."""
    agent = (model.header.get("engine") or {}).get("agent")
    return agent if isinstance(agent, Mapping) else None


def played_agent(model: ReportModel) -> PlayedAgent | None:
    """The agent of a run: the copy in its folder, else the file where it was; None where the run names none."""
    told = told_agent(model)
    if told is None:
        return None
    file, digest = str(told.get("file")), str(told.get("digest"))
    document = _document(model, told, file)
    if document is None:
        return PlayedAgent(file, digest, "", None, None, f"{file} was edited since, and the run keeps no copy of it")
    agent = read_agent(document)
    first = next(iter(document.problems.errors), None)
    why = None if agent is not None else f"{file} cannot be read as an agent" + (f" ({first})" if first else "")
    return PlayedAgent(file, digest, document.text, document, agent, why)


def _document(model: ReportModel, told: Mapping[str, Json], file: str) -> Document | None:
    copy = told.get("copy")
    if isinstance(copy, str) and Path(copy).name == copy:
        return read_file(model.folder / copy, file)
    document = read_file(Path(file), file)
    return document if document.digest == told.get("digest") else None


def check_same(models: Sequence[ReportModel], agents: Sequence[PlayedAgent | None]) -> None:
    """Raises UsageError, with what differs, where runs were played by different agents: their items do not add up."""
    known = [(model, agent) for model, agent in zip(models, agents, strict=True) if agent is not None]
    for model, agent in known[1:]:
        first, reference = known[0]
        assert reference is not None
        if agent is not None and agent.digest != reference.digest:
            runs = f"runs {first.header.get('id')} and {model.header.get('id')}"
            raise UsageError(
                f"{runs} were played by different agents: {_difference(reference, agent)};"
                " --by-name adds up what has the same name, by the agent of the last run"
            )


def _difference(one: PlayedAgent, other: PlayedAgent) -> str:
    here, there = one.parts, other.parts
    if here is None or there is None:
        return f"{one.file} and {other.file}"
    edits = agent_edits(here.data, there.data)
    named = [f"{edit.kind} {edit.name} {edit.change}" for edit in edits]
    if not named:
        return "the same but for comments and layout"
    return f"{counted(len(named), 'edit')}, {listed(named, most=MOST_EDITS)}"


def edits_since(reference: str, runs: Path, agent: PlayedAgent | None) -> tuple[Edited, ...]:
    """What was edited in the agent since another agent file, or since the agent of another run. Raises UsageError."""
    parts = None if agent is None else agent.parts
    if parts is None:
        raise UsageError("what was edited cannot be told: the run's agent is not known" + _because(agent))
    before = _reference(reference, runs)
    return tuple(_edited(agent_edits(before.data, parts.data)))


def _because(agent: PlayedAgent | None) -> str:
    return "" if agent is None or agent.why is None else f"; {agent.why}"


def _reference(reference: str, runs: Path) -> AgentFile:
    path = Path(reference)
    if path.is_file():
        document = read_file(path, reference)
        found = agent_in(document)
        if found is None or not isinstance(found.data, Mapping) or "agent" not in found.data:
            raise UsageError(f"{reference} is no agent file")
        return found
    played = played_agent(read_folder(reference, runs))
    parts = None if played is None else played.parts
    if parts is None:
        raise UsageError(f"the agent of run {reference} is not known{_because(played)}")
    return parts


def _edited(edits: Iterable[Edit]) -> Iterable[Edited]:
    return (Edited((edit.kind, edit.name), edit.change, edit.touches) for edit in edits)

"""Agent files as the other rooms need them: read once, with their problems and the names scripts may use."""

from __future__ import annotations

from pathlib import Path

from focal_eval.agent.load import load_agent
from focal_eval.agent.model import Agent
from focal_eval.document import Document, read_file
from focal_eval.engines import EngineConfig, Names, Setting
from focal_eval.errors import Diagnostic, Problems, UsageError
from focal_eval.runner.journal import AGENT
from focal_eval.script.load import is_there, nearest_file, shown
from focal_eval.script.names import KnownNames
from focal_eval.script.suite_engines import Engine
from focal_eval.value import value


@value
class AgentFile:
    """An agent file, read; `names` is None where it has errors."""

    file: str
    digest: str
    id: str | None
    names: KnownNames | None
    problems: tuple[Diagnostic, ...]
    text: str | None = None  # as it was read; None where the agent is no single file

    def as_json(self) -> dict[str, str | None]:
        """What a run's header says of it; `copy` is the file in the run folder that keeps it."""
        kept = {} if self.text is None else {"copy": AGENT}
        return {"file": self.file, "digest": self.digest, "id": self.id, **kept}


def read_agent(path: Path, setting: Setting | None = None) -> AgentFile:
    """The agent file at `path`, left in the setting where it can be played; its problems are in it, nothing is raised."""
    document = read_file(path, shown(path))
    agent = load_agent(document)
    problems = tuple(document.problems)
    if agent is None:
        return AgentFile(document.file, document.digest, None, None, problems)
    if setting is not None:
        setting.agents[path] = agent, document.digest
    return AgentFile(document.file, document.digest, agent.id, _known(document.file, agent), problems, document.text)


def agent_of(entry: Engine, setting: Setting, problems: Problems) -> AgentFile | None:
    """The agent an engine entry names, None where it names none or none is there: that is reported at the entry."""
    config: EngineConfig = entry.config
    if hasattr(config, "known_names"):
        try:
            return _named(config.known_names(setting))
        except UsageError as problem:
            problems.error("missing-agent", str(problem), entry.spans.get("brain", entry.span))
            return None
    path = config.agent_file(setting)
    if path is None:
        return None
    if not is_there(path):
        place = entry.spans.get("agent_file") or entry.spans.get("agent", entry.span)  # `agent` may be a live engine's id
        problems.error("missing-agent", f"there is no agent file {shown(path)}", place, help=nearest_file(path))
        return None
    return read_agent(path, setting)


def check_agent(document: Document, path: Path) -> tuple[Diagnostic, ...]:
    """Every problem of an agent file that was read already."""
    load_agent(document)
    del path
    return tuple(document.problems)


def _named(names: Names) -> AgentFile:
    """The agent of an engine that has a language of its own for agents."""
    if any(problem.severity == "error" for problem in names.problems):
        return AgentFile(names.file, names.digest, names.id, None, names.problems)
    known = KnownNames(names.file, names.rules, names.tools, names.scenarios)
    return AgentFile(names.file, names.digest, names.id, known, names.problems)


def _known(file: str, agent: Agent) -> KnownNames:
    names = agent.names()
    return KnownNames(
        agent=file,
        rules=names.rules,
        tools=dict(names.tools),
        scenarios={name: frozenset(steps) for name, steps in names.scenarios.items()},
        templates=names.templates,
        variables=names.variables,
    )

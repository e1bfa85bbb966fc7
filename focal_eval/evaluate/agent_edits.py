"""What was edited in the agent between two runs, from the copies they keep."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from focal_eval.compare import agent_edits
from focal_eval.compare.agent_file import AgentFile, agent_in
from focal_eval.compare.model import Edit
from focal_eval.document import read_file
from focal_eval.records import Json
from focal_eval.report.model import ReportModel

Known = tuple[tuple[Edit, ...] | None, str | None]


def edits_between(before: ReportModel | None, after: ReportModel) -> Known:
    """The edits, or None and why they are not known, in words; neither where no agent file is involved."""
    if before is None:
        return None, "a baseline keeps no agent"
    one, other = _agent(before), _agent(after)
    if one is None or other is None:
        return None, None if one is other else "one side names no agent"
    if one.get("digest") == other.get("digest"):
        return (), None
    files = []
    for model, agent in ((before, one), (after, other)):
        file = agent_file(model, agent)
        if file is None:
            return None, f"the agent of run {model.header.get('id')} is not known: {agent.get('file')} was edited since"
        files.append(file)
    here, there = files
    return agent_edits(here.data, there.data, before_lines=here.lines, after_lines=there.lines), None


def _agent(model: ReportModel) -> Mapping[str, Json] | None:
    agent = (model.header.get("engine") or {}).get("agent")
    return agent if isinstance(agent, Mapping) else None


def agent_file(model: ReportModel, agent: Mapping[str, Json]) -> AgentFile | None:
    """The agent a run was played with: the copy in its folder, else the file where it was, if nobody edited it since."""
    shown = str(agent.get("file"))
    copy = agent.get("copy")
    if isinstance(copy, str) and Path(copy).name == copy:
        return agent_in(read_file(model.folder / copy, shown))
    document = read_file(Path(shown), shown)
    return agent_in(document) if document.digest == agent.get("digest") else None

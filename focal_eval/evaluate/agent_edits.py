"""What was edited in the agent between two runs, from the copies they keep."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from focal_eval.compare import agent_edits
from focal_eval.compare.agent_file import AgentFile, agent_in
from focal_eval.compare.baseline_model import AGENT
from focal_eval.compare.model import Edit
from focal_eval.document import read_file
from focal_eval.records import Json
from focal_eval.report.model import ReportModel
from focal_eval.script.load import shown

_KEPT = "# The agent these conversations were approved of. Written by `focal-eval approve`; read it, do not edit it.\n"
Known = tuple[tuple[Edit, ...] | None, str | None]


def edits_since(baseline: Path, after: ReportModel) -> Known:
    """The edits since a baseline was approved, from the agent it keeps; as `edits_between` does."""
    path, agent = baseline / AGENT, _agent(after)
    if agent is None:
        return None, "one side names no agent" if path.is_file() else None
    if not path.is_file():
        return None, "this baseline keeps no agent; 'focal-eval approve' keeps one once all of it is approved of one agent"
    here, there = agent_in(read_file(path, shown(path))), agent_file(after, agent)
    if here is None:
        return None, f"{shown(path)} cannot be read"
    if there is None:
        return None, _unknown(after, agent)
    return agent_edits(here.data, there.data, before_lines=here.lines, after_lines=there.lines), None


def kept_agent(model: ReportModel) -> str | None:
    """The agent of a run as a baseline keeps it, secrets removed as in the run's folder; None where it is no single file."""
    copy = (_agent(model) or {}).get("copy")
    if not isinstance(copy, str) or Path(copy).name != copy:
        return None
    try:
        return _KEPT + (model.folder / copy).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def edits_between(before: ReportModel, after: ReportModel) -> Known:
    """The edits, or None and why they are not known, in words; neither where no agent file is involved."""
    one, other = _agent(before), _agent(after)
    if one is None or other is None:
        return None, None if one is other else "one side names no agent"
    if one.get("digest") == other.get("digest"):
        return (), None
    files = []
    for model, agent in ((before, one), (after, other)):
        file = agent_file(model, agent)
        if file is None:
            return None, _unknown(model, agent)
        files.append(file)
    here, there = files
    return agent_edits(here.data, there.data, before_lines=here.lines, after_lines=there.lines), None


def _unknown(model: ReportModel, agent: Mapping[str, Json]) -> str:
    return f"the agent of run {model.header.get('id')} is not known: {agent.get('file')} was edited since"


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

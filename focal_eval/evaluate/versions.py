"""Versions of an agent for a lab: from a file, or from what git keeps of it."""

from __future__ import annotations

from pathlib import Path

from focal_eval.agent import Playable, load_agent
from focal_eval.document import Document, read_bytes, read_file
from focal_eval.engines import Setting
from focal_eval.engines.embedded import EmbeddedEngine, python_tools
from focal_eval.errors import Refused, UsageError
from focal_eval.evaluate.git import Commit, file_at
from focal_eval.evaluate.laboratory import Opened
from focal_eval.script.load import is_there, nearest_file, shown


def version_in(opened: Opened, path: Path) -> Playable:
    """The agent in a file, ready to play in the lab. Raises UsageError where there is none, Refused with all its errors."""
    if not is_there(path):
        near = nearest_file(path)
        raise UsageError(f"there is no agent file {shown(path)}" + (f"; {near}" if near else ""))
    return _playable(opened, read_file(path, shown(path)), path)


def version_at(opened: Opened, commit: Commit, path: Path) -> Playable:
    """The agent as a commit has it. Raises UsageError where the commit has no such file, Refused with all its errors."""
    data = file_at(commit, path)
    if data is None:
        raise UsageError(f"commit {commit.short} has no file {shown(path)}")
    return _playable(opened, read_bytes(data, f"{shown(path)}@{commit.short}"), path)


def _playable(opened: Opened, document: Document, path: Path) -> Playable:
    agent = load_agent(document)
    if agent is None:
        raise Refused(f"the agent {document.file} cannot be played", document.problems)
    playable = Playable(agent, document.digest, opened.lab.engine.agent)
    target = opened.prepared.target
    folder = target.suite.folder if target.suite is not None else path.parent
    setting = Setting(folder, opened.lab.terms.clock, opened.lab.terms.policy.root is not None)
    lab = opened.lab
    lab.learn(EmbeddedEngine(playable, python_tools(playable, setting), None, lab.engine.scorer, lab.terms.clock))
    return playable

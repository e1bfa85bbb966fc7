"""Versions of an agent: from a file, or from what git keeps of it; ready to be played in a lab."""

from __future__ import annotations

from pathlib import Path

from focal_eval.agent import Agent, Playable, load_agent
from focal_eval.document import Document, read_bytes, read_file
from focal_eval.engines import Setting
from focal_eval.engines.embedded import EmbeddedEngine, python_tools
from focal_eval.errors import Refused, UsageError
from focal_eval.evaluate.git import Commit, file_at
from focal_eval.evaluate.laboratory import Opened
from focal_eval.script.load import is_there, nearest_file, shown
from focal_eval.value import value


@value
class Version:
    """An agent file as it was read."""

    agent: Agent
    document: Document
    path: Path

    @property
    def playable(self) -> Playable:
        """The agent by itself; Python behind its tools is not looked up."""
        return Playable(self.agent, self.document.digest)


def read_version(path: Path) -> Version:
    """The agent in a file. Raises UsageError where there is none, Refused with all its errors."""
    if not is_there(path):
        near = nearest_file(path)
        raise UsageError(f"there is no agent file {shown(path)}" + (f"; {near}" if near else ""))
    return _version(read_file(path, shown(path)), path)


def version_in(opened: Opened, path: Path) -> Playable:
    """The agent in a file, ready to play in the lab. Raises UsageError where there is none, Refused with all its errors."""
    return ready(opened, read_version(path))


def version_at(opened: Opened, commit: Commit, path: Path) -> Playable:
    """The agent as a commit has it. Raises UsageError where the commit has no such file, Refused with all its errors."""
    data = file_at(commit, path)
    if data is None:
        raise UsageError(f"commit {commit.short} has no file {shown(path)}")
    return ready(opened, _version(read_bytes(data, f"{shown(path)}@{commit.short}"), path))


def ready(opened: Opened, version: Version) -> Playable:
    """A version, ready to play in the lab. Raises Refused where the Python behind its tools cannot be had."""
    playable = Playable(version.agent, version.document.digest, opened.lab.engine.agent)
    target = opened.prepared.target
    folder = target.suite.folder if target.suite is not None else version.path.parent
    setting = Setting(folder, opened.lab.terms.clock, opened.lab.terms.policy.root is not None)
    lab = opened.lab
    lab.learn(EmbeddedEngine(playable, python_tools(playable, setting), None, lab.engine.scorer, lab.terms.clock))
    return playable


def _version(document: Document, path: Path) -> Version:
    agent = load_agent(document)
    if agent is None:
        raise Refused(f"the agent {document.file} cannot be played", document.problems)
    return Version(agent, document, path)

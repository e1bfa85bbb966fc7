"""Reads an agent file: every problem of the whole file in one pass, each at its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from focal_eval.agent.compiled import Playable
from focal_eval.agent.flows import check_flows
from focal_eval.agent.model import Agent
from focal_eval.agent.references import check_references
from focal_eval.agent.texts import check_texts
from focal_eval.agent.unset import check_unset
from focal_eval.document import INVALID, Document, Reader, read_file
from focal_eval.errors import Problems, Refused
from focal_eval.source import whole_file


def load_agent(document: Document) -> Agent | None:
    """The agent of a document, None where it has errors; they are in the document's problems, warnings too."""
    if document.root is None:
        if not document.problems.errors:
            document.problems.error(
                "empty-file", "the file is empty", whole_file(document.file), help="begin with 'agent: name'"
            )
        return None
    agent = read_agent(document)
    if agent is None:
        return None
    found = Problems()
    for check in (check_references, check_texts, check_flows, check_unset):
        check(agent, found)
    document.problems.extend(sorted(found, key=lambda problem: (problem.span.line, problem.span.column, problem.code)))
    return None if document.problems.errors else agent


def read_agent(document: Document) -> Agent | None:
    """The agent of a document as it is written, whether or not its names and texts make sense; None where it is no agent."""
    if document.root is None:
        return None
    read: Any = Agent.__shape__().read(document.root, Reader(document))
    return None if read is INVALID else read


def open_agent(path: Path, shown: str | None = None) -> Playable:
    """The agent at `path`, ready to play. Raises Refused with every problem of the file."""
    document = read_file(path, shown)
    agent = load_agent(document)
    if agent is None:
        raise Refused(f"the agent {document.file} cannot be played", document.problems)
    return Playable(agent, document.digest)

"""Small agents for tests: written as YAML, read without errors, talked to turn by turn."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from textwrap import dedent
from typing import Any

from focal_eval.agent import Playable, Played, State, ToolOutcome, begin, load_agent, play
from focal_eval.agent.turn import Draft, ToolRequest
from focal_eval.document import read_text
from focal_eval.errors import Diagnostic


def problems_of(text: str) -> list[Diagnostic]:
    """Every problem of an agent file."""
    document = read_text(dedent(text), "agent.yaml")
    load_agent(document)
    return list(document.problems)


def agent_of(text: str) -> Playable:
    """The agent of a file that has no errors; `agent: tested` is put before it."""
    document = read_text("agent: tested\n" + dedent(text), "agent.yaml")
    agent = load_agent(document)
    assert agent is not None, [str(problem) for problem in document.problems.errors]
    return Playable(agent, document.digest)


class Talk:
    """A conversation; every state between two turns goes through JSON."""

    def __init__(self, text: str, *, stubs: Mapping[str, Any] | None = None, **given: Any) -> None:
        self.source = text
        self.agent = agent_of(text)
        self.state = begin(self.agent, **given)
        self.stubs = dict(stubs or {})
        self.wording: Callable[[Draft], str | None] | None = None
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def say(self, message: str | None) -> Played:
        """One turn."""
        played = play(self.agent, self.state, message, tools=self._answer, wording=self.wording)
        self.state = State.from_json(json.loads(json.dumps(played.state.to_json())))
        return played

    def reply(self, message: str | None) -> str:
        """What the agent says."""
        return self.say(message).response

    def at(self, message: str | None) -> str | None:
        """Where the conversation stands after the message, as scenario/step."""
        played = self.say(message)
        return None if played.scenario is None else f"{played.scenario}/{played.step}"

    def rules(self, message: str) -> list[str]:
        """The rules that match, in order."""
        return [match.name for match in self.say(message).rules]

    def dropped(self, message: str) -> dict[str, str]:
        """Candidates that did not match, with the word of the filter."""
        return {one.name: one.why for one in self.say(message).dropped}

    def _answer(self, request: ToolRequest) -> ToolOutcome | None:
        self.asked.append((request.name, dict(request.arguments)))
        stub = self.stubs.get(request.name)
        if isinstance(stub, list):
            stub = stub.pop(0) if len(stub) > 1 else stub[0]
        if stub is None or isinstance(stub, ToolOutcome):
            return stub
        return ToolOutcome(result=stub)

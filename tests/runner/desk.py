"""A small engine for tests of the runner: what it answers is a function of what it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from focal_eval.clock import Clock, fixed_clock
from focal_eval.document import read_text
from focal_eval.engines import Abilities, SessionStart
from focal_eval.records import UNKNOWN, MessageRecord, Reply, RuleMatch, ToolCall, UnknownType
from focal_eval.runner.attempt import Attempt
from focal_eval.runner.judge import PreparedScript
from focal_eval.runner.opening import Terms
from focal_eval.runner.plan import Case, cases_of
from focal_eval.script.load import Loader
from focal_eval.script.model import Script

Answer = Callable[[str | None, SessionStart], Reply]


def echo(message: str | None, start: SessionStart) -> Reply:
    """Says the message back; a word in capitals is a rule that matched, `call:NAME` a tool that is called."""
    text = message or "Hello there"
    words = text.split()
    calls = []
    for word in words:
        if word.startswith("call:"):
            name = word.removeprefix("call:")
            answer = start.stubs(name, {"q": text}) if start.stubs else None
            error = answer.error if answer else None
            calls.append(ToolCall(name, {"q": text}, answer.result if answer else None, error))
    return Reply(
        response=f"You said: {text}",
        rules=tuple(RuleMatch(word.lower()) for word in words if word.isupper() and len(word) > 1),
        tools=tuple(calls),
        scenario=None,
        metadata=dict(start.metadata),
        variables=dict(start.variables),
    )


ABLE = Abilities(
    reports=frozenset({"response", "rules", "tools", "scenario", "metadata", "variables", "messages_stored"}),
    speaks_first=True,
    seeds=frozenset({"variables", "history", "scenario"}),
    stubs=True,
    deterministic=True,
)


@dataclass
class Desk:
    """The engine; `opened` and `closed` count sessions."""

    answer: Answer = echo
    abilities: Abilities = field(default_factory=lambda: ABLE)
    delay: float = 0.0
    opened: list[SessionStart] = field(default_factory=list)
    closed: int = 0
    busiest: int = 0
    keeps_messages: bool = True

    async def open(self, start: SessionStart) -> DeskSession:
        self.opened.append(start)
        self.busiest = max(self.busiest, len(self.opened) - self.closed)
        return DeskSession(self, start)

    async def close(self) -> None:
        return None


@dataclass
class DeskSession:
    """One conversation."""

    desk: Desk
    start: SessionStart
    said: list[MessageRecord] = field(default_factory=list)

    async def send(self, message: str | None) -> Reply:
        if self.desk.delay:
            await asyncio.sleep(self.desk.delay)
        reply = self.desk.answer(message, self.start)
        if message is not None:
            self.said.append(MessageRecord("user", message))
        self.said.append(MessageRecord("assistant", reply.response if reply.response is not UNKNOWN else None))
        return reply

    async def stored(self) -> tuple[MessageRecord, ...] | UnknownType:
        return tuple(self.said) if self.desk.keeps_messages else UNKNOWN

    async def close(self) -> None:
        self.desk.closed += 1


def script_of(text: str, name: str = "talk") -> Script:
    """The script in a text; fails the test with its problems where it has any."""
    document = read_text(text, f"{name}.yaml")
    script = Loader(Path.cwd()).from_document(document, Path(f"{name}.yaml"), name)
    assert script is not None, "\n".join(map(str, document.problems))
    return script


def case_of(text: str, **more: Any) -> Case:
    """The first case of a script."""
    return next(iter(cases_of(script_of(text), more.get("repeats", 1), more.get("variants", "rotate"))))


def play(
    text: str, desk: Desk | None = None, *, clock: Clock | None = None, **terms: Any
) -> tuple[Attempt, list[dict[str, Any]]]:
    """Plays a script's first case; the attempt and its journal lines, decoded."""
    lines: list[bytes] = []
    case = case_of(text)
    shared = Terms(engine=desk or Desk(), clock=clock or fixed_clock(), **terms)
    attempt = Attempt(case, PreparedScript(case.script), shared, lines.append)
    asyncio.run(attempt.play())
    return attempt, [orjson.loads(line) for line in lines]

"""Doubles for tests: an engine that answers as told, the moments checks are judged on, and a small recorded run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from focal_eval.checks.base import Moment
from focal_eval.engines import Abilities, SessionStart, Setting
from focal_eval.errors import EngineProtocol
from focal_eval.records import UNKNOWN, MessageRecord, Reply, Transcript, TurnRecord, UnknownType

Answer = Reply | Exception | str


@dataclass(slots=True)
class ScriptedSession:
    """A session of a `ScriptedEngine`; `said` is every message it was sent."""

    start: SessionStart
    answers: Callable[[Sequence[str | None]], Answer]
    messages: tuple[MessageRecord, ...] | UnknownType = UNKNOWN
    said: list[str | None] = field(default_factory=list)
    closed: bool = False

    async def send(self, message: str | None) -> Reply:
        if self.closed:
            raise EngineProtocol("the session is closed")
        self.said.append(message)
        answer = self.answers(self.said)
        if isinstance(answer, Exception):
            raise answer
        return Reply(answer) if isinstance(answer, str) else answer

    async def stored(self) -> tuple[MessageRecord, ...] | UnknownType:
        return self.messages

    async def close(self) -> None:
        self.closed = True


class ScriptedEngine:
    """An engine without a network: answers each session from a list, or by a function of all that was said in it.

    A text is a reply with that response, an exception is raised; a session that is sent more than the list holds raises
    EngineProtocol. `sessions` are those that were opened, in order.
    """

    def __init__(
        self,
        answers: Sequence[Answer] | Callable[[Sequence[str | None]], Answer],
        *,
        abilities: Abilities | None = None,
        messages: tuple[MessageRecord, ...] | UnknownType = UNKNOWN,
    ) -> None:
        self._answers = answers if callable(answers) else _in_order(tuple(answers))
        self.abilities = abilities or Abilities(deterministic=True)
        self.messages = messages
        self.sessions: list[ScriptedSession] = []
        self.closed = False

    async def open(self, start: SessionStart) -> ScriptedSession:
        session = ScriptedSession(start, self._answers, self.messages)
        self.sessions.append(session)
        return session

    async def close(self) -> None:
        self.closed = True

    def connect(self, setting: Setting) -> ScriptedEngine:
        """Itself, so that it also stands where an engine's configuration is asked for."""
        return self

    def agent_file(self, setting: Setting) -> Path | None:
        return None


def _in_order(answers: tuple[Answer, ...]) -> Callable[[Sequence[str | None]], Answer]:
    def answer(said: Sequence[str | None]) -> Answer:
        if len(said) > len(answers):
            return EngineProtocol(f"only {len(answers)} answers were scripted")
        return answers[len(said) - 1]

    return answer


def moment(*replies: Reply | str, user: str = "hello", **around: Any) -> Moment:
    """What a turn's check sees after these replies, the last one being judged; `around` are the moment's other fields."""
    return Moment(transcript(*replies, user=user).turns, **around)


def transcript(
    *replies: Reply | str, user: str = "hello", messages: tuple[MessageRecord, ...] | UnknownType = UNKNOWN
) -> Transcript:
    """A conversation of these replies."""
    made = [Reply(reply) if isinstance(reply, str) else reply for reply in replies]
    return Transcript(tuple(TurnRecord(index, user, reply) for index, reply in enumerate(made)), messages)


HOSTILE = "<script>alert('x')</script> ]]> \x1b[31m \x00 ]] | a\nb, {{ 7*7 }} % \u202e \U0001f41b"
"""Text that breaks a rendering which does not escape: markup, control characters, table and workflow syntax."""


def sample_run(folder: Path) -> Path:
    """Writes a small finished run into `folder` and returns it: a passed, a failed, a broken and a skipped case.

    What was said in it is hostile, so that a rendering shows whether it escapes.
    """
    import orjson

    folder.mkdir(parents=True, exist_ok=True)
    header = _header()
    lines: list[Mapping[str, Any]] = [{"t": "run", **header, "state": "running", "verdict": None}]
    for verdict in ("passed", "failed", "errored", "skipped"):
        lines += _case(verdict)
    ending = ("state", "counts", "gates", "verdict", "exit_code", "elapsed_ms", "finished_at")
    lines.append({"t": "end", **{key: header[key] for key in ending}})
    (folder / "journal.jsonl").write_bytes(b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines))
    (folder / "run.json").write_bytes(orjson.dumps(header, option=orjson.OPT_INDENT_2))
    return folder


def _header() -> dict[str, Any]:
    gate = {"name": "pass_rate", "limit": {"min": 1.0}, "observed": 0.5, "passed": False, "message": "pass_rate fails"}
    return {
        "format": 1,
        "focal_eval": "0",
        "id": "sample",
        "started_at": "2026-01-01T00:00:00Z",
        "finished_at": "2026-01-01T00:00:01Z",
        "state": "finished",
        "suite": {"file": "suite.yaml", "digest": "0" * 12, "title": HOSTILE},
        "engine": {"kind": "scripted", "name": "scripted", "agent": None, "reports": ["response"]},
        "plan": {"cases": 4, "turns": 4},
        "options": {},
        "counts": {"passed": 1, "failed": 1, "errored": 1, "skipped": 1},
        "gates": [gate],
        "verdict": "failed",
        "exit_code": 1,
        "elapsed_ms": 1000.0,
    }


def _case(verdict: str) -> list[dict[str, Any]]:
    name, case = f"folder/{verdict}", f"sample{verdict}"
    result: dict[str, Any] = {"key": "response.contains", "text": "response contains 'x'", "outcome": verdict}
    result["at"] = ["folder/a.yaml", 3, 5, 3, 9]
    turn: dict[str, Any] = {"t": "turn", "case": case, "attempt": 1, "i": 0, "user": HOSTILE, "elapsed_ms": 1.0}
    if verdict == "errored":
        turn["fault"] = {"kind": "engine-timeout", "message": HOSTILE}
        result |= {"outcome": "skipped", "reason": "the engine broke"}
    else:
        turn["reply"] = {"response": HOSTILE}
    if verdict == "failed":
        result["findings"] = [{"message": f"not found in {HOSTILE}", "expected": "x", "observed": HOSTILE}]
        result["excerpt"] = [[2, "expect:"], [3, "    contains: x"]]
    if verdict == "skipped":
        result["reason"] = "the engine does not report it"
    head = {"t": "case", "case": case, "name": name, "script": name, "title": HOSTILE, "file": f"{name}.yaml", "line": 1}
    more = {"tags": [HOSTILE], "params": {"p": HOSTILE}, "repeat": 1, "channel": "api", "turns": 1, "marks": {}}
    end = {"t": "attempt", "case": case, "attempt": 1, "verdict": verdict, "elapsed_ms": 1.0, "results": []}
    if verdict != "passed":
        end["reason"] = f"{verdict}, in words"
    return [{**head, **more}, {**turn, "results": [result]}, end]

"""The `embedded` engine: plays an agent file in this process, without a network, and reports all it decided."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, ClassVar

from focal_eval.agent.builtin import ToolOutcome
from focal_eval.agent.compiled import Playable
from focal_eval.agent.load import open_agent
from focal_eval.agent.play import UnknownPlace, begin, turn_steps
from focal_eval.agent.score import Scorer
from focal_eval.agent.state import State
from focal_eval.agent.turn import Called, Draft, Dropped, Match, Moved, Played, ToolRequest
from focal_eval.clock import Clock, content_id
from focal_eval.engines.base import Abilities, Probe, Session, SessionStart, Setting, StubAnswers
from focal_eval.engines.calls import Raised, call
from focal_eval.engines.local import find_callable
from focal_eval.engines.taping import Layer, taped
from focal_eval.engines.wording import Generator, OpenAIWriter, Worded
from focal_eval.errors import EngineError, EngineProtocol, Problems, Refused, UsageError
from focal_eval.records import (
    UNKNOWN,
    Candidate,
    Enforcement,
    Json,
    MessageRecord,
    Reply,
    RuleMatch,
    ScenarioState,
    Tokens,
    ToolCall,
    Transition,
    UnknownType,
)
from focal_eval.value import value

_REPORTS = frozenset(
    {"response", "rules", "candidates", "tools", "scenario", "transitions", "template", "enforcement", "outcome"}
    | {"variables", "metadata", "latency_ms", "messages_stored"}
)


@value
class Embedded:
    """An agent file, played in this process."""

    cassette_layers: ClassVar[tuple[Layer, ...]] = ("turns", "model", "tools")

    agent: str = field(metadata={"doc": "The agent file; the path starts at the suite's folder."})
    generator: Generator = field(
        default_factory=Generator, metadata={"doc": "Who words what may be reworded: `template`, or a model."}
    )
    scorer: str | None = field(
        default=None, metadata={"doc": "Local Python that scores conditions, instead of the words in common."}
    )

    def connect(self, setting: Setting) -> EmbeddedEngine:
        path = setting.root / self.agent
        agent = Playable(*setting.agents[path]) if path in setting.agents else open_agent(path, self.agent)
        scorer = None if self.scorer is None else find_callable(self.scorer, setting, "the engine's scorer")()
        if scorer is not None and not callable(getattr(scorer, "scores", None)):
            raise UsageError(f"the engine's scorer '{self.scorer}' makes {type(scorer).__name__}, which has no method 'scores'")
        writer = OpenAIWriter(self.generator, setting.clock) if self.generator.kind == "openai" else None
        if self.generator.token:
            setting.secrets.append(self.generator.token)
        return EmbeddedEngine(agent, python_tools(agent, setting), writer, scorer, setting.clock)

    def agent_file(self, setting: Setting) -> Path | None:
        return setting.root / self.agent


def python_tools(agent: Playable, setting: Setting) -> Mapping[str, Callable[..., Any]]:
    """The functions behind tools; all that cannot be had are reported at once, each at its place in the agent file."""
    found: dict[str, Callable[..., Any]] = {}
    problems = Problems()
    for name, tool in agent.tools.items():
        if tool.python is None:
            continue
        try:
            found[name] = find_callable(str(tool.python), setting, f"tool {name}")
        except UsageError as problem:
            code = "bad-python" if setting.allow_python else "python-refused"
            problems.error(code, str(problem), tool.python.span)
    if problems.errors:
        raise Refused(f"the tools of agent {agent.name} cannot be had", problems)
    return found


class EmbeddedEngine:
    """Opens sessions on one agent; the agent is shared, a session holds its own state."""

    def __init__(
        self,
        agent: Playable,
        python: Mapping[str, Callable[..., Any]],
        writer: OpenAIWriter | None,
        scorer: Scorer | None,
        clock: Clock,
    ) -> None:
        self.agent, self.python, self.writer, self.scorer, self.clock = agent, python, writer, scorer, clock
        self._abilities = Abilities(
            reports=_REPORTS | ({"tokens"} if writer is not None else set()),
            speaks_first=agent.file.greeting is not None,
            seeds=frozenset({"variables", "history", "scenario"}),
            stubs=True,
            deterministic=writer is None and scorer is None and not python,
        )

    @property
    def abilities(self) -> Abilities:
        return self._abilities

    async def open(self, start: SessionStart) -> Session:
        return EmbeddedSession(self, start)

    async def probe(self) -> Probe:
        """Nothing to ask: it is here."""
        return Probe(agent=self.agent.name)

    async def close(self) -> None:
        if self.writer is not None:
            await self.writer.close()


class EmbeddedSession:
    """One conversation with the agent."""

    def __init__(self, engine: EmbeddedEngine, start: SessionStart) -> None:
        self._engine, self._stubs = engine, start.stubs
        self._id = content_id(engine.agent.digest, start.case)
        self._count = 0
        self._stored: list[MessageRecord] = []
        try:
            self.state = begin(
                engine.agent,
                variables=start.variables,
                history=[(turn.user, turn.agent) for turn in start.history],
                scenario=start.scenario,
                channel=start.channel,
                metadata=start.metadata,
            )
        except UnknownPlace as problem:
            raise EngineError(str(problem)) from None

    async def send(self, message: str | None) -> Reply:
        engine, elapsed = self._engine, self._engine.clock.elapsed
        began = elapsed()
        tokens: list[Tokens] = []
        played = await self.play(self.state, message, tokens)
        self.state = played.state
        self._count += 1
        waited = sum(call.duration_ms for call in played.tools)
        latency = round((elapsed() - began) * 1000 + waited, 3)
        reply = self._reply(played, latency, tokens if engine.writer is not None else None)
        self._keep(message, reply)
        return reply

    async def stored(self) -> tuple[MessageRecord, ...] | UnknownType:
        return tuple(self._stored)

    async def close(self) -> None:
        return None

    async def play(self, state: State, message: str | None, tokens: list[Tokens]) -> Played:
        """The turn, with the answers of the script and of the agent's own tools."""
        engine = self._engine
        steps = turn_steps(engine.agent, state, message, engine.scorer, worded=engine.writer is not None)
        answer: Any = None
        while True:
            try:
                request = steps.send(answer)
            except StopIteration as done:
                played: Played = done.value
                return played
            if isinstance(request, ToolRequest):
                answer = await self.answered(request)
            else:
                answer = await self._worded(request, tokens)

    async def answered(self, request: ToolRequest) -> ToolOutcome | None:
        """The script's answer, else that of the tool's own Python; None leaves it to the agent file."""
        answer = self._stubbed(self._stubs, request)
        python = self._engine.python
        if answer is None and request.name in python:
            answer = await _called(request.name, python[request.name], request.arguments)
        return answer

    @staticmethod
    def _stubbed(stubs: StubAnswers | None, request: ToolRequest) -> ToolOutcome | None:
        said = None if stubs is None else stubs(request.name, request.arguments)
        return None if said is None else ToolOutcome(said.result, said.error, said.delay_ms)

    async def _worded(self, draft: Draft, tokens: list[Tokens]) -> str:
        assert self._engine.writer is not None
        worded: Worded = await self._engine.writer.write(draft)
        if worded.tokens is not None:
            tokens.append(worded.tokens)
        return worded.text

    def _reply(self, played: Played, latency: float, tokens: list[Tokens] | None) -> Reply:
        spent = UNKNOWN if tokens is None else _total(tokens)
        return reply_of(played, latency, spent, self._id, content_id(self._id, str(self._count)))

    def _keep(self, message: str | None, reply: Reply) -> None:
        turn, at = reply.turn_id, self._engine.clock.now().isoformat()
        if message is not None:
            self._stored.append(MessageRecord("user", message, f"{turn}-user", turn, created_at=at))
        assert reply.response is not UNKNOWN
        self._stored.append(
            MessageRecord(
                role="assistant",
                text=reply.response,
                id=f"{turn}-assistant",
                turn_id=turn,
                rules=reply.rules,
                tools=reply.tools,
                scenario=reply.scenario,
                created_at=at,
            )
        )


def reply_of(
    played: Played,
    latency_ms: float = 0.0,
    tokens: Tokens | UnknownType = UNKNOWN,
    session_id: str | None = None,
    turn_id: str | None = None,
) -> Reply:
    """A turn that was played, as the engine reports it."""
    return Reply(
        response=played.response,
        messages=played.messages,
        rules=tuple(map(_rule, played.rules)),
        candidates=(*map(_candidate, played.rules), *map(_dropped, played.dropped)),
        tools=tuple(map(_call, played.tools)),
        scenario=None if played.scenario is None else ScenarioState(played.scenario, played.step),
        transitions=tuple(map(_move, played.moves)),
        template=played.template,
        enforcement=tuple(Enforcement(one.rule, one.action, one.violation) for one in played.enforcement),
        outcome=played.outcome,
        variables=dict(played.state.variables),
        metadata=played.metadata,
        tokens=tokens,
        latency_ms=latency_ms,
        session_id=session_id,
        turn_id=turn_id,
    )


def _rule(match: Match) -> RuleMatch:
    return RuleMatch(match.name, match.score)


def _candidate(match: Match) -> Candidate:
    return Candidate(match.name, match.score, reason=match.reason)


def _dropped(one: Dropped) -> Candidate:
    return Candidate(one.name, one.score, one.why, one.by, one.reason)


def _call(call: Called) -> ToolCall:
    if call.error is not None:
        return ToolCall(call.name, call.arguments, error=call.error, duration_ms=call.duration_ms)
    return ToolCall(call.name, call.arguments, call.result, duration_ms=call.duration_ms)


def _move(move: Moved) -> Transition:
    return Transition(move.kind, move.source, move.target, move.scenario, move.reason)


def _total(tokens: list[Tokens]) -> Tokens:
    """What the turn's wordings cost together; nothing where every text was said as it stands."""
    if not tokens:
        return Tokens(0, 0, 0)
    sums = [[getattr(one, name) for one in tokens] for name in ("total", "prompt", "completion")]
    total, prompt, completion = (None if None in values else sum(values) for values in sums)
    return Tokens(total, prompt, completion)


async def _called(name: str, function: Callable[..., Any], arguments: Mapping[str, Json]) -> ToolOutcome:
    """A tool's own Python, or what was recorded of it."""
    answer = await taped("tools", {"name": name, "arguments": arguments}, lambda: _answer(function, arguments))
    if not isinstance(answer, Mapping):
        raise EngineProtocol(f"the recorded answer of the tool '{name}' is no mapping")
    error = answer.get("error")
    return ToolOutcome(answer.get("result"), None if error is None else str(error))


async def _answer(function: Callable[..., Any], arguments: Mapping[str, Json]) -> Json:
    """What the function gives: what it raises is the tool's error, what is not plain data cannot be a result."""
    try:
        result = await call(function, **arguments)
    except Raised as problem:
        return {"error": str(problem)}
    try:
        return {"result": json.loads(json.dumps(result, allow_nan=False))}
    except (TypeError, ValueError, RecursionError) as problem:
        return {"error": f"its result is not plain data: {problem}"}

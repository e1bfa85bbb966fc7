"""The `openai` engine: a model behind any endpoint that speaks chat completions, with tools that the script answers."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from focal_eval.agent.builtin import NO_ANSWER, builtin_answer
from focal_eval.agent.compiled import Playable
from focal_eval.clock import Clock, content_id
from focal_eval.engines.auth import bearer
from focal_eval.engines.base import Abilities, Probe, Session, SessionStart, Setting, ToolAnswer
from focal_eval.engines.first_token import FirstToken
from focal_eval.engines.openai_agent import Declared, Toolbox, agent_prompt, agent_tools, known_facts
from focal_eval.engines.openai_messages import (
    Completion,
    ModelCall,
    StreamedCompletion,
    answered,
    chunks_of,
    completion_of,
    history_messages,
    summed,
)
from focal_eval.engines.parts import arguments_of
from focal_eval.engines.probing import probed
from focal_eval.engines.taping import Layer, taped
from focal_eval.engines.wire import Faults, Wire
from focal_eval.errors import EngineError, EngineProtocol, UsageError
from focal_eval.records import UNKNOWN, Json, MessageRecord, Reply, ToolCall, UnknownType
from focal_eval.text import shorten

_REPORTS = frozenset({"response", "tools", "tokens", "metadata"})
_OURS = frozenset({"messages", "model", "stream", "stream_options", "tools"})
_OUR_HEADERS = frozenset({"accept", "accept-encoding", "authorization", "content-length", "content-type", "host"})
_PATH, _END = "/chat/completions", "[DONE]"


@dataclass(frozen=True, slots=True)
class ToolText:
    """A tool the model may call, beside those of the agent file."""

    description: str | None = field(default=None, metadata={"doc": "What the model is told of it."})
    parameters: Mapping[str, Any] = field(
        default_factory=lambda: {"type": "object", "properties": {}}, metadata={"doc": "JSON Schema of the arguments."}
    )


@dataclass(frozen=True, slots=True)
class OpenAI:
    """A model behind an endpoint that speaks chat completions."""

    cassette_layers: ClassVar[tuple[Layer, ...]] = ("turns", "model")

    url: str = field(metadata={"doc": "Where the endpoint is, up to and including /v1."})
    model: str = field(metadata={"doc": "The model's name."})
    token: str | None = field(default=None, repr=False, metadata={"doc": "A bearer token."})
    token_env: str | None = field(default=None, metadata={"doc": "The environment variable that holds the token."})
    token_file: str | None = field(default=None, metadata={"doc": "The file that holds the token."})
    headers: Mapping[str, str] = field(
        default_factory=dict,
        repr=False,
        metadata={"doc": "More headers of each request, such as a gateway's key; kept secret."},
    )
    query: Mapping[str, str] = field(default_factory=dict, metadata={"doc": "The query of each request, such as a version."})
    agent: str | None = field(
        default=None, metadata={"doc": "An agent file: the prompt is made of its rules, its tools are declared and answer."}
    )
    prompt: str | None = field(default=None, metadata={"doc": "The system prompt, instead of what is made of the agent file."})
    tools: Mapping[str, ToolText] = field(default_factory=dict, metadata={"doc": "Tools beside those of the agent file."})
    stream: bool = field(default=False, metadata={"doc": "Ask for replies as server-sent events."})
    temperature: float | None = field(default=0.0, metadata={"doc": "null leaves it to the endpoint."})
    seeded: bool = field(default=True, metadata={"doc": "Hand the case's seed over."})
    stream_usage: bool = field(default=True, metadata={"doc": "Ask for token counts in streams too."})
    reasoning: bool = field(default=False, metadata={"doc": "The endpoint tells what the model thought."})
    max_rounds: int = field(default=8, metadata={"doc": "How often in a turn the model may call tools before it must answer."})
    extra: Mapping[str, Any] = field(default_factory=dict, metadata={"doc": "More keys of the request's body."})
    faults: Faults = field(default_factory=Faults, metadata={"doc": "Retries, limits and caps."})

    def __post_init__(self) -> None:
        if self.max_rounds < 1:
            raise ValueError("'max_rounds' must be above 0")
        if taken := sorted(_OURS & self.extra.keys()):
            raise ValueError(f"'extra' may not set '{taken[0]}': it is the engine's own")
        if twice := next((name for name in self.headers if name.lower() in _OUR_HEADERS), None):
            raise ValueError(
                f"'headers' may not set '{twice}'; a bearer token is given by 'token', 'token_env' or 'token_file'"
            )

    def connect(self, setting: Setting) -> OpenAIEngine:
        agent = None if self.agent is None else _agent(self.agent, setting)
        declared = [] if agent is None else list(agent_tools(agent.file))
        named = {tool.name for tool in declared}
        if twice := sorted(named & self.tools.keys()):
            raise UsageError(f"the agent file declares the tool '{twice[0]}' already; rename it under 'tools'")
        declared += [Declared(name, tool.description, tool.parameters) for name, tool in self.tools.items()]
        prompt = self.prompt if self.prompt is not None else None if agent is None else agent_prompt(agent.file)
        token = bearer(self, None, setting)
        setting.secrets.extend(self.headers.values())  # keys of gateways, mostly
        headers = {**self.headers, **({} if token is None else {"authorization": f"Bearer {token}"})}
        wire = Wire(self.url, headers=headers, faults=self.faults, clock=setting.clock)
        return OpenAIEngine(self, wire, prompt, Toolbox(iter(declared)), agent, setting.clock)

    def agent_file(self, setting: Setting) -> Path | None:
        return None if self.agent is None else setting.root / self.agent


def _agent(file: str, setting: Setting) -> Playable:
    from focal_eval.agent.load import open_agent  # its whole machinery, where there is an agent

    return open_agent(setting.root / file, file)


class OpenAIEngine:
    """Opens conversations with one model."""

    def __init__(
        self, config: OpenAI, wire: Wire, prompt: str | None, toolbox: Toolbox, agent: Playable | None, clock: Clock
    ) -> None:
        self.config, self.wire, self.prompt, self.toolbox, self.agent, self.clock = config, wire, prompt, toolbox, agent, clock
        uncounted = {"tokens"} if config.stream and not config.stream_usage else set[str]()
        self._abilities = Abilities(
            reports=(_REPORTS | ({"reasoning"} if config.reasoning else set())) - uncounted,
            seeds=frozenset({"variables", "history"}),
            stubs=True,
        )

    @property
    def abilities(self) -> Abilities:
        return self._abilities

    async def open(self, start: SessionStart) -> Session:
        await self.wire.ready()
        return OpenAISession(self, start)

    async def probe(self) -> Probe:
        """Asks for the list of models."""
        return await probed(self.wire, self.clock, "GET", "/models")

    async def close(self) -> None:
        await self.wire.close()


@dataclass(slots=True)
class _Turn:
    """What a turn has come to so far."""

    completions: list[Completion] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    added: list[dict[str, Json]] = field(default_factory=list)  # messages beyond those of earlier turns


class OpenAISession:
    """One conversation; the endpoint keeps nothing, so that every request holds all that was said."""

    def __init__(self, engine: OpenAIEngine, start: SessionStart) -> None:
        self._engine, self._start = engine, start
        self._id = content_id(engine.config.url, engine.config.model, start.case)
        self._closed = False
        system = "\n\n".join(text for text in (engine.prompt or "", known_facts(start.variables)) if text)
        self._messages: list[dict[str, Json]] = [{"role": "system", "content": system}] if system else []
        self._messages += history_messages(start.history)

    async def send(self, message: str | None) -> Reply:
        if self._closed:
            raise EngineProtocol("the session is closed")
        if message is None:
            raise EngineError("the model says nothing unasked")
        turn = _Turn(added=[{"role": "user", "content": message}])
        first = FirstToken(self._engine.clock)
        for _ in range(self._engine.config.max_rounds + 1):
            completion = await self._completed([*self._messages, *turn.added], first)
            turn.completions.append(completion)
            turn.added.append(completion.as_message())
            if not completion.calls:
                self._messages += turn.added  # a turn that broke leaves no trace in the conversation
                return self._reply(turn, first)
            group = len(turn.completions) - 1 if len(completion.calls) > 1 else None
            for call in completion.calls:
                done, answer = self._called(call)
                turn.calls.append(replace(done, group=group))
                turn.added.append(answered(call, answer))
        asked = shorten(", ".join(call.name for call in turn.calls[-3:]), 80)
        most = self._engine.config.max_rounds
        raise EngineError(f"the model called tools more than {most} times without an answer, the last ones were {asked}")

    async def _completed(self, messages: list[dict[str, Json]], first: FirstToken) -> Completion:
        body = self.request(messages)
        if self._engine.config.stream:
            return await self._streamed(body, first)
        return completion_of(await taped("model", body, lambda: self._whole(body)))

    async def _whole(self, body: Json) -> Json:
        config = self._engine.config
        return (await self._engine.wire.request("POST", _PATH, body=body, params=config.query or None)).json()

    async def _streamed(self, body: Json, first: FirstToken) -> Completion:
        streamed: StreamedCompletion | None = None

        async def ask() -> Json:
            nonlocal streamed
            streamed, chunks = StreamedCompletion(), []
            params = self._engine.config.query or None
            async with contextlib.aclosing(self._engine.wire.events("POST", _PATH, body=body, params=params)) as events:
                async for event in events:
                    if event.data.strip() == _END:
                        break
                    chunks.append(event.json())
                    if streamed.take(chunks[-1]):
                        first.heard()
            return {"chunks": chunks}

        answer = await taped("model", body, ask)
        if streamed is None:
            streamed = StreamedCompletion()
            for chunk in chunks_of(answer):
                streamed.take(chunk)
        return streamed.whole()

    def request(self, messages: list[dict[str, Json]]) -> dict[str, Json]:
        """The body that is sent."""
        config = self._engine.config
        body: dict[str, Json] = {"model": config.model, "messages": messages, **config.extra}
        if config.temperature is not None:
            body.setdefault("temperature", config.temperature)
        if config.seeded:
            body.setdefault("seed", self._start.seed)
        if tools := self._engine.toolbox.as_json():
            body["tools"] = tools
        if config.stream:
            body["stream"] = True
            if config.stream_usage:
                body["stream_options"] = {"include_usage": True}
        return body

    def _called(self, call: ModelCall) -> tuple[ToolCall, ToolAnswer]:
        """The call as a record, and what the model is told: the script's answer, else that of the agent file."""
        name = self._engine.toolbox.called(call.name)
        arguments = arguments_of(call.arguments)
        if arguments is UNKNOWN:
            answer = ToolAnswer(error=f"the arguments are no JSON object: {shorten(call.arguments, 80)}")
        else:
            answer = self._answer(name, arguments)
        failed = answer.error is not None
        return (
            ToolCall(
                name=name,
                arguments=arguments,
                result=UNKNOWN if failed else answer.result,
                error=answer.error,
                duration_ms=answer.delay_ms,
                id=call.id,
                type="function",
            ),
            answer,
        )

    def _answer(self, name: str, arguments: Mapping[str, Json]) -> ToolAnswer:
        said = None if self._start.stubs is None else self._start.stubs(name, arguments)
        if said is not None:
            return said
        agent = self._engine.agent
        tool = None if agent is None else agent.tools.get(name)
        if agent is None or tool is None:
            known = name in {one.name for one in self._engine.toolbox.by_wire_name.values()}
            return ToolAnswer(error="the script has no stub for it" if known else f"there is no tool '{shorten(name, 60)}'")
        outcome = builtin_answer(tool, arguments, agent.rows.get(name, {}))
        if outcome.error == NO_ANSWER:
            return ToolAnswer(error="neither the script nor the agent file answers it")
        return ToolAnswer(outcome.result, outcome.error, outcome.delay_ms)

    def _reply(self, turn: _Turn, first: FirstToken) -> Reply:
        last = turn.completions[-1]
        texts = tuple(text for one in turn.completions if (text := one.text.strip()))
        thoughts = [one.reasoning for one in turn.completions if one.reasoning]
        tokens = summed([one.tokens for one in turn.completions])
        return Reply(
            response="\n\n".join(texts),
            messages=texts if len(texts) > 1 else (),
            tools=tuple(turn.calls),
            reasoning=("\n\n".join(thoughts) or None) if self._engine.config.reasoning else UNKNOWN,
            metadata={"rounds": len(turn.completions), **({"refused": True} if last.refused else {})},
            tokens=UNKNOWN if tokens is None or "tokens" not in self._engine.abilities.reports else tokens,
            model=last.model,
            finish_reason=last.finish,
            session_id=self._id,
            turn_id=last.id,
            first_token_ms=first.ms,
            raw=[one.as_message() for one in turn.completions],
        )

    async def stored(self) -> tuple[MessageRecord, ...] | UnknownType:
        return UNKNOWN

    async def close(self) -> None:
        self._closed = True

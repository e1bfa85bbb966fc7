"""Traces as conversations: spans of one session, whichever files' lines hold them, become what was said and called in it.

A session is named by `session.id` or `gen_ai.conversation.id`; without one each trace is a conversation. A model is given the
whole conversation again with every call, so that only the messages that are new tell who said something next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from focal_eval.importers.chat import arguments_of, with_result
from focal_eval.importers.conversations_draft import Draft, Misshapen, Origin, Reader
from focal_eval.importers.conversations_file import Record
from focal_eval.importers.otel_spans import OneSpan, Said, as_text, is_span, messages_of, parsed, spans_in, text_or_none
from focal_eval.records import ToolCall
from focal_eval.records.conversation import Conversation

MAX_SPANS = 200_000  # of one file
_SESSION = ("gen_ai.conversation.id", "session.id", "gen_ai.session.id", "traceloop.association.properties.session_id")
_MODEL = frozenset({"chat", "text_completion", "generate_content", "LLM", "llm"})
_TOOL = frozenset({"execute_tool", "TOOL", "tool"})
_AGENT = frozenset({"invoke_agent", "AGENT", "CHAIN", "agent", "workflow"})


@dataclass(slots=True)
class _Exchange:
    """What happened between two messages of the user."""

    user: str | None
    line: int
    texts: list[str] = field(default_factory=list)
    asides: list[str] = field(default_factory=list)  # beside tool calls
    asked: list[ToolCall] = field(default_factory=list)  # calls a model wanted
    ran: list[ToolCall] = field(default_factory=list)  # spans of tools
    results: dict[str, str] = field(default_factory=dict)
    reply: str | None = None  # what the outermost agent returned

    def calls(self) -> list[ToolCall]:
        """The calls that ran, and those that were asked for and ran where no span tells of it."""
        rest = list(self.asked)
        for call in self.ran:
            same = next((one for one in rest if call.id is not None and one.id == call.id), None)
            same = same or next((one for one in rest if one.name == call.name), None)
            if same is not None:
                rest.remove(same)
        answered = [
            with_result(call, self.results[call.id]) if call.id is not None and call.id in self.results else call
            for call in rest
        ]
        return [*self.ran, *answered]


class Traces(Reader):
    """Collects the spans of a file; its conversations are known at the end."""

    def __init__(self, origin: Origin) -> None:
        super().__init__(origin)
        self._spans: list[OneSpan] = []
        self._full = False

    @staticmethod
    def fits(data: Any) -> bool:
        if isinstance(data, Mapping) and isinstance(data.get("resourceSpans", data.get("resource_spans")), list):
            return True
        return is_span(data[0] if isinstance(data, list) and data else data)

    def take(self, record: Record) -> Iterator[Conversation]:
        yield from ()
        found = False
        for span in spans_in(record.data, record.line):
            found = True
            if len(self._spans) < MAX_SPANS:
                self._spans.append(span)
            elif not self._full:
                self._full = True
                self.origin.told(f"a file has more than {MAX_SPANS:,} spans: the rest was not read", record.line)
        if not found:
            self.origin.told("a record holds no spans", record.line)

    def end(self) -> Iterator[Conversation]:
        traces: dict[str, list[OneSpan]] = {}
        for span in sorted(self._spans, key=lambda span: span.start):
            traces.setdefault(span.trace, []).append(span)
        sessions: dict[str, list[list[OneSpan]]] = {}
        for trace, spans in traces.items():
            name = next((str(found) for span in spans if (found := span.get(*_SESSION)) is not None), trace)
            sessions.setdefault(name, []).append(spans)
        for name, members in sessions.items():
            try:
                made = self._session(name, members)
            except Misshapen as problem:
                self.origin.told(str(problem), members[0][0].line)
                continue
            if made is not None:
                yield made

    def _session(self, name: str, traces: list[list[OneSpan]]) -> Conversation | None:
        told = _Session(self.origin)
        for spans in traces:
            told.trace(spans)
        draft = Draft(self.origin, name[:200] or "trace", traces[0][0].line, tools_known=True)
        if not told.exchanges:
            self.origin.told("a trace in which no model is asked and no agent is called", traces[0][0].line)
            return None
        for exchange in told.exchanges:
            if exchange.user is not None:
                draft.user(exchange.user, exchange.line)
            draft.agent(self._reply(exchange), exchange.line)
            for call in exchange.calls():
                draft.call(call, exchange.line)
        return draft.done()

    def _reply(self, exchange: _Exchange) -> str:
        """What the user saw: what the agent returned, else the last words of a model."""
        inner = exchange.texts if exchange.reply is not None else exchange.texts[:-1]
        for text in inner:
            if text != exchange.reply:
                self.origin.left("inner-text", exchange.line)
        if exchange.reply is not None:
            return exchange.reply
        if exchange.texts:
            for _ in exchange.asides:
                self.origin.left("aside", exchange.line)
            return exchange.texts[-1]
        return exchange.asides[-1] if exchange.asides else ""


class _Session:
    """The exchanges of a session, trace after trace."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self.exchanges: list[_Exchange] = []
        self._seen: Counter[tuple[str, str, tuple[str, ...]]] = Counter()

    def trace(self, spans: list[OneSpan]) -> None:
        """Adds a trace, its spans in the order in which they began."""
        before = len(self.exchanges)
        kinds = {span.id: _kind(span) for span in spans}
        agents = [span for span in spans if _kind(span) == "agent"]
        ids = {span.id for span in agents}
        outer = next((span for span in agents if span.parent not in ids), None)
        first = True
        for span in spans:
            kind = kinds[span.id]
            if kind == "model":
                self._model(span, new_trace=first)
                first = False
            elif kind == "tool":
                self._here(span.line).ran.append(_tool(span))
            elif kind is None:
                self._origin.left("other-span", span.line)
        if outer is not None:
            self._agent(outer, before)

    def _here(self, line: int) -> _Exchange:
        if not self.exchanges:
            self.exchanges.append(_Exchange(None, line))
        return self.exchanges[-1]

    def _model(self, span: OneSpan, *, new_trace: bool) -> None:
        given, made = messages_of(span)
        self._measures(span)
        heard: Counter[tuple[str, str, tuple[str, ...]]] = Counter()
        for index, message in enumerate(given):
            heard[message.key] += 1
            spoken = new_trace and index == len(given) - 1 and message.role == "user"
            if heard[message.key] > self._seen[message.key] or spoken:
                self._seen[message.key] += 1
                self._take(message, span.line)
        for message in made:
            self._seen[message.key] += 1
            self._take(message, span.line)

    def _measures(self, span: OneSpan) -> None:
        if span.get("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.total") is not None:
            self._origin.left("measures", span.line)
        if span.get("gen_ai.system_instructions") is not None:
            self._origin.left("system-prompt", span.line)

    def _take(self, message: Said, line: int) -> None:
        for _ in range(message.parts_left):
            self._origin.left("not-text", line)
        if message.role == "user":
            if message.text.strip():
                self.exchanges.append(_Exchange(message.text, line))
        elif message.role == "assistant":
            here = self._here(line)
            if message.text.strip():
                (here.asides if message.calls else here.texts).append(message.text)
            here.asked += [ToolCall(name, arguments_of(given), id=call_id) for call_id, name, given in message.calls]
        elif message.role == "tool":
            if message.result_of is not None:
                self._here(line).results[message.result_of] = message.text
        else:
            self._origin.left("system-prompt" if message.role in ("system", "developer") else "unknown-role", line)

    def _agent(self, span: OneSpan, before: int) -> None:
        """What the outermost agent was asked and returned, where its models do not tell."""
        given, made = messages_of(span)
        asked = next((item.text for item in reversed(given) if item.role == "user" and item.text.strip()), None)
        said = next((item.text for item in reversed(made) if item.role == "assistant" and item.text.strip()), None)
        asked = asked or _words(span.get("input.value", "traceloop.entity.input"), "user")
        said = said or _words(span.get("output.value", "traceloop.entity.output"), "assistant")
        fresh = self.exchanges[before:]
        if not any(exchange.user is not None for exchange in fresh) and asked:
            begun = _Exchange(asked, span.line)
            for exchange in fresh:
                begun.texts += exchange.texts
                begun.asides += exchange.asides
                begun.asked += exchange.asked
                begun.ran += exchange.ran
                begun.results |= exchange.results
            self.exchanges[before:] = fresh = [begun]
        if said and len(fresh) == 1:
            fresh[0].reply = said


def _kind(span: OneSpan) -> str | None:
    """model, tool, agent, or None for everything else."""
    told = str(span.get("gen_ai.operation.name", "openinference.span.kind", "traceloop.span.kind", "llm.request.type") or "")
    if told in _TOOL:
        return "tool"
    if told in _AGENT:
        return "agent" if told != "CHAIN" or span.parent is None else None
    if told in _MODEL or (not told and any(any(side) for side in messages_of(span))):
        return "model"
    return None


def _tool(span: OneSpan) -> ToolCall:
    name = span.get("gen_ai.tool.name", "tool.name", "tool_call.function.name", "traceloop.entity.name")
    name = str(name or span.name.removeprefix("execute_tool ") or "")
    if not name:
        raise Misshapen("a span of a tool has no name")
    given = parsed(
        span.get("gen_ai.tool.call.arguments", "tool_call.function.arguments", "input.value", "traceloop.entity.input")
    )
    call = ToolCall(name, arguments_of(given), id=text_or_none(span.get("gen_ai.tool.call.id", "tool_call.id")))
    result = span.get("gen_ai.tool.call.result", "output.value", "traceloop.entity.output")
    if span.error is not None:
        return replace(call, error=span.error)
    return call if result is None else with_result(call, as_text(result))


def _words(value: Any, role: str) -> str | None:
    """The words in an agent's input or output: text as it is; of data the last message, or its only text."""
    data = parsed(value)
    if isinstance(data, str):
        return data if data.strip() else None
    if isinstance(data, Mapping):
        texts = [item for item in data.values() if isinstance(item, str)]
        listed = data.get("messages")
        if isinstance(listed, list):
            words = [
                item.get("content") for item in listed if isinstance(item, Mapping) and item.get("role") in (role, _OTHER[role])
            ]
            return next((word for word in reversed(words) if isinstance(word, str) and word.strip()), None)
        return texts[0] if len(texts) == 1 and len(data) == 1 else None
    return None


_OTHER = {"user": "human", "assistant": "ai"}

"""A conversation while its records come in: who said what, and what was called and answered in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from focal_eval.importers.chat import MAX_TURNS, arguments_of, with_result
from focal_eval.importers.conversations_file import PassedOver, Record
from focal_eval.records import UNKNOWN, ScenarioState, ToolCall
from focal_eval.records.conversation import Conversation, RecordedExchange

MAX_TEXT = 20_000  # characters of one message; nobody types more
Data = Mapping[str, Any]


class Misshapen(ValueError):
    """A record is not what its format says; the message is one of few sentences."""


def _nobody(kind: str, line: int) -> None:
    """Who asks for conversations alone need not hear what they leave out."""


@dataclass(slots=True)
class Origin:
    """Where conversations come from, and where what cannot be read is told.

    `left` hears of what is read but is no part of a conversation, such as a system prompt: its kind and its line.
    """

    format: str
    file: str
    passed_over: PassedOver
    left: Callable[[str, int], None] = _nobody

    def told(self, why: str, line: int) -> None:
        """Counts something that is passed over."""
        self.passed_over.add(why, self.file, line)


@dataclass(slots=True)
class _Turn:
    user: str | None
    line: int
    said: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)  # calls without a result yet
    known: dict[str, Any] = field(default_factory=dict)  # rules, scenario, variables, template; that no tool was called

    def closed(self, *, tools_known: bool) -> RecordedExchange:
        """The exchange; that no tool was called is known where the format or the record tells every call."""
        told = self.known.pop("no_tools", False) or bool(self.calls) or (tools_known and bool(self.said))
        return RecordedExchange(
            user=self.user,
            agent="\n\n".join(self.said) if self.said else UNKNOWN,
            tools=tuple(self.calls) if told else UNKNOWN,
            line=self.line,
            **self.known,
        )


class Draft:
    """One conversation being read. `tools_known` says whether the format tells every call."""

    def __init__(self, origin: Origin, id: str, line: int, *, tools_known: bool, metadata: Data | None = None) -> None:
        self._origin, self.id, self._line, self._tools_known = origin, id, line, tools_known
        self._turns: list[_Turn] = []
        self._full = False
        self.metadata: dict[str, Any] = dict(metadata or {})
        self.start: Data = {}
        self.history: tuple[tuple[str | None, str | None], ...] = ()
        self.scenario: str | None = None

    def user(self, text: str, line: int) -> None:
        """The user says something, which begins an exchange; nothing where the text is blank."""
        if text.strip():
            self._open(self._bounded(text, line), line)

    def _open(self, user: str | None, line: int) -> _Turn | None:
        if len(self._turns) >= MAX_TURNS:
            if not self._full:
                self._origin.told(f"a conversation has more than {MAX_TURNS:,} turns: the rest was not read", line)
            self._full = True
            return None
        self._turns.append(_Turn(user, line))
        return self._turns[-1]

    def _here(self, line: int) -> _Turn | None:
        """The exchange that what the agent does belongs to; its own where it spoke first."""
        if self._full:
            return None
        return self._turns[-1] if self._turns else self._open(None, line)

    def _bounded(self, text: str, line: int) -> str:
        if len(text) > MAX_TEXT:
            self._origin.told(f"a text is longer than {MAX_TEXT:,} characters: it was cut", line)
        return text[:MAX_TEXT]

    def agent(self, text: str, line: int) -> None:
        """The agent says something."""
        if text.strip() and (turn := self._here(line)) is not None:
            turn.said.append(self._bounded(text, line))

    def call(self, call: ToolCall, line: int, *, waits: bool = False) -> None:
        """The agent calls a tool; one that waits gets its result later."""
        if (turn := self._here(line)) is not None:
            if waits:
                turn.waiting.append(len(turn.calls))
            turn.calls.append(call)

    def result(self, id: str | None, content: str, line: int) -> None:
        """The result of a call of this exchange that waits: the one with the id, else the first."""
        turn = self._turns[-1] if self._turns else None
        if turn is None or not turn.waiting:
            self._origin.left("orphan-result", line)
            return
        fitting = [place for place in turn.waiting if id is not None and turn.calls[place].id == id] or turn.waiting[:1]
        turn.waiting.remove(fitting[0])
        turn.calls[fitting[0]] = with_result(turn.calls[fitting[0]], content)

    def know(self, **fields: Any) -> None:
        """What the record tells of this exchange besides: rules, scenario, variables, template, `no_tools`."""
        if self._turns and not self._full:
            self._turns[-1].known.update(fields)

    def done(self) -> Conversation | None:
        """The conversation, None where the user says nothing in it: that is told."""
        if not any(turn.user is not None for turn in self._turns):
            self._origin.told("a conversation in which the user says nothing", self._line)
            return None
        origin = self._origin
        for turn in self._turns:
            for _ in turn.waiting:
                origin.left("missing-result", turn.line)
        turns = tuple(turn.closed(tools_known=self._tools_known) for turn in self._turns)
        return Conversation(
            id=self.id,
            format=origin.format,
            file=origin.file,
            line=self._line,
            turns=turns,
            start=self.start,
            history=self.history,
            scenario=self.scenario,
            metadata=self.metadata,
        )


def text_of(content: Any) -> str:
    """The text of a message: a text, or the texts among its parts."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(part["text"] for part in content if isinstance(part, Mapping) and isinstance(part.get("text"), str))
    raise Misshapen("a message's text is neither text nor a list of parts")


def mapping(value: Any, what: str) -> Data:
    """The value where it is an object. Raises Misshapen."""
    if not isinstance(value, Mapping):
        raise Misshapen(f"{what} is no object")
    return value


def listed(value: Any, what: str) -> list[Any]:
    """The value where it is a list, none where it is not there. Raises Misshapen."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise Misshapen(f"{what} is no list")
    return value


def tool_call(name: Any, arguments: Any = None, *, id: Any = None) -> ToolCall:
    """A call by its parts as records hold them; arguments may be JSON text. Raises Misshapen where it has no name."""
    if not isinstance(name, str) or not name:
        raise Misshapen("a tool call has no name")
    return ToolCall(name, arguments_of(arguments), id=id if isinstance(id, str) else None)


def answered(call: ToolCall, result: Any, error: Any = None) -> ToolCall:
    """The call with a result as data or text, or with the error it ended in."""
    if error is not None:
        return replace(call, error=str(error) or "error")
    return with_result(call, result) if isinstance(result, str) else replace(call, result=result)


def names_of(value: Any, what: str) -> tuple[str, ...]:
    """Names in a list of texts, or of objects that have one. Raises Misshapen."""
    found = [item.get("name") if isinstance(item, Mapping) else item for item in listed(value, what)]
    names = tuple(name for name in found if isinstance(name, str))
    if len(names) != len(found):
        raise Misshapen(f"{what} holds something that is no name")
    return names


def place_of(value: Any) -> ScenarioState | None:
    """`returns/confirm`, `{id, step}` or null as a place. Raises Misshapen."""
    if value is None or value == "none":
        return None
    if isinstance(value, str) and value.strip():
        scenario, _, step = value.strip().partition("/")
        return ScenarioState(scenario, step or None)
    if isinstance(value, Mapping) and isinstance(value.get("id"), str) and value["id"].strip():
        return ScenarioState(value["id"].strip(), value["step"] if isinstance(value.get("step"), str) else None)
    raise Misshapen("a scenario is neither text nor {id, step}")


def unwrapped(data: Any) -> Any:
    """What the envelopes of the systems hold: `{data}`, `{conversation}`, `{chatResult: {chat}}`, a captured exchange."""
    for _ in range(4):
        if not isinstance(data, Mapping):
            return data
        inner = next((data[key] for key in ("conversation", "chatResult", "chat") if isinstance(data.get(key), Mapping)), None)
        if inner is None and isinstance(data.get("data"), (list, Mapping)):
            inner = data["data"]
        if (
            inner is None
            and isinstance(data.get("response"), Mapping)
            and isinstance(data["response"].get("body"), (list, dict))
        ):
            inner = data["response"]["body"]
        if inner is None:
            return data
        data = inner
    return data


class Reader:
    """Reads the records of one file; what is broken is told, with its place, and passed over."""

    tools_known = True

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self._open: Draft | None = None
        self._key: str | None = None
        self._count = 0

    def take(self, record: Record) -> Iterator[Conversation]:
        """The conversations that a record ends."""
        try:
            yield from self.read(unwrapped(record.data), record)
        except Misshapen as problem:
            self.origin.told(str(problem), record.line)

    def end(self) -> Iterator[Conversation]:
        """The conversation that the end of the file ends."""
        if self._open is not None:
            made, self._open = self._open.done(), None
            if made is not None:
                yield made

    def read(self, data: Any, record: Record) -> Iterator[Conversation]:
        """A whole conversation, or a row of the one that is open."""
        if isinstance(data, list):
            yield from self.end()
            yield from self.whole({"": data}, data, record)
        elif isinstance(data, Mapping) and (rows := self.rows(data)) is not None:
            yield from self.end()
            yield from self.whole(data, rows, record)
        else:
            row = mapping(data, "a record")
            key = self.key(row)
            if self._open is None or key != self._key:
                yield from self.end()
                self._open, self._key = self.draft(row, record.line), key
            self.add(self._open, row, record.line)

    def whole(self, data: Data, rows: list[Any], record: Record) -> Iterator[Conversation]:
        """A conversation that one record holds; one whose parts are misshapen is passed over as a whole."""
        draft = self.draft(data, record.line)
        for row in self.ordered(rows):
            self.add(draft, mapping(row, "a part of a conversation"), record.line)
        made = draft.done()
        if made is not None:
            yield made

    def draft(self, data: Data, line: int) -> Draft:
        """An empty conversation with the id that its record gives it, else its number in the file."""
        self._count += 1
        given = data.get("metadata")
        told = {name: data[name] for name in ("locale", "language", "channel") if isinstance(data.get(name), str)}
        metadata = {**told, **(given if isinstance(given, Mapping) else {})}
        return Draft(self.origin, self.id(data) or f"#{self._count}", line, tools_known=self.tools_known, metadata=metadata)

    def id(self, data: Data) -> str | None:
        """How the record calls its conversation."""
        for name in ("id", "_id", "session_id", "sessionId", "conversation_id", "chatId", "thread_id", "conversation"):
            value = data.get(name)
            if isinstance(value, (str, int)) and value != "":
                return str(value)[:200]
        return None

    def key(self, row: Data) -> str | None:
        """What rows of one conversation have in common."""
        for name in ("session_id", "sessionId", "conversation_id", "thread_id", "conversation", "session"):
            value = row.get(name)
            if isinstance(value, (str, int)) and value != "":
                return str(value)
        return None

    def text(self, content: Any, line: int) -> str:
        """The text of a message; its other parts, such as images, are left out and told."""
        if isinstance(content, list):
            for part in content:
                if not (isinstance(part, Mapping) and isinstance(part.get("text"), str)):
                    self.origin.left("not-text", line)
        return text_of(content)

    def unused(self, row: Data, line: int, **kinds: tuple[str, ...]) -> None:
        """Tells what a record says besides: a kind is left where one of its keys has a value."""
        for kind, keys in kinds.items():
            if any(row.get(key) not in (None, "", [], {}) for key in keys):
                self.origin.left(kind, line)

    def ordered(self, rows: list[Any]) -> list[Any]:
        """The parts of a conversation, the first one first."""
        return rows

    def rows(self, data: Data) -> list[Any] | None:
        """The parts of a conversation where the record holds a whole one."""
        raise NotImplementedError

    def add(self, draft: Draft, row: Data, line: int) -> None:
        """Adds one part to its conversation. Raises Misshapen."""
        raise NotImplementedError

"""Spans of OpenTelemetry as plain data: OTLP's JSON, what the console exporter prints, and lists of spans.

Of a span's attributes the messages of a model are read in every spelling that is in use: GenAI semantic conventions as
attributes or events, indexed attributes (`gen_ai.prompt.0.content`), and OpenInference (`llm.input_messages.0.message.role`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Data = Mapping[str, Any]
_INDEXED = re.compile(r"(gen_ai\.prompt|gen_ai\.completion|llm\.input_messages|llm\.output_messages)\.(\d{1,4})\.(.+)\Z")
_CALL = re.compile(r"tool_calls\.(\d{1,4})\.(?:tool_call\.)?(?:function\.)?(id|name|arguments)\Z")
_PART = re.compile(r"contents\.(\d{1,4})\.(?:message_content\.)?text\Z")
_EVENT = re.compile(r"gen_ai\.(system|user|assistant|tool)\.message\Z")
_WHOLE = ("gen_ai.content.", "gen_ai.client.inference.operation.details")  # events that hold all messages
_MAX_DEPTH = 30


@dataclass(slots=True)
class Said:
    """A message of a model's input or output."""

    role: str
    text: str = ""
    calls: list[tuple[str | None, str, Any]] = field(default_factory=list)  # id, name, arguments
    result_of: str | None = None  # a tool's answer: the call's id
    parts_left: int = 0  # that are no text

    @property
    def key(self) -> tuple[str, str, tuple[str, ...]]:
        """Equal where two spans show the same message."""
        return self.role, " ".join(self.text.split()), tuple(name for _, name, _ in self.calls)


@dataclass(slots=True)
class OneSpan:
    """One span; times are nanoseconds, 0 where they are not told."""

    trace: str
    id: str
    parent: str | None
    name: str
    start: int
    attributes: Data
    events: list[tuple[str, Data]]
    error: str | None
    line: int

    def get(self, *names: str) -> Any:
        """The first of these attributes that is there."""
        return next((self.attributes[name] for name in names if self.attributes.get(name) is not None), None)


def spans_in(data: Any, line: int) -> Iterator[OneSpan]:
    """The spans of a record."""
    if isinstance(data, list):
        for item in data:
            yield from spans_in(item, line)
    elif isinstance(data, Mapping):
        resources = _of(data, "resourceSpans", "resource_spans")
        if isinstance(resources, list):
            for resource in filter(_is_mapping, resources):
                common = attributes_of(_mapping(resource.get("resource")).get("attributes"))
                for scope in filter(_is_mapping, _list(_of(resource, "scopeSpans", "scope_spans"))):
                    for span in filter(_is_mapping, _list(scope.get("spans"))):
                        yield _span(span, line, common)
        elif is_span(data):
            yield _span(data, line, {})


def is_span(data: Any) -> bool:
    """Whether a record is a span by itself."""
    if not isinstance(data, Mapping) or "attributes" not in data:
        return False
    return _of(data, "traceId", "trace_id") is not None or "trace_id" in _mapping(data.get("context"))


def _span(data: Data, line: int, common: Data) -> OneSpan:
    context = _mapping(data.get("context"))
    status = _mapping(data.get("status"))
    code = str(_of(status, "code", "status_code") or data.get("status_code") or "")
    failed = code in ("2", "ERROR", "STATUS_CODE_ERROR")
    own = attributes_of(data.get("attributes"))
    events: list[tuple[str, Data]] = [
        (str(event.get("name")), attributes_of(event.get("attributes")))
        for event in _list(data.get("events"))
        if _is_mapping(event)
    ]
    message = _of(status, "message", "description") or data.get("status_message")
    return OneSpan(
        trace=str(_of(data, "traceId", "trace_id") or context.get("trace_id") or ""),
        id=str(_of(data, "spanId", "span_id") or context.get("span_id") or ""),
        parent=str(_of(data, "parentSpanId", "parent_span_id", "parent_id") or "") or None,
        name=str(data.get("name") or ""),
        start=_time(_of(data, "startTimeUnixNano", "start_time_unix_nano", "start_time", "startTime")),
        attributes={**{name: value for name, value in common.items() if name.startswith(("session.", "gen_ai."))}, **own},
        events=events,
        error=(str(message) if message else "error") if failed else None,
        line=line,
    )


def _time(value: Any) -> int:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and value.isdecimal() and len(value) < 25:
        return int(value)
    try:
        return int(datetime.fromisoformat(str(value)).timestamp() * 1_000_000) * 1_000
    except (ValueError, OverflowError, OSError):
        return 0


def attributes_of(given: Any) -> dict[str, Any]:
    """Attributes by name: OTLP's list of keys and typed values, or a mapping as it is."""
    if isinstance(given, Mapping):
        return {str(name): value for name, value in given.items()}
    return {str(item["key"]): _any(item.get("value"), 0) for item in _list(given) if _is_mapping(item) and "key" in item}


def _any(value: Any, depth: int) -> Any:
    """OTLP's AnyValue as plain data."""
    if not isinstance(value, Mapping) or depth > _MAX_DEPTH:
        return value if not isinstance(value, Mapping) else None
    kind, inner = next(iter(value.items()), ("", None))
    if kind == "intValue":
        number = str(inner)
        return int(number) if number.lstrip("-").isdecimal() and len(number) < 25 else inner
    if kind == "arrayValue":
        return [_any(item, depth + 1) for item in _list(_mapping(inner).get("values"))]
    if kind == "kvlistValue":
        pairs = [item for item in _list(_mapping(inner).get("values")) if _is_mapping(item) and "key" in item]
        return {str(item["key"]): _any(item.get("value"), depth + 1) for item in pairs}
    return inner


def messages_of(span: OneSpan) -> tuple[list[Said], list[Said]]:
    """What the model was given and what it answered."""
    beside = {key: value for name, event in span.events if name.startswith(_WHOLE) for key, value in event.items()}
    for told in (_structured(span.attributes), _structured(beside), _indexed(span.attributes)):
        if any(told):
            return told
    return _from_events(span.events)


def _structured(attributes: Data) -> tuple[list[Said], list[Said]]:
    given = attributes.get("gen_ai.input.messages", attributes.get("gen_ai.prompt"))
    made = attributes.get("gen_ai.output.messages", attributes.get("gen_ai.completion"))
    return _said_in(given, "user"), _said_in(made, "assistant")


def _said_in(value: Any, otherwise: str) -> list[Said]:
    data = parsed(value)
    data = [data] if isinstance(data, Mapping) else data
    return [_message(item, otherwise) for item in data if isinstance(item, Mapping)] if isinstance(data, list) else []


def _message(data: Data, otherwise: str) -> Said:
    """A message with `parts`, or with `content` and `tool_calls`."""
    said = Said(_role(data.get("role"), otherwise))
    texts = []
    content = data.get("parts", data.get("content"))
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Mapping):
            texts += _part(part, said)
    for item in filter(_is_mapping, _list(parsed(data.get("tool_calls")))):
        function = _mapping(item.get("function")) or item
        said.calls.append((text_or_none(item.get("id")), str(function.get("name") or ""), function.get("arguments")))
    if data.get("tool_call_id") is not None or (said.role == "tool" and data.get("id") is not None):
        said.result_of = str(data.get("tool_call_id", data.get("id")))
    said.text = "\n".join(filter(None, texts))
    said.calls = [call for call in said.calls if call[1]]
    return said


def _role(given: Any, otherwise: str) -> str:
    role = given if isinstance(given, str) and given else otherwise
    return {"human": "user", "ai": "assistant", "model": "assistant", "function": "tool"}.get(role, role)


def _part(part: Data, said: Said) -> list[str]:
    kind = part.get("type", "text")
    if kind in ("tool_call", "tool_use", "server_tool_call"):
        given = part.get("arguments", part.get("input"))
        said.calls.append((text_or_none(part.get("id")), str(part.get("name") or ""), given))
        return []
    if kind in ("tool_call_response", "tool_result"):
        said.role, said.result_of = "tool", text_or_none(part.get("id", part.get("tool_use_id")))
        return [as_text(part.get("response", part.get("result", part.get("content"))))]
    text = part.get("content", part.get("text"))
    if kind in ("text", "input_text", "output_text") and isinstance(text, str):
        return [text]
    said.parts_left += 1
    return []


def _indexed(attributes: Data) -> tuple[list[Said], list[Said]]:
    """Messages whose fields are attributes with numbers in their names."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for name, value in _flat(attributes):
        match = _INDEXED.match(name)
        if match is not None:
            field_name = match[3].removeprefix("message.")
            found.setdefault(match[1], {}).setdefault(int(match[2]), {})[field_name] = value
    given = found.get("gen_ai.prompt", found.get("llm.input_messages", {}))
    made = found.get("gen_ai.completion", found.get("llm.output_messages", {}))
    inputs = [_of_fields(fields, "user") for _, fields in sorted(given.items())]
    return inputs, [_of_fields(fields, "assistant") for _, fields in sorted(made.items())]


def _flat(attributes: Data) -> Iterator[tuple[str, Any]]:
    """Attributes of messages, those that hold lists and mappings taken apart: `llm.input_messages.0.message.role`."""
    level = [
        (name, value, 0)
        for name, value in attributes.items()
        if name.startswith(("llm", "gen_ai.prompt.", "gen_ai.completion."))
    ]
    while level:
        name, value, depth = level.pop(0)
        if isinstance(value, Mapping) and depth < _MAX_DEPTH:
            level += [(f"{name}.{key}", item, depth + 1) for key, item in value.items()]
        elif isinstance(value, list) and depth < _MAX_DEPTH and any(_is_mapping(item) for item in value):
            level += [(f"{name}.{index}", item, depth + 1) for index, item in enumerate(value)]
        else:
            yield name, value


def _of_fields(fields: Data, otherwise: str) -> Said:
    said = Said(_role(fields.get("role"), otherwise))
    calls: dict[int, dict[str, Any]] = {}
    parts: dict[int, str] = {}
    for name, value in fields.items():
        if match := _CALL.match(name):
            calls.setdefault(int(match[1]), {})[match[2]] = value
        elif match := _PART.match(name):
            parts[int(match[1])] = as_text(value)
    content = fields.get("content")
    inner = parsed(content)
    if isinstance(inner, list) and all(_is_mapping(item) for item in inner):
        return _message({"role": said.role, "content": inner, "tool_call_id": fields.get("tool_call_id")}, otherwise)
    said.text = as_text(content) if content is not None else "\n".join(text for _, text in sorted(parts.items()))
    for _, call in sorted(calls.items()):
        if call.get("name"):
            said.calls.append((text_or_none(call.get("id")), str(call["name"]), call.get("arguments")))
    said.result_of = text_or_none(fields.get("tool_call_id"))
    return said


def _from_events(events: list[tuple[str, Data]]) -> tuple[list[Said], list[Said]]:
    """Messages that are events of their own: `gen_ai.user.message`, `gen_ai.choice`."""
    given, made = [], []
    for name, attributes in events:
        content = parsed(attributes.get("gen_ai.event.content"))
        body = {**(content if isinstance(content, Mapping) else {}), **attributes}
        match = _EVENT.match(name)
        if match is not None:
            given.append(_message({"role": match[1], **body}, match[1]))
        elif name == "gen_ai.choice":
            message = parsed(body.get("message"))
            made.append(_message({**body, **message} if isinstance(message, Mapping) else body, "assistant"))
    return given, made


def parsed(value: Any) -> Any:
    """JSON text as data; everything else, and what is no JSON, as it is."""
    import orjson

    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def as_text(value: Any) -> str:
    """A value as text: a text as it is, data as JSON."""
    import orjson

    return value if isinstance(value, str) else "" if value is None else orjson.dumps(value).decode()


def text_or_none(value: Any) -> str | None:
    """The value where it is a text with something in it."""
    return value if isinstance(value, str) and value else None


def _of(data: Data, *names: str) -> Any:
    return next((data[name] for name in names if data.get(name) is not None), None)


def _mapping(value: Any) -> Data:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping)

"""Chat completions as OpenAI's files hold them: fine-tuning, preferences, batches, and requests logged with their responses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from focal_eval.importers.conversations_chat import ChatCompletions, first
from focal_eval.importers.conversations_draft import Data, Draft, Origin, listed, mapping, tool_call
from focal_eval.importers.conversations_file import Record
from focal_eval.records.conversation import Conversation

_ASKED = ("body", "request", "input")  # where a request's messages stand
_ANSWERED = ("response", "output")  # where its answer stands


class Completions(ChatCompletions):
    """A conversation a line: what was asked, and what was answered if that stands apart.

    `answers` are those of a batch, by the request's own id, as another file may hold them.
    """

    def __init__(self, origin: Origin, answers: Mapping[str, Data] | None = None) -> None:
        super().__init__(origin)
        self._answers = answers or {}

    @staticmethod
    def fits(data: Any) -> bool:
        if ChatCompletions.fits(data):
            return True
        return isinstance(data, Mapping) and (_asked(data) is not None or is_answer(data))

    def take(self, record: Record) -> Iterator[Conversation]:
        data = record.data
        if isinstance(data, Mapping) and batch_answer(data) is not None:
            return  # it ends the conversation of its request
        if isinstance(data, Mapping) and (asked := _asked(data)) is not None:
            data = self._joined(data, asked, record.line)
        yield from super().take(replace(record, data=data))

    def _joined(self, data: Data, asked: Data, line: int) -> Data:
        """The record with its answer as the last of its messages."""
        messages = [*listed(asked.get("messages"), "messages"), *self._answer(data)]
        self.unused({**asked, **data}, line, definitions=("tools", "functions"), measures=("usage",))
        self.unused(data, line, **{"other-answer": ("non_preferred_output",)})
        about = {name: value for name, value in {**asked, **data}.items() if name not in (*_ASKED, *_ANSWERED)}
        return {**about, "id": data.get("custom_id", about.get("id")), "messages": messages}

    def _answer(self, data: Data) -> list[Any]:
        preferred = data.get("preferred_output")
        if isinstance(preferred, list):
            return preferred
        places = [data, *(data[key] for key in _ANSWERED if isinstance(data.get(key), Mapping))]
        found = next((message for place in places if (message := _message(place)) is not None), None)
        if found is None:
            found = self._answers.get(str(data.get("custom_id")))
        return [] if found is None else [found]

    def add(self, draft: Draft, row: Data, line: int) -> None:
        if row.get("role") == "function":  # before tools had ids
            draft.result(None, self.text(row.get("content"), line), line)
            return
        super().add(draft, row, line)
        if row.get("role") == "assistant":
            self.unused(row, line, refusal=("refusal",), audio=("audio",))
            if row.get("function_call") is not None:
                called = mapping(row["function_call"], "a function call")
                draft.call(tool_call(called.get("name"), called.get("arguments")), line, waits=True)


def _asked(data: Data) -> Data | None:
    """What holds the request's messages."""
    if isinstance(data.get("messages"), list) and _is_message(data):
        return data
    return next((data[key] for key in _ASKED if isinstance(data.get(key), Mapping) and _is_message(data[key])), None)


def _is_message(data: Data) -> bool:
    row = first(data.get("messages"))
    return isinstance(row.get("role"), str) and not {"content", "tool_calls", "function_call"}.isdisjoint(row)


def _message(data: Data) -> Data | None:
    """The message of a completion."""
    message = first(data.get("choices")).get("message")
    return message if isinstance(message, Mapping) else None


def is_answer(data: Data) -> bool:
    """Whether this is a completion without what was asked."""
    return _message(data) is not None and _asked(data) is None


def batch_answer(data: Data) -> tuple[str, Data] | None:
    """The request's id and the answer's message, of a line of a batch's output."""
    response = data.get("response")
    body = response.get("body") if isinstance(response, Mapping) else None
    if "custom_id" not in data or not isinstance(body, Mapping) or (message := _message(body)) is None:
        return None
    return str(data["custom_id"]), message

"""Conversations that are lists of chat messages: chat completions, tau-bench, Mix, PipesHub and Glean."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from focal_eval.importers.conversations_draft import (
    Data,
    Draft,
    Misshapen,
    Reader,
    answered,
    listed,
    mapping,
    text_of,
    tool_call,
)
from focal_eval.importers.conversations_file import Record
from focal_eval.records import UNKNOWN
from focal_eval.records.conversation import Conversation

STOP = "###STOP###"  # tau-bench: the simulated user's sign that it is done


def first(value: Any) -> Data:
    """The first part of a list, empty where there is none."""
    return value[0] if isinstance(value, list) and value and isinstance(value[0], Mapping) else {}


class ChatCompletions(Reader):
    """`{"messages": [{"role", "content", "tool_calls"?}]}`, or the messages themselves."""

    beside_calls = True  # whether a user saw the text of a message that also calls tools

    @staticmethod
    def fits(data: Any) -> bool:
        row = (
            data
            if isinstance(data, Mapping) and "role" in data
            else first(data.get("messages"))
            if isinstance(data, Mapping)
            else first(data)
        )
        return isinstance(row.get("role"), str) and ("content" in row or "tool_calls" in row)

    def rows(self, data: Data) -> list[Any] | None:
        return listed(data["messages"], "messages") if "messages" in data else None

    def id(self, data: Data) -> str | None:
        return super().id(data) if "role" not in data else self.key(data)

    def add(self, draft: Draft, row: Data, line: int) -> None:
        role, text = row.get("role"), self.text(row.get("content"), line)
        if role == "user":
            draft.user(self.cleaned(text, line), line)
        elif role == "assistant":
            requests = listed(row.get("tool_calls"), "tool_calls")
            if self.beside_calls or not requests:
                draft.agent(text, line)
            elif text.strip():
                self.origin.left("aside", line)
            for request in requests:
                function = mapping(mapping(request, "a tool call").get("function", request), "a tool call")
                draft.call(tool_call(function.get("name"), function.get("arguments"), id=request.get("id")), line, waits=True)
        elif role == "tool":
            draft.result(row.get("tool_call_id"), text, line)
        elif not isinstance(role, str):
            raise Misshapen("a message has no role")
        else:
            self.origin.left("system-prompt" if role in ("system", "developer") else "unknown-role", line)

    def cleaned(self, text: str, line: int) -> str:
        """What the user said, without what only machines read."""
        return text


class TauBench(ChatCompletions):
    """Recorded runs: `{"task_id", "trial", "traj": [messages]}`."""

    beside_calls = False

    @staticmethod
    def fits(data: Any) -> bool:
        return isinstance(data, Mapping) and "task_id" in data and isinstance(data.get("traj"), list)

    def rows(self, data: Data) -> list[Any] | None:
        return listed(data.get("traj"), "traj")

    def id(self, data: Data) -> str | None:
        return f"task-{data.get('task_id')}-trial-{data.get('trial', 0)}"

    def cleaned(self, text: str, line: int) -> str:
        if STOP in text:
            self.origin.left("stop-marker", line)
        return text.replace(STOP, "").strip()


class Tau2Runs(ChatCompletions):
    """Results of τ²-bench: `{"simulations": [{"id", "task_id", "trial", "messages"}]}`, or one simulation."""

    MARKERS = (STOP, "###TRANSFER###", "###OUT-OF-SCOPE###")

    @staticmethod
    def fits(data: Any) -> bool:
        run = first(data.get("simulations")) if isinstance(data, Mapping) and "simulations" in data else data
        return isinstance(run, Mapping) and "task_id" in run and isinstance(run.get("messages"), list)

    def read(self, data: Any, record: Record) -> Iterator[Conversation]:
        runs = listed(data["simulations"], "simulations") if isinstance(data, Mapping) and "simulations" in data else [data]
        for run in runs:
            try:
                yield from super().read(mapping(run, "a simulation"), record)
            except Misshapen as problem:
                self.origin.told(str(problem), record.line)

    def id(self, data: Data) -> str | None:
        return f"task-{data.get('task_id')}-trial-{data.get('trial') or 0}"

    def draft(self, data: Data, line: int) -> Draft:
        draft = super().draft(data, line)
        draft.metadata |= {"task": str(data.get("task_id")), "trial": data.get("trial") or 0}
        self.unused(data, line, measures=("agent_cost", "user_cost", "duration"))
        return draft

    def add(self, draft: Draft, row: Data, line: int) -> None:
        if row.get("role") == "user" and row.get("tool_calls"):
            self.origin.left("user-call", line)
        elif row.get("role") == "tool":
            if row.get("requestor", "assistant") == "assistant":
                text = self.text(row.get("content"), line)
                failed = row.get("error") is True and not text.strip().startswith("Error:")
                draft.result(row.get("id"), f"Error: {text}" if failed else text, line)
        else:
            super().add(draft, row, line)
            if row.get("role") == "assistant":
                self.unused(row, line, measures=("cost", "usage"), raw=("raw_data",))

    def cleaned(self, text: str, line: int) -> str:
        for marker in self.MARKERS:
            if marker in text:
                self.origin.left("stop-marker", line)
                text = text.replace(marker, "")
        return text.strip()


class Mix(Reader):
    """Rows of `BackendMessage` or `MessageData`, or an exported session."""

    @staticmethod
    def fits(data: Any) -> bool:
        row = data if isinstance(data, Mapping) else first(data)
        if "sessionId" in row and "userInput" in row and "role" in row:
            return True
        message = first(row.get("messages"))
        return "role" in message and not {"createdAt", "finishReason", "toolCalls", "userInput"}.isdisjoint(message)

    def rows(self, data: Data) -> list[Any] | None:
        return listed(data["messages"], "messages") if "messages" in data else None

    def id(self, data: Data) -> str | None:
        if "" in data:  # a list of rows
            return self.key(first(data[""]))
        return super().id(data) if "messages" in data else self.key(data)

    def add(self, draft: Draft, row: Data, line: int) -> None:
        role = row.get("role")  # rows of every role have their text in `userInput`
        if role == "user":
            draft.user(text_of(row.get("userInput", row.get("content"))), line)
        elif role == "assistant":
            draft.agent(text_of(row.get("assistantResponse") or row.get("content") or row.get("userInput")), line)
            self.unused(row, line, reasoning=("reasoning",), measures=("cost", "inputTokens", "outputTokens"))
            for called in listed(row.get("toolCalls"), "toolCalls"):
                call = tool_call(mapping(called, "a tool call").get("name"), called.get("input"), id=called.get("id"))
                failed = called.get("isError") is True
                if failed or called.get("result") is not None:
                    call = answered(call, called.get("result"), called.get("result", "error") if failed else None)
                draft.call(call, line)


class PipesHub(Reader):
    """Conversations of `Message`s with a `messageType`."""

    tools_known = False

    @staticmethod
    def fits(data: Any) -> bool:
        row = (
            data
            if isinstance(data, Mapping) and "messageType" in data
            else first(data.get("messages"))
            if isinstance(data, Mapping)
            else first(data)
        )
        return row.get("messageType") in ("user_query", "bot_response", "error", "feedback", "system", "tool_call")

    def rows(self, data: Data) -> list[Any] | None:
        return listed(data["messages"], "messages") if "messages" in data else None

    def id(self, data: Data) -> str | None:
        return super().id(data) if "messageType" not in data else self.key(data)

    def add(self, draft: Draft, row: Data, line: int) -> None:
        kind, text = row.get("messageType"), text_of(row.get("content"))
        if kind == "user_query":
            draft.user(text, line)
        elif kind in ("bot_response", "error"):
            draft.agent(text, line)
            self.unused(row, line, citations=("citations",), suggestions=("followUpQuestions",), measures=("confidence",))
            self.unused(row, line, feedback=("feedback",))
            parts = [mapping(part, "a part") for part in listed(row.get("parts"), "parts")]
            calls = [part for part in parts if part.get("type") == "tool_call"]
            for part in calls:
                call = tool_call(part.get("toolName"), part.get("args"), id=part.get("toolCallId"))
                failed = part.get("status") in ("failed", "blocked")
                result = part.get("resultPreview")
                draft.call(
                    call if result is None and not failed else answered(call, result, (result or "failed") if failed else None),
                    line,
                )
            for tool in listed(row.get("tools"), "tools") if not calls else []:
                call = tool_call(mapping(tool, "a tool").get("toolName"))
                draft.call(replace(answered(call, tool.get("toolResult")), arguments=UNKNOWN), line)
        else:
            self.origin.left("other-message", line)


class Glean(Reader):
    """Saved chats: messages of an author, made of fragments."""

    tools_known = False

    @staticmethod
    def fits(data: Any) -> bool:
        row = first(data.get("messages")) if isinstance(data, Mapping) else first(data)
        return "fragments" in (data if isinstance(data, Mapping) and "fragments" in data else row)

    def rows(self, data: Data) -> list[Any] | None:
        return listed(data["messages"], "messages") if "messages" in data else None

    def id(self, data: Data) -> str | None:
        return super().id(data) if "messages" in data else None

    def add(self, draft: Draft, row: Data, line: int) -> None:
        if row.get("messageType", "CONTENT") not in ("CONTENT", "ERROR"):
            self.origin.left("other-message", line)  # progress and control, which are no words of the conversation
            return
        fragments = [mapping(item, "a fragment") for item in listed(row.get("fragments"), "fragments")]
        text = "".join(item["text"] for item in fragments if isinstance(item.get("text"), str))
        if row.get("author", "USER") == "USER":
            draft.user(text, line)
            return
        draft.agent(text, line)
        self.unused(row, line, citations=("citations",))
        for item in fragments:
            self.unused(item, line, citations=("citation",), suggestions=("querySuggestion",))
            if item.get("action") is not None:
                action = mapping(item["action"], "an action")
                given = mapping(action.get("parameters") or {}, "parameters")
                values = {str(name): mapping(value, "a parameter").get("value") for name, value in given.items()}
                draft.call(tool_call(mapping(action.get("metadata"), "an action's metadata").get("name"), values), line)


CHAT: tuple[tuple[str, str, type[Reader], Callable[[Any], bool]], ...] = (
    ("tau-bench", "recorded runs of tau-bench: task_id, trial, traj", TauBench, TauBench.fits),
    ("tau2", "results of tau2-bench: simulations with their messages", Tau2Runs, Tau2Runs.fits),
    ("mix", "Mix: rows of BackendMessage or MessageData, or an exported session", Mix, Mix.fits),
    ("pipeshub", "PipesHub: conversations of messages with a messageType", PipesHub, PipesHub.fits),
    ("glean", "Glean: saved chats of messages with fragments", Glean, Glean.fits),
)

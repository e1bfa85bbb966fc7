"""Conversations of engines that tell their rules, and of data sets: Focal, run folders, Schema-Guided Dialogue, plain pairs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from typing import Any

from focal_eval.importers.chat import MAX_TURNS
from focal_eval.importers.conversations_chat import first
from focal_eval.importers.conversations_draft import (
    Data,
    Draft,
    Misshapen,
    Origin,
    Reader,
    answered,
    listed,
    mapping,
    names_of,
    place_of,
    text_of,
    tool_call,
    unwrapped,
)
from focal_eval.importers.conversations_file import Record
from focal_eval.records import UNKNOWN, Reply, ToolCall
from focal_eval.records.codec import Misfit, reply_from_json
from focal_eval.records.conversation import Conversation
from focal_eval.value import value

_SESSION = re.compile(r"/sessions/([^/?]{1,200})/turns")
MAX_OPEN = 1_000  # attempts of a run that go on at the same time


class FocalTurns(Reader):
    """`GET /v1/sessions/{id}/turns`: pages of turns, oldest first where they tell their time."""

    def __init__(self, origin: Origin) -> None:
        super().__init__(origin)
        self._session: str | None = None

    @staticmethod
    def fits(data: Any) -> bool:
        row = (
            data
            if isinstance(data, Mapping) and "user_message" in data
            else first(data.get("items"))
            if isinstance(data, Mapping)
            else first(data)
        )
        return "user_message" in row and "agent_response" in row

    def take(self, record: Record) -> Iterator[Conversation]:
        request = record.data.get("request") if isinstance(record.data, Mapping) else None
        path = request.get("path") if isinstance(request, Mapping) else None
        found = _SESSION.search(path) if isinstance(path, str) else None
        self._session = None if found is None else found[1]
        self._told(unwrapped(record.data), record.line)
        yield from super().take(record)

    def _told(self, page: Any, line: int) -> None:
        """Counts turns that the session has and the page has not; the one that starts a scenario is on none."""
        items, total = (page.get("items"), page.get("total")) if isinstance(page, Mapping) else (None, None)
        if isinstance(items, list) and isinstance(total, int):
            for _ in range(min(total - len(items), MAX_TURNS)):
                self.origin.left("missing-turn", line)

    def id(self, data: Data) -> str | None:
        return self._session or super().id(data)

    def rows(self, data: Data) -> list[Any] | None:
        return listed(data["items"], "items") if "items" in data else None

    def ordered(self, rows: list[Any]) -> list[Any]:
        if not all(isinstance(row, Mapping) and isinstance(row.get("timestamp"), str) for row in rows):
            return rows
        return sorted(rows, key=lambda row: str(row["timestamp"]))

    def add(self, draft: Draft, row: Data, line: int) -> None:
        draft.user(text_of(row.get("user_message")), line)
        draft.agent(text_of(row.get("agent_response")), line)
        self.unused(row, line, measures=("latency_ms", "tokens_used"))
        for name in names_of(row.get("tools_called"), "tools_called"):
            draft.call(replace(tool_call(name), arguments=UNKNOWN), line)
        if row.get("matched_rules") is not None:
            draft.know(
                no_tools=isinstance(row.get("tools_called"), list), rules=names_of(row["matched_rules"], "matched_rules")
            )
        if row.get("scenario_after") is not None:  # null is what Focal always sends
            draft.know(scenario=place_of(row["scenario_after"]))


class Pairs(Reader):
    """`{"user", "agent"}` a line, with rules, tools, scenario, variables and template where they are known."""

    tools_known = False

    @staticmethod
    def fits(data: Any) -> bool:
        if isinstance(data, Mapping) and "user" in data:
            return data["user"] is None or isinstance(data["user"], str)
        row = first(data.get("turns")) if isinstance(data, Mapping) else first(data)
        return "user" in row

    def rows(self, data: Data) -> list[Any] | None:
        return listed(data["turns"], "turns") if "turns" in data else None

    def id(self, data: Data) -> str | None:
        return super().id(data) or self.key(data)

    def draft(self, data: Data, line: int) -> Draft:
        draft = super().draft(data, line)
        if "turns" in data:
            draft.start = dict(mapping(data.get("variables") or {}, "variables"))
        return draft

    def add(self, draft: Draft, row: Data, line: int) -> None:
        user = row.get("user")
        if user is not None:
            if not isinstance(user, str):
                raise Misshapen("user is no text")
            draft.user(user, line)
        draft.agent(text_of(row.get("agent")), line)
        for item in listed(row.get("tools"), "tools"):
            draft.call(plain_call(item), line)
        known: dict[str, Any] = {"no_tools": isinstance(row.get("tools"), list)}
        if row.get("rules") is not None:
            known["rules"] = names_of(row["rules"], "rules")
        if "scenario" in row:
            known["scenario"] = place_of(row["scenario"])
        if row.get("variables") is not None:
            known["variables"] = dict(mapping(row["variables"], "variables"))
        if "template" in row and (row["template"] is None or isinstance(row["template"], str)):
            known["template"] = row["template"]
        draft.know(**known)


def plain_call(item: Any) -> ToolCall:
    """A call as people write it: its name, or a mapping with `name`, `arguments`, `result` and `error`. Raises Misshapen."""
    if isinstance(item, str):
        return replace(tool_call(item), arguments=UNKNOWN)
    item = mapping(item, "a tool call")
    call = tool_call(item.get("name"), item.get("arguments"))
    if "arguments" not in item:
        call = replace(call, arguments=UNKNOWN)
    return answered(call, item.get("result"), item.get("error")) if "result" in item or item.get("error") is not None else call


class SchemaGuided(Reader):
    """Schema-Guided Dialogue: turns of USER and SYSTEM with frames, whose service calls are tool calls."""

    @staticmethod
    def fits(data: Any) -> bool:
        return isinstance(data, Mapping) and "dialogue_id" in data and "speaker" in first(data.get("turns"))

    def rows(self, data: Data) -> list[Any] | None:
        return listed(data.get("turns"), "turns")

    def id(self, data: Data) -> str | None:
        return str(data.get("dialogue_id"))

    def draft(self, data: Data, line: int) -> Draft:
        draft = super().draft(data, line)
        draft.metadata |= {"services": [str(name) for name in listed(data.get("services"), "services")]}
        return draft

    def add(self, draft: Draft, row: Data, line: int) -> None:
        if row.get("speaker") == "USER":
            draft.user(text_of(row.get("utterance")), line)
            return
        draft.agent(text_of(row.get("utterance")), line)
        for item in listed(row.get("frames"), "frames"):
            frame = mapping(item, "a frame")
            if frame.get("service_call") is not None:
                asked = mapping(frame["service_call"], "a service call")
                call = tool_call(asked.get("method"), asked.get("parameters"))
                draft.call(answered(call, frame["service_results"]) if "service_results" in frame else call, line)


@value
class RecordedCase:
    """A case of a run: its name, and where its conversation starts."""

    name: str
    start: Data = field(default_factory=dict)
    history: tuple[tuple[str | None, str | None], ...] = ()
    scenario: str | None = None
    metadata: Data = field(default_factory=dict)


class RunJournal(Reader):
    """The journal of a run folder: each attempt is a conversation, with all that its engine reported."""

    tools_known = False

    def __init__(self, origin: Origin) -> None:
        super().__init__(origin)
        self._cases: dict[str, RecordedCase] = {}
        self._drafts: dict[tuple[str, int], Draft] = {}

    @staticmethod
    def fits(data: Any) -> bool:
        return isinstance(data, Mapping) and data.get("t") in ("run", "case", "turn", "attempt")

    def read(self, data: Any, record: Record) -> Iterator[Conversation]:
        row = mapping(data, "a line of the journal")
        key = (str(row.get("case")), row["attempt"] if isinstance(row.get("attempt"), int) else 1)
        if row.get("t") == "case":
            name = str(row.get("name") or key[0])
            self._cases[key[0]] = RecordedCase(name)  # of a case whose beginning is misshapen the name at least
            self._cases[key[0]] = recorded_case(name, row)
        elif row.get("t") == "turn":
            if key not in self._drafts:
                self._drafts[key] = self._begun(key, record.line)
            self._turn(self._drafts[key], row, record.line)
            if len(self._drafts) > MAX_OPEN:
                yield from self._done(next(iter(self._drafts)))
        elif row.get("t") == "attempt":
            self._cases.pop(key[0], None)
            yield from self._done(key)

    def end(self) -> Iterator[Conversation]:
        for key in list(self._drafts):
            yield from self._done(key)

    def _begun(self, key: tuple[str, int], line: int) -> Draft:
        """An attempt's conversation, as its case says where it starts."""
        case = self._cases.get(key[0], RecordedCase(key[0]))
        name = case.name + (f" (attempt {key[1]})" if key[1] > 1 else "")
        draft = Draft(self.origin, name, line, tools_known=self.tools_known, metadata=case.metadata)
        draft.start, draft.history, draft.scenario = case.start, case.history, case.scenario
        return draft

    def _done(self, key: tuple[str, int]) -> Iterator[Conversation]:
        draft = self._drafts.pop(key, None)
        made = None if draft is None else draft.done()
        if made is not None:
            yield made

    def _turn(self, draft: Draft, row: Data, line: int) -> None:
        if "skipped" in row:
            return
        user = row.get("user")
        if isinstance(user, str):
            draft.user(user, line)
        if "reply" not in row:
            return
        try:
            reply = reply_from_json(mapping(row["reply"], "a reply"))
        except Misfit as problem:
            raise Misshapen(f"a reply is not what a journal holds ({str(problem).partition(':')[0]})") from None
        _replied(draft, reply, line)


def recorded_case(name: str, row: Data) -> RecordedCase:
    """The case of a journal's line. Raises Misshapen where the line does not say properly where it starts."""
    given = mapping(row.get("given") or {}, "given")
    channel = {"channel": row["channel"]} if isinstance(row.get("channel"), str) else {}
    return RecordedCase(
        name,
        dict(mapping(given.get("variables") or {}, "variables")),
        tuple(_pair(pair) for pair in listed(given.get("history"), "history")),
        None if given.get("scenario") is None else text_of(given["scenario"]),
        {**mapping(given.get("metadata") or {}, "metadata"), **channel},
    )


def _pair(item: Any) -> tuple[str | None, str | None]:
    """What was said before, user and agent."""
    if not isinstance(item, list) or len(item) != 2 or any(said is not None and not isinstance(said, str) for said in item):
        raise Misshapen("a turn of the history is no pair of texts")
    return item[0], item[1]


def _replied(draft: Draft, reply: Reply, line: int) -> None:
    if reply.response is not UNKNOWN:
        draft.agent(reply.response, line)
    for call in () if reply.tools is UNKNOWN else reply.tools:
        draft.call(call, line)
    known = {
        "no_tools": reply.tools is not UNKNOWN,
        "rules": UNKNOWN if reply.rules is UNKNOWN else tuple(match.name for match in reply.rules),
        "scenario": reply.scenario,
        "variables": reply.variables,
        "template": reply.template,
    }
    draft.know(**{name: item for name, item in known.items() if item is not UNKNOWN})


RULES: tuple[tuple[str, str, type[Reader], Callable[[Any], bool]], ...] = (
    ("run", "a run folder or its journal.jsonl", RunJournal, RunJournal.fits),
    ("focal", "Focal: turns of a session, as its API gives them", FocalTurns, FocalTurns.fits),
    ("sgd", "Schema-Guided Dialogue: dialogues of USER and SYSTEM turns", SchemaGuided, SchemaGuided.fits),
    ("pairs", "plain JSON: user and agent, with rules, tools, scenario and variables where known", Pairs, Pairs.fits),
)

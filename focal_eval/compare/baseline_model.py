"""What a baseline keeps: of a conversation what a reader of a pull request can judge, and who approved it.

That is what was said, and what the agent did about it. Ids, times, latencies, tokens and raw payloads are never in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from focal_eval.compare.model import RecordedCase, RecordedTurn
from focal_eval.records import Json
from focal_eval.value import value

FORMAT = 1
AGENT = "agent.yml"  # the agent that conversations were approved of; files of scripts end in `.yaml`, so none is in its way
DIGEST = 16  # hex digits of a digest that are kept
_SCORE_DIGITS = 4

RULE = ("name", "score")
CANDIDATE = ("name", "score", "suppressed", "by", "reason")
TOOL = ("name", "arguments", "result", "error", "group", "type", "status", "parent", "id")
STATE = ("id", "step")
TRANSITION = ("kind", "source", "target", "scenario", "reason")
ENFORCEMENT = ("rule", "action", "violation")
CITATION = ("text", "source", "url", "index")

REPLY: Mapping[str, tuple[str, ...] | None] = {
    "response": None,
    "messages": None,
    "rules": RULE,
    "scenario": STATE,
    "tools": TOOL,
    "template": None,
    "enforcement": ENFORCEMENT,
    "outcome": None,
    "follow_ups": None,
    "citations": CITATION,
    "type": None,
    "format": None,
    "variables": None,
    "transitions": TRANSITION,
    "candidates": CANDIDATE,
}
"""What is kept of a reply, in the order it is written: first what a reader asks for first. The values are the keys of parts."""

MESSAGE: Mapping[str, tuple[str, ...] | None] = {
    "role": None,
    "text": None,
    **{key: REPLY[key] for key in ("rules", "tools", "scenario", "citations", "follow_ups", "type", "format")},
    "feedback": None,
}
"""What is kept of a stored message."""


@value
class Approval:
    """Who said that conversations are as they should be, when and why, and of which script and agent that was said."""

    by: str
    date: str  # a day, ISO 8601
    script: str  # digests, shortened
    agent: str | None = None
    why: str | None = None
    expires: str | None = None  # the last day it holds


@value
class Kept:
    """One case of a baseline with its approval."""

    case: RecordedCase
    approval: Approval


@value
class BaselineFile:
    """The baseline of one script: all its cases, by name."""

    script: str
    cases: tuple[Kept, ...]
    title: str = ""
    file: str = ""
    tags: tuple[str, ...] = ()


def path_of(script: str) -> PurePosixPath | None:
    """Where the file of a script lies below a baseline's folder; None for an id that leads nowhere, or out of it."""
    parts = script.split("/")
    if any(part in ("", ".", "..") or part.startswith(".") or "\\" in part or not part.isprintable() for part in parts):
        return None
    return PurePosixPath(*parts[:-1], parts[-1] + ".yaml")


def short(digest: str) -> str:
    """A digest as baselines keep it."""
    return digest[:DIGEST]


def content(case: RecordedCase) -> RecordedCase:
    """What a baseline keeps of a case; what it does not keep is unknown there, and so never a difference."""
    messages = case.messages
    return RecordedCase(
        name=case.name,
        script=case.script,
        verdict=case.verdict,
        turns=tuple(_turn(turn) for turn in case.turns),
        title=case.title,
        file=case.file,
        tags=case.tags,
        repeat=case.repeat,
        reason=case.reason,
        messages=None if messages is None else tuple(_kept(message, MESSAGE) for message in messages),
    )


def _turn(turn: RecordedTurn) -> RecordedTurn:
    fault = None if turn.fault is None else {key: turn.fault[key] for key in ("kind", "message") if key in turn.fault}
    reply = None if turn.reply is None else _kept(turn.reply, REPLY)
    if reply is not None and "messages" in reply and "\n\n".join(_texts(reply.get("messages"))) == reply.get("response"):
        del reply["messages"]  # they say nothing that the response does not
    return RecordedTurn(turn.index, turn.user, reply, fault, turn.skipped, name=turn.name)


def _texts(found: Any) -> list[str]:
    return [item for item in found if isinstance(item, str)] if isinstance(found, (list, tuple)) else []


def _kept(data: Mapping[str, Json], wanted: Mapping[str, tuple[str, ...] | None]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, parts in wanted.items():
        if key in data:
            found = data[key]
            out[key] = _ordered(found) if parts is None or found is None else _parts(found, parts)
    return out


def _parts(found: Any, keys: tuple[str, ...]) -> Any:
    if isinstance(found, Mapping):
        return _part(found, keys)
    if not isinstance(found, (list, tuple)):
        return found
    items = [_part(item, keys) if isinstance(item, Mapping) else item for item in found]
    return _renumbered(items) if keys is TOOL else items


def _part(data: Mapping[str, Json], keys: tuple[str, ...]) -> dict[str, Any]:
    out = {key: _ordered(data[key]) for key in keys if key in data}
    if isinstance(out.get("score"), float):
        out["score"] = round(out["score"], _SCORE_DIGITS)
    return out


def _renumbered(calls: list[Any]) -> list[Any]:
    """Tool calls whose ids and groups are numbers from 1: the engine's own are new each time."""
    parents = {call["parent"] for call in calls if isinstance(call, dict) and isinstance(call.get("parent"), str)}
    groups: dict[int, int] = {}
    ids = {
        call["id"]: str(place)
        for place, call in enumerate(calls, 1)
        if isinstance(call, dict) and isinstance(call.get("id"), str)
    }
    out = []
    for call in calls:
        if not isinstance(call, dict):
            out.append(call)
            continue
        fresh = dict(call)
        if fresh.pop("id", None) in parents:
            fresh["id"] = ids[call["id"]]
        if isinstance(fresh.get("parent"), str):
            fresh["parent"] = ids.get(fresh["parent"], "elsewhere")
        if isinstance(fresh.get("group"), int):
            fresh["group"] = groups.setdefault(fresh["group"], len(groups) + 1)
        out.append(fresh)
    return out


def _ordered(data: Any) -> Any:
    """Data with the keys of its mappings sorted: engines give them in any order."""
    if isinstance(data, Mapping):
        return {str(key): _ordered(data[key]) for key in sorted(data, key=str)}
    if isinstance(data, (list, tuple)):
        return [_ordered(item) for item in data]
    return data


def said_again(turns: tuple[RecordedTurn, ...], fields: tuple[str, ...]) -> tuple[dict[str, Any], ...]:
    """The messages of a store that holds the conversation as it was said, and with each answer these fields of its reply."""
    out: list[dict[str, Any]] = []
    for turn in turns:
        if turn.user is not None:
            out.append({"role": "user", "text": turn.user})
        if turn.reply is not None and turn.reply.get("response") is not None:
            kept = {key: turn.reply[key] for key in fields if key in turn.reply}
            out.append({"role": "assistant", "text": turn.reply["response"]} | kept)
    return tuple(out)


def with_turns(case: RecordedCase, turns: tuple[RecordedTurn, ...]) -> RecordedCase:
    """The case with these turns, numbered anew."""
    return replace(case, turns=tuple(replace(turn, index=place) for place, turn in enumerate(turns)))

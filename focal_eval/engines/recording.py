"""Recorded conversations as data, and as the JSON lines of a cassette: the same data gives the same bytes.

The first line is the header `{"t":"cassette","format":1,...}`, every other line one conversation: its key, and turns of what
the user said and what the engine replied, in the journal's words. `recording_reader` reads them back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field

from focal_eval.engines.base import Abilities
from focal_eval.records import UNKNOWN, Json, MessageRecord, Reply, UnknownType
from focal_eval.records.codec import message_to_json, reply_to_json
from focal_eval.value import value

FORMAT = 1


@value
class RecordedTurn:
    """What the user said (None where the agent spoke first) and what the engine replied."""

    user: str | None
    reply: Reply


@value
class RecordedCall:
    """What an engine asked of somebody else during a conversation, and the answer: a model's, or that of a tool's Python."""

    layer: str  # model | tools
    request: Json
    answer: Json


@value
class RecordedConversation:
    """One conversation, found again by its key; `messages` are the engine's stored messages where they were recorded."""

    key: str
    turns: tuple[RecordedTurn, ...]
    messages: tuple[MessageRecord, ...] | UnknownType = UNKNOWN
    origin: Mapping[str, Json] = field(default_factory=dict)
    start: Mapping[str, Json] | None = None  # what it began with, None where that is not known
    agent: str | None = None  # digest of the agent file that answered
    calls: tuple[RecordedCall, ...] = ()


@value
class RecordedEngine:
    """The engine that was recorded, as far as a replay has to answer for it."""

    kind: str
    abilities: Abilities


@value
class Recording:
    """A cassette's content; `engine` is None where it was made of transcripts."""

    conversations: Mapping[str, RecordedConversation]
    origin: Mapping[str, Json] = field(default_factory=dict)
    engine: RecordedEngine | None = None


def recording_bytes(
    conversations: Iterable[RecordedConversation],
    origin: Mapping[str, Json] | None = None,
    engine: RecordedEngine | None = None,
) -> bytes:
    """The cassette file; the same conversations give the same bytes."""
    lines = [header_line(origin, engine), *map(conversation_line, conversations)]
    return b"".join(map(line_bytes, lines))


def line_bytes(line: Mapping[str, Json]) -> bytes:
    """One line of a cassette."""
    import orjson

    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def header_line(origin: Mapping[str, Json] | None, engine: RecordedEngine | None) -> dict[str, Json]:
    """The first line."""
    header: dict[str, Json] = {"t": "cassette", "format": FORMAT}
    if engine is not None:
        able = engine.abilities
        header["engine"] = {
            "kind": engine.kind,
            "reports": sorted(able.reports),
            "speaks_first": able.speaks_first,
            "seeds": sorted(able.seeds),
            "stubs": able.stubs,
            "deterministic": able.deterministic,
        }
    if origin:
        header["origin"] = dict(origin)
    return header


def conversation_line(conversation: RecordedConversation) -> dict[str, Json]:
    """The line of one conversation."""
    out: dict[str, Json] = {"t": "conversation", "key": conversation.key}
    if conversation.origin:
        out["origin"] = dict(conversation.origin)
    if conversation.start is not None:
        out["start"] = dict(conversation.start)
    if conversation.agent is not None:
        out["agent"] = conversation.agent
    out["turns"] = [{"user": turn.user, "reply": reply_to_json(turn.reply)} for turn in conversation.turns]
    if conversation.calls:
        out["calls"] = [{"layer": call.layer, "request": call.request, "answer": call.answer} for call in conversation.calls]
    if conversation.messages is not UNKNOWN:
        out["messages"] = [message_to_json(message) for message in conversation.messages]
    return out

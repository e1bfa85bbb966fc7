"""The `cassette` engine: replays recorded conversations, turn by turn, and says where a script leaves the recording.

Which conversation a session replays is said by the script's `metadata: {cassette: KEY}`, else by its id: a conversation
`returns/late` fits the script `returns/late` and any script whose path ends so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from focal_eval.engines.answer import REPORTABLE
from focal_eval.engines.base import Abilities, Probe, Session, SessionStart, Setting
from focal_eval.engines.credentials import Cleaner
from focal_eval.engines.difference import alike, same, word_difference
from focal_eval.engines.recording import RecordedConversation, RecordedTurn, Recording
from focal_eval.engines.recording_reader import read_recording
from focal_eval.errors import CassetteMiss, EngineProtocol, Problems, Refused
from focal_eval.records import UNKNOWN, Json, MessageRecord, Reply, UnknownType
from focal_eval.registry import did_you_mean
from focal_eval.text import shorten


@dataclass(frozen=True, slots=True)
class Cassette:
    """A recording, replayed: `file` is the cassette; under `match: position` the user's words need not be the recorded ones."""

    file: str = field(metadata={"doc": "The cassette; the path starts at the suite's folder."})
    match: Literal["text", "position"] = field(
        default="text", metadata={"doc": "`text`: the words must be the recorded ones; `position`: the turn's number counts."}
    )

    def connect(self, setting: Setting) -> CassetteEngine:
        problems = Problems()
        recording = read_recording(setting.root / self.file, self.file, problems)
        if recording is None:
            raise Refused(f"the cassette {self.file} cannot be replayed", problems)
        return CassetteEngine(recording, self.file, self.match)

    def agent_file(self, setting: Setting) -> Path | None:
        return None


class CassetteEngine:
    """Opens recorded conversations; reports the reply fields that at least one recorded reply holds."""

    def __init__(self, recording: Recording, shown: str, match: Literal["text", "position"] = "text") -> None:
        self._recording, self._shown, self._match = recording, shown, match
        self._abilities = Abilities(
            reports=reported(recording.conversations.values()) | ({"metadata"} if match == "position" else set()),
            speaks_first=speaks_first(recording.conversations.values()),
            deterministic=True,
        )

    @property
    def abilities(self) -> Abilities:
        return self._abilities

    async def open(self, start: SessionStart) -> Session:
        return Replay(self._conversation(start), self._shown, self._match)

    async def probe(self) -> Probe:
        """Nothing to ask: it is here."""
        return Probe()

    async def close(self) -> None:
        return None

    def _conversation(self, start: SessionStart) -> RecordedConversation:
        known = self._recording.conversations
        if (named := start.metadata.get("cassette")) is not None:
            wanted = str(named)
            found = known.get(wanted)
        else:
            wanted = start.script
            parts = wanted.split("/")
            found = next((known[key] for at in range(len(parts)) if (key := "/".join(parts[at:])) in known), None)
        if found is not None:
            return found
        fix = did_you_mean(wanted, known)
        raise CassetteMiss(f"{self._shown} holds no conversation '{shorten(wanted)}'" + (f"; {fix}" if fix else ""))


def reported(talks: Iterable[RecordedConversation]) -> frozenset[str]:
    """The fields of a reply that at least one recorded reply holds."""
    talks = tuple(talks)
    replies = [turn.reply for talk in talks for turn in talk.turns]
    found = {name for name in REPORTABLE if any(getattr(reply, name) is not UNKNOWN for reply in replies)}
    if any(talk.messages is not UNKNOWN for talk in talks):
        found.add("messages_stored")
    return frozenset(found)


def speaks_first(talks: Iterable[RecordedConversation]) -> bool:
    """Whether the agent says something unasked in one of the conversations."""
    return any(turn.user is None for talk in talks for turn in talk.turns)


class Replay:
    """One recorded conversation, replayed from its first turn; `clean` makes a message what it was recorded as."""

    def __init__(self, recorded: RecordedConversation, shown: str, match: str, clean: Cleaner | None = None) -> None:
        self._recorded, self._shown, self._match, self._clean = recorded, shown, match, clean
        self._next = 0
        self._closed = False

    async def send(self, message: str | None) -> Reply:
        if self._closed:
            raise EngineProtocol("the session is closed")
        if self._clean is not None and message is not None:
            message = self._clean(message)
        turn = self._turn(message)
        self._next += 1
        if self._match == "text":
            return turn.reply
        metadata = {} if turn.reply.metadata is UNKNOWN else turn.reply.metadata
        return replace(turn.reply, metadata={**metadata, "cassette": self._note(turn, message)})

    def _turn(self, message: str | None) -> RecordedTurn:
        turns, key, number = self._recorded.turns, self._recorded.key, self._next + 1
        if number > len(turns):
            said = f"the recording '{key}' in {self._shown} ends after turn {len(turns)}; it has no answer to turn {number}"
            raise CassetteMiss(said, detail=self._nearest(message) if self._match == "text" else None)
        turn = turns[self._next]
        if (message is None) != (turn.user is None):
            first, other = ("the agent", "the user") if turn.user is None else ("the user", "the agent")
            raise CassetteMiss(f"at turn {number} of the recording '{key}' {first} speaks first; in the script {other} does")
        if self._match == "text" and not same(message, turn.user):
            said = f"at turn {number} of the recording '{key}' in {self._shown} the user says other words than the script"
            raise CassetteMiss(said, detail=self._nearest(message))
        return turn

    def _note(self, turn: RecordedTurn, message: str | None) -> Mapping[str, Json]:
        """Where the reply comes from, and what the user said there if that was something else."""
        note: dict[str, Json] = {"conversation": self._recorded.key, "turn": self._next, "of": len(self._recorded.turns)}
        if not same(message, turn.user):
            note["recorded_user"] = turn.user
            note["alike"] = round(alike(message or "", turn.user or ""), 2)
        return note

    def _nearest(self, message: str | None) -> str | None:
        """The recorded message most like this one, and how they differ, for the error's detail."""
        said = [(index, turn.user) for index, turn in enumerate(self._recorded.turns) if turn.user is not None]
        if message is None or not said:
            return None
        index, text = max(said, key=lambda item: (alike(message, item[1]), -item[0]))
        share = f"{alike(message, text):.0%} alike"
        return f"nearest recorded message: turn {index + 1}, {share}\n" + word_difference(text, message)

    async def stored(self) -> tuple[MessageRecord, ...] | UnknownType:
        """The recorded messages, once the whole conversation was replayed: before that they would say too much."""
        return self._recorded.messages if self._next == len(self._recorded.turns) else UNKNOWN

    async def close(self) -> None:
        self._closed = True

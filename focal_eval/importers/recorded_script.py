"""Recorded conversations become scripts, one cassette that replays all of them, and one suite that runs the scripts on it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

from focal_eval.engines.recording import RecordedConversation, RecordedTurn, recording_bytes
from focal_eval.importers.base import Imported
from focal_eval.importers.losses import Losses
from focal_eval.importers.recorded_stubs import stubs_of
from focal_eval.importers.write import call, data_said, said, yaml_text
from focal_eval.records import UNKNOWN, Json, Reply, RuleMatch
from focal_eval.records.conversation import Conversation, RecordedExchange
from focal_eval.source import Span
from focal_eval.text import counted, shorten

CASSETTE = "cassettes/recorded.jsonl"
MAX_METADATA = 20_000  # characters of a conversation's metadata, as JSON
MAX_DEPTH = 40  # of it; deeper ones could not be read back from a script
_ORDER = ("title", "description", "tags", "metadata", "origin", "tools", "turns", "conversation")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST_NAME = 80
_PORTS = [f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10)]
_DEVICES = frozenset({"con", "prn", "aux", "nul", *_PORTS})  # of Windows: no files

SENTENCES = {
    "cassette-key": "metadata of the name 'cassette', which says what is replayed",
    "joined-messages": "user messages in a row: joined into one turn",
    "known-by-name": "tool calls whose arguments are not recorded, or are no JSON object: expected by their name alone",
    "large-metadata": f"metadata of more than {MAX_METADATA:,} characters or {MAX_DEPTH} levels",
    "repeated-conversation": "conversations that are word for word the same as one before, under the same id",
    "tools-unreported": "turns of which the format does not tell whether tools were called: nothing is expected of tools there",
    "unanswered": "conversations in which the agent says and does nothing",
    "unanswered-message": "last words of the user that nothing answered",
}
"""What the losses counted here mean."""

APPROXIMATED = frozenset({"joined-messages", "known-by-name"})


class Names:
    """File names that differ however their file system folds case, made of foreign ids."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, id: str, otherwise: str) -> str:
        """A name like the id: ASCII letters, digits, `-` and `_`; numbered where it is taken."""
        plain = unicodedata.normalize("NFKD", id).encode("ascii", "ignore").decode()
        stem = _NOT_IN_NAMES.sub("-", plain).strip("-")[:_LONGEST_NAME].strip("-") or otherwise
        if stem.casefold() in _DEVICES:
            stem = f"{stem}-"
        name, count = stem, 2
        while name.casefold() in self._taken:
            name, count = f"{stem}-{count}", count + 1
        self._taken.add(name.casefold())
        return name


@dataclass(slots=True)
class _Talk:
    """A conversation with its name and the exchanges that will be turns."""

    name: str
    found: Conversation
    turns: tuple[RecordedExchange, ...]


@dataclass(slots=True)
class Writing:
    """Takes conversations one after the other, and writes all of them; counts in `losses` what a script cannot hold.

    `stubs` says whether scripts say what tools answered; `more` are keys of the script by the conversation's place in order.
    """

    format: str
    losses: Losses
    golden: str | float
    stubs: bool = False
    _names: Names = field(default_factory=Names)
    _talks: list[_Talk] = field(default_factory=list)
    _more: list[Mapping[str, Any]] = field(default_factory=list)
    _seen: dict[str, list[tuple[RecordedExchange, ...]]] = field(default_factory=dict)

    def take(self, found: Conversation, more: Mapping[str, Any] | None = None) -> None:
        """Adds a conversation; `more` are keys of its script besides."""
        place = at(found.file, found.line)
        turns = tuple(self._turns(found))
        if not any(answered(turn) for turn in turns):
            self.losses.add("unanswered", place)
            return
        same = self._seen.setdefault(found.id, [])
        bare = tuple(replace(turn, line=1) for turn in turns)
        if bare in same:
            self.losses.add("repeated-conversation", place)
            return
        same.append(bare)
        self._talks.append(_Talk(self._names.of(found.id, "conversation"), found, turns))
        self._more.append(more or {})

    def imported(self) -> Imported:
        """The files."""
        if not self._talks:
            return Imported({}, losses=self.losses.listed(), kept=self.losses.kept())
        pairs = list(zip(self._talks, self._more, strict=True))
        scripts = {f"scenarios/{talk.name}.yaml": yaml_text(self._script(talk, more)) for talk, more in pairs}
        suite = {
            "title": f"{counted(len(scripts), 'conversation')} imported from {self.format}",
            "scripts": ["scenarios/*.yaml"],
            "engine": {"kind": "cassette", "file": CASSETTE},
            "golden": self.golden if isinstance(self.golden, str) else {"similar": self.golden},
        }
        cassette = recording_bytes(map(_recorded, self._talks), {"format": self.format})
        return Imported(
            scripts,
            {"suite.yaml": yaml_text(suite)},
            {CASSETTE: cassette},
            self.losses.listed(),
            len(scripts),
            sum(len(talk.turns) for talk in self._talks),
            kept=self.losses.kept(),
        )

    def _turns(self, found: Conversation) -> Iterator[RecordedExchange]:
        """The exchanges: a message that nothing answered goes before the next one, and the last one is left out."""
        waiting: RecordedExchange | None = None
        for turn in found.turns:
            exchange = turn
            if waiting is not None and waiting.user is not None and exchange.user is not None:
                self.losses.add("joined-messages", at(found.file, exchange.line))
                exchange = replace(exchange, user=f"{waiting.user}\n\n{exchange.user}", line=waiting.line)
            waiting = None if answered(exchange) else exchange
            if waiting is None:
                yield exchange
        if waiting is not None and len(found.turns) > 1:
            self.losses.add("unanswered-message", at(found.file, waiting.line))

    def _script(self, talk: _Talk, more: Mapping[str, Any]) -> dict[str, Any]:
        found = talk.found
        first = next((turn.user for turn in talk.turns if turn.user is not None), found.id)
        script: dict[str, Any] = {
            "title": said(shorten(" ".join(first.split()), 90)),
            "tags": [self.format],
            "metadata": {**self._metadata(found), "cassette": talk.name},
            "origin": _origin(found),
        }
        if self.stubs and (stubs := stubs_of(call for turn in talk.turns for call in _calls(turn))):
            script["tools"] = stubs
        script["turns"] = [self._turn(turn, found) for turn in talk.turns]
        script |= more
        return {key: script[key] for key in _ORDER if key in script}

    def _metadata(self, found: Conversation) -> dict[str, Any]:
        import orjson

        place = at(found.file, found.line)
        kept = dict(found.metadata)
        if kept.pop("cassette", None) is not None:
            self.losses.add("cassette-key", place)
        if not kept:
            return {}
        if depth_of(kept) > MAX_DEPTH or len(orjson.dumps(kept)) > MAX_METADATA:
            self.losses.add("large-metadata", place)
            return {}
        return {name: data_said(value) for name, value in kept.items()}

    def _turn(self, turn: RecordedExchange, found: Conversation) -> dict[str, Any]:
        """What the user said, what the agent answered, and what was observed."""
        out: dict[str, Any] = {}
        if turn.user is not None:
            out["user"] = said(turn.user)
            self.losses.keep("user messages")
        if turn.agent is not UNKNOWN and turn.agent.strip():
            out["agent"] = said(turn.agent)
            self.losses.keep("answers")
        expected = self._expected(turn, found)
        if expected or not out:
            out["expect"] = expected
        return out

    def _expected(self, turn: RecordedExchange, found: Conversation) -> dict[str, Any]:
        out: dict[str, Any] = {}
        if turn.rules is not UNKNOWN:
            out["rules"] = {"exactly": [said(name) for name in turn.rules]}
            self.losses.keep("rules", len(turn.rules))
        if turn.tools is UNKNOWN:
            self.losses.add("tools-unreported", at(found.file, turn.line))
        else:
            for made in turn.tools:
                self.losses.keep("tool calls")
                if made.arguments is UNKNOWN:
                    self.losses.add("known-by-name", at(found.file, turn.line))
            calls = [call(made.name, None if made.arguments is UNKNOWN else made.arguments) for made in turn.tools]
            out["tools"] = {"exactly": calls} if calls else {"none": True}
        if turn.scenario is not UNKNOWN:
            out["scenario"] = "none" if turn.scenario is None else said(str(turn.scenario))
        return out


def answered(turn: RecordedExchange) -> bool:
    """Whether the agent said or did something."""
    return (turn.agent is not UNKNOWN and bool(turn.agent.strip())) or bool(_calls(turn))


def _calls(turn: RecordedExchange) -> Sequence[Any]:
    return () if turn.tools is UNKNOWN else turn.tools


def at(file: str, line: int) -> Span:
    """The beginning of a line."""
    return Span(file, line, 1, line, 2)


def depth_of(value: Any) -> int:
    """How many levels of collections a value has; 100 stands for all that is deeper."""
    level, depth = [value], 0
    while depth < 100:
        below = [
            child
            for item in level
            if isinstance(item, (dict, list))
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not below:
            break
        level, depth = below, depth + 1
    return depth


def _origin(found: Conversation) -> dict[str, Json]:
    return {
        "format": found.format,
        "file": said(PurePath(found.file).name),
        "line": found.line,
        "conversation": said(found.id),
    }


def _recorded(talk: _Talk) -> RecordedConversation:
    turns = tuple(
        RecordedTurn(
            turn.user,
            Reply(
                response=turn.agent,
                rules=UNKNOWN if turn.rules is UNKNOWN else tuple(RuleMatch(name) for name in turn.rules),
                tools=turn.tools,
                scenario=turn.scenario,
            ),
        )
        for turn in talk.turns
    )
    origin = {"file": PurePath(talk.found.file).name, "line": talk.found.line, "conversation": talk.found.id}
    return RecordedConversation(talk.name, turns, origin=origin)

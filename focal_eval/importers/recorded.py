"""Importers of recorded conversations: the readers of `conversations` find them, each becomes a script and a recording."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from itertools import chain, islice
from typing import Any, ClassVar

from focal_eval.errors import Problems
from focal_eval.importers import chat, recorded_script
from focal_eval.importers.base import Imported, option
from focal_eval.importers.conversations import FORMATS, SNIFFED
from focal_eval.importers.conversations_draft import Origin, Reader, unwrapped
from focal_eval.importers.conversations_file import PassedOver, Record, records_in
from focal_eval.importers.foreign import Source
from focal_eval.importers.losses import Loss, Losses
from focal_eval.importers.recorded_script import Writing, at
from focal_eval.importers.redaction import Pseudonyms
from focal_eval.importers.tau_bench import golden
from focal_eval.records.conversation import Conversation
from focal_eval.source import Span, whole_file

SENTENCES = {
    **{kind: chat.SENTENCES[kind] for kind in ("system-prompt", "unknown-role", "not-text", "missing-result", "orphan-result")},
    **recorded_script.SENTENCES,
    "citations": "citations and sources of replies",
    "measures": "times, tokens, costs and confidences of replies",
    "missing-turn": "turns of the session that the file does not hold; a turn that starts a scenario is in no history",
    "raw": "what a model's API sent besides, such as its thinking",
    "reasoning": "what the agent thought beside its reply",
    "suggestions": "follow-up questions and suggestions shown beside a reply",
    "aside": "text written beside a tool call, which the user did not see",
    "audio": "spoken answers",
    "definitions": "definitions of tools: a script names the tools that are called",
    "feedback": "what users thought of a reply",
    "inner-text": "what models said on the way to a reply, such as the choice of a route",
    "other-span": "spans that are neither a model, a tool nor an agent, such as a query of a database",
    "other-answer": "answers that somebody liked less",
    "refusal": "refusals in a field of their own",
    "acts": "dialogue acts of a frame, such as INFORM or OFFER: what was said stands in the turn",
    "schema": "slots and intents that the schema describes: scripts name tools and arguments without describing them",
    "slot-spans": "where in a text the value of a slot stands",
    "other-column": "columns of a table that are no part of a conversation",
    "extra-cell": "cells beyond the last column that has a name",
    "other-file": "files of the folder that hold nothing of this format",
    "other-message": "messages that are no words of the conversation, such as progress",
    "user-call": "calls of tools that the user has, such as their own phone",
    "replaced": "pieces of personal data that pseudonyms stand for",
    "stop-marker": "markers by which a simulated user ends a conversation",
}


@dataclass(slots=True)
class Heard(PassedOver):
    """What readers could not read, with the first place of each reason."""

    firsts: dict[str, Span] = field(default_factory=dict)

    def add(self, why: str, file: str, line: int) -> None:
        PassedOver.add(self, why, file, line)
        self.firsts.setdefault(why, at(file, line))

    def merge(self, other: Heard) -> None:
        """Adds what was heard of another file."""
        for why, count in other.counts.items():
            self.counts[why] = self.counts.get(why, 0) + count
            self.firsts.setdefault(why, other.firsts[why])

    def losses(self) -> tuple[Loss, ...]:
        """Each reason as a loss, the most frequent first."""
        found = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        return tuple(Loss("unreadable", f"passed over: {why}", count, self.firsts[why]) for why, count in found)


def personal(text: str) -> bool:
    """Whether personal data stays as it is: `keep`, or `replace` by pseudonyms."""
    if text not in ("keep", "replace"):
        raise ValueError(f"'{text}' is neither keep nor replace")
    return text == "keep"


def with_stubs(text: str) -> bool:
    """Whether scripts say what tools answered: `write` or `none`."""
    if text not in ("write", "none"):
        raise ValueError(f"'{text}' is neither write nor none")
    return text == "write"


def nothing(_: Conversation) -> Mapping[str, Any]:
    """No more keys than those of every recorded conversation."""
    return {}


@dataclass(frozen=True, slots=True)
class Reading:
    """How the files of one import are read: what makes the reader of a file, and what a script says besides."""

    reader: Callable[[Origin], Reader]
    more: Callable[[Conversation], Mapping[str, Any]] = nothing
    beside: frozenset[str] = frozenset()  # files that hold no conversations, and are read for those that do


@dataclass(frozen=True, slots=True)
class Recorded:
    """Reads files of conversations that one of the known formats fits."""

    suffixes: ClassVar[tuple[str, ...]] = (".json", ".jsonl", ".ndjson")
    format: ClassVar[str]
    golden: str | float = option(golden, doc="how replies are compared: equal, off, or how alike, 0 to 1", default=0.6)
    personal: bool = option(personal, doc="personal data: keep, or replace it by pseudonyms", default=True)
    stubs: bool = option(with_stubs, doc="what tools answered, as stubs of the scripts: write or none", default=False)

    def read(self, sources: Sequence[Source], problems: Problems) -> Imported:
        losses = Losses(SENTENCES, recorded_script.APPROXIMATED)
        writing = Writing(self.format, losses, self.golden, self.stubs)
        heard = Heard()
        reading = self.reading(sources, losses, problems)
        for source in sources:
            if source.file not in reading.beside:
                for found in self.conversations(source, reading.reader, losses, heard, problems):
                    writing.take(self._without_names(found, losses), reading.more(found))
        return with_more_losses(writing.imported(), heard.losses())

    def conversations(
        self, source: Source, reader_of: Callable[[Origin], Reader], losses: Losses, heard: Heard, problems: Problems
    ) -> Iterator[Conversation]:
        """The conversations of a file; one that is of another format is a problem, or a loss where a folder held it."""
        own = Heard()
        stream = records_in(BytesIO(source.data), source.file, own)
        begin = list(islice(stream, SNIFFED))
        if not any(self._fits(unwrapped(record.data), source) for record in begin):
            self._refuse(source, begin, own, losses, problems)
            return
        reader = reader_of(Origin(self.format, source.file, own, left_of(losses, source)))
        count = 0
        for record in chain(begin, stream):
            for found in reader.take(record):
                count += 1
                yield found
        for found in reader.end():
            count += 1
            yield found
        heard.merge(own)
        if not count and source.named:
            said, place = _reason(own, source, "the file holds no conversation")
            problems.error("import-nothing", said, place)

    def reading(self, sources: Sequence[Source], losses: Losses, problems: Problems) -> Reading:
        """How the files are read; it may look at all of them before."""
        return Reading(FORMATS[self.format].reader)

    def _fits(self, data: Any, source: Source) -> bool:
        """Whether a record is of this format: of a file in a folder the first format that fits must be this one."""
        if source.named:
            return FORMATS[self.format].fits(data)
        return next((one.name for one in FORMATS.values() if one.fits(data)), None) == self.format

    def _refuse(self, source: Source, begin: Sequence[Record], own: Heard, losses: Losses, problems: Problems) -> None:
        if not source.named:
            losses.add("other-file", whole_file(source.file))
        elif not begin:
            said, place = _reason(own, source, "the file holds no JSON record")
            problems.error("import-json", said, place)
        else:
            data = unwrapped(begin[0].data)
            other = next((one.name for one in FORMATS.values() if one.fits(data)), None)
            said = f"the file is not of the format {self.format}: {FORMATS[self.format].doc}"
            fix = None if other is None else f"its records look like those of the format '{other}'"
            problems.error("import-shape", said, at(source.file, begin[0].line), help=fix)

    def _without_names(self, found: Conversation, losses: Losses) -> Conversation:
        if self.personal:
            return found
        pseudonyms = Pseudonyms(found)
        out = pseudonyms.conversation(found)
        for _ in range(pseudonyms.counts.total()):
            losses.add("replaced", at(found.file, found.line))
        return out


def left_of(losses: Losses, source: Source) -> Callable[[str, int], None]:
    """Counts what a reader leaves out of a file's conversations."""
    return lambda kind, line: losses.add(kind, at(source.file, line))


def with_more_losses(imported: Imported, more: tuple[Loss, ...]) -> Imported:
    """The import with losses that no sentence was known for beforehand."""
    return replace(imported, losses=(*imported.losses, *more)) if more else imported


def _reason(own: Heard, source: Source, otherwise: str) -> tuple[str, Span]:
    """Why nothing was found, and where: the first thing that could not be read."""
    first = next(iter(own.firsts.items()), None)
    return (otherwise, whole_file(source.file)) if first is None else (f"{otherwise}: {first[0]}", first[1])


@dataclass(frozen=True, slots=True)
class Focal(Recorded):
    """Turn histories of Focal's sessions."""

    format: ClassVar[str] = "focal"


@dataclass(frozen=True, slots=True)
class Mix(Recorded):
    """Stored messages and exported sessions of Mix."""

    format: ClassVar[str] = "mix"


@dataclass(frozen=True, slots=True)
class PipesHub(Recorded):
    """Stored conversations of PipesHub."""

    format: ClassVar[str] = "pipeshub"


@dataclass(frozen=True, slots=True)
class Glean(Recorded):
    """Saved chats of Glean."""

    format: ClassVar[str] = "glean"


@dataclass(frozen=True, slots=True)
class OpenTelemetry(Recorded):
    """Traces of conversations."""

    format: ClassVar[str] = "otel"

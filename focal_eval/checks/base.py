"""What a check is: a small frozen dataclass whose fields are its YAML, pure over records.

    @dataclass(frozen=True, slots=True)
    class Contains(TurnCheck):
        "The response contains these texts."
        short: ClassVar[str] = "text"
        text: tuple[str, ...]
        case: Literal["fold", "strict"] = "fold"

        def judge(self, seen: Moment) -> tuple[Finding, ...]: ...

It is registered by its key (`response.contains`) in `focal_eval.registry` or under the entry-point group
`focal_eval.checks`; its JSON Schema, its reference checks and its place in errors come from that alone.
The keys `not`, `soft` and `because` belong to the language and never to a check. A check whose mapping has keys of the
author's own (names of variables) says `open_keys = True`: nothing in it is read as a word of the language.

A finding's path leads into the YAML as it was written. A check that can be written short declares
`brief: bool = written_short()`; it is True on a check that was written so, and `self.at("includes", 1)` gives `(1,)` then
and `("includes", 1)` else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, ClassVar, Literal

from focal_eval.document import INVALID, Reader, Record, Shape, record_of
from focal_eval.document.reader import MappingNode, Node
from focal_eval.records import Answer, Finding, Json, JudgedBy, Question, Reply, Transcript, TurnRecord
from focal_eval.value import value


@value
class Aids:
    """What a check is judged by beside the record: votes on its questions, and what stands in for a sentence encoder."""

    answers: Mapping[str, Answer] = field(default_factory=dict)  # by the question's digest
    fallback: str | None = None  # "lexical" where the suite says so
    abstains: str = "skipped"  # what an expectation is that a judge came to no verdict on; "errored" else
    skips: bool = False  # the suite says that no judge is asked


NO_AIDS = Aids()


@value
class Moment:
    """All that a turn's check may look at; the judged turn is the last of `turns` and has a reply."""

    turns: Sequence[TurnRecord]
    golden: str | None = None  # the script's `agent:` text for this turn
    saved: Mapping[str, Json] = field(default_factory=dict)
    prices: Mapping[str, float] = field(default_factory=dict)  # per million tokens: prompt, completion, total
    root: Path | None = None  # the suite's root, for python: checks; None where they are off
    aids: Aids = NO_AIDS
    reply: Reply = field(init=False, repr=False, compare=False)  # the judged turn's

    def __post_init__(self) -> None:
        reply = self.turns[-1].reply
        assert reply is not None
        settle(self, reply=reply)

    @property
    def turn(self) -> TurnRecord:
        return self.turns[-1]


@value
class Conversation(Transcript):
    """All that a conversation's check may look at: the transcript, and what lies around it."""

    prices: Mapping[str, float] = field(default_factory=dict)
    root: Path | None = None
    tolerated: frozenset[str] = frozenset()  # names of findings that the suite lives with
    masks: tuple[tuple[str, ...], ...] = ()  # paths of stored messages that the suite does not compare
    before: tuple[TurnRecord, ...] = ()  # turns that were replayed before the first one, their index below 0
    aids: Aids = NO_AIDS


class Unreported(Exception):
    """Raised by a check that cannot be judged on what is known; the message is the reason it is skipped for."""


class CheckFault(Exception):
    """Raised by a check that cannot do its work; the message stands alone as the reason it is errored for."""


RefKind = Literal["rule", "tool", "scenario", "template", "argument", "variable"]


@value
class Ref:
    """A name the check relies on, to be looked up in the target agent before a run.

    `scenario` names are `id` or `id/step`, `argument` names are `tool.argument`. `absent` marks a name the check wants
    not to see: a misspelt one would make the check pass for ever.
    """

    kind: RefKind
    name: str
    path: tuple[str | int, ...] = ()
    absent: bool = False


def written_short() -> Any:
    """The default of a field `brief: bool`: whether the check was written in its short form."""
    return field(default=False, init=False, repr=False, compare=False)


def derived() -> Any:
    """The default of a field that `__post_init__` works out from the others, with `settle`."""
    return field(init=False, repr=False, compare=False)


def settle(check: Any, **values: Any) -> None:
    """Sets fields of a frozen value while it is being made."""
    for name, settled in values.items():
        object.__setattr__(check, name, settled)


class CheckRecord(Record):
    """The shape of a check: a record that tells the check whether it was written short."""

    def make(self, values: dict[str, Any], node: Node, reader: Reader) -> Any:
        made = super().make(values, node, reader)
        if made is not INVALID and self.short is not None and type(node) is not MappingNode and hasattr(made, "brief"):
            object.__setattr__(made, "brief", True)
        return made


class _Base:
    """What both kinds share; the defaults fit most checks."""

    __slots__ = ()
    short: ClassVar[str | None] = None
    open_keys: ClassVar[bool] = False  # the mapping's keys are the author's own
    labelled: ClassVar[bool] = False  # `judged_by` says what judged it
    aid: ClassVar[str | None] = None  # what the suite must have for it: "judge" or "semantic"
    needs: ClassVar[frozenset[str]] = frozenset({"response"})  # Reply fields; unknown ones make the check skipped
    loads: ClassVar[bool] = False  # judging takes something that is slow to load: `load` loads it

    @classmethod
    def __shape__(cls) -> Shape:
        """How the check is read; the default is a mapping of its fields, or its `short` field alone."""
        kind: Any = cls
        record = record_of(kind)
        return CheckRecord(record.build, record.entries, name=f"{record.name}Check", short=record.short)

    @classmethod
    def load(cls) -> None:
        """Loads what judging takes, before a run's first turn; without this the first judgement does."""

    def needed(self) -> frozenset[str]:
        """The Reply fields this instance reads; override where they depend on its fields."""
        return self.needs

    def describe(self) -> str:
        """The expectation in words, for a list of results: `response contains 'refund'`."""
        raise NotImplementedError

    def at(self, key: str, *steps: str | int) -> tuple[str | int, ...]:
        """The path of a value of the field `key`, as it was written."""
        return steps if key == self.short and getattr(self, "brief", False) else (key, *steps)

    def refs(self) -> tuple[Ref, ...]:
        return ()

    def questions(self, seen: Any) -> tuple[Question, ...]:
        """What a judging model is to be asked before `judge`, which finds the votes in `seen.aids`."""
        return ()

    def judged_by(self, seen: Any) -> JudgedBy | None:
        """What judged it, where that was no plain comparison; asked only of checks that are `labelled`, after `judge`."""
        return None

    def idle(self) -> str | None:
        """Why this check can never fail, or None: an author is warned about it."""
        return None


class TurnCheck(_Base):
    """Judges the last turn of a moment."""

    __slots__ = ()

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        """No findings: passed. An exception becomes the outcome `errored`."""
        raise NotImplementedError


class ConversationCheck(_Base):
    """Judges a whole conversation, once."""

    __slots__ = ()
    needs: ClassVar[frozenset[str]] = frozenset()

    def judge(self, seen: Conversation) -> tuple[Finding, ...]:
        raise NotImplementedError


def as_check(value: Any) -> TurnCheck | ConversationCheck:
    """The value as a check; scripts hold checks without knowing their type."""
    assert isinstance(value, (TurnCheck, ConversationCheck))
    return value

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
The keys `not`, `soft` and `because` belong to the language and never to a check.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from focal_eval.records import Finding, Json, Transcript, TurnRecord


@dataclass(frozen=True, slots=True)
class Moment:
    """All that a turn's check may look at; the judged turn is the last of `turns` and has a reply."""

    turns: Sequence[TurnRecord]
    golden: str | None = None  # the script's `agent:` text for this turn
    saved: Mapping[str, Json] = field(default_factory=dict)
    prices: Mapping[str, float] = field(default_factory=dict)  # per million tokens: prompt, completion, total
    root: Path | None = None  # the suite's root, for python: checks; None where they are off

    @property
    def turn(self) -> TurnRecord:
        return self.turns[-1]


RefKind = Literal["rule", "tool", "scenario", "template", "argument", "variable"]


@dataclass(frozen=True, slots=True)
class Ref:
    """A name the check relies on, to be looked up in the target agent before a run.

    `scenario` names are `id` or `id/step`, `argument` names are `tool.argument`. `absent` marks a name the check wants
    not to see: a misspelt one would make the check pass for ever.
    """

    kind: RefKind
    name: str
    path: tuple[str | int, ...] = ()
    absent: bool = False


class _Base:
    """What both kinds share; the defaults fit most checks."""

    __slots__ = ()
    short: ClassVar[str | None] = None
    needs: ClassVar[frozenset[str]] = frozenset({"response"})  # Reply fields; unknown ones make the check skipped

    def needed(self) -> frozenset[str]:
        """The Reply fields this instance reads; override where they depend on its fields."""
        return self.needs

    def describe(self) -> str:
        """The expectation in words, for a list of results: `response contains 'refund'`."""
        raise NotImplementedError

    def refs(self) -> tuple[Ref, ...]:
        return ()

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

    def judge(self, seen: Transcript) -> tuple[Finding, ...]:
        raise NotImplementedError


def as_check(value: Any) -> TurnCheck | ConversationCheck:
    """The value as a check; scripts hold checks without knowing their type."""
    assert isinstance(value, (TurnCheck, ConversationCheck))
    return value

"""`variables`, `metadata`, `template`, `outcome`, `confidence`, `reasoning`: single values of a reply, each by a matcher."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from focal_eval.checks.base import Conversation, ConversationCheck, Moment, Ref, TurnCheck, settle
from focal_eval.checks.remarks import what_was_left_out
from focal_eval.checks.reported import known
from focal_eval.checks.whole import WholeValue
from focal_eval.document import Shape, shape_of
from focal_eval.document.shape import MapOf
from focal_eval.records import Finding, Json, Reply
from focal_eval.registry import nearest
from focal_eval.script.conditions import Condition, Literal, NotThere
from focal_eval.script.matchers import Matcher
from focal_eval.script.wording import ABSENT, show
from focal_eval.text import listed


@dataclass(frozen=True, slots=True)
class OneValue(TurnCheck):
    """A value of the reply; `absent` and null say that there is none."""

    named: ClassVar[str] = "value"
    field: ClassVar[str] = ""
    value: Matcher

    def __post_init__(self) -> None:
        if self.value.condition == Literal(None):
            settle(self, value=Matcher(NotThere()))

    @classmethod
    def __shape__(cls) -> Shape:
        return WholeValue(cls, "value", shape_of(Matcher))

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        value = known(getattr(seen.reply, self.field), self.field)
        found = self.value.mismatch(ABSENT if value is None else value)
        if found is None:
            return ()
        said = f"there is no {self.named}" if value is None else f"the {self.named} is not as expected"
        return (Finding(said, found.expected, found.observed, self.near(seen.reply), found.where),)

    def near(self, reply: Reply) -> str | None:
        """What explains another value."""
        del reply
        return None

    def describe(self) -> str:
        return f"{self.named} is {self.value.describe()}"


@dataclass(frozen=True, slots=True)
class Template(OneValue):
    """The template the response was made from; absent where none was."""

    needs: ClassVar[frozenset[str]] = frozenset({"template"})
    named: ClassVar[str] = "template"
    field: ClassVar[str] = "template"

    def near(self, reply: Reply) -> str | None:
        return what_was_left_out(reply)

    def refs(self) -> tuple[Ref, ...]:
        return tuple(Ref("template", name) for name in _names_in(self.value.condition))


@dataclass(frozen=True, slots=True)
class TurnOutcome(OneValue):
    """How the engine says the turn ended: resolved, awaiting-user, fallback, blocked, escalated, ..."""

    needs: ClassVar[frozenset[str]] = frozenset({"outcome"})
    named: ClassVar[str] = "outcome"
    field: ClassVar[str] = "outcome"


@dataclass(frozen=True, slots=True)
class Confidence(OneValue):
    """How sure the engine says it is: a number or a word."""

    needs: ClassVar[frozenset[str]] = frozenset({"confidence"})
    named: ClassVar[str] = "confidence"
    field: ClassVar[str] = "confidence"


@dataclass(frozen=True, slots=True)
class Reasoning(OneValue):
    """What the engine shows of its reasoning; absent where it showed none."""

    needs: ClassVar[frozenset[str]] = frozenset({"reasoning"})
    named: ClassVar[str] = "reasoning"
    field: ClassVar[str] = "reasoning"


def _names_in(condition: Condition) -> list[str]:
    """The names a matcher can only mean literally."""
    return [condition.value] if isinstance(condition, Literal) and isinstance(condition.value, str) else []


@dataclass(frozen=True, slots=True)
class Variables(TurnCheck):
    """The session's variables after the turn, by name; others may be there."""

    open_keys: ClassVar[bool] = True
    needs: ClassVar[frozenset[str]] = frozenset({"variables"})
    values: dict[str, Matcher]

    @classmethod
    def __shape__(cls) -> Shape:
        return WholeValue(cls, "values", MapOf(shape_of(Matcher)))

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        return _named_values("variable", self.values, known(seen.reply.variables, "variables"))

    def describe(self) -> str:
        return _described("variable", self.values)

    def refs(self) -> tuple[Ref, ...]:
        return tuple(
            Ref("variable", name, (name,), absent=isinstance(matcher.condition, NotThere))
            for name, matcher in self.values.items()
        )

    def idle(self) -> str | None:
        return None if self.values else "it names no variable"


@dataclass(frozen=True, slots=True)
class Metadata(TurnCheck):
    """The reply's metadata, by key; others may be there."""

    open_keys: ClassVar[bool] = True
    needs: ClassVar[frozenset[str]] = frozenset({"metadata"})
    values: dict[str, Matcher]

    @classmethod
    def __shape__(cls) -> Shape:
        return WholeValue(cls, "values", MapOf(shape_of(Matcher)))

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        return _named_values("metadata", self.values, known(seen.reply.metadata, "metadata"))

    def describe(self) -> str:
        return _described("metadata", self.values)

    def idle(self) -> str | None:
        return None if self.values else "it names no key"


@dataclass(frozen=True, slots=True)
class Saved(ConversationCheck):
    """What the conversation's turns saved, by name."""

    open_keys: ClassVar[bool] = True
    values: dict[str, Matcher]

    @classmethod
    def __shape__(cls) -> Shape:
        return WholeValue(cls, "values", MapOf(shape_of(Matcher)))

    def judge(self, seen: Conversation) -> tuple[Finding, ...]:
        return _named_values("saved", self.values, seen.saved)

    def describe(self) -> str:
        return _described("saved", self.values)

    def idle(self) -> str | None:
        return None if self.values else "it names nothing"


def _named_values(noun: str, wanted: Mapping[str, Matcher], values: Mapping[str, Json]) -> tuple[Finding, ...]:
    out = []
    for name, matcher in wanted.items():
        found = matcher.condition.mismatch(values.get(name, ABSENT))
        if found is None:
            continue
        near: Any = None
        if name not in values:
            close = nearest(name, list(values))
            near = f"'{close}' is {show(values[close])}" if close else f"there is: {listed(sorted(values))}"
        inner = "".join(f".{step}" for step in found.path)
        said = f"{noun} '{name}{inner}' is not {'there' if name not in values else 'as expected'}"
        out.append(Finding(said, found.expected, found.observed, near=near, path=(name, *found.where)))
    return tuple(out)


def _described(noun: str, values: Mapping[str, Matcher]) -> str:
    return listed([f"{noun} {name} is {matcher.describe()}" for name, matcher in values.items()])

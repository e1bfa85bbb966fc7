"""The check kit: passes sound checks, names the broken promise of others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from focal_eval.checks.base import Conversation, ConversationCheck, Moment, Ref, TurnCheck, written_short
from focal_eval.records import UNKNOWN, Finding, Reply
from focal_eval.testing import CheckExample, check_conformance, transcript


@dataclass(frozen=True, slots=True)
class Says(TurnCheck):
    """The response holds this text."""

    short: ClassVar[str] = "text"
    text: str
    brief: bool = written_short()

    def describe(self) -> str:
        return f"says {self.text!r}"

    def judge(self, seen: Moment) -> tuple[Finding, ...]:
        response = seen.reply.response
        assert response is not UNKNOWN
        return () if self.text in response else (Finding("it was not said", path=self.at("text")),)


GOOD = [CheckExample("x", "x y", "y"), CheckExample("{text: x}", Reply("x"), Reply("y"))]


def test_a_sound_check_passes() -> None:
    """A small check in both its forms keeps every promise."""
    check_conformance(Says, GOOD)


@dataclass(frozen=True, slots=True)
class Turns(ConversationCheck):
    """The conversation has so many turns."""

    short: ClassVar[str] = "most"
    most: int

    def describe(self) -> str:
        return f"at most {self.most} turns"

    def judge(self, seen: Conversation) -> tuple[Finding, ...]:
        return (Finding("too many turns"),) if len(seen.turns) > self.most else ()


def test_a_check_of_what_is_around_replies_is_called_blind() -> None:
    """Counting turns reads no reply, so it may pass where nothing is known; the example must say so."""
    check_conformance(Turns, [CheckExample("1", "a", transcript("a", "b"), blind=True)])
    with pytest.raises(AssertionError, match="check Turns: a check never passes on what is unknown"):
        check_conformance(Turns, [CheckExample("1", "a", transcript("a", "b"))])


def variant(name: str, **members: Any) -> type[TurnCheck]:
    """`Says` with other members."""
    body = {"__doc__": Says.__doc__, "__module__": __name__, "short": "text", "__annotations__": {"text": str, "brief": bool}}
    body |= {"brief": written_short()}
    body |= {key: vars(Says)[key] for key in ("describe", "judge")} | members
    return dataclass(frozen=True, slots=True)(type(name, (TurnCheck,), body))


def always(*findings: Finding) -> Any:
    return lambda self, seen: findings


@pytest.mark.parametrize(
    ("kind", "examples", "said"),
    [
        (Says, [CheckExample("x", "x")], "a check can fail; no example shows it"),
        (Says, [CheckExample("x", fails="y")], "a check can pass; no example shows it"),
        (Says, [CheckExample("x", "y", "y")], "the example 'x' is passed; it was failed: it was not said"),
        (Says, [CheckExample("x", "x", "x")], "the example 'x' is failed; it was passed"),
        (
            Says,
            [CheckExample("[x]", "x", "y")],
            "an example reads without a problem; .* expected text, found a list",
        ),
        (variant("Mute", describe=lambda self: ""), GOOD, "check Mute: describe gives one line"),
        (variant("Lazy", idle=lambda self: "never"), GOOD, "an example can fail; idle says 'never'"),
        (variant("Blind", needs=frozenset()), GOOD, "a check needs the reply's fields that needed.* names and no others"),
        (variant("Odd", needs=frozenset({"respons"})), GOOD, r"needed names fields of Reply; it names \['respons'\]"),
        (variant("Lost", judge=always(Finding("no", path=("nowhere",)))), GOOD[:1], "the example 'x' is passed"),
        (
            variant("Astray", refs=lambda self: (Ref("rule", "r", ("nowhere",)),)),
            GOOD,
            r"paths lead to a place below .* the reference to 'r' has \('nowhere',\)",
        ),
        (
            variant("Soft", __annotations__={"text": str, "brief": bool, "soft": bool}, soft=False),
            GOOD,
            "`soft` and `because` belong",
        ),
        (variant("Bare", __doc__=""), GOOD, "its docstring helps in an editor"),
        (
            variant("Crashing", judge=lambda self, seen: seen.nothing),
            GOOD,
            "the example 'x' is passed; it was errored: the check crashed: AttributeError",
        ),
    ],
)
def test_a_broken_promise_is_named(kind: type[TurnCheck], examples: list[CheckExample], said: str) -> None:
    """The message says which promise, and what was seen instead."""
    with pytest.raises(AssertionError, match=said):
        check_conformance(kind, examples)


def test_a_finding_must_point_into_what_was_written() -> None:
    """A path that leads nowhere would put the caret under another value."""

    def judge(self: Any, seen: Moment) -> tuple[Finding, ...]:
        return () if self.text in str(seen.reply.response) else (Finding("no", path=("nowhere",)),)

    with pytest.raises(AssertionError, match=r"the finding 'no' has \('nowhere',\)"):
        check_conformance(variant("Lost", judge=judge), GOOD[1:])


def test_a_thawed_class_is_no_check() -> None:
    """Suites share checks between cases, so they cannot change."""
    thawed = type("Thawed", (TurnCheck,), {"__annotations__": {"text": str}, "__doc__": "Says."})
    with pytest.raises(AssertionError, match="check Thawed: a check is a frozen dataclass"):
        check_conformance(dataclass(thawed), GOOD)

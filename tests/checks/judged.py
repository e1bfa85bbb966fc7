"""How the tests of checks read a check from YAML and judge it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from focal_eval.checks import Conversation, ConversationCheck, Moment, TurnCheck, judge_check
from focal_eval.document import INVALID, Reader, read_text, shape_of
from focal_eval.records import UNKNOWN, Finding, Outcome, Reply, RuleMatch, ToolCall, TurnRecord
from focal_eval.registry import find

Check = TurnCheck | ConversationCheck


def reading(key: str, yaml: str) -> tuple[Any, list[str]]:
    """What a check's YAML value is read as, and the diagnostics in one line each."""
    document = read_text(yaml, "s.yaml")
    assert document.root is not None, list(map(str, document.problems))
    value = shape_of(find("checks", key)).read(document.root, Reader(document))
    return value, [str(item) for item in document.problems]


def check(key: str, yaml: str) -> Any:
    """The check, which must be read without a problem."""
    value, problems = reading(key, yaml)
    assert problems == []
    assert value is not INVALID
    return value


def turn(index: int = 0, user: str | None = "hi", elapsed_ms: float | None = None, **fields: Any) -> TurnRecord:
    """A turn with a reply of these fields; rules and tools may be given as names."""
    if "rules" in fields:
        fields["rules"] = tuple(RuleMatch(item) if isinstance(item, str) else item for item in fields["rules"])
    if "tools" in fields:
        fields["tools"] = tuple(ToolCall(item) if isinstance(item, str) else item for item in fields["tools"])
    first = fields.pop("first_token_ms", None)
    return TurnRecord(index, user, Reply(**fields), elapsed_ms=elapsed_ms, first_token_ms=first)


def moment(*, golden: str | None = None, prices: Mapping[str, float] | None = None, **fields: Any) -> Moment:
    """The moment after one turn."""
    return Moment((turn(**fields),), golden=golden, prices=prices or {})


def conversation(*turns: TurnRecord, **around: Any) -> Conversation:
    """A conversation of these turns."""
    return Conversation(turns, around.pop("messages", UNKNOWN), **around)


def judged(key: str, yaml: str, seen: Moment | Conversation) -> tuple[Outcome, tuple[Finding, ...], str | None]:
    """Outcome, findings and reason of a check written in YAML."""
    return judge_check(check(key, yaml), seen)


def passes(key: str, yaml: str, seen: Moment | Conversation) -> bool:
    """Whether the check passes; it must not be skipped or crash."""
    outcome, findings, reason = judged(key, yaml, seen)
    assert outcome in (Outcome.PASSED, Outcome.FAILED), reason
    assert bool(findings) == (outcome is Outcome.FAILED)
    return outcome is Outcome.PASSED


def only_finding(key: str, yaml: str, seen: Moment | Conversation) -> Finding:
    """The one finding of a check that fails."""
    outcome, findings, reason = judged(key, yaml, seen)
    assert outcome is Outcome.FAILED, (outcome, reason)
    assert len(findings) == 1, findings
    return findings[0]


def skipped_for(key: str, yaml: str, seen: Moment | Conversation) -> str:
    """The reason a check is skipped for."""
    outcome, _, reason = judged(key, yaml, seen)
    assert outcome is Outcome.SKIPPED, outcome
    assert reason is not None
    return reason

"""What judging gave: findings, check results and the three verdicts that are never mixed."""

from __future__ import annotations

from enum import StrEnum

from focal_eval.source import Span
from focal_eval.value import value


class Outcome(StrEnum):
    """Of one check."""

    PASSED = "passed"
    FAILED = "failed"  # the engine answered wrongly
    SKIPPED = "skipped"  # not judged, with the reason; never counts as passed
    ERRORED = "errored"  # the check itself crashed


class Verdict(StrEnum):
    """Of one attempt, worst first where several apply: errored, failed, then the rest."""

    ERRORED = "errored"  # the engine broke or a check crashed
    FAILED = "failed"
    XPASSED = "xpassed"  # marked xfail, but passed: a failure to look at
    XFAILED = "xfailed"
    SKIPPED = "skipped"
    PASSED = "passed"


@value
class Finding:
    """One reason why a check failed."""

    message: str  # one sentence, stands alone
    expected: str | None = None
    observed: str | None = None
    near: str | None = None  # the nearest miss: the closest call and the argument that differs, ...
    path: tuple[str | int, ...] = ()  # below the expectation's value, to point the caret
    name: str | None = None  # of a kind of finding that a suite may tolerate: "turn-not-stored"
    tolerated: bool = False  # the suite lives with it: it is told, and fails nothing
    turn: int | None = None  # the turn it is about, from 0, where the expectation is the conversation's
    role: str | None = None  # user | assistant: the message of that turn it is about, where it is one
    stored: tuple[int, ...] = ()  # positions of the stored messages it is about


@value
class JudgedBy:
    """What judged an expectation that was not simply compared: a judging model, a sentence encoder, or likeness of words."""

    kind: str  # judge | model | lexical
    told: str  # in words, with the figures: "2 of 3 votes of gpt-4.1 say pass"
    score: float | None = None  # likeness, or the share of votes that passed
    abstained: bool = False  # the judge came to no verdict


@value
class CheckResult:
    """One expectation, judged."""

    key: str  # "rules", "response.contains", "conversation.never"
    text: str  # the expectation in words
    outcome: Outcome
    span: Span
    findings: tuple[Finding, ...] = ()
    reason: str | None = None  # why skipped or errored
    soft: bool = False
    because: str | None = None
    excerpt: tuple[tuple[int, str], ...] = ()  # the script's lines around `span`, only where it did not pass
    by: JudgedBy | None = None  # None where nothing but the record was looked at

    @property
    def counts(self) -> bool:
        """Whether a failure of this check fails the attempt."""
        return not self.soft

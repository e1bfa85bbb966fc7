"""Judges one check: unknown fields skip it, a crash is a value. Negation, alternatives and `soft` are the runner's."""

from __future__ import annotations

from focal_eval.checks.base import CheckFault, Conversation, ConversationCheck, Moment, TurnCheck, Unreported
from focal_eval.checks.reported import not_reported
from focal_eval.errors import told
from focal_eval.pattern import PatternTimeout
from focal_eval.records import UNKNOWN, Finding, JudgedBy, Outcome, Question, Transcript

Judged = tuple[Outcome, tuple[Finding, ...], str | None]
_PASSED: Judged = (Outcome.PASSED, (), None)


def judge_check(check: TurnCheck | ConversationCheck, seen: Moment | Transcript) -> Judged:
    """Outcome, findings, and the reason where it was skipped or errored; never raises but for an interrupt."""
    try:
        if isinstance(check, TurnCheck):
            assert isinstance(seen, Moment)
            reply = seen.reply
            for field in check.needed():
                if getattr(reply, field, None) is UNKNOWN:
                    return Outcome.SKIPPED, (), not_reported(field)
            findings = check.judge(seen)
        else:
            assert isinstance(seen, Transcript)
            findings = check.judge(_conversation(seen))
    except Unreported as problem:
        return Outcome.SKIPPED, (), str(problem)
    except (CheckFault, PatternTimeout) as problem:
        return Outcome.ERRORED, (), str(problem)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as problem:  # a crash is a value, never the run's end: `sys.exit()` too, or `pytest.fail()`
        return Outcome.ERRORED, (), f"the check crashed: {told(problem).splitlines()[0][:300]}"
    if not findings:
        return _PASSED
    failed = any(not finding.tolerated for finding in findings)
    return (Outcome.FAILED if failed else Outcome.PASSED), tuple(findings), None


def questions_of(check: TurnCheck | ConversationCheck, seen: Moment | Transcript) -> tuple[Question, ...]:
    """What a check wants a judging model to be asked; none where it crashes, as its judgement will tell."""
    try:
        return tuple(check.questions(seen if isinstance(seen, Moment) else _conversation(seen)))
    except Exception:
        return ()


def judged_by(check: TurnCheck | ConversationCheck, seen: Moment | Transcript) -> JudgedBy | None:
    """What judged a check, None where it cannot tell."""
    try:
        return check.judged_by(seen if isinstance(seen, Moment) else _conversation(seen))
    except Exception:
        return None


def _conversation(seen: Transcript) -> Conversation:
    if isinstance(seen, Conversation):
        return seen
    return Conversation(seen.turns, seen.messages, seen.saved)

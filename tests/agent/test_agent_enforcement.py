from __future__ import annotations

from typing import Any

import pytest

from tests.agent.playing import Talk

TEXT = """
variables: {limit: 50, tier: null}
rules:
  - {id: say, match: {any_words: [say]}, template: said}
  - CONSTRAINT
slots: {text: {pattern: 'say (.*)', listen: always}}
templates:
  said: "{{ text }}"
  own: {mode: FALLBACK, text: own fallback}
  sorry: {mode: FALLBACK, text: general fallback}
fallback: sorry
"""


def enforced(constraint: str, said: str, **given: Any) -> tuple[str, list[tuple[str, str | None]]]:
    played = Talk(TEXT.replace("CONSTRAINT", constraint), **given).say(f"say {said}")
    return played.response, [(one.action, one.violation) for one in played.enforcement]


@pytest.mark.parametrize(
    ("constraint", "said", "action"),
    [
        ("{id: c, hard: true, enforce: max(amounts) <= limit}", "you get $50", "passed"),
        ("{id: c, hard: true, enforce: max(amounts) <= limit}", "you get $51", "fallback"),
        ("{id: c, hard: true, enforce: max(amounts) <= limit}", "you get nothing", None),
        ("{id: c, enforce: len(amounts) == 0}", "you get $5", "fallback"),
        ("{id: c, hard: true, enforce: words <= 3}", "one two three four", "fallback"),
        ("{id: c, hard: true, enforce: words <= 3}", "one two", "passed"),
        ("{id: c, hard: true, enforce: 7 not in numbers}", "7 days", "fallback"),
        ("{id: c, hard: true, enforce: 'percents == []'}", "10 % off", "fallback"),
        (
            "{id: c, hard: true, extract: {promised: 'refund of (\\S+)'}, enforce: promised <= 50}",
            "a refund of 60.",
            "fallback",
        ),
        ("{id: c, hard: true, extract: {promised: 'refund of (\\S+)'}, enforce: promised <= 50}", "a refund of 40", "passed"),
        ("{id: c, hard: true, extract: {promised: 'refund of (\\S+)'}, enforce: promised <= 50}", "a refund", None),
        ("{id: c, hard: true, enforce: tier == 'gold' or words < 3}", "a b c d", "fallback"),
        ("{id: c, hard: true, forbid: ['guarantee\\w*', 'always']}", "We GUARANTEE it", "fallback"),
        ("{id: c, hard: true, forbid: ['guarantee\\w*', 'always']}", "We try", "passed"),
        ("{id: c, hard: true, forbid: x, requires: [tier]}", "x", None),
        ("{id: c, hard: true, forbid: x, enabled: false}", "x", None),
        ("{id: c, hard: true, forbid: x, scope: {scenario: s}}", "x", None),
        ("{id: c, hard: true, forbid: x, match: {any_words: [nothing]}}", "x", "fallback"),
        ("{id: c, forbid: x, match: {any_words: [nothing]}}", "x", None),
        ("{id: c, forbid: x, match: {any_words: [say]}}", "x", "fallback"),
    ],
)
def test_a_constraint_is_enforced_as_documented(constraint: str, said: str, action: str | None) -> None:
    """A constraint passes, puts a fallback in place, or does not apply and leaves no trace."""
    scenario = "scenarios: {s: {enter: {match: {any_words: [start]}}, steps: [{id: a, terminal: true}]}}\n"
    played = Talk(scenario + TEXT.replace("CONSTRAINT", constraint)).say(f"say {said}")
    assert [one.action for one in played.enforcement] == ([] if action is None else [action])
    assert played.response == ("general fallback" if action == "fallback" else said)
    assert (played.outcome == "blocked") is (action == "fallback")


def test_a_violation_is_told_in_words() -> None:
    """The record says what does not hold, with the values involved."""
    _, records = enforced("{id: c, hard: true, enforce: max(amounts) <= limit}", "you get $51")
    assert records == [("fallback", "max(amounts) <= limit does not hold: amounts is [51], limit is 50")]
    _, records = enforced("{id: c, hard: true, forbid: 'gu\\w+'}", "we guarantee it")
    assert records == [("fallback", "the reply contains 'guarantee'")]


def test_a_constraint_may_have_its_own_fallback() -> None:
    """The fallback of the highest violated constraint is said."""
    both = "{id: low, hard: true, forbid: x}\n  - {id: high, hard: true, forbid: x, fallback: own, priority: 1}"
    assert enforced(both, "x")[0] == "own fallback"


def test_limits_come_from_variables() -> None:
    """The same constraint follows the session's values."""
    constraint = "{id: c, hard: true, enforce: max(amounts) <= limit}"
    assert enforced(constraint, "you get $60", variables={"limit": 70})[0] == "you get $60"


def test_a_generator_may_try_again_after_a_violation() -> None:
    """A better second answer is said and recorded as regenerated; the generator is told what was wrong."""
    talk = Talk(TEXT.replace("CONSTRAINT", "{id: c, hard: true, forbid: bad}"))
    told: list[tuple[str, ...]] = []

    def wording(draft: Any) -> str:
        told.append(draft.violations)
        return "bad" if draft.attempt == 0 else "good"

    talk.wording = wording
    played = talk.say("say x")
    assert played.response == "good"
    assert [(one.action, one.violation) for one in played.enforcement] == [("regenerated", "the reply contains 'bad'")]
    assert told == [(), ("c: the reply contains 'bad'",)]
    assert played.outcome == "resolved"


def test_regenerations_are_bounded() -> None:
    """After `max_regenerations` bad answers the fallback is said."""
    talk = Talk("settings: {max_regenerations: 3}\n" + TEXT.replace("CONSTRAINT", "{id: c, hard: true, forbid: bad}"))
    attempts: list[int] = []

    def wording(draft: Any) -> str:
        attempts.append(draft.attempt)
        return "bad"

    talk.wording = wording
    assert talk.reply("say x") == "general fallback"
    assert attempts == [0, 1, 2, 3]


def test_a_constraint_alone_never_matches() -> None:
    """A constraint without trigger shows in enforcement, not among rules or candidates."""
    played = Talk(TEXT.replace("CONSTRAINT", "{id: c, when: a thing is said, hard: true, forbid: bad}")).say("say a thing")
    assert [match.name for match in played.rules] == ["say"]
    assert played.dropped == ()
    assert [one.rule for one in played.enforcement] == ["c"]


def test_a_pattern_that_takes_too_long_does_not_let_the_reply_through() -> None:
    """A constraint that cannot be judged in time counts as violated."""
    response, records = enforced("{id: c, hard: true, forbid: '(a|aa)+$'}", "a" * 60 + "!")
    assert (response, records[0][0]) == ("general fallback", "fallback")
    assert "took longer than 0.25 s on this text, so the reply is not let through" in str(records[0][1])

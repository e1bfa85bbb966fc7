from __future__ import annotations

import pytest

from tests.agent.playing import Talk


def holds(trigger: str, message: str, more: str = "") -> bool:
    talk = Talk(f"rules: [{{id: it, match: {trigger}}}]\n{more}")
    return talk.rules(message) == ["it"]


@pytest.mark.parametrize(
    ("trigger", "message", "expected"),
    [
        ("{any_words: [broken, cracked]}", "It arrived CRACKED!", True),
        ("{any_words: [broken]}", "unbroken", False),
        ("{any_words: [return*]}", "I am returning it", True),
        ("{any_words: [return*]}", "my tax return", True),
        ("{any_words: [return*]}", "a re-turn", False),
        ("{any_words: [gift card]}", "on a gift  card please", True),
        ("{any_words: [gift card]}", "a card as a gift", False),
        ("{any_words: [don't]}", "I don’t know", True),
        ("{any_words: [größe]}", "Welche GRÖSSE?", True),
        ("{all_words: [cancel, order]}", "please cancel my order", True),
        ("{all_words: [cancel, order]}", "please cancel it", False),
        ("{all_words: [cancel*, order*]}", "cancellation of orders", True),
        ("{phrase: [opening hours, when are you open]}", "so when are you open?", True),
        ("{phrase: opening hours}", "hours of opening", False),
        ("{phrase: run out* of}", "we are running out of", False),
        ("{phrase: ran out of stock*}", "it ran out of stocks", True),
        ("{phrase: shop* online}", "I was shopping online", True),
        ("{pattern: 'a-\\d{4}'}", "see A-1001", True),
        ("{pattern: ['x{3}', 'y{3}']}", "yyy", True),
        ("{pattern: ['x{3}', 'y{3}']}", "xy", False),
        ("{pattern: ['(.)\\1\\1', 'zz']}", "ooo", True),
        ("{any_words: [refund], not: {any_words: [policy]}}", "a refund", True),
        ("{any_words: [refund], not: {any_words: [policy]}}", "the refund policy", False),
        ("{any: [{any_words: [a]}, {all_words: [b, c]}]}", "c and b", True),
        ("{any: [{any_words: [x]}, {all_words: [b, c]}]}", "b", False),
        ("{all: [{any_words: [a]}, {any_words: [b]}]}", "b a", True),
        ("{any_words: [a], phrase: b c}", "a b c", True),
        ("{any_words: [a], phrase: b c}", "b c", False),
        ("{if: tier == 'gold'}", "anything", True),
        ("{any_words: [vip], if: tier == 'silver'}", "vip", False),
        ("{language: [en, de]}", "hello", True),
        ("{language: de}", "hello", False),
        ("affirm", "sure", True),
        ("[affirm, deny]", "nope", True),
        ("{trigger: affirm, not: deny}", "yes and no", False),
    ],
)
def test_a_trigger_holds_as_documented(trigger: str, message: str, expected: bool) -> None:
    """Each kind of trigger holds for what its key says, and for nothing else."""
    named = "variables: {tier: gold}\ntriggers: {affirm: {any_words: [yes, sure]}, deny: {any_words: [no, nope]}}\n"
    german = "languages: {detect: {de: {any_words: [ich]}}}\n"
    assert holds(trigger, message, named + german) is expected


def test_slots_told_by_the_message_hold() -> None:
    """`filled` holds in the turn a slot gets a value, `corrected` in the turn it changes."""
    talk = Talk(
        """
        slots: {order: {pattern: '[A-Z]-\\d+', listen: always}}
        rules:
          - {id: told, match: {filled: order}}
          - {id: changed, match: {corrected: order}}
        """
    )
    assert talk.rules("it is A-1") == ["told"]
    assert talk.rules("hm") == []
    assert talk.rules("still A-1") == []
    assert talk.rules("no, A-2") == ["told", "changed"]


def test_a_pattern_that_takes_too_long_finds_nothing_and_is_noted() -> None:
    """A catastrophic pattern neither hangs nor breaks a turn."""
    talk = Talk("rules: [{id: slow, match: {pattern: '(a|aa)+$'}}, {id: quick, match: {pattern: 'a!'}}]")
    played = talk.say("a" * 60 + "!")
    assert [match.name for match in played.rules] == ["quick"]
    assert played.metadata["notes"] == ["the pattern '(a|aa)+$' took longer than 0.25 s on this text"]


def test_several_patterns_are_told_apart_in_the_reason() -> None:
    """The reason names the pattern that was found and what it found."""
    talk = Talk("rules: [{id: it, match: {pattern: ['x+', 'y+']}}]")
    assert talk.say("a yy").rules[0].reason == "/y+/ at 'yy'"


def test_the_reason_names_the_words_that_hit() -> None:
    """A match says what in the message made it."""
    talk = Talk("rules: [{id: it, match: {any_words: [refund*, money], phrase: right now}}]")
    assert talk.say("Money, and refunds right now").rules[0].reason == "'refunds', 'money', 'right'"

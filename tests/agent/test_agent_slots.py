from __future__ import annotations

from typing import Any

import pytest

from tests.agent.playing import Talk, problems_of


def value(slot: str, *messages: str) -> Any:
    """The slot's value after the messages."""
    talk = Talk(f"slots: {{it: {slot}}}")
    for message in messages:
        talk.say(message)
    return talk.state.variables.get("it")


@pytest.mark.parametrize(
    ("slot", "message", "expected"),
    [
        ("{pattern: '[a-z]-\\d{4}', normalise: upper, listen: always}", "order a-1001!", "A-1001"),
        ("{pattern: 'order (\\S+)', listen: always}", "order A-1", "A-1"),
        ("{pattern: 'order (x)?(?P<it>\\d+)', listen: always}", "order 42", "42"),
        ("{pattern: 'from (?P<value>\\w+)', listen: always}", "from Berlin", "Berlin"),
        ("{pattern: ['zip \\d+', '\\b\\d{5}\\b'], normalise: digits, listen: always}", "at 10115", "10115"),
        ("{pattern: '[\\d ]{6,}', normalise: no_spaces, listen: always}", "is 12 34 56", "123456"),
        ("{pattern: 'i am ([a-z ]+)', normalise: title, listen: always}", "I am mia chen", "Mia Chen"),
        ("{values: {refund: [money back, erstattung*], exchange: [swap]}, listen: always}", "my MONEY back", "refund"),
        ("{values: {refund: [money back, erstattung*], exchange: [swap]}, listen: always}", "Erstattungen", "refund"),
        ("{values: {refund: [money back], exchange: [swap]}, listen: always}", "exchange", "exchange"),
        ("{values: {refund: [back], exchange: [swap]}, listen: always}", "swap it, no money back", "exchange"),
        ("{kind: number, listen: always}", "I want 3 of A-1001", 3),
        ("{kind: number, min: 1, max: 9, listen: always}", "12 or 4", 4),
        ("{kind: number, listen: always}", "about 1.299,50", 1299.5),
        ("{kind: number, pattern: 'size (\\S+)', listen: always}", "10 in size 42", 42),
        ("{kind: amount, listen: always}", "2 mugs for $18.50", 18.5),
        ("{kind: amount, listen: always}", "2 mugs for 18,50 €", 18.5),
        ("{kind: amount, listen: always}", "2 mugs", None),
        ("{kind: email, listen: always}", "it's Mia.Chen+x@mail.example.com.", "Mia.Chen+x@mail.example.com"),
        ("{kind: email, normalise: lower, listen: always}", "MIA@EXAMPLE.COM", "mia@example.com"),
        ("{kind: email, listen: always}", "mia at example.com", None),
        ("{kind: date, listen: always}", "on 2026-11-21", "2026-11-21"),
        ("{kind: date, listen: always}", "am 1.2.2026", "2026-02-01"),
        ("{kind: date, listen: always}", "on 31.2.2026", None),
        ("{kind: date, formats: '%d %B %Y', listen: always}", "3 March 2026", "2026-03-03"),
        ("{kind: date, formats: '%b %d, %y', listen: always}", "mar 3, 26", "2026-03-03"),
        ("{pattern: '\\d+', min: 3, listen: always}", "12 and 345", "345"),
        ("{pattern: '\\d+', check: \"value != '666'\", listen: always}", "666 or 7", "7"),
    ],
)
def test_a_slot_is_read_as_its_kind_says(slot: str, message: str, expected: Any) -> None:
    """Every kind of slot finds its value in a message, normalised and within its bounds."""
    assert value(slot, message) == expected


def test_of_several_values_the_one_that_differs_corrects() -> None:
    """ "not A-1, A-2" changes the value to A-2, and repeating the value changes nothing."""
    slot = "{pattern: '[A-Z]-\\d+', listen: always}"
    assert value(slot, "A-1", "not A-1, A-2") == "A-2"
    assert value(slot, "A-1", "yes A-1") == "A-1"


def test_a_slot_that_cannot_be_corrected_keeps_its_value() -> None:
    """`correctable: false` takes the first value for good."""
    assert value("{pattern: '[A-Z]-\\d+', listen: always, correctable: false}", "A-1", "A-2") == "A-1"


FLOW = """
slots: {it: SLOT}
scenarios:
  s:
    enter: {match: {any_words: [start]}}
    steps:
      - {id: a, template: a, go: [{to: b, when: {any_words: [next]}}]}
      - {id: b, collect: it, go: [{to: c}]}
      - {id: c, template: c, go: [{to: end, when: {any_words: [out]}}]}
templates: {a: a, c: "got {{ it }}", ask: it?, reask: really it?, invalid: not that one, sorry: {mode: FALLBACK, text: pardon?}}
"""


def flow(slot: str) -> Talk:
    return Talk(FLOW.replace("SLOT", slot))


def test_a_scenario_slot_listens_while_its_scenario_is_active() -> None:
    """By default a value given before its step, but inside its scenario, counts; outside it does not."""
    talk = flow("{pattern: '\\d+', ask: ask}")
    talk.say("5")
    assert talk.state.variables.get("it") is None
    talk.say("start with 7")
    assert talk.reply("next") == "got 7"


def test_a_step_slot_listens_only_in_answer_to_its_step() -> None:
    """`listen: step` ignores what was said before the question."""
    talk = flow("{pattern: '\\d+', ask: ask, listen: step}")
    talk.say("start with 7")
    assert talk.reply("next 8") == "it?"
    assert talk.reply("9") == "got 9"


def test_a_text_slot_without_pattern_takes_the_whole_answer() -> None:
    """Free text is the message that answers the question, and no other."""
    talk = flow("{ask: ask}")
    talk.say("start")
    assert talk.reply("next please") == "it?"
    assert talk.reply("  it just stopped working ") == "got it just stopped working"


def test_an_invalid_value_is_answered_with_its_own_text() -> None:
    """`invalid` is said when a value was there but may not be used, `reask` when there was none."""
    talk = flow("{kind: number, max: 10, ask: ask, reask: reask, invalid: invalid}")
    talk.say("start")
    assert [talk.reply(word) for word in ("next", "99", "hm", "3")] == ["it?", "not that one", "really it?", "got 3"]


def test_corrections_are_kept_with_their_turn() -> None:
    """The session remembers what was corrected, from what to what, and when."""
    talk = Talk("slots: {it: {pattern: '[A-Z]-\\d+', listen: always}}")
    for message in ("A-1", "hm", "no A-2"):
        talk.say(message)
    assert talk.state.corrections == [{"turn": 3, "slot": "it", "old": "A-1", "new": "A-2"}]


@pytest.mark.parametrize(
    ("slot", "message"),
    [
        ("{kind: choice}", "a choice needs 'values'"),
        ("{kind: number, values: {a: b}}", "'values' belong to a choice, not to a slot of kind number"),
        ("{kind: number, formats: '%d.%m.%Y'}", "'formats' belong to a date, not to a slot of kind number"),
        ("{values: {a: b}, pattern: x}", "a choice is read by its 'values', not by a pattern"),
        ("{listen: always}", "without a pattern the whole message is the value, so it cannot listen always"),
        ("{kind: number, min: 3, max: 2}", "'min' 3 is above 'max' 2"),
        ("{kind: date, min: 3}", "'min' and 'max' do not bound a date"),
        ("{kind: date, formats: '%d-%m'}", "the date format '%d-%m': a date needs a day, a month and a year"),
        ("{kind: date, formats: '%d-%Q'}", "the date format '%d-%Q': '%Q' is not a part of a date"),
        ("{values: {a: ['?']}}", "'?', a word for a, holds no word"),
    ],
)
def test_a_slot_that_cannot_work_is_refused(slot: str, message: str) -> None:
    """Keys that contradict each other are an error at the slot."""
    problems = problems_of(f"agent: a\nslots: {{it: {slot}}}\n")
    problems = [problem for problem in problems if problem.severity == "error"]
    assert [problem.code for problem in problems] == ["bad-slot"]
    assert problems[0].message.startswith(message)

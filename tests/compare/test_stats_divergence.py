"""Where the repeats of one case first part ways."""

from __future__ import annotations

from typing import Any

from focal_eval.compare.model import Lane, RecordedCase, RecordedTurn
from focal_eval.compare.stats import first_divergence
from focal_eval.compare.stats.divergence import Answer


def repeat(verdict: str, *replies: dict[str, Any] | None, users: tuple[str, ...] = ()) -> RecordedCase:
    """A repeat whose turns were answered so; None is a turn in which the engine broke."""
    turns = tuple(
        RecordedTurn(
            index,
            users[index] if users else "hello",
            reply=reply,
            fault=None if reply is not None else {"kind": "engine-timeout", "message": "no answer"},
        )
        for index, reply in enumerate(replies)
    )
    return RecordedCase("talk", "talk", verdict, turns)


def said(text: str, *rules: str, **more: Any) -> dict[str, Any]:
    return {"response": text, "rules": [{"name": rule} for rule in rules], **more}


def test_equal_repeats_part_nowhere() -> None:
    """Nor does a single one."""
    one = repeat("passed", said("hi", "greet"))
    assert first_divergence([one, one]) is None
    assert first_divergence([one]) is None
    assert first_divergence([]) is None


def test_a_decision_comes_before_its_words_wherever_it_is() -> None:
    """Words differ in the first turn already; what was decided differs in the second, and is told with its outcomes."""
    good = [repeat("passed", said(f"hi {n % 2}"), said("ok", "refund")) for n in range(3)]
    bad = [repeat("failed", said("hi 1"), said("no", "greet", "late"))]
    found = first_divergence(good + bad)
    assert found is not None
    assert (found.turn, found.lane) == (1, Lane.RULES)
    assert found.answers == (Answer("refund", 3, 0), Answer("greet, late", 0, 1))


def test_only_words_differ() -> None:
    """Then the words are where they part."""
    found = first_divergence([repeat("passed", said("ok")), repeat("failed", said("no"))])
    assert found is not None
    assert found.as_json() == {
        "turn": 0,
        "lane": "response",
        "answers": [{"text": "no", "good": 0, "bad": 1}, {"text": "ok", "good": 1, "bad": 0}],
    }


def test_a_value_that_is_new_each_time_is_no_decision() -> None:
    """A fresh order number in every repeat hides nothing: the tool called later is what tells them apart."""
    repeats = [
        repeat(
            "passed" if n < 2 else "failed",
            said("ok", tools=[{"name": "order", "arguments": {}, "result": {"id": f"A-{n}"}}]),
            said("ok", tools=[{"name": "pay" if n < 2 else "cancel"}]),
        )
        for n in range(4)
    ]
    found = first_divergence(repeats)
    assert found is not None
    assert (found.turn, found.lane) == (1, Lane.TOOL)


def test_within_a_turn_the_order_is_that_of_the_pipeline() -> None:
    """Another argument of the same tool comes after the rules and before the result."""
    repeats = [
        repeat("passed", said("a", "r", tools=[{"name": "t", "arguments": {"n": n // 2}, "result": n // 2}])) for n in range(4)
    ]
    found = first_divergence(repeats)
    assert found is not None
    assert found.lane is Lane.ARGUMENT
    assert [way.text for way in found.answers] == ['t {"n": 0}', 't {"n": 1}']


def test_what_is_unknown_on_one_side_is_no_difference() -> None:
    """A reply that does not tell its rules says nothing of them."""
    assert first_divergence([repeat("passed", {"response": "a"}), repeat("failed", said("a", "greet"))]) is None


def test_repeats_that_broke_are_left_out() -> None:
    """An engine that did not answer tells nothing of the case."""
    one = repeat("passed", said("hi"))
    assert first_divergence([one, repeat("errored", None), one]) is None


def test_another_text_of_the_user_comes_first() -> None:
    """Where wordings take turns, the input is what differs."""
    found = first_divergence([repeat("passed", said("a"), users=("hi",)), repeat("failed", said("b"), users=("hello",))])
    assert found is not None
    assert found.lane is Lane.INPUT


def test_many_ways_are_counted_together() -> None:
    """Five are shown, the rest by their number; long texts are cut."""
    repeats = [repeat("passed" if n % 2 else "failed", said("x", f"rule-{n % 8}" + "y" * 200)) for n in range(16)]
    found = first_divergence(repeats)
    assert found is not None
    assert len(found.answers) == 6
    assert found.answers[-1].text == "3 others"
    assert sum(way.good + way.bad for way in found.answers) == 16
    assert all(len(way.text) <= 80 for way in found.answers)

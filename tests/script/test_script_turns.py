"""Turns: what is said, and everything that may stand beside it."""

from __future__ import annotations

import pytest

from focal_eval.script.model import Mark, Script
from tests.script.file_reading import said, script_of


def texts(script: Script) -> list[list[str]]:
    return [[variant.text for variant in turn.user] for turn in script.turns]


def test_the_short_and_the_long_form_of_a_turn() -> None:
    """A text alone is a turn; a list under `user` are variants; without `user` the agent speaks first."""
    script = script_of(
        """
turns:
  - hello
  - user: my mug is broken
  - user: [yes please, sure]
  - expect: {rules: [greet]}
"""
    )
    assert texts(script) == [["hello"], ["my mug is broken"], ["yes please", "sure"], []]
    assert [turn.index for turn in script.turns] == [0, 1, 2, 3]


def test_every_key_of_a_turn() -> None:
    """A golden reply, a time limit, a name, a condition."""
    (_, turn) = script_of(
        """
turns:
  - hello
  - user: bye
    name: the farewell
    agent: Good bye!
    timeout_s: 2.5
    when: {scenario: none}
"""
    ).turns
    assert turn.agent is not None
    assert (turn.agent.text, turn.name, turn.timeout_s) == ("Good bye!", "the farewell", 2.5)
    assert [item.key for item in turn.when or ()] == ["scenario"]


def test_places_of_what_is_said() -> None:
    """Every text and every expectation knows its line and column."""
    script = script_of("turns:\n  - user: hello\n    expect:\n      rules: [greet]\n    agent: Hi!\n")
    (turn,) = script.turns
    assert [str(variant.span) for variant in turn.user] == ["a.yaml:2:11"]
    assert (str(turn.expect[0].span), str(turn.expect[0].value_span)) == ("a.yaml:4:7", "a.yaml:4:14")
    assert turn.agent is not None
    assert str(turn.agent.span) == "a.yaml:5:12"


def test_what_a_script_says_of_itself() -> None:
    """Title, tags, channel, metadata and time limit; one tag may stand alone."""
    script = script_of(
        """
title: A damaged mug
description: Long words.
tags: smoke
channel: webchat
metadata: {locale: en-US, nested: {a: [1, null]}}
timeout_s: 60
origin: {format: tau-bench, task: 7}
turns: [hello]
"""
    )
    assert (script.title, script.tags, script.channel, script.timeout_s) == ("A damaged mug", ("smoke",), "webchat", 60)
    assert script.metadata == {"locale": "en-US", "nested": {"a": [1, None]}}
    assert script.origin == {"format": "tau-bench", "task": 7}


def test_a_script_without_a_title_is_called_after_its_file() -> None:
    """Reports always have a name to show."""
    assert script_of("turns: [hello]").title == "A"


def test_where_a_conversation_starts() -> None:
    """`given` holds variables, turns before the conversation and a scenario."""
    script = script_of(
        """
given:
  variables: {tier: gold}
  history: [{user: hi, agent: Hello!}, {agent: How can I help?}]
  scenario: returns/ask
turns: [hello]
"""
    )
    assert script.given.variables == {"tier": "gold"}
    history = [tuple(None if part is None else part.text for part in pair) for pair in script.given.history]
    assert history == [("hi", "Hello!"), (None, "How can I help?")]
    assert script.given.scenario == "returns/ask"
    assert str(script.given.scenario_span) == "a.yaml:5:13"


@pytest.mark.parametrize("word", ["xfail", "skip"])
@pytest.mark.parametrize("value", ["refunds are broken, see 41", "{reason: 'refunds are broken, see 41'}"])
def test_a_mark_says_why(word: str, value: str) -> None:
    """`xfail` and `skip` are their reason."""
    script = script_of(f"{word}: {value}\nturns: [hello]\n")
    mark = getattr(script, word)
    assert isinstance(mark, Mark)
    assert (mark.reason, str(mark.span)) == ("refunds are broken, see 41", f"a.yaml:1:{len(word) + 3}")


@pytest.mark.parametrize("value", ["true", "", "~", "[a]", "{}", "{reason: ''}", "{why: a}"])
@pytest.mark.parametrize("word", ["xfail", "skip"])
def test_a_mark_without_a_reason_is_refused(word: str, value: str) -> None:
    """A mark nobody explained would stay for ever."""
    found = said(f"{word}: {value}\nturns: [hello]\n")
    assert {line.split(":")[0] for line in found} == {"1"}


@pytest.mark.parametrize(
    ("turn", "line"),
    [
        ("{}", "1:9: error[empty-turn]: this turn says nothing and expects nothing"),
        ("[a]", "1:9: error[wrong-type]: expected a turn, found a list"),
        ("5", '1:9: error[wrong-type]: expected text, found the number 5; to say it as text, write "5"'),
        ("''", "1:9: error[empty-text]: this text must not be empty"),
        (
            "{user: a, expect: {}}",
            "1:27: warning[empty-expect]: 'expect' holds nothing to judge; drop it, or say what to observe",
        ),
        (
            "{user: a, expect: []}",
            "1:27: warning[empty-expect]: 'expect' holds nothing to judge; drop it, or say what to observe",
        ),
        ("{user: []}", "1:16: error[empty-turn]: 'user' lists no text; leave 'user' out where the agent speaks first"),
        ("{user: [a, '']}", "1:20: error[empty-text]: this text must not be empty"),
        ("{user: a, timeout_s: -1}", "1:30: error[out-of-range]: -1 is below 0.001"),
        ("{user: a, uesr: b}", "1:19: error[unknown-key]: no key is named 'uesr' here; did you mean 'user'?"),
    ],
)
def test_a_wrong_turn_is_said_so(turn: str, line: str) -> None:
    """One line for each mistake, at its place."""
    assert said(f"turns: [{turn}]") == [line]


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("parcel #77", True),
        ("parcel  #77 # said yesterday", True),
        ("parcel # 77", False),
        ("parcel ## 77", False),
        ("'parcel #77'", False),
        ("parcel#77", False),
        ("parcel \\#77", False),
    ],
)
def test_a_comment_that_cuts_a_text_is_warned_of(text: str, warned: bool) -> None:
    """` #77` is a comment to YAML and a number to its author; what is plainly a comment is none of our business."""
    found = said(f"turns:\n  - user: {text}\n")
    assert found == (
        ["2:11: warning[yaml-comment]: what follows ' #' is a comment and no part of this text; "
         'put the text in "quotes", or a space after the #'] if warned else []
    )  # fmt: skip
    found = said(f"turns:\n  - user: hi\n    expect:\n      response: {text}\n")
    assert [line.partition(":")[0] for line in found] == (["4"] if warned else [])


def test_five_thousand_turns_and_no_more() -> None:
    """A script has a limit that no person reaches."""
    assert said("turns: [" + ", ".join(["a"] * 5_000) + "]") == []
    assert said("turns: [" + ", ".join(["a"] * 5_001) + "]") == ["1:8: error[too-many-turns]: more than 5,000 turns"]


def test_merge_keys_in_a_script() -> None:
    """An expectation written once may be merged into several turns."""
    script = script_of(
        """
turns:
  - user: hello
    expect: &polite {response: {excludes: stupid}, rules: [greet]}
  - user: bye
    expect: {<<: *polite, rules: [goodbye]}
"""
    )
    assert [[item.key for item in turn.expect] for turn in script.turns] == [
        ["response.excludes", "rules"], ["response.excludes", "rules"],
    ]  # fmt: skip
    assert script.turns[1].expect[1].check.includes == ("goodbye",)

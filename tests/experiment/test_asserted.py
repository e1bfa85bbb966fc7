"""What an expectation would miss: a recorded case judged again with one item taken out, or put in."""

from __future__ import annotations

from pathlib import Path

import pytest

from focal_eval.coverage import Key
from focal_eval.evaluate import RunRequest, run
from focal_eval.evaluate.recordings import Rejudging, open_recording
from focal_eval.experiment.asserted import asserted_in, refuted_in
from focal_eval.report.progress import Silence
from focal_eval.runner.standing import Standing

AGENT = """\
agent: desk
fallback: sorry
rules:
  - {id: greet, match: {any_words: [hello]}, template: hello}
  - {id: start, match: {any_words: [refund]}, tools: look}
  - {id: never, match: {any_words: [unheard]}}
  - {id: short, hard: true, enforce: "words <= 40"}
scenarios:
  refund:
    enter: {rules: start}
    exit: {any_words: [leave]}
    steps:
      - {id: ask, collect: order, go: [{to: done}]}
      - {id: done, terminal: true, template: done}
slots:
  - {id: order, pattern: '[A-Z]-[0-9]+', ask: which, listen: always}
tools:
  - {id: look, returns: {found: true}}
  - {id: pay, returns: {paid: true}}
templates:
  - {id: hello, text: Hello there., then_step: true}
  - {id: which, text: Which order?}
  - {id: done, text: It is done.}
  - {id: sorry, mode: FALLBACK, text: Sorry.}
"""
NAMES = {"rule": ["greet", "start", "never", "short"], "tool": ["look", "pay"]}
SUITE = "scripts: [s.yaml]\nengine: {kind: embedded, agent: agent.yaml}\n"


def judged(folder: Path, script: str) -> tuple[dict[Key, tuple[int, ...]], dict[Key, tuple[int, ...]]]:
    """What is asserted and what is refuted of the script's one case, played for this."""
    (folder / "agent.yaml").write_text(AGENT, encoding="utf-8")
    (folder / "s.yaml").write_text(script, encoding="utf-8")
    (folder / "suite.yaml").write_text(SUITE, encoding="utf-8")
    model = run(RunRequest((folder / "suite.yaml",), out=folder / "run", reports=()), Silence()).model
    (case,) = model.cases
    recording = open_recording(model)
    today = recording.today(case)
    assert today is not None
    rejudge = Rejudging(recording).of(today)
    standing = Standing(rejudge, recording.read(case))
    return asserted_in(standing), refuted_in(standing, NAMES)


def of_turn(user: str, expect: str) -> str:
    """A script of one turn."""
    return f"title: t\nturns:\n  - user: {user}\n    expect: {expect}\n"


@pytest.mark.parametrize(
    ("user", "expect", "asserted"),
    [
        ("hello", "{rules: [greet]}", {("rule", "greet")}),
        ("hello", "{response: {contains: there}}", {("template", "hello")}),
        ("hello", "{template: hello}", {("template", "hello")}),
        ("hello", "{response: {max_words: 9}}", set()),
        ("hello", "{enforcement: {passed: [short]}}", {("rule", "short"), ("constraint", "short")}),
        ("a refund", "{tools: [look]}", {("tool", "look")}),
        ("a refund", "{scenario: refund/ask}", {("scenario", "refund"), ("step", "refund/ask"), ("start", "refund")}),
        ("a refund", "{outcome: awaiting-user}", set()),
        ("a refund", "{any_of: [{rules: [start]}, {tools: [look]}]}", set()),
        ("a refund", "{not: {rules: [never]}}", set()),
    ],
)
def test_an_item_is_asserted_where_an_expectation_fails_without_it(
    tmp_path: Path, user: str, expect: str, asserted: set[Key]
) -> None:
    """Each expectation misses what it looks at and nothing else; one that holds either way misses nothing."""
    assert set(judged(tmp_path, of_turn(user, expect))[0]) == asserted


def test_soft_expectations_and_those_that_fail_anyhow_miss_nothing(tmp_path: Path) -> None:
    """A soft expectation fails nothing; one that fails with the item too says nothing about it."""
    assert judged(tmp_path, of_turn("hello", "{rules: {includes: [greet], soft: true}}"))[0] == {}
    other = tmp_path / "other"
    other.mkdir()
    assert judged(other, of_turn("hello", "{rules: [greet, never]}"))[0] == {}


def test_an_edge_takes_what_followed_from_it(tmp_path: Path) -> None:
    """Without the edge the conversation stays where it was, and what came after it is not there."""
    script = "title: t\nturns:\n  - user: a refund\n  - user: A-1\n    expect: {scenario: refund/done}\n"
    asserted, _ = judged(tmp_path, script)
    assert asserted == {
        ("transition", "refund/ask → done"): (1,), ("step", "refund/done"): (1,), ("scenario", "refund"): (1,),
    }  # fmt: skip


def test_expectations_of_the_conversation_count(tmp_path: Path) -> None:
    """What a turn does not expect the conversation may."""
    script = of_turn("a refund", "{response: {contains: order}}") + "conversation:\n  - count: {tool: look, times: 1}\n"
    asserted, refuted = judged(tmp_path, script)
    assert asserted == {("template", "which"): (0,), ("tool", "look"): (0,)}
    assert refuted == {}


def test_stored_messages_are_altered_alike(tmp_path: Path) -> None:
    """That records agree with replies asserts no item: they would agree without it too."""
    assert judged(tmp_path, of_turn("hello", "{response: {contains: there}}") + "conversation:\n  - records: consistent\n")[
        0
    ] == {("template", "hello"): (0,)}


def test_a_value_that_is_saved_and_used_later_is_an_expectation_too(tmp_path: Path) -> None:
    """Turns after one that saves are judged with what it would have saved."""
    script = (
        "title: t\nturns:\n  - user: hello\n    save: {said: response}\n"
        '  - user: hello\n    expect: {response: {contains: "{{ said.text }}"}}\n'
    )
    asserted, _ = judged(tmp_path, script)
    assert asserted[("template", "hello")][-1] == 1


@pytest.mark.parametrize(
    ("expect", "refuted"),
    [
        ("{rules: {excludes: [never]}}", {("rule", "never")}),
        ("{rules: {excludes: [never, start]}}", {("rule", "never"), ("rule", "start")}),
        ("{rules: {exactly: [greet]}}", {("rule", "never"), ("rule", "start"), ("rule", "short")}),
        ("{tools: {none: true}}", {("tool", "look"), ("tool", "pay")}),
        ("{not: {tools: [pay]}}", {("tool", "pay")}),
        ("{rules: [greet]}", set()),
    ],
)
def test_an_item_is_refuted_where_an_expectation_fails_with_it(tmp_path: Path, expect: str, refuted: set[Key]) -> None:
    """An exact list notices any other; an exclusion the ones it names; a list of what must be there none."""
    assert set(judged(tmp_path, of_turn("hello", expect))[1]) == refuted


def test_never_in_the_whole_conversation_refutes_in_every_turn(tmp_path: Path) -> None:
    """A tool that must never be called is checked absent wherever it was not."""
    script = "title: t\nturns:\n  - user: hello\n  - user: a refund\nconversation:\n  - never: {tool: pay}\n"
    assert judged(tmp_path, script)[1] == {("tool", "pay"): (0, 1)}

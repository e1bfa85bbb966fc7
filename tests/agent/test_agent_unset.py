"""A transition that compares two values which nobody has given is warned about, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from focal_eval.agent.load import load_agent
from focal_eval.document.reader import read_text

ROOT = Path(__file__).resolve().parents[2]
FLOW = """\
agent: shop
variables: {{refused: null, limit: 3, other: null}}
triggers: {{named: {{if: order_id}}}}
rules: [{{id: back, match: {{any_words: [return]}}, sets: {sets}}}]
scenarios:
  returns:
    enter: {enter}
    relocalise: [{back}]
    steps:
      - {{id: order, collect: {collect}, go: [{{to: why}}]}}
      - {{id: why, collect: reason, tools: {tools}, go: [{{to: no, if: "{test}"{more}}}, {{to: done}}]}}
      - {{id: no, terminal: true}}
      - {{id: done, terminal: true}}
slots: {{order_id: {{pattern: 'A-1', ask: sorry}}, mail: {{kind: email, ask: sorry}}, reason: {{ask: sorry}}}}
tools: {{look: {{returns: {{}}, sets: {{refused: A-1}}}}}}
templates: {{sorry: {{mode: FALLBACK, text: Sorry?}}}}
"""
PLAIN = {
    "sets": "{}",
    "enter": "{rules: back}",
    "back": "{when: {corrected: reason}, to: why}",
    "collect": "[order_id, reason]",
    "tools": "[]",
    "test": "refused == order_id",
    "more": "",
}


def warned(**other: str) -> list[tuple[str, int, int]]:
    """The warnings about the agent's transition: message, line and column."""
    document = read_text(FLOW.format(**{**PLAIN, **other}), "agent.yaml")
    assert load_agent(document) is not None, list(document.problems)
    found = [one for one in document.problems if one.code == "unset-comparison"]
    return [(one.message, one.span.line, one.span.column) for one in found]


def test_a_way_past_the_question_is_named_with_both_values() -> None:
    """The place is the transition's `if`; the way, the step and both names are told, once."""
    said = (
        "where 'returns/why' is reached from step 'order' by 'relocalise', 'refused' and 'order_id' may both be unset, "
        "and then this holds"
    )
    assert warned() == [(said, 11, 65)]


@pytest.mark.parametrize(
    "other",
    [
        {"test": "order_id in [refused, other]"},
        {"test": "reason == 'late' and (limit > 4 or refused == order_id)"},
        {"back": "{when: {corrected: [reason, order_id]}, to: why}"},
        {"back": "{when: {corrected: reason, if: step == 'order'}, to: why}"},
        {"back": "{when: {corrected: reason, if: other == null or order_id}, to: why}"},
        {"back": "{when: {corrected: order_id}, to: why, clear: order_id}"},
        {"back": "{when: {corrected: mail}, to: order}", "collect": "{any_of: [[order_id], [mail]]}"},
    ],
)
def test_it_is_found_however_it_is_written(other: dict[str, str]) -> None:
    """In a list, in a choice, behind another condition, and where only one of several slots has to be there."""
    assert len(warned(**other)) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"test": "order_id and refused == order_id"},
        {"test": "refused != null and refused == order_id"},
        {"test": "limit == order_id"},
        {"test": "turn == order_id"},
        {"test": "refused == 'A-1'"},
        {"test": "not (refused == order_id)"},
        {"test": "refused != order_id"},
        {"test": "reason == refused"},
        {"tools": "[look]"},
        {"sets": "{refused: none yet}"},
        {"back": "{when: {corrected: order_id}, to: why}"},
        {"back": "{when: {corrected: reason, if: order_id}, to: why}"},
        {"back": "{when: {corrected: reason, trigger: named}, to: why}"},
        {"back": "{when: {all: [{corrected: reason}, {any: [{if: order_id}, {filled: order_id}]}]}, to: why}"},
        {"back": "{when: {corrected: reason, if: step != 'order'}, to: why}"},
        {"back": "{when: {corrected: reason, if: \"step in ['why']\"}, to: why}"},
        {"back": "{when: {corrected: reason}, to: order}"},
    ],
)
def test_where_a_value_is_there_nothing_is_said(other: dict[str, str]) -> None:
    """Asked for in the condition, initial, provided by the turn, set on the way, or no way at all."""
    assert warned(**other) == []


def test_a_transition_that_does_not_wait_for_the_slot_is_found() -> None:
    """`early` asks before the step's own slot has a value."""
    back = "{when: {corrected: order_id}, to: order}"
    assert warned(back=back, test="reason == refused", collect="order_id") == []
    assert len(warned(back=back, test="reason == refused", collect="order_id", more=", early: true")) == 1


def test_a_circle_of_triggers_and_a_step_that_is_not_there_end_it_quietly() -> None:
    """Other problems of the file are told by their own codes."""
    text = FLOW.format(**{**PLAIN, "back": "{when: {trigger: named}, to: nowhere}"}).replace(
        "{if: order_id}", "{trigger: named}"
    )
    document = read_text(text, "agent.yaml")
    assert load_agent(document) is None
    assert "unset-comparison" not in {one.code for one in document.problems}
    assert {one.code for one in document.problems} >= {"unknown-step", "trigger-circle"}


def test_the_retail_agent_has_none_and_would_have_had_two() -> None:
    """Where its corrections of a wish lead past the order, the limit and the stock are compared with no order at all."""
    text = (ROOT / "evals" / "agents" / "retail.yaml").read_text(encoding="utf-8")
    guarded = "{when: {corrected: [resolution, refund_to], if: step == 'confirm'}, to: choice}"
    assert text.count(guarded) == 1
    loose = text.replace(guarded, guarded.replace(", if: step == 'confirm'", ""))
    for said, names in ((text, []), (loose, ["sold_out", "over_limit"])):
        document = read_text(said, "retail.yaml")
        assert load_agent(document) is not None
        told = [one.message for one in document.problems if one.code == "unset-comparison"]
        assert [one.split(", '")[1].partition("'")[0] for one in told] == names

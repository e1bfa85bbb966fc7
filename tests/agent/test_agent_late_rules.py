"""Rules that wait for a step's tools decide before the step's transitions do."""

from __future__ import annotations

import pytest

from focal_eval.agent import ToolOutcome
from tests.agent.playing import Talk

RETURNS = """
rules:
  - id: too-late
    match: {called: lookup, if: result.lookup.days > 30}
    scope: {step: returns/order}
    sets: {late: "{{ order }}"}
    tools: tell
    template: too-late
  - {id: broken, match: {on_tool_error: lookup}, scope: {step: returns/order}, sets: {down: true}}
scenarios:
  returns:
    enter: {match: {any_words: [return]}}
    steps:
      - id: order
        collect: order
        tools: lookup
        go:
          - {to: down, if: down}
          - {to: refused, if: late == order}
          - {to: confirm}
      - {id: confirm, template: sure}
      - {id: refused, terminal: true}
      - {id: down, terminal: true, template: down}
slots: {order: {pattern: '[A-Z]-\\d+', ask: ask}}
tools:
  lookup: {args: {order: order}, returns: {days: 5}}
  tell: {args: {order: order}, returns: {told: true}}
templates:
  ask: which order?
  sure: sure?
  too-late: too late
  down: out of order
  sorry: {mode: FALLBACK, text: pardon?}
"""


def test_what_a_late_rule_sets_decides_the_transition() -> None:
    """A rule that a tool's answer brought about is heard before the step moves on; without it the step goes its usual way."""
    assert Talk(RETURNS, stubs={"lookup": {"days": 31}}).at("return A-1") == "returns/refused"
    assert Talk(RETURNS, stubs={"lookup": {"days": 30}}).at("return A-1") == "returns/confirm"


def test_a_late_rule_is_in_scope_at_the_step_whose_tool_answered() -> None:
    """Scope is where the conversation stands after the tools and before the transition."""
    played = Talk(RETURNS, stubs={"lookup": {"days": 31}}).say("return A-1")
    assert [match.name for match in played.rules] == ["too-late"]
    assert played.response == "too late"


def test_tools_of_a_late_rule_run_before_the_transition() -> None:
    """They run once, after the step's own."""
    talk = Talk(RETURNS, stubs={"lookup": {"days": 31}})
    talk.say("return A-1")
    assert talk.asked == [("lookup", {"order": "A-1"}), ("tell", {"order": "A-1"})]


@pytest.mark.parametrize("stub", [{"days": 5}, ToolOutcome(error="no answer")])
def test_a_failed_tool_is_told_to_late_rules_in_time(stub: object) -> None:
    """A rule on a tool's failure decides the transition too."""
    expected = "returns/down" if isinstance(stub, ToolOutcome) else "returns/confirm"
    assert Talk(RETURNS, stubs={"lookup": stub}).at("return A-1") == expected

from __future__ import annotations

from typing import Any

import pytest

from focal_eval.agent import ToolOutcome
from tests.agent.playing import Talk


def called(talk: Talk, message: str) -> list[tuple[str, dict[str, Any], Any]]:
    return [(call.name, dict(call.arguments), call.error or call.result) for call in talk.say(message).tools]


@pytest.mark.parametrize(
    ("arg", "expected"),
    [
        ("it", "A-1"),
        ("{variable: it}", "A-1"),
        ("{from: 'order (\\S+)'}", "A-1"),
        ("{from: ['nothing (x)', '(?P<x>b)?order (?P<arg>\\S+)']}", "A-1"),
        ("{expression: count * 2}", 6),
        ("{value: 7}", 7),
        ('{value: {id: "{{ it }}", n: "{{ count }}"}}', {"id": "A-1", "n": 3}),
        ("{result: before.total}", 9),
    ],
)
def test_an_argument_comes_from_its_source(arg: str, expected: Any) -> None:
    """Variables, patterns, expressions, values and earlier results feed arguments, with their own types."""
    talk = Talk(
        f"""
        variables: {{count: 3}}
        slots: {{it: {{pattern: '[A-Z]-\\d+', listen: always}}}}
        rules: [{{id: r, match: {{any_words: [order]}}, tools: [before, t]}}]
        tools: {{before: {{returns: {{total: 9}}}}, t: {{args: {{arg: {arg}}}, returns: ok}}}}
        """
    )
    assert called(talk, "order A-1")[1] == ("t", {"arg": expected}, "ok")


def test_a_tool_that_lacks_an_argument_is_not_called_and_says_so() -> None:
    """A missing argument leaves a note; an optional one is left out of the call."""
    talk = Talk(
        """
        variables: {none: null}
        rules: [{id: r, match: {any_words: [go]}, tools: [strict, loose]}]
        tools:
          strict: {args: {a: none, b: {result: loose.x}}, returns: ok}
          loose: {args: {a: {variable: none, optional: true}}, returns: ok}
        """
    )
    played = talk.say("go")
    assert [(call.name, call.arguments) for call in played.tools] == [("loose", {})]
    assert played.metadata["skipped_tools"] == [{"tool": "strict", "why": "lacks a, b"}]


def test_dependencies_are_called_first_and_once() -> None:
    """What a tool depends on is called before it, unless it answered in the session already."""
    talk = Talk(
        """
        rules: [{id: r, match: {any_words: [go]}, tools: pay}]
        tools:
          pay: {depends_on: [order, user], args: {id: {result: order.id}}, returns: paid}
          order: {depends_on: user, returns: {id: o1}}
          user: {returns: {id: u1}}
        """
    )
    assert [name for name, _, _ in called(talk, "go")] == ["user", "order", "pay"]
    assert [name for name, _, _ in called(talk, "go")] == ["pay"]


def test_a_failed_dependency_keeps_a_tool_from_being_called() -> None:
    """The failure is reported once, at the tool that failed."""
    talk = Talk(
        """
        rules: [{id: r, match: {any_words: [go]}, tools: pay}]
        tools: {pay: {depends_on: order, returns: paid}, order: {fails: down}}
        """
    )
    played = talk.say("go")
    assert [(call.name, call.error) for call in played.tools] == [("order", "down")]
    assert played.metadata["skipped_tools"] == [{"tool": "pay", "why": "needs order, which has no result"}]


def test_a_condition_keeps_a_tool_from_being_called() -> None:
    """`if` is looked at when the tool would be called, with the results so far."""
    talk = Talk(
        """
        rules: [{id: r, match: {any_words: [go]}, tools: [a, b, c]}]
        tools: {a: {returns: {n: 1}}, b: {if: result.a.n == 1, returns: 2}, c: {if: result.a.n == 2, returns: 3}}
        """
    )
    assert [name for name, _, _ in called(talk, "go")] == ["a", "b"]


def test_the_same_call_is_made_once_a_turn_and_with_reuse_once_a_session() -> None:
    """Two rules share one call; `reuse` answers from the session and still sets variables."""
    talk = Talk(
        """
        variables: {n: 0}
        slots: {it: {kind: number, listen: always}}
        rules:
          - {id: a, match: {any_words: [go]}, tools: [t, u]}
          - {id: b, match: {any_words: [go]}, tools: [u, t]}
        tools:
          t: {args: {it: it}, reuse: true, returns: "{{ it }}", sets: {n: "{{ n + 1 }}"}}
          u: {returns: 1}
        """
    )
    assert [name for name, _, _ in called(talk, "go 1")] == ["t", "u"]
    assert [name for name, _, _ in called(talk, "go again")] == ["u"]
    assert talk.state.variables["n"] == 2
    assert [name for name, _, _ in called(talk, "go 2")] == ["t", "u"]


ANSWERS = """
slots: {id: {pattern: '[A-Z]-\\d+', listen: always}, day: {kind: number, listen: always}}
rules: [{id: r, match: {any_words: [go]}, tools: t}]
tools: {t: {args: {id: id, day: {variable: day, optional: true}}, BUILTIN}}
"""


@pytest.mark.parametrize(
    ("builtin", "message", "expected"),
    [
        ("returns: {total: 5, of: '{{ id }}'}", "go A-1", {"total": 5, "of": "A-1"}),
        ("returns: '{{ missing }}'", "go A-1", "refused"),
        ("fails: down", "go A-1", "down"),
        ("delay_ms: 1", "go A-1", "no answer is defined"),
        ("answers: [{when: {id: a-1}, returns: 1}, {fails: not found}]", "go A-1", 1),
        ("answers: [{when: {id: a-1}, returns: 1}, {fails: not found}]", "go A-2", "not found"),
        ("answers: [{when: {id: A-1, day: 3}, returns: 1}]", "go A-1", "no answer fits these arguments"),
        ("answers: [{when: {id: A-1, day: 3}, returns: 1}]", "go A-1 3", 1),
        ("table: {by: id, rows: {a-1: {n: 1, of: '{{ id }}'}}}", "go A-1", {"n": 1, "of": "A-1"}),
        ("table: {by: id, rows: {A-1: 1}}", "go A-2", "not found"),
        ("table: {by: id, rows: {A-1: 1}, missing: no order}", "go A-2", "no order"),
        ("table: {by: [id, day], rows: {A-1|3: 1}}", "go A-1 3", 1),
    ],
)
def test_a_tool_answers_by_itself_where_there_is_no_stub(builtin: str, message: str, expected: Any) -> None:
    """The built-in behaviours answer from the arguments alone."""
    text = ANSWERS.replace("BUILTIN", builtin)
    if expected == "refused":
        with pytest.raises(AssertionError, match="unknown-argument"):
            Talk(text)
        return
    assert called(Talk(text), message)[0][2] == expected


def test_a_stub_comes_before_the_built_in_behaviour() -> None:
    """The script decides what a tool answers, and how long it takes."""
    talk = Talk(ANSWERS.replace("BUILTIN", "returns: 1, delay_ms: 5"), stubs={"t": ToolOutcome(result=2, delay_ms=40)})
    played = talk.say("go A-1")
    assert [(call.result, call.duration_ms) for call in played.tools] == [(2, 40)]
    assert talk.asked == [("t", {"id": "A-1"})]
    plain = Talk(ANSWERS.replace("BUILTIN", "returns: 1, delay_ms: 5")).say("go A-1")
    assert [(call.result, call.duration_ms) for call in plain.tools] == [(1, 5)]


LATE = """
variables: {seen: null}
slots: {id: {pattern: '[A-Z]-\\d+', listen: always}}
rules:
  - {id: look, match: {any_words: [order]}, tools: lookup, sets: {seen: "{{ result.lookup.total }}"}}
  - {id: failed, match: {on_tool_error: lookup}, template: failed}
  - {id: found, match: {called: lookup}}
  - {id: dear, match: {any_words: [order], if: result.lookup.total > 100}, template: dear, tools: alert}
tools: {lookup: {args: {id: id}}, alert: {returns: sent}}
templates: {failed: "not found: {{ error.lookup }}", dear: "that is {{ result.lookup.total }}"}
"""


def test_rules_that_look_at_results_match_after_the_tools() -> None:
    """Late rules see this turn's answers, and their own tools run too."""
    talk = Talk(LATE, stubs={"lookup": {"total": 150}})
    played = talk.say("order A-1")
    assert [match.name for match in played.rules] == ["look", "found", "dear"]
    assert [call.name for call in played.tools] == ["lookup", "alert"]
    assert (played.response, played.state.variables["seen"]) == ("that is 150", 150)


def test_a_tool_error_is_matched_and_told() -> None:
    """`on_tool_error` matches in the turn of the failure, and the result of before is gone."""
    talk = Talk(LATE, stubs={"lookup": [{"total": 150}, ToolOutcome(error="gone"), {"total": 1}]})
    talk.say("order A-1")
    played = talk.say("order A-2")
    assert [match.name for match in played.rules] == ["look", "failed"]
    assert played.response == "not found: gone"
    assert [match.name for match in talk.say("order A-3").rules] == ["look", "found"]
    assert talk.state.errors == {"lookup": None, "alert": None}


def test_a_step_runs_its_tools_once_its_slots_are_there() -> None:
    """Tools of a step wait for its slots, run once a visit, and lead its silent transitions."""
    talk = Talk(
        """
        slots: {id: {pattern: '[A-Z]-\\d+', ask: ask}}
        scenarios:
          s:
            enter: {match: {any_words: [start]}}
            steps:
              - id: a
                collect: id
                tools: lookup
                sets: {days: "{{ result.lookup.days }}"}
                go: [{to: ok, if: result.lookup.days <= 30}, {to: bad, on_tool_error: lookup}, {to: late}]
              - {id: ok, template: ok, go: [{to: end, when: {any_words: [out]}}]}
              - {id: late, terminal: true, template: late}
              - {id: bad, terminal: true, template: bad}
        tools: {lookup: {args: {id: id}, table: {by: id, rows: {A-1: {days: 3}, A-2: {days: 31}}}}}
        templates: {ask: id?, ok: "{{ days }} days is fine", late: too late, bad: unknown}
        """
    )
    assert talk.say("start").tools == ()
    played = talk.say("A-1")
    assert (played.response, len(played.tools)) == ("3 days is fine", 1)
    assert talk.say("hm").tools == ()
    for order, answer in (("A-2", "too late"), ("A-3", "unknown")):
        assert Talk(talk.source).reply(f"start {order}") == answer


def test_a_late_rule_can_start_a_scenario() -> None:
    """A failure may hand the conversation over in the same turn."""
    talk = Talk(
        """
        rules:
          - {id: look, match: {any_words: [order]}, tools: lookup}
          - {id: broken, match: {on_tool_error: lookup}}
        scenarios:
          human:
            enter: {rules: broken}
            steps: [{id: done, terminal: true, template: handed, outcome: escalated}]
        tools: {lookup: {fails: down}}
        templates: {handed: a colleague takes over}
        """
    )
    played = talk.say("order")
    assert (played.response, played.outcome, played.scenario) == ("a colleague takes over", "escalated", "human")

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from focal_eval.agent import load_agent, open_agent
from focal_eval.agent.placed import Placed
from focal_eval.document import read_text
from focal_eval.errors import Refused
from focal_eval.source import Span
from tests.agent.playing import agent_of, problems_of

FALLBACK = "templates: {sorry: {mode: FALLBACK, text: pardon?}}\n"


def lines_of(text: str) -> list[str]:
    """Line one of every problem."""
    return [str(problem).removeprefix("agent.yaml:") for problem in problems_of(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rules: [{id: a, match: affirm}]", "2:24: error[unknown-trigger]: no trigger is named 'affirm'"),
        (
            "triggers: {affirm: {any_words: [a]}}\nrules: [{id: a, match: afirm}, {id: b, match: affirm}]",
            "3:24: error[unknown-trigger]: no trigger is named 'afirm'; did you mean 'affirm'?",
        ),
        (
            "rules: [{id: a, match: {any_words: [x]}, template: ask}]\n" + FALLBACK,
            "2:52: error[unknown-template]: no template is named 'ask'; known here: sorry",
        ),
        (
            "rules: [{id: a, match: {any_words: [x]}, tools: [look]}]\ntools: {lookup: {returns: 1}}",
            "2:50: error[unknown-tool]: no tool is named 'look'; did you mean 'lookup'?",
        ),
        (
            "rules: [{id: refund, match: {any_words: [x]}}, {id: b, match: {any_words: [x]}, excludes: [refnud]}]",
            "2:92: error[unknown-rule]: no rule is named 'refnud'; did you mean 'refund'?",
        ),
        (
            "rules: [{id: a, match: {filled: order}}]\nslots: {order_id: {pattern: x}}",
            "2:33: error[unknown-slot]: no slot is named 'order'; did you mean 'order_id'?",
        ),
        (
            "rules: [{id: a, match: {any_words: [x]}, scope: {scenario: flow}}]",
            "2:60: error[unknown-scenario]: no scenario is named 'flow'",
        ),
        (
            "rules: [{id: a, match: {any_words: [x]}, language: fr}]",
            "2:52: error[unknown-language]: no language is named 'fr'; known here: en",
        ),
        (
            "variables: {refund_total: 0}\nrules: [{id: a, match: {if: refund_totl > 3}}]",
            "3:29: error[unknown-variable]: no variable or slot is named 'refund_totl'; did you mean 'refund_total'?",
        ),
        (
            "rules: [{id: a, match: {if: qty > 3}}]",
            "2:29: error[unknown-variable]: no variable or slot is named 'qty'; give it an initial value under 'variables'",
        ),
        (
            "rules: [{id: a, match: {if: result.lookup.total > 3}}]\ntools: {look_up: {returns: 1}}",
            "2:29: error[unknown-tool]: no tool is named 'lookup'; did you mean 'look_up'?",
        ),
        (
            "rules: [{id: a, match: {any_words: [x]}, requires: [verified]}]",
            "2:53: error[unknown-variable]: no variable is named 'verified'",
        ),
        (
            "rules: [{id: a, match: {any_words: [x]}, template: t}]\n"
            "templates: {t: 'hi {{ name }}', f: {mode: FALLBACK, text: x}}",
            "3:16: error[unknown-variable]: no variable or slot is named 'name'; give it an initial value under 'variables'",
        ),
        (
            "rules: [{id: a, match: {any_words: [x]}, tools: t}]\n"
            "tools: {t: {args: {order: {value: 1}}, returns: '{{ ordre }}'}}",
            "3:49: error[unknown-argument]: the tool has no argument 'ordre'; did you mean 'order'?",
        ),
        (
            "rules: [{id: a, match: {any_words: [x]}, tools: t}]\n"
            "tools: {t: {args: {order: {value: 1}}, answers: [{when: {ordr: 1}}]}}",
            "3:58: error[unknown-argument]: the tool has no argument 'ordr'; did you mean 'order'?",
        ),
        (
            "tools: {t: {args: {a: {value: 1}}, table: {by: a, rows: {x: {n: '{{ b }}'}}}}}",
            "2:65: error[unknown-argument]: the tool has no argument 'b'; known here: a",
        ),
        (
            "tools: {t: {args: {a: {value: 1}}, table: {by: b, rows: {}}}}",
            "2:48: error[unknown-argument]: no argument is named 'b'; known here: a",
        ),
        ("rules: [{id: a, match: {pattern: '(x'}}]", "2:34: error[bad-pattern]: not a pattern: missing ) at position 2"),
        ("rules: [{id: a, match: {if: a >}}]", "2:29: error[bad-expression]: not an expression: invalid syntax"),
        (
            "rules: [{id: a, match: {any_words: [x]}, template: t}]\n"
            "templates: {t: 'a {% if %}', f: {mode: FALLBACK, text: x}}",
            "3:16: error[bad-template]: ",
        ),
        ("rules: [{id: a, match: {}}]", "2:24: error[empty-trigger]: this trigger says nothing, so it would always hold"),
        (
            "rules: [{id: a, match: {any_words: ['?']}}]",
            "2:37: error[empty-trigger]: '?' holds no word; use 'pattern' for signs",
        ),
        (
            "tools: {t: {args: {a: {from: x, value: 1}}}}",
            "2:23: error[bad-argument]: the argument 'a' has several sources: from, value; "
            "give one of variable, from, result, expression, value",
        ),
        (
            "tools: {t: {args: {a: {optional: true}}}}",
            "2:23: error[bad-argument]: the argument 'a' has no source; give one of variable, from, result, expression, value",
        ),
        ("tools: {t: {python: nothing}}", "2:21: error[bad-value]: 'nothing' is not of the form module:function"),
        (
            "variables: {order-id: 1}",
            "2:13: error[bad-name]: 'order-id' cannot name a variable; "
            "use letters, digits and underscores, beginning with a letter",
        ),
        ("variables: {result: 1}", "2:13: error[reserved-name]: 'result' is what every turn provides; choose another name"),
        ("scenarios: {s: {steps: []}}", "2:13: error[empty-scenario]: scenario 's' has no steps"),
        ("settings: {threshold: 2}", "2:23: error[out-of-range]: 2 is above 1"),
        (
            "rules: [{id: a, mach: {any_words: [x]}}]",
            "2:17: error[unknown-key]: no key is named 'mach' here; did you mean 'match'?",
        ),
    ],
)
def test_a_mistake_is_reported_at_its_place(text: str, expected: str) -> None:
    """Place, code, problem and nearest fix stand in line one."""
    lines = lines_of(f"agent: a\n{text}\n")
    assert any(line.startswith(expected) for line in lines), lines


STEPS = """\
agent: a
scenarios:
  s:
    enter: {match: {any_words: [go]}}
    start: START
    steps:
      - {id: one, go: [{to: TO, when: {any_words: [x]}}]}
      - {id: two, terminal: true}
"""


@pytest.mark.parametrize(
    ("start", "to", "expected"),
    [
        ("on", "two", "5:12: error[unknown-step]: no step is named 'on'; did you mean 'one'?"),
        ("one", "tow", "7:29: error[unknown-step]: scenario s has no step 'tow'; did you mean 'two'?"),
        ("one", "t/one", "7:29: error[unknown-scenario]: no scenario is named 't'; known here: s"),
        ("one", "s/three", "7:29: error[unknown-step]: scenario s has no step 'three'; known here: one, two"),
    ],
)
def test_steps_that_are_not_there_are_reported(start: str, to: str, expected: str) -> None:
    """Starts and targets of transitions name steps of their scenario."""
    assert expected in lines_of(STEPS.replace("START", start).replace("TO", to))


def test_a_rules_step_scope_names_its_scenario() -> None:
    """A step alone is ambiguous."""
    text = STEPS.replace("START", "one").replace("TO", "two") + "rules: [{id: r, match: {any_words: [x]}, scope: {step: two}}]"
    assert lines_of(text) == ["9:56: error[unknown-step]: 'two' is not of the form scenario/step"]


def test_an_id_given_twice_points_at_the_first() -> None:
    """A duplicate is an error with the first definition as a second place."""
    (problem,) = problems_of("agent: a\nrules:\n  - {id: r, match: {any_words: [x]}}\n  - {id: r, match: {any_words: [y]}}\n")
    assert str(problem) == "agent.yaml:4:10: error[duplicate-id]: a rule named 'r' is there already"
    assert [(str(label.span), label.text) for label in problem.labels] == [("agent.yaml:3:10", "first defined here")]


def test_all_mistakes_are_reported_in_one_pass_by_place() -> None:
    """One reading shows every problem, in the order of the file."""
    lines = lines_of(
        """\
        agent: a
        rules:
          - {id: a, match: {any_words: [x]}, template: t1}
          - {id: a, match: {pattern: '('}}
          - {id: c, match: {if: nope}}
        """
    )
    assert [line.split("]")[0].split("[")[1] for line in lines] == [
        "unknown-template", "duplicate-id", "bad-pattern", "unknown-variable",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (
            "triggers: {a: {trigger: b}, b: {not: {trigger: a}}}\nrules: [{id: r, match: a}]",
            "trigger-circle",
            "trigger 'a' needs itself: a → b → a",
        ),
        ("tools: {a: {depends_on: b}, b: {depends_on: a}}", "dependency-circle", "tool 'a' depends on itself: a → b → a"),
        (
            "rules: [{id: a, when: x, outranks: b}, {id: b, when: y, outranks: a}]",
            "relation-circle",
            "rule 'a' outranks itself: a → b → a",
        ),
        (
            "rules: [{id: a, when: x, implies: b, excludes: b}, {id: b, when: y}]",
            "relation-circle",
            "rule 'a' implies 'b' and drops it",
        ),
        (
            "scenarios: {s: {enter: {match: {any_words: [x]}}, first: {scenario: s, unless: 'true'},"
            " steps: [{id: a, terminal: true}]}}",
            "first-circle",
            "scenario 's' comes before itself: s → s",
        ),
    ],
)
def test_circles_are_refused(text: str, code: str, message: str) -> None:
    """What needs itself can never be; the way round is shown."""
    assert (code, message) in [(problem.code, problem.message) for problem in problems_of(f"agent: a\n{text}\n")]


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("rules: [{id: r, then: x}]", "rule-never-matches", "rule 'r' has nothing to match by"),
        ("rules: [{id: r, when: x, hard: true}]", "idle-constraint", "rule 'r' is hard, but forbids nothing"),
        ("scenarios: {s: {steps: [{id: a, terminal: true}]}}", "unreachable-scenario", "nothing starts scenario 's'"),
        (
            "scenarios: {s: {enter: {match: {any_words: [x]}}, steps: [{id: a, terminal: true}, {id: b, terminal: true}]}}",
            "unreachable-step",
            "nothing goes to step 's/b'",
        ),
        (
            "scenarios: {s: {enter: {match: {any_words: [x]}}, steps: [{id: a}]}}",
            "stuck-step",
            "step 'a' is not terminal and goes nowhere",
        ),
        (
            "scenarios: {s: {enter: {match: {any_words: [x]}}, steps: [{id: a, terminal: true, go: [{to: a}]}]}}",
            "terminal-step",
            "step 'a' is terminal, so it collects nothing and goes nowhere",
        ),
        (
            "slots: {o: {pattern: x}}\n"
            "scenarios: {s: {enter: {match: {any_words: [x]}}, steps: [{id: a, collect: o, go: [{to: end}]}]}}",
            "silent-question",
            "nothing is said to ask for slot 'o'",
        ),
        ("templates: {t: x, f: {mode: FALLBACK, text: x}}", "unused-definition", "nothing says template 't'"),
        ("triggers: {t: {any_words: [x]}}", "unused-definition", "nothing uses trigger 't'"),
        ("slots: {o: {pattern: x}}", "unread-slot", "nothing ever reads slot 'o'"),
        (
            "greeting: t\ntemplates: {t: x}",
            "no-fallback",
            "the agent has no FALLBACK template, so it says a fixed English sentence where nothing else can be said",
        ),
    ],
)
def test_what_can_never_happen_is_warned_about(text: str, code: str, message: str) -> None:
    """Warnings do not keep an agent from being played."""
    document = read_text(f"agent: a\n{text}\n", "agent.yaml")
    agent = load_agent(document)
    assert agent is not None
    assert [(problem.code, problem.message, problem.severity) for problem in document.problems] == [(code, message, "warning")]


def test_steps_reached_by_other_ways_are_not_warned_about() -> None:
    """Relocalisation, other scenarios and `first` reach steps too."""
    problems = problems_of(
        """\
        agent: a
        scenarios:
          s:
            enter: {match: {any_words: [x]}}
            first: {scenario: t, unless: turn > 3}
            relocalise: [{when: {any_words: [b]}, to: b}]
            steps: [{id: a, go: [{to: u/c, when: {any_words: [x]}}]}, {id: b, go: [{to: end, when: {any_words: [x]}}]}]
          t: {steps: [{id: a, terminal: true}]}
          u: {steps: [{id: a, terminal: true}, {id: c, go: [{to: u/, when: {any_words: [x]}}]}]}
        """
    )
    assert [str(problem) for problem in problems] == []


def test_lists_and_mappings_of_ids_mean_the_same() -> None:
    """Collections may be written either way."""
    listed = agent_of("rules: [{id: a, match: {any_words: [x]}}]\ntemplates: [{id: t, mode: FALLBACK, text: hi}]")
    mapped = agent_of("rules: {a: {match: {any_words: [x]}}}\ntemplates: {t: {mode: FALLBACK, text: hi}}")
    assert listed.file.names() == mapped.file.names()
    assert listed.file.templates[0].text == mapped.file.templates[0].text


def test_the_names_of_an_agent_are_what_scripts_may_say() -> None:
    """Rules, tools with arguments, scenarios with steps, templates and every variable that gets a value."""
    names = agent_of(
        """
        variables: {tier: gold}
        rules: [{id: r, match: {any_words: [x]}, sets: {seen: 1}, tools: t}]
        slots: {order: {pattern: x}}
        scenarios: {s: {enter: {rules: r}, steps: [{id: a, go: [{to: b, sets: {way: 1}}]}, {id: b, terminal: true}]}}
        tools: {t: {args: {order: order}, returns: 1, sets: {got: 1}}}
        templates: {f: {mode: FALLBACK, text: x}}
        """
    ).file.names()
    assert names.rules == {"r"}
    assert names.tools == {"t": {"order"}}
    assert names.scenarios == {"s": ("a", "b")}
    assert names.templates == {"f"}
    assert names.variables == {"tier", "seen", "order", "way", "got", "language"}


def test_an_agent_that_cannot_be_played_is_refused_with_all_problems(tmp_path: Path) -> None:
    """`open_agent` raises Refused with the diagnostics; an empty or missing file is one too."""
    path = tmp_path / "agent.yaml"
    path.write_text("agent: a\nrules: [{id: r, match: x}, {id: r, match: y}]\n")
    with pytest.raises(Refused, match=r"the agent agent\.yaml cannot be played") as refused:
        open_agent(path, "agent.yaml")
    assert [problem.code for problem in refused.value.diagnostics] == ["unknown-trigger", "duplicate-id", "unknown-trigger"]
    path.write_text("")
    with pytest.raises(Refused, match="cannot be played") as refused:
        open_agent(path)
    assert [problem.code for problem in refused.value.diagnostics] == ["empty-file"]
    with pytest.raises(Refused, match="cannot be played") as refused:
        open_agent(tmp_path / "none.yaml")
    assert [problem.code for problem in refused.value.diagnostics] == ["unreadable-file"]


def test_a_placed_text_is_a_text_that_survives_pickling() -> None:
    """Places cost nothing in comparisons and are kept when an agent is sent to a worker."""
    placed = Placed("x", Span("a.yaml", 1, 2, 1, 3))
    assert placed == "x"
    assert placed in {"x"}
    again = pickle.loads(pickle.dumps(placed))
    assert (again, again.span) == ("x", placed.span)

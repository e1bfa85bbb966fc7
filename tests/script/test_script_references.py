"""Names of the agent: what scripts rely on is looked up before a run."""

# ruff: noqa: E501  # whole lines of output are compared

from __future__ import annotations

import pytest

from focal_eval.script.names import KnownNames, check_references
from tests.script.file_reading import script_of

KNOWN = KnownNames(
    agent="desk.yaml",
    rules=frozenset({"greet", "apologise"}),
    tools={"lookup_order": frozenset({"order_id", "email"}), "free": None},
    scenarios={"returns": frozenset({"ask", "done"})},
    templates=frozenset({"hello"}),
    variables=frozenset({"tier"}),
)


def found(text: str, known: KnownNames = KNOWN) -> list[str]:
    return [str(item).removeprefix("a.yaml:") for item in check_references(script_of(text), known)]


def expecting(expect: str) -> list[str]:
    return found(f"turns:\n  - user: hello\n    expect: {expect}\n")


@pytest.mark.parametrize(
    "expect",
    [
        "{rules: [greet, apologise]}",
        "{tools: [lookup_order, {lookup_order: {order_id: A, email: any}}, {free: {whatever: 1}}]}",
        "{scenario: returns/ask}",
        "{scenario: returns/*}",
        "{scenario: none}",
        "{template: hello}",
        "{variables: {tier: gold}}",
        "{not: {any_of: [{rules: [greet]}, {tools: {excludes: [free]}}]}}",
    ],
)
def test_names_the_agent_has(expect: str) -> None:
    """Nothing is said of what is there."""
    assert expecting(expect) == []


@pytest.mark.parametrize(
    ("expect", "line"),
    [
        ("{rules: [greet, gret]}", "3:29: error[unknown-rule]: desk.yaml has no rule 'gret'; did you mean 'greet'?"),
        ("{rules: {includes: [gret]}}", "3:33: error[unknown-rule]: desk.yaml has no rule 'gret'; did you mean 'greet'?"),
        ("{rules: gret}", "3:21: error[unknown-rule]: desk.yaml has no rule 'gret'; did you mean 'greet'?"),
        ("{rules: {exactly: [gret]}}", "3:32: error[unknown-rule]: desk.yaml has no rule 'gret'; did you mean 'greet'?"),
        ("{any_of: [{rules: [gret]}]}", "3:32: error[unknown-rule]: desk.yaml has no rule 'gret'; did you mean 'greet'?"),
        ("{rules: {any_of: [[gret]]}}", "3:32: error[unknown-rule]: desk.yaml has no rule 'gret'; did you mean 'greet'?"),
        ("{tools: [lookup]}", "3:22: error[unknown-tool]: desk.yaml has no tool 'lookup'; did you mean 'lookup_order'?"),
        ("{tools: [{lookup: {order_id: A}}]}",
         "3:23: error[unknown-tool]: desk.yaml has no tool 'lookup'; did you mean 'lookup_order'?"),
        ("{tools: [{lookup_order: {order: A}}]}",
         "3:38: error[unknown-argument]: desk.yaml has no argument 'order' of the tool 'lookup_order'; did you mean 'order_id'?"),
        ("{tools: {count: {lookup: 1}}}", "3:30: error[unknown-tool]: desk.yaml has no tool 'lookup'; did you mean 'lookup_order'?"),
        ("{scenario: return/ask}", "3:24: error[unknown-scenario]: desk.yaml has no scenario 'return'; did you mean 'returns'?"),
        ("{scenario: returns/aks}",
         "3:24: error[unknown-step]: desk.yaml has no step 'aks' in the scenario 'returns'; did you mean 'ask'?"),
        ("{template: helo}", "3:24: error[unknown-template]: desk.yaml has no template 'helo'; did you mean 'hello'?"),
        ("{variables: {teir: gold}}", "3:26: error[unknown-variable]: desk.yaml has no variable 'teir'; did you mean 'tier'?"),
    ],
)  # fmt: skip
def test_a_name_the_agent_does_not_have(expect: str, line: str) -> None:
    """An error under the word itself, with the nearest name."""
    assert expecting(expect) == [line]


@pytest.mark.parametrize(
    ("expect", "word"),
    [("{rules: {excludes: [gret]}}", "rule 'gret'"), ("{tools: {excludes: [lookup]}}", "tool 'lookup'")],
)
def test_a_name_that_is_wanted_absent_is_a_warning(expect: str, word: str) -> None:
    """It would pass for ever; the agent may also have lost it on purpose."""
    (line,) = expecting(expect)
    assert "warning[unknown-" in line
    assert f"desk.yaml has no {word}, so it can never be seen and this cannot fail" in line


def test_the_conversation_stubs_and_the_start_are_looked_up_too() -> None:
    """Wherever a script names something of the agent's."""
    text = """
given: {scenario: returs/ask, variables: {tier: gold}}
tools:
  lookup: {returns: 1}
  lookup_order: [{when: {ordr_id: A}, returns: 1}]
turns:
  - hello
  - user: bye
    when: {rules: [gret]}
conversation:
  - visits: [returns/dne]
  - before: {tool: lookup, then: {rule: gret}}
"""
    lines = found(text)
    assert sorted(line.split(": ")[0] for line in lines) == sorted(["2:19", "4:3", "5:26", "9:20", "11:14", "12:20", "12:41"])
    assert sorted({line.split("[")[1].split("]")[0] for line in lines}) == [
        "unknown-argument", "unknown-rule", "unknown-scenario", "unknown-step", "unknown-tool",
    ]  # fmt: skip


def test_templated_expectations_are_looked_up_with_each_row() -> None:
    """A template beside a name hides nothing, and names that come from rows are looked up row by row."""
    text = """
params: {rule: [greet, gret, apologise], order: [A-1001]}
turns:
  - user: "{{ order }}"
    expect: {rules: ["{{ rule }}"], tools: [{lookup: {order_id: "{{ order }}"}}]}
    save: {tool: response.text}
  - user: more
    expect: {tools: ["{{ tool }}", {lookup_order: {ordr: "{{ tool }}"}}]}
"""
    assert [line.partition("; ")[0] for line in found(text)] == [
        "5:22: error[unknown-rule]: desk.yaml has no rule 'gret'",
        "5:46: error[unknown-tool]: desk.yaml has no tool 'lookup'",
        "8:52: error[unknown-argument]: desk.yaml has no argument 'ordr' of the tool 'lookup_order'",
    ]


def test_what_an_agent_does_not_declare_is_not_asked_for() -> None:
    """Arguments of a tool without declarations, and variables where any may be set, are free."""
    free = KnownNames("a", frozenset(), {"t": None}, {}, variables=None)
    assert found("turns: [{user: a, expect: {variables: {any: 1}, tools: [{t: {x: 1}}]}}]", free) == []

"""Expectations: short forms, groups, `soft` and `because` at every level."""

from __future__ import annotations

import pytest

from focal_eval.script.model import Expectation
from tests.script.file_reading import said, script_of


def expect(text: str) -> tuple[Expectation, ...]:
    """The expectations of a turn whose `expect` is this flow mapping."""
    return script_of(f"turns:\n  - user: hello\n    expect: {text}\n").turns[0].expect


def shown(item: Expectation) -> str:
    """An expectation and what is in it, in one line."""
    marks = ("~" if item.soft else "") + (f"<{item.because}>" if item.because else "")
    if item.children:
        inner = " | ".join(" & ".join(shown(child) for child in group) for group in item.children)
        return f"{item.key}{marks}({inner})"
    return f"{item.key}{marks}"


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("{rules: [a]}", "rules"),
        ("{rules: [a], tools: [b], scenario: none}", "rules, tools, scenario"),
        ("[{rules: [a]}, {rules: [b]}]", "rules, rules"),
        ("{response: hello}", "response.contains"),
        ("{response: [hello, you]}", "response.contains"),
        ("{response: {contains: a, max_words: 5}}", "response.contains, response.max_words"),
        ("{response: [{contains: a}, {max_words: 5}]}", "error"),
        ("{rules: {includes: [a], soft: true}}", "rules~"),
        ("{rules: [a], soft: true}", "rules~"),
        ("{rules: [a], because: law}", "rules<law>"),
        ("{response: {contains: a, because: law}, soft: true}", "response.contains~<law>"),
        ("{any_of: [{rules: [a]}, {rules: [b], tools: [c]}]}", "any_of(rules | rules & tools)"),
        ("{all_of: [{rules: [a]}, {rules: [b]}], because: law}", "all_of<law>(rules | rules)"),
        ("{not: {rules: [a], tools: [b]}}", "not(rules & tools)"),
        ("{not: {any_of: [{rules: [a]}, {not: {rules: [b]}}]}}", "not(any_of(rules | not(rules)))"),
        ("{response: {any_of: [{contains: a}, {contains: b}]}}", "any_of(response.contains | response.contains)"),
        ("{response: {not: {contains: a}}}", "not(response.contains)"),
        ("{response: {contains: {any_of: [a, b]}}}", "any_of(response.contains | response.contains)"),
        ("{response: {contains: {not: a}}}", "not(response.contains)"),
        ("{rules: {not: [a]}}", "not(rules)"),
        ("{rules: {not: [a], because: law}}", "not<law>(rules)"),
        ("{rules: {includes: [a], not: [b]}}", "rules, not(rules)"),
        ("{rules: {any_of: [[a], {exactly: [b]}], soft: true}}", "any_of~(rules | rules)"),
        ("{tools: {all_of: [[a], {not: [b]}]}}", "all_of(tools | not(tools))"),
        ("{scenario: {any_of: [a/b, none]}}", "any_of(scenario | scenario)"),
    ],
)
def test_the_grammar_around_checks(text: str, tree: str) -> None:
    """Groups, negation, `soft` and `because` mean the same beside a check, around it and inside it."""
    if tree == "error":
        assert said(f"turns: [{{user: a, expect: {text}}}]") != []
    else:
        assert ", ".join(map(shown, expect(text))) == tree


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("{rules: [a, b]}", "{rules: {includes: [a, b]}}"),
        ("{rules: a}", "{rules: {includes: [a]}}"),
        ("{tools: [a]}", "{tools: {calls: [a]}}"),
        ("{tools: [a: {x: 1}]}", "{tools: {calls: [{a: {x: 1}}]}}"),
        ("{response: hi}", "{response: {contains: hi}}"),
        ("{response: {contains: hi}}", "{response: {contains: {text: [hi]}}}"),
        ("{response: {max_words: 5}}", "{response: {max_words: {words: 5}}}"),
        ("{latency_ms: 5}", "{latency_ms: {max: 5}}"),
    ],
)
def test_short_and_long_forms_are_the_same_check(short: str, long: str) -> None:
    """What is quicker to write means nothing else."""
    assert [item.check for item in expect(short)] == [item.check for item in expect(long)]


def test_a_check_is_judged_as_it_stands_and_its_place_is_the_key() -> None:
    """The caret of a failed group points at the group, of a check in it at the check."""
    (item,) = expect("{any_of: [{rules: [a]}, {tools: [b]}]}")
    assert str(item.span) == "a.yaml:3:14"
    assert [str(child.span) for group in item.children for child in group] == ["a.yaml:3:24", "a.yaml:3:38"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{rulez: [a]}", "error[unknown-check]: no check is named 'rulez'; did you mean 'rules'?"),
        ("{response: {containing: a}}", "error[unknown-check]: no check is named 'containing'; did you mean 'contains'?"),
        ("{max_words: 5}", "error[unknown-check]: 'max_words' does not belong here; it stands under 'response'"),
        ("{never: {tool: a}}", "error[unknown-check]: 'never' does not belong here; it stands under 'conversation'"),
        ("{response: {rules: [a]}}", "error[unknown-check]: 'rules' does not belong here; it stands directly under 'expect'"),
        ("{any_off: [{rules: [a]}]}", "error[unknown-check]: no check is named 'any_off'; did you mean 'any_of'?"),
        ("{any_of: {rules: [a]}}", "error[wrong-type]: 'any_of' takes a list of at least one alternative"),
        ("{any_of: []}", "error[wrong-type]: 'any_of' takes a list of at least one alternative"),
        ("{not: [a]}", "error[wrong-type]: expected a mapping of expectations, found the text 'a'"),
        ("{rules: [a], soft: yes}", "error[wrong-type]: expected true or false, found the text 'yes'; "
         "write true or false; 'yes', 'no', 'on' and 'off' are text"),
        ("{rules: {soft: maybe, includes: [a]}}", "error[wrong-type]: expected true or false, found the text 'maybe'"),
        ("{rules: [a], because: [b]}", "error[wrong-type]: expected text, found a list"),
        ("{any_of: [{rules: [a]}, {}]}", "warning[empty-expect]: 'any_of' holds nothing to judge"),
        ("{not: {}}", "warning[empty-expect]: 'not' holds nothing to judge"),
        ("{rules: {includes: [a], exactly: [a], incudes: [b]}}",
         "error[unknown-key]: no key is named 'incudes' here; did you mean 'includes'?"),
    ],
)  # fmt: skip
def test_a_wrong_expectation_is_said_so(text: str, line: str) -> None:
    """Misspelt and misplaced checks name the right one, or its place."""
    (found,) = said(f"turns: [{{user: a, expect: {text}}}]")
    assert found.partition(": ")[2] == line


def test_everything_wrong_with_the_expectations_is_found_at_once() -> None:
    """A broken expectation hides none beside it, in groups neither."""
    found = said(
        """
turns:
  - user: hello
    expect:
      rulez: [a]
      any_of: [{rules: {include: [a]}}, {toolz: [b]}]
      response: {max_words: many, contains: {any_of: [1, {txt: a}]}}
conversation:
  - nevr: {tool: a}
"""
    )
    assert [line.split(": ")[0] for line in found] == ["5:7", "6:25", "6:42", "7:29", "7:55", "7:59", "9:5"]


@pytest.mark.parametrize(
    "text",
    ["{rules: []}", "{rules: {excludes: []}}", "{response: {max_words: 0, min_words: 0}}", "{latency_ms: {min: 0}}"],
)
def test_what_cannot_fail_is_warned_of(text: str) -> None:
    """An expectation that demands nothing gives a false feeling of safety."""
    found = said(f"turns: [{{user: a, expect: {text}}}]")
    assert len(found) == 1
    assert "warning[cannot-fail]: this cannot fail: " in found[0]


def test_a_conversation_is_a_mapping_or_a_list() -> None:
    """`conversation` knows its own checks, and groups of them."""
    for text in ("{never: {tool: a}, visits: [b/c]}", "[{never: {tool: a}}, {visits: [b/c]}]"):
        script = script_of(f"turns: [hello]\nconversation: {text}\n")
        assert [item.key for item in script.conversation] == ["conversation.never", "conversation.visits"]
    script = script_of("turns: [hello]\nconversation: [{any_of: [{never: {tool: a}}, {visits: [b/c]}], soft: true}]\n")
    assert [shown(item) for item in script.conversation] == ["any_of~(conversation.never | conversation.visits)"]


def test_a_check_with_keys_of_the_authors_own_knows_no_words() -> None:
    """A variable may be called `not` or `soft`: under `variables` nothing is read as the language's."""
    (item,) = expect("{variables: {not: 5, soft: true, because: law}}")
    assert (item.key, item.children, item.soft, item.because) == ("variables", (), False, None)


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("{all_of: [{rules: [a]}, {response: b, soft: true}]}", 52),
        ("{any_of: [{rules: {includes: [a], soft: true}}]}", 38),
        ("{not: {rules: [a], soft: true}}", 34),
        ("{rules: {any_of: [{includes: [a], soft: true}, [b]]}}", 28),
    ],
)
def test_a_part_of_a_group_cannot_be_soft(text: str, column: int) -> None:
    """A group has one result, so a soft part of it is refused and not passed over."""
    (found,) = said(f"turns: [{{user: a, expect: {text}}}]")
    assert f"error[soft-in-group]: '{text[1:].replace('rules: {', '').split(':')[0]}' holds or fails as a whole" in found
    assert found.startswith(f"1:{column}: ")


def test_the_words_of_the_language_may_be_merged_in() -> None:
    """`<<` brings `soft` and `because` along as it brings any key."""
    (item,) = expect("{rules: {<<: {soft: true, because: law}, includes: [a]}}")
    assert shown(item) == "rules~<law>"


def test_a_condition_on_the_first_turn_is_warned_of() -> None:
    """There is nothing it could look at, so the turn would never be sent."""
    (found,) = said("turns: [{user: a, when: {rules: [b]}}]")
    assert found.startswith("1:26: warning[never-sent]: this turn is never sent")
    assert said("turns: [hi, {user: a, when: {rules: [b]}}]") == []

"""Names in `{{ }}`: params, variables, what turns save; and templates filled per case."""

from __future__ import annotations

from typing import Any

import pytest

from focal_eval.document import Reader, read_text
from focal_eval.errors import Diagnostic
from focal_eval.script.templates import Filler
from focal_eval.template import TemplateProblem, UndefinedName
from tests.script.file_reading import problems_of, said, script_of


def problem(text: str) -> Diagnostic:
    (one,) = problems_of("script", text.encode())
    return one


def test_names_that_have_a_value() -> None:
    """Params, given variables and what an earlier turn saved may be used everywhere after."""
    script_of(
        """
params: {order: [A-1001]}
given: {variables: {tier: gold}, history: [{user: "{{ order }}", agent: "{{ tier }}"}]}
metadata: {order: "{{ order }}"}
tools:
  lookup_order: {when: {order_id: "{{ order }}"}, returns: {note: "{{ tier }} {{ order | lower }}"}}
turns:
  - user: "{{ order }} {{ tier }}"
    agent: "{{ order }}?"
    expect: {response: {matches: '(?P<amount>\\d+)'}, tools: [{lookup_order: {order_id: "{{ order }}"}}]}
    save: {amount: "{{ response.amount }}", twice: "{{ amount }}{{ amount }}", first: "tools.lookup_order.arguments.order_id"}
  - user: "{{ amount }} {{ first }}"
conversation:
  - saved: {amount: "{{ amount }}"}
  - never: {tool: "cancel_{{ first }}"}
"""
    )


def test_a_name_nobody_defines() -> None:
    """The nearest name is offered, under the text that uses the wrong one."""
    found = problem('params: {order: [A-1001]}\nturns: ["{{ order }}", "my {{ ordr }}"]')
    assert str(found) == "a.yaml:2:24: error[undefined-name]: 'ordr' has no value here; did you mean 'order'?"


def test_a_name_that_is_saved_later() -> None:
    """A use before its value points at both."""
    found = problem("turns:\n  - user: '{{ amount }}'\n  - user: b\n    save: {amount: response.amount}\n")
    assert str(found) == "a.yaml:2:11: error[undefined-name]: 'amount' has no value here"
    assert [(str(label.span), label.text) for label in found.labels] == [("a.yaml:4:12", "saved here, after this use")]


def test_a_turn_does_not_see_what_it_saves_itself() -> None:
    """`save` happens after the turn is judged; a template of `save` sees the turn's own sources and earlier names."""
    assert said("turns: [{user: a, expect: {response: '{{ x }}'}, save: {x: response.text}}]") == [
        "1:38: error[undefined-name]: 'x' has no value here"
    ]


@pytest.mark.parametrize(
    "where",
    [
        "metadata: {a: '{{ gone }}'}",
        "given: {history: [{user: '{{ gone }}'}]}",
        "given: {variables: {a: '{{ gone }}'}}",
        "tools: {t: {returns: '{{ gone }}'}}",
        "tools: {t: {when: {a: '{{ gone }}'}, returns: 1}}",
        "tools: {t: {sequence: [{returns: '{{ gone }}'}]}}",
        "conversation: [{never: {tool: '{{ gone }}'}}]",
    ],
)
def test_names_are_looked_up_wherever_templates_stand(where: str) -> None:
    """An undefined name is found in every corner of a script."""
    (line,) = said(f"{where}\nturns: [hello]\n")
    assert "error[undefined-name]: 'gone' has no value here" in line
    assert line.startswith("1:")


@pytest.mark.parametrize("key", ["user", "agent", "expect", "when"])
def test_names_are_looked_up_in_every_part_of_a_turn(key: str) -> None:
    """What is said, the golden reply, expectations and conditions."""
    value = "{rules: ['{{ gone }}']}" if key in ("expect", "when") else "'{{ gone }}'"
    (line,) = said(f"turns: [{{name: a, {key}: {value}}}]")
    assert "error[undefined-name]: 'gone' has no value here" in line


def test_a_param_nobody_uses() -> None:
    """It would only multiply the same case."""
    assert said("params: {order: [A, B], city: [C]}\nturns: ['{{ city }}']") == [
        "1:10: warning[unused-param]: the param 'order' is never used; write {{ order }} somewhere, or drop it"
    ]


def test_a_broken_part_raises_no_false_alarm_about_names() -> None:
    """Where params, variables or a turn cannot be read, names they may define are not called undefined, params not unused."""
    assert [line.split("[")[1].split("]")[0] for line in said("params: {order: []}\nturns: ['{{ order }}']")] == ["no-cases"]
    assert [line.split("[")[1].split("]")[0] for line in said("given: {variables: 5}\nturns: ['{{ tier }}']")] == ["wrong-type"]
    found = said("params: {a: [1]}\nturns: [{user: '{{ a }}', expcet: 1, save: {b: response.text}}, '{{ b }}']")
    assert [line.split("[")[1].split("]")[0] for line in found] == ["unknown-key"]
    found = said("params: {a: [1]}\nturns: [{user: a, expcet: '{{ a }}'}]")
    assert [line.split("[")[1].split("]")[0] for line in found] == ["unknown-key"]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("response.text", None),
        ("tools.lookup_order.arguments.order_id", None),
        ("length(rules)", None),
        ("values(tools)[?error].name | [0]", None),
        ("sort_by(values(tools), &name)[0].name", None),
        ("'{{ response.amount }} {{ scenario }}'", None),
        ("'{{ saved }}'", "undefined-name]: 'save' cannot read from 'saved'; known here: citations, follow_ups, metadata, "
         "response, rules, scenario, session_id, tools, turn_id, variables"),
        ("respons.text", "undefined-name]: 'save' cannot read from 'respons'; did you mean 'response'?"),
        ("'[response, tols]'", "undefined-name]: 'save' cannot read from 'tols'; did you mean 'tools'?"),
        ("length(tols)", "undefined-name]: 'save' cannot read from 'tols'; did you mean 'tools'?"),
        ("'response['", "bad-path]: not a JMESPath: Incomplete expression; or write a template such as {{ response.text }}"),
        ("''", "empty-text]: this text must not be empty"),
        ("5", 'wrong-type]: expected text, found the number 5; to say it as text, write "5"'),
    ],
)  # fmt: skip
def test_what_save_reads_from(source: str, line: str | None) -> None:
    """A template or a JMESPath over what the turn gave; anything else is refused before a run."""
    found = said(f"turns:\n  - user: a\n    save:\n      x: {source}\n")
    assert [text.partition("error[")[2] for text in found] == ([] if line is None else [line])


@pytest.mark.parametrize("name", ["the-amount", "1st", "a b", "''"])
def test_names_must_be_usable(name: str) -> None:
    """A name that a template cannot say is refused where it is defined."""
    assert "error[bad-name]" in said(f"turns: [{{user: a, save: {{{name}: response.text}}}}]")[0]
    assert "error[bad-name]" in said(f"params: {{{name}: [1]}}\nturns: [a]")[0]
    assert "error[bad-name]" in said(f"params: {{rows: [{{{name}: 1}}]}}\nturns: [a]")[0]


@pytest.mark.parametrize(
    ("template", "line"),
    [
        ("{{ order", "not a template: '{{' is never closed; close it with '}}'"),
        ("{{ }}", "not a template: Expected an expression, got 'end of print statement'"),
        ("{% for x in order %}a{% endfor %}", "not a template: only {{ expressions }} are read here, not {% statements %}"),
        ("{{ order | uper }}", "not a template: no filter is named 'uper'; did you mean 'upper'?"),
        ("{{ order.items() }}", "not a template: calls are not read here; use a filter such as {{ name | upper }}"),
    ],
)
def test_a_broken_template_is_said_so(template: str, line: str) -> None:
    """One sentence at the text, and no false alarm beside it."""
    assert said(f'params: {{order: [A]}}\nturns: ["{template}"]') == [f"2:9: error[bad-template]: {line}"]


def test_templates_are_tried_with_every_row_before_a_run() -> None:
    """A row whose value breaks a template or an expectation is an error now, with the place the value came from."""
    text = """
params:
  rows:
    - {limit: 80, order: {id: A-1001}}
    - {limit: many, order: {number: A-1002}}
turns:
  - user: "order {{ order.id }}"
    expect: {response: {max_words: "{{ limit }}"}}
"""
    found = problems_of("script", text.encode())
    assert [str(item) for item in found] == [
        "a.yaml:7:11: error[bad-template]: the template cannot be filled: 'dict object' has no attribute 'id'",
        "a.yaml:8:36: error[wrong-type]: expected a whole number, found the text 'many'",
    ]
    assert [[f"{label.span}: {label.text}" for label in item.labels] for item in found] == [
        ["a.yaml:4:19: where order is {'number': 'A-1002'}"],
        ["a.yaml:4:8: where limit is many"],
    ]


def test_what_only_the_run_knows_is_left_to_the_run() -> None:
    """Saved names, and turns that may be skipped, are not guessed."""
    script_of(
        """
params: {limit: [80, many], order: [{id: A}]}
turns:
  - user: "{{ order.id }}"
    save: {words: response.words, order: response.order}
  - user: "{{ order.gone }}"
    expect: {response: {max_words: "{{ words }}"}}
  - user: more
    when: {scenario: none}
    expect: {response: {max_words: "{{ limit }}"}}
"""
    )


def filled(text: str, **values: Any) -> Any:
    """The value of one key of a mapping after its templates are filled, as plain data."""
    from focal_eval.document import plain

    document = read_text(text, "a.yaml")
    assert document.root is not None
    return plain(Filler(values).node(document.root), Reader(document))


def test_a_whole_template_keeps_the_kind_of_its_value() -> None:
    """A text that is one expression gives a number, a list or nothing; any other text is text."""
    assert filled("{a: '{{ n }}', b: 'n is {{ n }}', c: '{{ l }}', d: '{{ m }}', e: '{{ z }}', f: plain}", n=5, l=[1, "x"],
                  m={"k": 2.5}, z=None) == {
        "a": 5, "b": "n is 5", "c": [1, "x"], "d": {"k": 2.5}, "e": None, "f": "plain",
    }  # fmt: skip


def test_a_pattern_may_come_from_a_row() -> None:
    """`matches` takes what a template gives, and a broken one is found before a run."""
    expect = "[{user: a, expect: {response: {matches: '{{ p }}'}, tools: [{t: {x: {matches: '{{ p }}'}}}]}}]"
    script_of(f"params: {{p: ['^A', 'b+']}}\nturns: {expect}\n")
    found = said(f"params: {{p: ['^A', '(b']}}\nturns: {expect}\n")
    assert [line.partition(" ")[2] for line in found] == ["error[bad-pattern]: not a pattern: missing ) at position 2"] * 2


def test_text_that_looks_like_yaml_stays_text() -> None:
    """What a template gives is never read as YAML, as a merge key or as a keyword of ours."""
    value = filled("{a: '{{ x }}', b: '{{ y }}'}", x="yes: {no}", y={"<<": {"z": 1}, "true": "null"})
    assert value == {"a": "yes: {no}", "b": {"<<": {"z": 1}, "true": "null"}}


def test_filled_values_keep_the_place_of_their_template() -> None:
    """A caret under a filled value points at what the author wrote."""
    document = read_text("a:\n  - '{{ deep }}'\n", "a.yaml")
    assert document.root is not None
    (_, items), *_ = Filler({"deep": {"k": [1, {"j": 2}]}}).node(document.root).value
    nodes = [items.value[0]]
    while nodes:
        node = nodes.pop()
        assert (node.start_mark.line, node.start_mark.column) == (1, 4)
        if not isinstance(node.value, str):
            nodes.extend(part for entry in node.value for part in (entry if isinstance(entry, tuple) else (entry,)))


def test_what_is_said_is_always_text() -> None:
    """A number is said as its digits, true as true, nothing as null."""
    script = script_of("params: {n: [5], t: [true], z: [null]}\nturns: ['{{ n }}', '{{ t }}', '{{ z }}', '{{ n }}-{{ t }}']")
    filler = Filler({"n": 5, "t": True, "z": None})
    assert [filler.said(turn.user[0]) for turn in script.turns] == ["5", "true", "null", "5-True"]


def test_a_missing_value_names_itself() -> None:
    """Filling with a name that is not there says which."""
    (turn,) = script_of("params: {n: [{m: 1}]}\nturns: ['{{ n.m + 1 }}']").turns
    with pytest.raises(UndefinedName, match="'n' is not defined"):
        Filler({}).said(turn.user[0])
    with pytest.raises(TemplateProblem, match="has no attribute 'm'"):
        Filler({"n": {}}).said(turn.user[0])

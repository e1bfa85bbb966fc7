"""Matchers: how scripts say what one value must be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from focal_eval.document import Reader, SchemaBuilder, read_text, shape_of
from focal_eval.script.matchers import Matcher, literally, match_arguments
from focal_eval.script.wording import ABSENT, show
from tests.thorough import examples

TEXT = st.text(
    st.characters(codec="utf-8", exclude_characters="\ufeff\ufffe\uffff", exclude_categories=("Cc", "Cs")), max_size=10
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def reading(yaml: str) -> tuple[Any, list[str]]:
    """What a YAML value is read as, and the diagnostics' codes and messages."""
    document = read_text(yaml, "m.yaml")
    assert document.root is not None
    value = shape_of(Matcher).read(document.root, Reader(document))
    return value, [str(item) for item in document.problems]


def matcher(yaml: str) -> Matcher:
    value, problems = reading(yaml)
    assert problems == []
    assert isinstance(value, Matcher)
    return value


@pytest.mark.parametrize(
    ("yaml", "value"),
    [
        ("18.5", 18.50),
        ("18", 18.0),
        ("18.0", 18),
        ("A-1", " A-1 "),
        ("' A-1'", "A-1"),
        ("null", None),
        ("true", True),
        ("007", "007"),
        ("any", 0),
        ("any", None),
        ("absent", ABSENT),
        ("'any'", "any"),
        ('"absent"', "absent"),
        ("[1, any]", [1, {"x": 2}]),
        ("[]", []),
        ("{}", {"x": 1}),
        ("{city: Paris}", {"city": "Paris", "zip": 75001}),
        ("{city: Paris, only: true}", {"city": "Paris"}),
        ("{city: Paris, only: 'true'}", {"city": "Paris", "only": "true"}),
        ("{city: Paris, zip: absent}", {"city": "Paris"}),
        ("{matches: '^A-[0-9]+$'}", "A-17"),
        ("{one_of: [a, {at_least: 3}, absent]}", "a"),
        ("{one_of: [a, {at_least: 3}, absent]}", 4),
        ("{one_of: [a, {at_least: 3}, absent]}", ABSENT),
        ("{approx: 18.5, within: 0.01}", 18.51),
        ("{approx: 1000000, within: 0.01}", 1000000.01),
        ("{approx: 0.3}", 0.1 + 0.2),
        ("{approx: 18.5, within: 0}", 18.5),
        ("{at_least: 3}", 3),
        ("{at_least: 3, at_most: 4}", 4),
        ("{at_most: 4}", -(10**400)),
        ("{contains: Straße}", "in der strasse 5"),
        ("{contains: [a, b]}", ["b", "c", "a"]),
        ("{contains: {id: 2}}", [{"id": 1}, {"id": 2, "x": 0}]),
        ("{type: integer}", 3.0),
        ("{type: [text, null]}", None),
        ("{type: list, length: {at_least: 2}}", [1, 2]),
        ("{length: 2}", "ab"),
        ("{not: cancelled}", "open"),
        ("{not: any}", ABSENT),
        ("{not: absent}", None),
        ("{equals: {type: red}}", {"type": "red"}),
        ("{equals: any}", "any"),
        ("{type: red, colour: blue}", {"type": "red", "colour": "blue", "size": 1}),
    ],
)
def test_a_value_that_is_as_asked_matches(yaml: str, value: Any) -> None:
    """Literals, keywords, nested values and operators accept what the language says they accept."""
    assert matcher(yaml).mismatch(value) is None


@pytest.mark.parametrize(
    ("yaml", "value", "said"),
    [
        ('"7"', 7, "expected the text '7', observed the number 7"),
        ("7", "7", "expected the number 7, observed the text '7'"),
        ("1", True, "expected the number 1, observed true"),
        ("true", 1, "expected true, observed the number 1"),
        ("null", 0, "expected null, observed the number 0"),
        ("A-1", "a-1", "expected 'A-1', observed 'a-1'"),
        ("A-1", ABSENT, "expected 'A-1', observed nothing"),
        ("any", ABSENT, "expected any value, observed nothing"),
        ("absent", None, "expected nothing, observed null"),
        ("'any'", "every", "expected 'any', observed 'every'"),
        ("[1, 2]", [1], "expected 2 items, observed 1 item: [1]"),
        ("[1, 2]", [1, 3], "1: expected 2, observed 3"),
        ("[1]", "1", "expected the list [1], observed the text '1'"),
        ("{a: {b: 1}}", {"a": {"b": 2}}, "a.b: expected 1, observed 2"),
        ("{a: 1}", {}, "a: expected 1, observed nothing"),
        ("{a: 1}", [1], "expected the mapping {a: 1}, observed the list [1]"),
        ("{a: 1, only: true}", {"a": 1, "b": 2}, "b: expected no such key, as only: true, observed 2"),
        ("{matches: ^A}", "B", "expected text matching /^A/, observed 'B'"),
        ("{matches: ^7}", 7, "expected text matching /^7/, observed the number 7"),
        ("{one_of: [a, b]}", "c", "expected one of 'a' or 'b', observed the text 'c'"),
        ("{approx: 18.5, within: 0.01}", 18.52, "expected 18.5 ± 0.01, observed 18.52, off by 0.02"),
        ("{approx: 18.5, within: 0.01}", "18.5", "expected 18.5 ± 0.01, observed the text '18.5'"),
        ("{approx: 18.5, within: 0.01}", float("nan"), "expected 18.5 ± 0.01, observed the number nan"),
        ("{at_least: 3, at_most: 4}", 5, "expected at least 3 and at most 4, observed 5"),
        ("{at_least: 3}", "5", "expected a number, at least 3, observed the text '5'"),
        ("{contains: x}", ["a"], "expected something containing 'x', observed ['a']"),
        ("{contains: x}", 5, "expected something containing 'x', in a text or list, observed the number 5"),
        ("{contains: 5}", "order 5", "expected something containing 5, observed 'order 5'"),
        ("{type: integer}", 3.5, "expected an integer, observed the number 3.5"),
        ("{type: number}", True, "expected a number, observed true"),
        ("{length: 2}", "abc", "expected length 2, observed length 3: 'abc'"),
        ("{length: 2}", 2, "expected a text, list or mapping of length 2, observed the number 2"),
        ("{not: 5}", 5, "expected anything but 5, observed 5"),
        ("{not: 5}", ABSENT, "expected anything but 5, observed nothing"),
        ("{not: absent}", ABSENT, "expected anything but nothing, observed nothing"),
        ("{equals: {a: 1}}", {"a": 1, "b": 2}, "b: expected nothing, observed 2"),
        ("{equals: {a: [1]}}", {"a": [2]}, "a.0: expected 1, observed 2"),
        ("{equals: [1, 2]}", [1], "expected 2 items, observed 1 item: [1]"),
    ],
)
def test_a_mismatch_says_where_and_why(yaml: str, value: Any, said: str) -> None:
    """A mismatch names the path, what was expected and what was there, with kinds where they differ."""
    found = matcher(yaml).mismatch(value)
    assert found is not None
    assert str(found) == said


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [
        ("{a: !!python/object x}", "m.yaml:1:5: error[yaml-tag]: the tag !!python/object is not read"),
        ("{matches: '('}", "m.yaml:1:11: error[bad-pattern]: not a pattern: missing ) at position 1"),
        ("{matches: 5}", "m.yaml:1:11: error[wrong-type]: expected text that is a pattern, found the number 5"),
        ("{one_of: []}", "m.yaml:1:10: error[bad-value]: 'one_of' takes a list of at least one value"),
        ("{one_of: a}", "m.yaml:1:10: error[bad-value]: 'one_of' takes a list of at least one value"),
        ("{within: 5}", "m.yaml:1:10: error[bad-value]: 'within' goes with 'approx'"),
        ("{approx: 5, within: -1}", "m.yaml:1:21: error[out-of-range]: -1 is below 0"),
        ("{approx: five}", "m.yaml:1:10: error[wrong-type]: expected a number, found the text 'five'"),
        ("{at_least: 5, at_most: 4}", "m.yaml:1:12: error[bad-value]: no number is at least 5 and at most 4"),
        ("{type: string}", "did you mean 'text'?"),
        ("{type: red}", "for a field of that name write {equals: {type: ...}}"),
        ("{length: x}", "m.yaml:1:10: error[bad-value]: 'length' takes a number"),
        ("[absent]", "m.yaml:1:2: error[bad-value]: an item of a list cannot be absent"),
        (
            "{aprox: 5}",
            "warning[unknown-operator]: 'aprox' is read as a field of the value, not as an operator; did you mean 'approx'?",
        ),
        ("{at_least: 5, at-most: 7}", "did you mean 'at_most'?"),
        ("{regex: x}", "did you mean 'matches'?"),
    ],
)
def test_a_mistake_is_reported_at_its_place(yaml: str, problem: str) -> None:
    """What cannot be meant is reported where it stands, with the nearest operator."""
    _, problems = reading(yaml)
    assert len(problems) == 1
    assert problem in problems[0]


@pytest.mark.parametrize("yaml", ["{note: x}", "{types: x}", "{order: x, item: y}", "{contents: [1]}"])
def test_ordinary_field_names_are_not_taken_for_misspelt_operators(yaml: str) -> None:
    """A field whose name only resembles a short operator gives no warning."""
    matcher(yaml)


def test_arguments_give_every_mismatch_with_its_name() -> None:
    """All arguments that differ are named at once, extra ones only where they are forbidden."""
    wanted = {"id": matcher("A-1"), "total": matcher("{at_least: 5}"), "note": matcher("absent")}
    seen = {"id": "A-2", "total": 7, "extra": 1}
    assert [str(item) for item in match_arguments(wanted, seen)] == ["id: expected 'A-1', observed 'A-2'"]
    strict = match_arguments(wanted, seen, only=True)
    assert [item.path for item in strict] == [("id",), ("extra",)]
    assert strict[0].where == ("id",)


def test_where_stops_at_an_operator() -> None:
    """The path into the YAML ends where the value's own path leaves it, so that a caret always has a place."""
    found = matcher("{a: {equals: {b: 1}}}").mismatch({"a": {"b": 2}})
    assert found is not None
    assert (found.path, found.where) == (("a", "b"), ("a",))


@given(JSON)
@settings(max_examples=examples(200), deadline=None)
def test_plain_data_matches_itself(value: Any) -> None:
    """A literal matcher made from any JSON value accepts that value."""
    assert literally(value).mismatch(value) is None


@given(JSON)
@settings(max_examples=examples(200), deadline=None)
def test_what_is_written_under_equals_matches_itself(value: Any) -> None:
    """Any JSON value, written in YAML under `equals`, accepts that value as an engine would report it."""
    found, problems = reading(json.dumps({"equals": value}, ensure_ascii=False).replace("\x7f", "\\u007f"))
    assert problems == []
    assert found.mismatch(value) is None


@given(JSON, JSON)
@settings(max_examples=examples(200), deadline=None)
def test_a_matcher_and_its_negation_never_agree(wanted: Any, seen: Any) -> None:
    """Of a condition and its `not` exactly one accepts a value that is there."""
    from focal_eval.script.operators import Not

    plain = literally(wanted)
    assert (plain.mismatch(seen) is None) != (Not(plain.condition).mismatch(seen) is None)


@given(JSON)
@settings(max_examples=examples(100), deadline=None)
def test_a_shown_value_is_one_short_line(value: Any) -> None:
    """Whatever an engine answers, it stands in a message as one printable line."""
    text = show(value)
    assert len(text) <= 100
    assert text.isprintable()


def test_a_very_deep_or_large_value_is_shown_all_the_same() -> None:
    """Depth, width and huge numbers are bounded in messages."""
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert show(deep) == "[[[[[…]]]]]"
    assert show(10**5000) == "a number of more than 300 digits"
    assert len(show({str(i): "x" * 500 for i in range(100)})) <= 100


def test_the_schema_accepts_what_is_read_and_names_the_operators() -> None:
    """The JSON Schema defines Matcher once and knows every operator."""
    import jsonschema

    from focal_eval.script.matchers import OPERATORS

    into = SchemaBuilder()
    schema = {**shape_of(Matcher).schema(into), "$defs": into.defs}
    jsonschema.Draft202012Validator.check_schema(schema)
    known = set(into.defs["Matcher"]["anyOf"][2]["properties"])
    assert known == set(OPERATORS)
    for value in (5, "any", None, {"approx": 1, "within": 0.1}, {"a": [1, {"not": "x"}], "only": True}):
        jsonschema.validate(value, schema)

"""Params: lists multiply, rows are a table, one case each."""

from __future__ import annotations

import pytest

from tests.script.file_reading import said, script_of

USE = 'turns: ["{{ a }} {{ b }}"]\n'


def rows(params: str) -> list[dict[str, object]]:
    return [dict(row) for row in script_of(f"params: {params}\n{USE}").rows]


def test_without_params_there_is_one_case() -> None:
    """A script that has none is run once, with nothing to fill in."""
    assert script_of("turns: [hello]").rows == ({},)


def test_lists_multiply() -> None:
    """Every combination, the last list turning fastest; a single value is a list of one."""
    assert rows("{a: [1, 2], b: [x, y]}") == [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"}]
    assert rows("{a: [1, 2], b: x}") == [{"a": 1, "b": "x"}, {"a": 2, "b": "x"}]


def test_rows_are_cases() -> None:
    """A table has one case a row, values of any kind."""
    assert rows("{rows: [{a: 1, b: {c: 2}}, {a: null, b: [d]}]}") == [{"a": 1, "b": {"c": 2}}, {"a": None, "b": ["d"]}]


def test_rows_and_lists_together() -> None:
    """Lists multiply the rows."""
    assert rows("{rows: [{a: 1}, {a: 2}], b: [x, y]}") == [
        {"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"},
    ]  # fmt: skip


def test_rows_may_share_by_merge_keys() -> None:
    """`<<` in a row takes over what rows have in common."""
    assert rows("{rows: [&one {a: 1, b: x}, {<<: *one, b: y}]}") == [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}]


def test_the_place_of_a_param_is_its_name() -> None:
    """Messages about values point at the column."""
    script = script_of(f"params:\n  rows: [{{a: 1}}, {{a: 2}}]\n  b: [x]\n{USE}")
    assert {name: str(span) for name, span in script.param_spans.items()} == {"a": "a.yaml:2:11", "b": "a.yaml:3:3"}


@pytest.mark.parametrize(
    ("params", "line"),
    [
        ("[a]", "1:9: error[wrong-type]: expected a mapping of lists, found a list"),
        ("{a: [], b: [1]}", "1:13: error[no-cases]: an empty list gives no cases"),
        ("{rows: [], b: [1]}", "1:16: error[wrong-type]: 'rows' takes a list of mappings, one a case"),
        ("{rows: {a: 1}, b: [1]}", "1:16: error[wrong-type]: 'rows' takes a list of mappings, one a case"),
        ("{rows: [1], b: [1]}", "1:17: error[wrong-type]: a row is a mapping of names to values"),
        ("{rows: [{}], b: [1]}", "1:17: error[wrong-type]: a row is a mapping of names to values"),
        ("{rows: [{a: 1, b: 2}, {a: 1}]}", "1:31: error[uneven-rows]: the rows do not have the same names: b"),
        ("{rows: [{a: 1, a: 2}], b: 1}", "1:24: error[duplicate-key]: the key 'a' is given twice"),
        ("{rows: [{a: 1}], a: [2], b: 1}", "1:26: error[duplicate-key]: the param 'a' is also a column of 'rows'"),
        ("{a-b: [1]}", "1:10: error[bad-name]: 'a-b' cannot be used in {{ }}; use letters, digits and _"),
        ("{a: [[b, {{ c }}]], b: 1}",
         "1:18: error[yaml-unquoted-template]: a value that starts with '{{' is read as a mapping; "
         'put the whole value in "quotes"'),
    ],
)  # fmt: skip
def test_wrong_params_are_said_so(params: str, line: str) -> None:
    """One line at the place, and no false alarm about names beside it."""
    assert said(f"params: {params}\n{USE}") == [line]


def test_ten_thousand_cases_and_no_more() -> None:
    """What multiplies beyond the limit is refused before it is multiplied, however far beyond."""
    ten = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"
    names = "abcde"
    use = "turns: ['" + "".join(f"{{{{ {name} }}}}" for name in names) + "']"
    within = "params: {" + ", ".join(f"{name}: {ten if name != 'e' else 1}" for name in names) + "}\n" + use
    assert len(script_of(within).rows) == 10_000
    (line,) = said("params: {" + ", ".join(f"{name}: {ten}" for name in names) + "}\n" + use)
    assert line == "1:9: error[too-many-cases]: these params give 100,000 cases; the limit is 10,000"
    (line,) = said("params: {" + ", ".join(f"p{number}: {ten}" for number in range(5_000)) + "}\nturns: [hello]")
    assert line == "1:9: error[too-many-cases]: these params give more than 1,000,000,000 cases; the limit is 10,000"


@pytest.mark.parametrize(
    ("params", "place"),
    [
        ("{a: [1, 2, 1], b: x}", "1:20"),
        ("{rows: [{a: 1, b: {c: 1, d: 2}}, {b: {d: 2, c: 1}, a: 1}]}", "1:42"),
        ("{a: [&x {k: 1}, {k: 2}, *x], b: 1}", "1:14"),
    ],
)
def test_the_same_case_twice_is_refused(params: str, place: str) -> None:
    """Two cases with the same values would have one id; equal in content counts, as written does not."""
    (found,) = said(f"params: {params}\n{USE}")
    assert found.startswith(f"{place}: error[duplicate-case]: this makes the same case once more")


def test_values_of_different_kinds_are_different_cases() -> None:
    """The number 1, the text 1 and true are three cases."""
    assert len(rows('{a: [1, "1", true], b: x}')) == 3

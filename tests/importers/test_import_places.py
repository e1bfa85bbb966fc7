"""Where a JSON value stands."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from focal_eval.importers.places import json_span, lines_of_items
from tests.thorough import examples

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def every_path(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    out = [(path, value)]
    if isinstance(value, list):
        for index, item in enumerate(value):
            out += every_path(item, (*path, index))
    if isinstance(value, dict):
        for key, item in value.items():
            out += every_path(item, (*path, key))
    return out


@given(JSON, st.sampled_from([None, 1]))
@settings(max_examples=examples(150), deadline=None)
def test_every_value_is_found_where_it_stands(value: Any, indent: int | None) -> None:
    """The place of each path of any JSON text is where parsing from there gives that very value."""
    text = json.dumps(value, indent=indent)
    lines = text.split("\n")
    for path, expected in every_path(value):
        span = json_span(text, path, "a.json")
        rest = "\n".join([lines[span.line - 1][span.column - 1 :], *lines[span.line :]])
        assert json.JSONDecoder().raw_decode(rest)[0] == expected


def test_a_path_that_is_not_there_gives_the_nearest_value_above() -> None:
    """A missing key is shown at the mapping that lacks it."""
    assert json_span('[\n {"a": 1}\n]', (0, "b"), "a.json")[:3] == ("a.json", 2, 2)


def test_the_last_of_two_equal_keys_is_meant() -> None:
    """Parsers keep the last one, so the place is that one's."""
    assert json_span('{"a": 1, "a": 2}', ("a",), "a.json").column == 15


def test_the_lines_of_a_lists_items_are_found_in_one_pass() -> None:
    """Each item has the line it begins on, below a key too; where there is no list there are none."""
    text = '{"a": [1,\n {"b": "x\\n]"},\n\n [2]], "c": []}'
    assert list(lines_of_items(text, ("a",))) == [1, 2, 4]
    assert list(lines_of_items(text, ("c",))) == list(lines_of_items(text, ("d",))) == []

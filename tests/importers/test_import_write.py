"""YAML as it is written for people and read back by us."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from focal_eval.document import Reader, plain, read_text, shape_of
from focal_eval.importers.write import literal, said, yaml_text
from focal_eval.script.matchers import Matcher
from focal_eval.template import compile_template, has_template
from tests.thorough import examples

TRAPS = [
    *(
        "yes",
        "no",
        "12:30",
        "007",
        "1e3",
        "any",
        "absent",
        "<<",
        "=",
        "~",
        "null",
        "2024-05-20",
        "- a",
        "a: b",
        "# c",
        "{{ x }}",
    ),
    *("a\nb", "a \n b", "\n", "x\n\n", " a", "a\u2028b", "\x07", "word " * 60 + "end", "two  spaces " * 20 + "x", "tab\tin"),
]
BRACES = ["{{", "}}", "{%", "%}", "{#", "#}", "{", "%", "\r", "\n", "'", '"', " x "]
TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(TRAPS)
SCALAR = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
DATA = st.recursive(SCALAR, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=10)


def read_back(text: str) -> Any:
    document = read_text(text, "a.yaml")
    assert document.root is not None, [str(problem) for problem in document.problems]
    value = plain(document.root, Reader(document))
    assert list(document.problems) == []
    return value


@given(st.dictionaries(TEXT, DATA, min_size=1, max_size=4))
@settings(max_examples=examples(400), deadline=None)
def test_any_data_reads_back_equal(data: dict[str, Any]) -> None:
    """What is written is read by our reader as the same data, types included, whatever the texts hold."""
    back = read_back(yaml_text(data))
    assert back == data
    assert repr(back) == repr(data)


@given(TEXT | st.lists(st.sampled_from(BRACES)).map("".join))
@settings(max_examples=examples(300), deadline=None)
def test_foreign_text_survives_the_template_engine(text: str) -> None:
    """Braces that somebody said are not an expression of ours: filling the template gives the text back."""
    shown = said(text)
    filled = compile_template(shown).fill({}) if has_template(shown) else shown
    assert filled == text


@given(DATA)
@settings(max_examples=examples(300), deadline=None)
def test_a_recorded_argument_matches_itself_without_a_warning(value: Any) -> None:
    """Data that looks like a matcher is still only data."""
    document = read_text(yaml_text({"value": literal(value)}), "a.yaml")
    assert document.root is not None
    matcher = shape_of(dict[str, Matcher]).read(document.root, Reader(document))
    assert list(document.problems) == []
    if "{{" not in str(value) and "{%" not in str(value) and "{#" not in str(value):
        assert matcher["value"].mismatch(value) is None


@pytest.mark.parametrize(
    ("recorded", "other"),
    [
        ("any", "B-7"),
        ("absent", "B-7"),
        ({"matches": "B"}, "B-7"),
        ({"type": "text"}, "B-7"),
        ({"not": "x"}, "B-7"),
        ({"only": True, "id": 1}, {"id": 1}),
        ({}, {"id": 1}),
        ([{"one_of": [1, 2]}], [1]),
    ],
)
def test_a_recorded_argument_is_never_read_as_a_demand(recorded: Any, other: Any) -> None:
    """A tool called with the word `any` or with a field named `matches` is not fitted by another call."""
    document = read_text(yaml_text({"value": literal(recorded)}), "a.yaml")
    assert document.root is not None
    matcher = shape_of(dict[str, Matcher]).read(document.root, Reader(document))["value"]
    assert matcher.mismatch(recorded) is None
    assert matcher.mismatch(other) is not None


def test_the_style_is_that_of_a_hand_written_script() -> None:
    """Short leaves stand in one line, long texts as blocks, traps in quotes, turns apart."""
    script = {
        "title": "yes",
        "tags": ["a", "12:30"],
        "turns": [
            {"user": "Two\nlines", "expect": {"tools": {"exactly": [{"book": {"date": "2024-05-20", "seats": 2}}]}}},
            {"user": said("What is {{ x }}?")},
        ],
        "conversation": [{"never": {"tool": "pay"}}],
    }
    assert yaml_text(script) == (
        "title: 'yes'\n"
        "tags: [a, '12:30']\n"
        "\n"
        "turns:\n"
        "  - user: |-\n"
        "      Two\n"
        "      lines\n"
        "    expect:\n"
        "      tools:\n"
        "        exactly:\n"
        "          - book: {date: '2024-05-20', seats: 2}\n"
        "\n"
        '  - user: What is {{ "{{" }} x }}?\n'
        "\n"
        "conversation:\n"
        "  - never: {tool: pay}\n"
    )

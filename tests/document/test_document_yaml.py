"""What YAML means here, and how its traps are named."""

from __future__ import annotations

import pytest

from tests.document.yaml_reading import data, lines, said


@pytest.mark.parametrize(
    "word",
    ["yes", "no", "on", "off", "y", "n", "Yes", "NO", "12:30", "12:30:45", "007", "0x1F", "0o17", "1_000", "2026-11-21", ".inf",
     ".nan", "+e5", "-e5", ".e3", "1e", "--1", "1.2.3", "nUll", "tRUE", "=", "-", "5-", "9" * 400],
)  # fmt: skip
def test_only_the_core_schema_is_resolved(word: str) -> None:
    """What other readers of YAML take for booleans, times, octals, dates or numbers stays the text that was written."""
    if word == "-":
        assert said(f"a: {word}") == ["1:4 yaml-syntax"]
    else:
        assert data(f"a: {word}") == {"a": word}


@pytest.mark.parametrize(
    ("written", "value"),
    [("true", True), ("False", False), ("null", None), ("~", None), ("", None), ("0", 0), ("-17", -17), ("+3", 3), ("1.5", 1.5),
     (".5", 0.5), ("5.", 5.0), ("1e3", 1000.0), ("-1.5E-2", -0.015), ("'1'", "1"), ('"true"', "true"), ("!!str 5", "5"),
     ("!!int 5", 5), ("!!float 5", 5.0)],
)  # fmt: skip
def test_scalars_of_the_core_schema(written: str, value: object) -> None:
    """Booleans, null and decimal numbers are read as such; quotes make text of everything."""
    (found,) = data(f"a: {written}").values()
    assert found == value
    assert type(found) is type(value)


def test_a_duplicate_key_points_at_both() -> None:
    """The second key is the error, the first one its label."""
    from focal_eval.document import Reader, plain, read_text

    document = read_text("a: 1\nb: 2\na: 3\n", "a.yaml")
    plain(document.root, Reader(document))  # type: ignore[arg-type]  # it was read
    (problem,) = document.problems
    assert str(problem) == "a.yaml:3:1: error[duplicate-key]: the key 'a' is given twice"
    assert [(str(label.span), label.text) for label in problem.labels] == [("a.yaml:1:1", "first defined here")]


def test_merge_keys_and_anchors() -> None:
    """`<<` takes entries over, own keys win, the first of several sources wins, and an anchor may be used again."""
    text = """
base: &base {a: 1, b: 2}
other: &other {b: 3, c: 4}
merged: {<<: *base, b: 5}
both:
  <<: [*base, *other]
  d: *base
"""
    assert data(text)["merged"] == {"a": 1, "b": 5}
    assert data(text)["both"] == {"a": 1, "b": 2, "c": 4, "d": {"a": 1, "b": 2}}


def test_a_quoted_merge_key_is_a_key() -> None:
    """'<<' in quotes merges nothing."""
    assert data("a: {'<<': 1}") == {"a": {"<<": 1}}


TRAPS = [
    ("a:\n\t- b", "2:1 yaml-tab", "indent with spaces"),
    ("a: \t@b", "1:5 yaml-syntax", "quotes"),
    ("a: where: here", "1:9 yaml-colon", 'put the text in "quotes"'),
    ("a: {{ order }}", "1:4 yaml-unquoted-template", 'put the whole value in "quotes"'),
    ("a: {{ order }} broke", "1:16 yaml-unquoted-template", 'put the whole value in "quotes"'),
    ("- {{ order }}, please", "1:14 yaml-unquoted-template", 'put the whole value in "quotes"'),
    ("a: @bob", "1:4 yaml-syntax", 'put the text in "quotes"'),
    ("a: `b`", "1:4 yaml-syntax", 'put the text in "quotes"'),
    ("a: %b", "1:4 yaml-syntax", 'put the text in "quotes"'),
    ("a: *please* help", "1:11 yaml-syntax", 'put the text in "quotes"'),
    ("a: *please", "1:4 yaml-unknown-alias", 'put the text in "quotes"'),
    ("a: !important b", "1:4 yaml-tag", 'put a text that starts with "!" in quotes'),
    ('a: "yes" he said', "1:10 yaml-syntax", "put the whole text in quotes"),
    ("a: 'it's broken'", "1:8 yaml-syntax", "write those inside it twice"),
    ("a: [TEST] hello", "1:11 yaml-syntax", 'put the text in "quotes"'),
    ('a: "\\d+"', "1:5 yaml-syntax", "put patterns in 'single quotes'"),
    ('a: "open', "1:9 yaml-syntax", "close them where the text ends"),
    ("a: [b, c", "1:9 yaml-syntax", "close it, or add a comma"),
    ("a: {b: c", "1:9 yaml-syntax", "close it, or add a comma"),
    ("a: [b]]", "1:7 yaml-syntax", "drop it"),
    ("a: - b", "1:4 yaml-syntax", "on a line of its own"),
    ("a: b\nc", "2:2 yaml-syntax", "add the colon"),
    ("t:\n  - a: 1\n   b: 2", "3:4 yaml-indent", "set it under the keys of its item"),
    ("t:\n  - a: 1\n      b: 2", "3:8 yaml-indent", "set it under them"),
    ("a:\n    b: 1\n  c: 2", "3:3 yaml-indent", "set it under the key it belongs to"),
    ("a: &x 1\nb: &x 2", "2:4 yaml-duplicate-anchor", "another name"),
    ("a: 1\n---\nb: 2", "2:1 yaml-several-documents", "split it"),
    ("a: 1\n...\nb: 2", "3:1 yaml-several-documents", "split it"),
    ("? [a, b]\n: 1", "1:3 yaml-key", "a key must be text"),
    ("<<: 5", "1:5 yaml-merge", "merges mappings only"),
    ("a: 1e999", "1:4 out-of-range", "too large"),
]


@pytest.mark.parametrize(("text", "place", "fix"), TRAPS, ids=[text for text, _, _ in TRAPS])
def test_a_trap_is_named_where_it_lies(text: str, place: str, fix: str) -> None:
    """What people run into when they write YAML has a code, its place, and a way out."""
    assert said(text) == [place]
    assert fix in lines(text)[0]


TAGS = [
    "!!python/object:os.system {}", "!!python/object/apply:os.system ['true']", "!!python/name:os.system ''", "!!set {a}",
    "!!binary aGk=", "!!omap [a: 1]", "!!timestamp 2026-11-21", "!!int seven", "!!int [1]", "!!bool {}", "!!bool ''",
    "!!float x", "!!null [a]", "!!map [a]", "!!seq {a: 1}", "!!merge x", "!own b", "!<tag:x.org,2000:b> c",
]  # fmt: skip


@pytest.mark.parametrize("written", TAGS)
def test_tags_build_nothing(written: str) -> None:
    """A tag that is not what the value is anyway is one error at its place, and the value is read as if it were not there."""
    assert said(f"a: {written}") == ["1:4 yaml-tag"]


def test_every_strange_tag_of_a_file_is_reported() -> None:
    """Tags in keys, values and lists are reported in the order of the file."""
    assert said("!x a: !y b\nc: [!z d, {e: !w f}]") == ["1:1 yaml-tag", "1:7 yaml-tag", "2:5 yaml-tag", "2:15 yaml-tag"]


@pytest.mark.parametrize("text", ["", "   \n", "# nothing\n", "---\n"])
def test_an_empty_file_is_no_crash(text: str) -> None:
    """Nothing is not an error of YAML; scripts, suites and agents say what they miss."""
    assert said(text) in ([], ["1:1 empty"])


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x7f", "\ufffe"])
def test_control_characters_are_refused_at_their_place(character: str) -> None:
    """What no editor shows is named by its number."""
    assert said(f"a: 1\nb: x{character}y") == ["2:5 yaml-control-character"]
    assert f"U+{ord(character):04X}" in lines(f"a: 1\nb: x{character}y")[0]


def test_an_escape_says_a_control_character() -> None:
    """Inside double quotes any character can be said."""
    assert data('a: "\\x00\\e"') == {"a": "\x00\x1b"}

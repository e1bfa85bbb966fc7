"""A pattern is not looked for in a text that lacks what it needs; nothing that it would find is missed."""

from __future__ import annotations

import contextlib

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from focal_eval.pattern import compile_pattern, needed

LETTERS = st.sampled_from(["a", "b", "abc", "Abba", "cab", "1", " ", "ß", "é", "a@b"])
_MARKS = (
    r"? * + ?? *? +? ?+ {2} {3} {0} {0,1} {,2} {1,} {e<=1} . ^ $ | \b \d \w \. \x61 \1 \p{L} "
    r"[abc] [^a] []a] [[:alpha:]] (?i) (?#abc) {abc}"
)
MARKS = st.sampled_from(_MARKS.split())


def _larger(part: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    several = st.lists(part, min_size=1, max_size=4).map("".join)
    group = st.sampled_from(["(", "(?:", "(?P<name>", "(?<name>", "(?>", "(?=", "(?!", "(?<=", "(?<!", "(?i:", "(?|"])
    return st.one_of(
        several,
        st.builds("{}|{}".format, part, part),
        st.builds("{}{})".format, group, several),
        st.builds("{}{}|{})".format, group, several, part),
    )


PATTERNS = st.recursive(st.one_of(LETTERS, LETTERS, MARKS), _larger, max_leaves=12)
TEXTS = st.lists(st.sampled_from(["a", "b", "c", "A", "B", "1", " ", "@", ".", "ss", "ß", "abc", "abba"]), max_size=8).map(
    "".join
)


@settings(max_examples=500, deadline=None)
@given(PATTERNS, TEXTS, st.booleans())
def test_a_search_that_is_spared_would_find_nothing(text: str, said: str, ignore_case: bool) -> None:
    """Whatever the pattern, it finds what the library finds by itself."""
    with contextlib.suppress(ValueError):
        pattern = compile_pattern(text, ignore_case=ignore_case)
        plain = regex.compile(text, regex.VERSION0 | (regex.IGNORECASE if ignore_case else 0))
        found, expected = pattern.search(said), plain.search(said)
        assert (found and found.span()) == (expected and expected.span())
        assert [one.span() for one in pattern.finditer(said)] == [one.span() for one in plain.finditer(said)]


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        (r"\bwhere('s| is)? (my|that) order\b", (" order",)),
        (r"refunds? (now|later)|cancel+ation", ("cancel", "refund")),
        (r"(?:send|give) it (?P<back>back|away)?", ("give", "send")),
        (r"(?:send|a)", ()),
        (r"(?:order)? no", (" no",)),
        (r"[a-z]-\d{4}", tuple("0123456789")),
        (r"[a-z]-\d{0,4}|\d", ()),
        (r"order(?!ed)(?<=er)s", ("order",)),
        (r"(?i)order", ()),
        (r"\x6frder", ()),
        ("(" * 30 + "order" + ")" * 30, ()),
    ],
)
def test_what_a_pattern_needs_is_told_where_it_is_plain(text: str, needs: tuple[str, ...]) -> None:
    """Of what must be there the longest; nothing where a branch needs nothing, or is written in a way that is not read."""
    assert needed(text) == needs

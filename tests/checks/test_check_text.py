"""`response.contains` and its kin, `similar`, `golden`, and the lengths."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from focal_eval.checks.passages import closest, word_diff
from tests.checks.judged import check, judged, moment, only_finding, passes, reading, skipped_for
from tests.thorough import examples

SORRY = moment(response="I’m  sorry, your “Mug”\narrived broken. Refund of $18.50 is on its way!")


@pytest.mark.parametrize(
    ("key", "yaml", "holds"),
    [
        ("contains", "sorry", True),
        ("contains", "[I'M SORRY, 'your \"mug\" arrived']", True),
        ("contains", "[sorry, voucher]", False),
        ("contains", "{text: Sorry, case: strict}", False),
        ("contains", "{text: 'sorry, your “Mug” arrived', space: strict}", False),
        ("excludes", "store credit", True),
        ("excludes", "[voucher, REFUND]", False),
        ("excludes", "{text: REFUND, case: strict}", True),
        ("starts_with", "i'm sorry", True),
        ("starts_with", "sorry", False),
        ("starts_with", "{text: i’m sorry, case: strict}", False),
        ("ends_with", "ON ITS WAY!", True),
        ("ends_with", "on its way", False),
        ("matches", "'refund of \\$(?P<amount>[\\d.]+)'", False),
        ("matches", "'(?i)refund of \\$(?P<amount>[\\d.]+)'", True),
        ("matches", "['Refund', 'broken\\.']", True),
        ("equals", 'i\'m sorry, your "mug" arrived broken. refund of $18.50 is on its way!', True),
        ("equals", "i'm sorry", False),
        ("min_words", "14", True),
        ("min_words", "15", False),
        ("max_words", "14", True),
        ("max_words", "13", False),
        ("min_chars", "10", True),
        ("max_chars", "10", False),
        ("similar", "I am sorry, your mug arrived broken. A refund of $18.50 is on its way", True),
        ("similar", "What is the weather like in Lisbon today?", False),
    ],
)
def test_what_the_response_says_is_judged(key: str, yaml: str, holds: bool) -> None:
    """Texts are folded unless strict; a pattern is searched as written; lengths are inclusive."""
    if ": " in yaml and not yaml.startswith(("{", "[", "'")):
        yaml = f"'{yaml}'"
    if key == "equals":
        yaml = "'" + yaml.replace("'", "''") + "'"
    assert passes(f"response.{key}", yaml, SORRY) is holds


def test_a_missing_text_shows_the_closest_passage() -> None:
    """The finding shows the passage most like the text, with the words that differ, and points at the item."""
    seen = moment(response="Hello. We will send you a replacement for your cup next Monday. Goodbye.")
    found = only_finding("response.contains", "[hello, we will send a replacement for your mug]", seen)
    assert found.message == "the response does not contain 'we will send a replacement for your mug'"
    assert found.path == (1,)
    assert found.near is not None
    assert found.near.startswith("closest passage, ")
    assert "we will send {+you+} a replacement for your [-mug-] {+cup+}" in found.near
    long = only_finding("response.contains", "{text: [zebra crossing ahead]}", seen)
    assert (long.path, long.near) == (("text", 0), None)


def test_strictness_is_named_where_it_is_the_cause() -> None:
    """A text that is there but for case says so."""
    found = only_finding("response.contains", "{text: MUG, case: strict}", SORRY)
    assert found.near == "it is there, but differs in case or white space, which are strict here"
    ends = only_finding("response.ends_with", "{text: WAY!, case: strict}", SORRY)
    assert ends.near == "it would, but for case or white space, which are strict here"


def test_an_excluded_text_is_shown_in_its_passage() -> None:
    """Each text that must not be there is one finding, with what stands around it."""
    _, findings, _ = judged("response.excludes", "[mug, voucher, broken]", SORRY)
    assert [item.path for item in findings] == [(0,), (2,)]
    assert findings[0].observed is not None
    assert 'your "mug" arrived' in findings[0].observed


def test_a_pattern_that_fails_only_by_case_says_so() -> None:
    """The hint shows the match and how to ignore case."""
    found = only_finding("response.matches", "refund", SORRY)
    assert found.message == "the response does not match /refund/"
    assert found.near is not None
    assert "(?i)" in found.near


def test_named_groups_are_read_from_the_first_match_of_each_pattern() -> None:
    """`save` reads groups by name; a group that took no part is not there."""
    matches = check("response.matches", "['\\$(?P<amount>[\\d.]+)', '(?P<what>Mug)|(?P<other>cup)']")
    assert matches.groups("Mug for $18.50") == {"amount": "18.50", "what": "Mug"}
    assert matches.names() == ("amount", "what", "other")


def test_a_pattern_that_takes_too_long_is_an_error_of_the_check() -> None:
    """A catastrophic pattern ends in the outcome errored, with the time limit named."""
    outcome, _, reason = judged("response.matches", "'^(a|a)*[bc]$'", moment(response="a" * 60))
    assert outcome == "errored"
    assert reason is not None
    assert "took longer than 0.25 s" in reason


def test_equals_shows_the_words_that_differ() -> None:
    """The difference is one line of words, not two walls of text."""
    found = only_finding("response.equals", "Your refund is on its way", moment(response="Your voucher is on its way"))
    assert found.near == "your [-refund-] {+voucher+} is on its way"


def test_the_golden_text_is_compared_by_policy() -> None:
    """Equal after folding by default, similar to a degree where asked, not judged without an agent text."""
    seen = moment(response="Hello, how can I help?", golden="hello,  how can i help?")
    assert passes("response.golden", "equal", seen)
    other = moment(response="Hello, how can I help you?", golden="Hello, how can I help?")
    assert not passes("response.golden", "equal", other)
    assert passes("response.golden", "similar", other)
    assert only_finding("response.golden", "equal", other).near == "hello, how can i [-help?-] {+help you?+}"
    assert not passes("response.golden", "{policy: similar, at_least: 0.99}", other)
    assert skipped_for("response.golden", "equal", moment(response="x")) == "the turn has no agent text to compare with"


def test_similar_says_how_alike_and_what_differs() -> None:
    """The finding has both figures and the words."""
    found = only_finding("response.similar", "{to: all is well, at_least: 0.9}", moment(response="all is lost"))
    assert found.message == "the response is 72.7% like the text, not 90.0%"
    assert found.near == "all is [-well-] {+lost+}"
    assert found.path == ("to",)


def test_lengths_say_by_how_much() -> None:
    """A length names the figure, the limit and the distance."""
    found = only_finding("response.max_words", "3", moment(response="one two three four five"))
    assert found.message == "the response has 5 words, 2 too many"
    short = only_finding("response.min_chars", "3", moment(response=" a "))
    assert short.message == "the response has 1 character, 2 too few"


def test_texts_are_skipped_where_the_engine_reports_none() -> None:
    """No response text, no verdict, not even for an exclusion."""
    for key, yaml in (("contains", "a"), ("excludes", "a"), ("max_words", "5"), ("equals", "a")):
        assert skipped_for(f"response.{key}", yaml, moment(rules=[])) == "this engine does not report the text of its replies"


@pytest.mark.parametrize(
    ("key", "yaml", "problem"),
    [
        ("matches", "'('", "s.yaml:1:1: error[bad-pattern]: not a pattern: missing ) at position 1"),
        ("matches", "[a, '[']", "s.yaml:1:5: error[bad-pattern]"),
        ("excludes", "''", "an empty text is contained in every response, so excluding it always fails"),
        ("max_words", "-1", "-1 is below 0"),
        ("similar", "{to: x, at_least: 80}", "80 is above 1"),
        ("golden", "alike", "'alike' is not one of equal, similar"),
        ("contains", "{text: a, cse: strict}", "did you mean 'case'?"),
    ],
)
def test_a_text_entry_that_cannot_be_meant_is_refused(key: str, yaml: str, problem: str) -> None:
    """Wrong patterns, bounds and words are found while reading, at their place."""
    _, problems = reading(f"response.{key}", yaml)
    assert len(problems) == 1
    assert problem in problems[0]


@pytest.mark.parametrize(
    ("key", "yaml"),
    [
        ("contains", "''"),
        ("contains", "[]"),
        ("excludes", "[]"),
        ("starts_with", "''"),
        ("ends_with", "' '"),
        ("matches", "'.*'"),
        ("matches", "[]"),
        ("min_words", "0"),
        ("min_chars", "0"),
        ("similar", "{to: x, at_least: 0}"),
    ],
)
def test_a_text_entry_that_cannot_fail_says_so(key: str, yaml: str) -> None:
    """An author is warned about an expectation that holds of every response."""
    assert check(f"response.{key}", yaml).idle() is not None


@pytest.mark.parametrize(
    ("key", "yaml", "said"),
    [
        ("contains", "[a, b]", "response contains 'a' and 'b'"),
        ("excludes", "[a, b]", "response does not contain 'a' or 'b'"),
        ("equals", "a", "response equals 'a'"),
        ("starts_with", "a", "response starts with 'a'"),
        ("ends_with", "a", "response ends with 'a'"),
        ("matches", "a+", "response matches /a+/"),
        ("max_words", "1", "response has at most 1 word"),
        ("similar", "a", "response is at least 80% like 'a'"),
        ("golden", "equal", "response is the agent text"),
    ],
)
def test_text_checks_describe_themselves(key: str, yaml: str, said: str) -> None:
    """Each expectation has words of its own."""
    assert check(f"response.{key}", yaml).describe() == said


@given(st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=examples(150), deadline=None)
def test_explaining_a_difference_never_crashes(wanted: str, seen: str) -> None:
    """Whatever both texts are, the words are one line of bounded length."""
    assert len(word_diff(wanted, seen)) <= 240
    near = closest(wanted, seen)
    assert near is None or "\n" not in near

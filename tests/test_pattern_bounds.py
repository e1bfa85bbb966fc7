"""Patterns of strangers: short ones that would fill the memory or run for ever are refused."""

from __future__ import annotations

import time

import pytest

from focal_eval.pattern import PatternTimeout, compile_pattern

GROWING = (
    "a{100000000}",
    "(?:(?:(?:ab{100}){100}){100}){100}",
    "(?:(?:(?:a{100,}){100,}){100,}){100,}",
    "(?:(?:(?:[ab]{100}[(]){100}[(]){100}[(]){100}",
    "(?:(?:(?:[]ab(]{100}){100}){100}){100}",
    "(?:(?:(?:[[:alpha:](]{100}){100}){100}){100}",
    r"(?:(?:(?:\p{Lu}{100}\(){100}\(){100}\(){100}",
    "(?:(?:(?:a{100}(?#()){100}(?#()){100}(?#()){100}",
    "(?x)(?:(?:(?:a{100} #(\n){100} #(\n){100} #(\n){100}",
    "(?:(?:(?:a{100}){100}+){100}*){100}?",
)


@pytest.mark.parametrize("text", GROWING)
def test_a_pattern_that_grows_when_compiled_is_refused(text: str) -> None:
    """The library writes repetitions out before it reads any text; no time limit holds there."""
    started = time.perf_counter()
    with pytest.raises(ValueError, match="repeats its parts more than 20,000 times"):
        compile_pattern(text)
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    "text",
    [
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12} and [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}",
        r"(?i)refund of \$(?P<amount>[\d.]{1,9})",
        r"(?x) \d{2,} # two digits",
        r".{0,2000}\{100000000\}",
        "[{100000000}]",
    ],
)
def test_ordinary_repetitions_are_read(text: str) -> None:
    """Identifiers, dates and amounts are far below the bound."""
    assert compile_pattern(text).text == text


def test_a_search_that_runs_for_ever_is_stopped() -> None:
    """Backtracking ends after a quarter of a second with an exception, not with a hang."""
    pattern = compile_pattern(r"(a|aa)+$")
    with pytest.raises(PatternTimeout, match="took longer than"):
        pattern.search("a" * 60 + "!")

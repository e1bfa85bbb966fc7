"""Patterns of strangers: short ones that would fill the memory or run for ever are refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from focal_eval.pattern import TRIES, Pattern, PatternTimeout, compile_pattern

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
    with pytest.raises(ValueError, match="repeats its parts more than 20,000 times"):
        compile_pattern(text)


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
    with pytest.raises(PatternTimeout, match="took longer than"):
        list(pattern.finditer("a" * 60 + "!"))


class Stalling:
    """A compiled pattern on a machine that stands still a few times, each time somewhere in a search."""

    def __init__(self, compiled: Any, times: int) -> None:
        self.compiled, self.times = compiled, times

    def _stall(self) -> None:
        if self.times:
            self.times -= 1
            raise TimeoutError

    def search(self, text: str, **given: Any) -> Any:
        self._stall()
        return self.compiled.search(text, **given)

    def finditer(self, text: str, **given: Any) -> Iterator[Any]:
        for number, found in enumerate(self.compiled.finditer(text, **given)):
            if number == 2:
                self._stall()
            yield found


@pytest.mark.parametrize("times", range(TRIES + 1))
def test_a_machine_that_stands_still_for_a_moment_changes_no_result(times: int) -> None:
    """Each match comes once all the same; where every try is too long it is the pattern."""
    pattern = Pattern("[a-z]")
    real = pattern._compiled
    found: list[str] = []
    pattern._compiled = Stalling(real, times)
    if times < TRIES:
        assert pattern.search("1b2")[0] == "b"
        pattern._compiled = Stalling(real, times)
        assert [match[0] for match in pattern.finditer("a1b2c3d")] == ["a", "b", "c", "d"]
        return
    with pytest.raises(PatternTimeout):
        pattern.search("1b2")
    pattern._compiled = Stalling(real, times)
    with pytest.raises(PatternTimeout):
        found += (match[0] for match in pattern.finditer("a1b2c3d"))
    assert found == ["a", "b"]

"""Which words look like a slip of the fingers for a known one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from focal_eval.registry import misspelt

WORDS = st.text("abcd_-", max_size=9)


@given(WORDS, st.lists(WORDS, max_size=4))
def test_the_quick_look_agrees_with_the_distance(word: str, known: list[str]) -> None:
    """Names that are dropped by their letters alone are further off than a slip."""
    allowed = 0 if len(word) < 4 else 1 if len(word) < 7 else 2
    spelt = word.replace("_", "-")
    assert misspelt(word, known) is any(OSA.distance(spelt, name.replace("_", "-")) <= allowed for name in known)


@pytest.mark.parametrize(
    ("word", "known", "slip"),
    [
        ("refund-limt", "refund-limit", True),
        ("Refund_Limit", "refund-limit", True),
        ("refnud-limit", "refund-limit", True),
        ("refuse-rider", "greet-rider", False),
        ("ask", "task", False),
    ],
)
def test_one_or_two_letters_are_a_slip(word: str, known: str, slip: bool) -> None:
    """Long words only, case and hyphens aside; two letters that changed places are one slip."""
    assert misspelt(word, [known]) is slip

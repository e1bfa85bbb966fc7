from __future__ import annotations

import pytest

from focal_eval.agent.figures import amounts, numbers, parse_number, percents


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1299.5", 1299.5),
        ("1,299.50", 1299.5),
        ("1.299,50", 1299.5),
        ("1'299.50", 1299.5),
        ("1,299", 1299),
        ("1.299", 1.299),
        ("0,5", 0.5),
        ("1,234,567", 1234567),
        ("1.234.567", 1234567),
        ("12", 12),
        ("1" * 16, None),
        ("1.2.3", None),
        ("1,29.5", None),
    ],
)
def test_a_number_is_read_in_either_spelling(text: str, expected: float | None) -> None:
    """English and continental separators mean the same number."""
    assert parse_number(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3 of A-1001 in 5-6 days", [3, 5, 6]),
        ("the 3rd of 4x4", []),
        ("-5 degrees, 7-day", [-5]),
        ("version 1.2.3", []),
        ("it costs 18.50.", [18.5]),
        ("W2378156 and #42", [42]),
    ],
)
def test_numbers_stand_for_themselves(text: str, expected: list[float]) -> None:
    """Parts of names and words are no numbers."""
    assert numbers(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$18.50 or 17 EUR or 16,90 € or 5 dollars", [18.5, 17, 16.9, 5]),
        ("USD 20 and £3", [20, 3]),
        ("20 mugs", []),
        ("A-20 €", []),
    ],
)
def test_amounts_have_a_currency(text: str, expected: list[float]) -> None:
    """A sign, a code or a word makes a number money."""
    assert amounts(text) == expected


def test_percents_have_a_sign_or_a_word() -> None:
    """Three languages' words for per cent are known."""
    assert percents("10% off, 5 percent, 7 Prozent, 8 por ciento, 9") == [10, 5, 7, 8]

"""Numbers in texts: plain ones, amounts of money and percentages, in English and continental spelling."""

from __future__ import annotations

import re
from collections.abc import Iterator

_NUMBER = re.compile(r"(?<![\w.,])(?<![^\W\d]-)(?:(?<![\w.,-])-)?\d+(?:[.,'’]\d+)*(?!\w|-[^\W\d])")
_LOOSE = r"\d+(?:[.,'’]\d+)*"
_CODES = r"usd|eur|gbp|chf|euros?|dollars?|d[oó]lar(?:es)?|pounds?|bucks"
_AMOUNT = re.compile(
    rf"(?:[$€£¥]|\b(?:usd|eur|gbp|chf))\s?(?P<after>{_LOOSE})|(?<![\w.,-])(?P<before>{_LOOSE})\s?(?:[$€£¥]|(?:{_CODES})\b)",
    re.IGNORECASE,
)
_PERCENT = re.compile(rf"(?<![\w.,])(?P<number>{_LOOSE})\s?(?:%|per ?cent\b|prozent\b|por ciento\b)", re.IGNORECASE)
MAX_DIGITS = 15


def parse_number(text: str) -> float | int | None:
    """`1,299.50`, `1.299,50`, `1'299.5` and `1299.5` as a number; None where it is none."""
    text = text.strip().replace("'", "").replace("’", "")
    if sum(c.isdigit() for c in text) > MAX_DIGITS:
        return None
    last = max(text.rfind("."), text.rfind(","))
    if last < 0:
        return int(text)
    mark, other = text[last], "," if text[last] == "." else "."
    groups_only = text.count(mark) > 1 or (other not in text and mark == "," and len(text) - last == 4)
    whole, fraction = (text, "") if groups_only else (text[:last], text[last + 1 :])
    first, *groups = re.split("[.,]", whole)
    if any(len(group) != 3 for group in groups) or (groups and len(first) > 3):
        return None  # a version or a list, not a number
    digits = first + "".join(groups)
    return int(digits) if not fraction else float(f"{digits}.{fraction}")


def _parsed(texts: Iterator[str]) -> Iterator[float | int]:
    for text in texts:
        number = parse_number(text)
        if number is not None:
            yield number


def numbers(text: str) -> list[float | int]:
    """Every number that stands for itself; `A-1001` and `3rd` hold none."""
    return list(_parsed(match.group() for match in _NUMBER.finditer(text)))


def amounts(text: str) -> list[float | int]:
    """Every number with a currency sign, code or word."""
    return list(_parsed(match["after"] or match["before"] for match in _AMOUNT.finditer(text)))


def percents(text: str) -> list[float | int]:
    """Every number with a per cent sign or word."""
    return list(_parsed(match["number"] for match in _PERCENT.finditer(text)))

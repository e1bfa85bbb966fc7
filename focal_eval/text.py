"""How texts are compared: one folding for scripts, checks and agents."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_QUOTES = str.maketrans(
    {
        "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201b": "'", "\u2032": "'", "\u00b4": "'", "\u0060": "'",
        "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u201f": '"', "\u2033": '"', "\u00ab": '"', "\u00bb": '"',
        "\u2010": "-", "\u2011": "-", "\u00ad": None, "\u200b": None, "\u2060": None, "\ufeff": None,
    }
)  # fmt: skip
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


@lru_cache(maxsize=8192)
def fold(text: str, *, case: bool = True, space: bool = True) -> str:
    """The text as it is compared: Unicode form NFKC, plain quotes and hyphens, case and runs of white space folded."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(_QUOTES)
    elif "`" in text:
        text = text.replace("`", "'")
    if space:
        text = " ".join(text.split())
    return text.casefold() if case else text


def words(text: str) -> list[str]:
    """The words of a text, folded: letters and digits, with inner apostrophes and hyphens kept."""
    return _WORD.findall(fold(text))


def shorten(text: str, width: int = 80) -> str:
    """One line of at most `width` characters, cut with an ellipsis; for messages."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def counted(count: int, noun: str = "item", plural: str | None = None) -> str:
    """`1 case`, `2,000 cases`: a number with what it counts; the plural is `noun` with an s where none is given."""
    return f"1 {noun}" if count == 1 else f"{count:,} {plural or noun + 's'}"


def of_them(count: int, plural: str) -> str:
    """`1 case`, `2,000 cases`, from the plural of what is counted."""
    return counted(count, plural.removesuffix("s"), plural)


def listed(items: list[str] | tuple[str, ...], *, last: str = "and", most: int = 6) -> str:
    """`a, b and c`; more than `most` items end in "and N more"."""
    if not items:
        return "none"
    if len(items) > most:
        return ", ".join(items[:most]) + f" {last} {len(items) - most} more"
    if len(items) == 1:
        return items[0]
    return ", ".join(items[:-1]) + f" {last} {items[-1]}"

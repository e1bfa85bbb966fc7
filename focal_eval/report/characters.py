"""Texts of engines and scripts made harmless: nothing in them acts on a terminal, hides or turns what is read."""

from __future__ import annotations

import re
from collections.abc import Sequence

_PICTURES = {code: chr(0x2400 + code) for code in range(0x20) if code not in (0x09, 0x0A)} | {0x7F: "\u2421"}
_ESCAPED = [*range(0x80, 0xA0), 0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xFEFF, 0xFFFE, 0xFFFF]
_VISIBLE = str.maketrans(_PICTURES | {code: f"\\u{code:04x}" for code in _ESCAPED})
_SURROGATE = re.compile("[\ud800-\udfff]")


def visible(text: str) -> str:
    """The text with control characters as pictures (`␛`) and those that turn the reading direction written out.

    Tabs and line feeds stay. What is left is also allowed in XML.
    """
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n").translate(_VISIBLE)
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def one_line(text: str, width: int) -> str:
    """The text, visible, on one line of at most `width` characters."""
    if len(text) <= width and text.isprintable() and "  " not in text and text == text.strip(" "):
        return text
    return clip(" ".join(visible(text[: 8 * width]).split()), width)


def one_line_each(texts: Sequence[str], width: int) -> Sequence[str]:
    """Each text as `one_line` gives it; many that are so already cost little more than one look at them all together."""
    together = "|".join(texts)
    harmless = together.isprintable() and not any(pair in together for pair in ("  ", " |", "| "))
    if harmless and together == together.strip(" ") and max(map(len, texts), default=0) <= width:
        return texts
    return [one_line(text, width) for text in texts]


def clip(text: str, limit: int) -> str:
    """At most `limit` characters, the cut shown by an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"

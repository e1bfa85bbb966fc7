"""Colours of the terminal, used only where they are wanted and can be shown."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TextIO

CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "magenta": "35", "cyan": "36"}
VERDICTS = {
    "errored": "magenta",
    "failed": "red",
    "xpassed": "yellow",
    "not_run": "yellow",
    "xfailed": "cyan",
    "skipped": "cyan",
    "passed": "green",
    "partial": "yellow",
}


def wants_colour(stream: TextIO, environ: Mapping[str, str] | None = None) -> bool:
    """Whether to colour: a terminal that is not dumb, or FORCE_COLOR; NO_COLOR always wins."""
    environ = os.environ if environ is None else environ
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return environ.get("TERM") != "dumb" and stream.isatty()


class Paint:
    """Colours text where `on`; gives it back as it is otherwise."""

    __slots__ = ("on",)

    def __init__(self, on: bool) -> None:
        self.on = on

    def __call__(self, text: str, *styles: str) -> str:
        if not self.on or not text:
            return text
        return f"\x1b[{';'.join(CODES[style] for style in styles)}m{text}\x1b[0m"

    def verdict(self, text: str, verdict: str) -> str:
        """The text in the verdict's colour, bold."""
        return self(text, "bold", VERDICTS[verdict])


_SPELT = str.maketrans(
    {"✓": "+", "✗": "x", "↑": "^", "≈": "~", "–": "-", "·": "-", "…": "...", "≥": ">=", "≤": "<=", "→": "->"}
)


def emit(stream: TextIO, text: str) -> None:
    """Writes a line; signs the stream's encoding lacks are spelt in ASCII, other characters it lacks become `?`."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(_SPELT).encode(encoding, "replace").decode(encoding)
    stream.write(text + "\n")


def emit_lines(stream: TextIO, lines: Sequence[str]) -> None:
    """Writes each line as `emit` does, all at once where the stream's encoding has all they need."""
    if not lines:
        return
    together = "\n".join(lines)
    try:
        together.encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        for line in lines:
            emit(stream, line)
    else:
        stream.write(together + "\n")

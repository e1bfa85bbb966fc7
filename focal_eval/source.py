"""Places in files: where a value was written, and the lines around it for an error's frame."""

from __future__ import annotations

from typing import NamedTuple


class Span(NamedTuple):
    """A stretch of a file; lines and columns count characters from 1, the end is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


def whole_file(file: str) -> Span:
    """The place of a problem that concerns a file as such: its first character."""
    return Span(file, 1, 1, 1, 1)


def lines_of(text: str) -> list[str]:
    """The lines of a text as YAML and editors count them: ended by LF, CR LF or CR, and by nothing else."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.split("\n")


def excerpt(text: str, line: int, before: int = 1) -> tuple[tuple[int, str], ...]:
    """The numbered lines of a frame: `line` itself (from 1) and up to `before` lines above it."""
    lines = lines_of(text)
    first = max(1, line - before)
    return tuple((number, lines[number - 1]) for number in range(first, min(line, len(lines)) + 1))


MAX_FRAME_WIDTH = 160


def frame(lines: tuple[tuple[int, str], ...], span: Span) -> str:
    """The lines with their numbers and a row of carets under `span`; control characters are shown as `?`.

    A long line is cut around the caret so that the frame stays readable.
    """
    if not lines:
        return ""
    gutter = len(str(lines[-1][0]))
    shift = max(0, span.column - MAX_FRAME_WIDTH + 40)
    out = []
    for number, text in lines:
        shown = "".join(c if c.isprintable() else " " if c == "\t" else "?" for c in text)
        out.append(f"  {number:>{gutter}} | {shown[shift : shift + MAX_FRAME_WIDTH]}".rstrip())
    last = lines[-1][1]
    end = span.end_column if span.end_line == span.line else len(last) + 1
    width = max(1, min(end, len(last) + 1) - span.column)
    width = min(width, MAX_FRAME_WIDTH - (span.column - 1 - shift))
    out.append(f"  {' ' * gutter} | {' ' * (span.column - 1 - shift)}{'^' * max(1, width)}")
    return "\n".join(out)

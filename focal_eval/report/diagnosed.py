"""Problems in files as people read them: the place, the problem, the fix, and the file's line with a caret."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from focal_eval.document.reader import MAX_BYTES
from focal_eval.errors import Diagnostic
from focal_eval.report.ansi import Paint, wants_colour
from focal_eval.report.characters import visible
from focal_eval.source import Span, excerpt, frame

_WRITTEN_OUT = re.compile(
    r"""(?<=://)[^/\s:@"']+:[^/\s@"']+(?=@)"""  # the user and the password of an address
    r"""|(?<![\w.])((?:[\w-]*[_-])?(?:token|password|secret|authorization|api[_-]?key)["']?:\s*)"""
    r"""(?!["']?\$\{)("[^"]*"|'[^']*'|[^\s,}#]+)""",
    re.IGNORECASE,
)


def _hidden(found: re.Match[str]) -> str:
    key = found[1] or ""
    return key + "•" * (len(found[0]) - len(key))


class Frames:
    """The lines around places, each file read once; a password or token that is written out there is not shown."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def of(self, span: Span) -> str:
        """The frame at a place, empty where the file cannot be read as text."""
        if span.file not in self._texts:
            try:
                data = b""
                if Path(span.file).is_file():  # of a device or a pipe no line is shown: it may never end, or never begin
                    with Path(span.file).open("rb") as stream:
                        data = stream.read(MAX_BYTES)
                self._texts[span.file] = data.decode("utf-8-sig", "replace")
            except (OSError, ValueError):
                self._texts[span.file] = ""
        text = self._texts[span.file]
        lines = tuple((number, _WRITTEN_OUT.sub(_hidden, line)) for number, line in excerpt(text, span.line)) if text else ()
        return frame(lines, span)


def diagnosed(problems: Iterable[Diagnostic], paint: Paint, *, most: int = 200) -> Iterator[str]:
    """The lines of each problem with its frame, labels and fix; after `most` of them only how many more there are."""
    frames = Frames()
    items = list(problems)
    for item in items[:most]:
        colour = "red" if item.severity == "error" else "yellow"
        head, _, rest = str(item).partition(f"{item.severity}[{item.code}]")
        yield visible(head) + paint(f"{item.severity}[{item.code}]", colour) + visible(rest)
        if shown := frames.of(item.span):
            yield shown
        for label in item.labels:
            yield f"  {visible(str(label.span))}: {visible(label.text)}"
            if shown := frames.of(label.span):
                yield shown
    if len(items) > most:
        yield f"and {len(items) - most} more"


def print_diagnostics(problems: Iterable[Diagnostic], stream: TextIO, *, most: int = 200) -> None:
    """Prints them, in colour where the stream wants it."""
    for line in diagnosed(problems, Paint(wants_colour(stream)), most=most):
        print(line, file=stream)

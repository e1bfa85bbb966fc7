"""Diagnostics for people and for tools: pretty with frames, concise, GitHub annotations, SARIF, JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

from focal_eval.document.reader import MAX_BYTES
from focal_eval.errors import Diagnostic
from focal_eval.report.ansi import Paint, wants_colour
from focal_eval.report.characters import visible
from focal_eval.source import Span, excerpt, frame

FORMATS = ("pretty", "concise", "github", "sarif", "json")


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    import orjson

    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS, default=str) + b"\n")
    sys.stdout.flush()


def as_json(item: Diagnostic) -> dict[str, Any]:
    """A diagnostic as plain data; places are `file`, `line`, `column`, `end_line`, `end_column`."""
    out: dict[str, Any] = {"code": item.code, "severity": item.severity, "message": item.message, **item.span._asdict()}
    if item.help:
        out["help"] = item.help
    if item.labels:
        out["labels"] = [{"text": label.text, **label.span._asdict()} for label in item.labels]
    return out


class Frames:
    """The lines around places, each file read once."""

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
        return frame(excerpt(text, span.line), span) if text else ""


def print_diagnostics(problems: Iterable[Diagnostic], stream: TextIO, *, most: int = 200) -> None:
    """Each problem with its frame, labels and fix; after `most` of them only how many more there are."""
    paint = Paint(wants_colour(stream))
    frames = Frames()
    items = list(problems)
    for item in items[:most]:
        colour = "red" if item.severity == "error" else "yellow"
        head, _, rest = str(item).partition(f"{item.severity}[{item.code}]")
        print(visible(head) + paint(f"{item.severity}[{item.code}]", colour) + visible(rest), file=stream)
        if shown := frames.of(item.span):
            print(shown, file=stream)
        for label in item.labels:
            print(f"  {visible(str(label.span))}: {visible(label.text)}", file=stream)
            if shown := frames.of(label.span):
                print(shown, file=stream)
    if len(items) > most:
        print(f"and {len(items) - most} more", file=stream)


def write(problems: Sequence[Diagnostic], format: str) -> None:
    """The problems on stdout in a format of `FORMATS` (`json` is the verb's own business)."""
    writers: dict[str, Callable[[Sequence[Diagnostic]], None]] = {
        "pretty": lambda items: print_diagnostics(items, sys.stdout),
        "concise": lambda items: print("\n".join(visible(str(item)) for item in items)) if items else None,
        "github": _github,
        "sarif": _sarif,
    }
    writers[format](problems)


def _github(problems: Sequence[Diagnostic]) -> None:
    from focal_eval.report.github import command

    for item in problems:
        message = item.message + (f"; {item.help}" if item.help else "")
        span = item.span
        place = {"file": span.file, "line": str(span.line), "col": str(span.column), "endLine": str(span.end_line)}
        print(command(item.severity, message, **place, title=item.code))


def _sarif(problems: Sequence[Diagnostic]) -> None:
    from focal_eval.report.sarif import sarif

    print_json(sarif(problems))

"""Diagnostics for people and for tools: pretty with frames, concise, GitHub annotations, SARIF, JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from focal_eval.errors import Diagnostic
from focal_eval.report.characters import visible
from focal_eval.report.diagnosed import Frames, print_diagnostics

__all__ = ["FORMATS", "Frames", "as_json", "print_diagnostics", "print_json", "write"]

FORMATS = ("pretty", "concise", "github", "sarif", "json")


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.buffer.write(_indented(value) + b"\n")
    sys.stdout.flush()


def _indented(value: Any) -> bytes:
    import orjson

    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS, default=str)


def print_long_json(value: dict[str, Any], name: str, parts: Iterable[Sequence[Any]]) -> None:
    """What `print_json` prints of `{**value, name: [*all the parts]}`, made part by part: it is never in memory as a whole."""
    out = sys.stdout.buffer
    out.write(_indented({**value, name: []})[: -len(b"]\n}")])
    first = True
    for part in parts:
        if part:
            out.write((b"" if first else b",") + _indented([part])[len(b"[\n  [") : -len(b"\n  ]\n]")])
            first = False
    out.write(b"]\n}\n" if first else b"\n  ]\n}\n")
    sys.stdout.flush()


def as_json(item: Diagnostic) -> dict[str, Any]:
    """A diagnostic as plain data; places are `file`, `line`, `column`, `end_line`, `end_column`."""
    out: dict[str, Any] = {"code": item.code, "severity": item.severity, "message": item.message, **item.span._asdict()}
    if item.help:
        out["help"] = item.help
    if item.labels:
        out["labels"] = [{"text": label.text, **label.span._asdict()} for label in item.labels]
    return out


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

"""Diagnostics as SARIF 2.1.0, the format code hosts show beside the lines."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from focal_eval import __version__
from focal_eval.errors import Diagnostic
from focal_eval.source import Span

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(problems: Iterable[Diagnostic]) -> dict[str, Any]:
    """One SARIF log; columns count characters from 1, ends are exclusive, as SARIF has them."""
    items = list(problems)
    codes = sorted({item.code for item in items})
    driver = {
        "name": "focal-eval",
        "version": __version__,
        "rules": [{"id": code, "shortDescription": {"text": code.replace("-", " ")}} for code in codes],
    }
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": [_result(item, codes) for item in items]}
        ],
    }


def _result(item: Diagnostic, codes: list[str]) -> dict[str, Any]:
    out: dict[str, Any] = {
        "ruleId": item.code,
        "ruleIndex": codes.index(item.code),
        "level": item.severity,
        "message": {"text": item.message + (f"; {item.help}" if item.help else "")},
        "locations": [{"physicalLocation": _place(item.span)}],
    }
    if item.labels:
        out["relatedLocations"] = [
            {"id": number, "physicalLocation": _place(label.span), "message": {"text": label.text}}
            for number, label in enumerate(item.labels)
        ]
    return out


def _place(span: Span) -> dict[str, Any]:
    return {"artifactLocation": {"uri": quote(Path(span.file).as_posix())}, "region": region_of(span)}


def region_of(span: Span) -> dict[str, int]:
    """The place within its file."""
    return {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": max(span.line, span.end_line),
        "endColumn": span.end_column if span.end_line > span.line else max(span.column, span.end_column),
    }

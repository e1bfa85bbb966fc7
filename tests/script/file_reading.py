"""How the tests read scripts, suites and agents from text, without a folder around them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from focal_eval.agent.load import load_agent
from focal_eval.document import read_bytes
from focal_eval.errors import Diagnostic
from focal_eval.script.load import Loader
from focal_eval.script.model import Script
from focal_eval.script.names import check_idle
from focal_eval.script.suite import read_suite
from focal_eval.source import lines_of

Kind = Literal["script", "suite", "agent"]
KINDS: tuple[Kind, ...] = ("script", "suite", "agent")


def problems_of(kind: Kind, data: bytes) -> list[Diagnostic]:
    """Every problem of a file of a kind, given as bytes."""
    document = read_bytes(data, "a.yaml")
    found: list[Diagnostic] = []
    if kind == "suite":
        read_suite(document, Path("a.yaml"))
    elif kind == "agent":
        load_agent(document)
    else:
        script = Loader(Path.cwd()).from_document(document, Path("a.yaml").absolute(), "a")
        found = [] if script is None else check_idle(script)
    return [*document.problems, *found]


def script_of(text: str) -> Script:
    """The script in a text, which must have no problems, warnings neither."""
    document = read_bytes(text.encode(), "a.yaml")
    script = Loader(Path.cwd()).from_document(document, Path("a.yaml").absolute(), "a")
    assert [str(item) for item in document.problems] == []
    assert script is not None
    assert [str(item) for item in check_idle(script)] == []
    return script


def said(text: str, kind: Kind = "script") -> list[str]:
    """The problems of a text in one line each, without the file's name."""
    return [str(item).removeprefix("a.yaml:") for item in problems_of(kind, text.encode())]


def out_of_bounds(found: list[Diagnostic], data: bytes) -> list[str]:
    """The problems whose place does not lie in the file; an end may be one past the last character."""
    lines = lines_of(data.decode("utf-8-sig", "replace"))
    out = []
    for item in found:
        for span in (item.span, *(label.span for label in item.labels)):
            starts = 1 <= span.line <= len(lines) and 1 <= span.column <= len(lines[span.line - 1]) + 1
            ends = (span.line, span.column) <= (span.end_line, span.end_column) and span.end_line <= len(lines) + 1
            if not starts or not ends:
                out.append(f"{item} at {span[1:]}")
    return out

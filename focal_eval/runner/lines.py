"""Journal lines of cases; those of turns and attempts are put together where they are played."""

from __future__ import annotations

from typing import Any

from focal_eval.runner.journal import dumps
from focal_eval.runner.plan import Case


def case_line(case: Case, channel: str) -> bytes:
    """The journal line that introduces a case."""
    script = case.script
    data: dict[str, Any] = {
        "t": "case",
        "case": case.id,
        "name": case.name,
        "script": script.id,
        "title": script.title,
        "file": script.file,
        "line": script.span.line,
        "tags": list(script.tags),
        "params": dict(case.row),
        "repeat": case.repeat,
        "channel": script.channel or channel,
        "turns": len(script.turns),
    }
    marks = {name: mark.reason for name, mark in (("xfail", script.xfail), ("skip", script.skip)) if mark is not None}
    if marks:
        data["marks"] = marks
    return dumps(data)


def skipped_lines(case: Case, channel: str) -> tuple[bytes, bytes]:
    """The journal lines of a case that its script says to skip."""
    assert case.script.skip is not None
    head = b'{"t":"attempt","case":"' + case.id.encode() + b'","attempt":1,"verdict":"skipped","elapsed_ms":0,"reason":'
    return case_line(case, channel), head + dumps(case.script.skip.reason) + b',"results":[]}'
